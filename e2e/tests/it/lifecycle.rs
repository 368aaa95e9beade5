//! Starting, ending, starting again, and where the server may listen.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::process::Command;

use e2e::{Ran, Started, binary, demo, real_cluster, run};

/// The program, where the sandbox is what is tested.
fn program() -> Option<std::path::PathBuf> {
    if real_cluster().is_some() { None } else { binary() }
}

fn gantline(binary: &Path, home: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(binary);
    run(command.args(arguments).env("GANTLINE_CONFIG", home.join("config.json")).env("HOME", home))
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let Some(binary) = program() else { return };
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let demo = Started::new(&binary, temporary.path(), &["demo", "--listen", "127.0.0.1:0"]);
    demo.url();
    assert_eq!(demo.interrupt(), 0);
    let left: Vec<_> = std::fs::read_dir(temporary.path()).expect("the folder").flatten().map(|e| e.path()).collect();
    assert!(left.iter().all(|path| !path.display().to_string().contains("gantline-demo-")), "{left:?}");
}

#[test]
fn a_kept_demo_goes_on_where_it_was() {
    let Some(binary) = program() else { return };
    let (home, keep) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let folder = keep.path().display().to_string();
    let start = || Started::new(&binary, home.path(), &["demo", "--listen", "127.0.0.1:0", "--keep", &folder]);
    let history = |demo: &Started| {
        let url = demo.url();
        let login = ["login", &url, "--username", "developer", "--password", "developer"];
        gantline(&binary, home.path(), &login).succeeds();
        gantline(&binary, home.path(), &["app", "wait", "myapp-dev", "--timeout", "60"]).succeeds();
        gantline(&binary, home.path(), &["app", "history", "myapp-dev", "-o", "json"]).succeeds().json()
    };
    let first = start();
    let before = history(&first);
    assert_eq!(first.interrupt(), 0);
    assert!(!keep.path().join("sandbox.json").exists(), "another process would try to join");
    let second = start();
    assert_eq!(history(&second), before, "the second start deployed anew");
    assert_eq!(second.interrupt(), 0);
}

#[test]
fn a_killed_demo_goes_on_and_nothing_in_it_hangs() {
    let Some(binary) = program() else { return };
    let (home, keep) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let folder = keep.path().display().to_string();
    let start = || Started::new(&binary, home.path(), &["demo", "--listen", "127.0.0.1:0", "--keep", &folder]);
    // when the newest operation ended, by the sandbox's clock
    let synced = |demo: &Started| {
        let login = ["login", &demo.url(), "--username", "developer", "--password", "developer"];
        gantline(&binary, home.path(), &login).succeeds();
        for verb in ["wait", "sync", "wait"] {
            gantline(&binary, home.path(), &["app", verb, "myapp-dev", "--timeout", "60"]).succeeds();
        }
        let app = gantline(&binary, home.path(), &["app", "get", "myapp-dev", "-o", "json"]).succeeds().json();
        app.pointer("/status/operationState/finishedAt").and_then(|at| at.as_str()).map(str::to_owned).expect("a time")
    };
    let first = start();
    let before = synced(&first);
    first.signal("KILL");
    drop(first);
    let second = start();
    let after = synced(&second);
    assert!(after > before, "the clock went back from {before} to {after}");
    assert_eq!(second.interrupt(), 0);
}

#[test]
fn the_server_listens_beyond_loopback_only_with_tls() {
    let Some(demo) = demo() else { return };
    let Some(address) = own_address() else {
        e2e::skipped("this machine has no address but loopback");
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let (kubeconfig, listen) = (demo.kubeconfig().display().to_string(), format!("{address}:0"));
    let cluster = ["--kubeconfig", &kubeconfig, "--listen", &listen, "--namespace", "e2e-tls"];
    demo.kubectl(&["create", "namespace", "e2e-tls"]).succeeds();
    let server = Started::new(&demo.binary, home.path(), &[&["serve"], &cluster[..]].concat());
    let url = server.url();
    assert!(url.starts_with("https://"), "{url}");
    let login = ["login", &url, "--username", "admin", "--password", "wrong"];
    gantline(&demo.binary, home.path(), &login).exits(1).does_not_say("Invalid username");
    gantline(&demo.binary, home.path(), &[&login[..], &["--insecure"]].concat()).exits(1).says("Invalid username");
    let plain = url.replacen("https://", "http://", 1);
    let login = ["login", &plain, "--username", "admin", "--password", "wrong"];
    gantline(&demo.binary, home.path(), &login).exits(1).does_not_say("Invalid username");
    assert_eq!(server.interrupt(), 0);
}

/// The address that this machine would use to talk to others; nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}
