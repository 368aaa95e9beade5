//! What comes from outside means harm: to the terminal, to secrets, to the server's connections.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{Started, binary, run};

/// A chart with one template.
fn chart(folder: &Path, template: &str) {
    std::fs::create_dir_all(folder.join("templates")).unwrap();
    std::fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: hostile\nversion: 1.0.0\n").unwrap();
    std::fs::write(folder.join("templates/x.yaml"), template).unwrap();
}

#[test]
fn what_a_chart_says_is_no_command_to_the_terminal() {
    let (Some(binary), folder) = (binary(), tempfile::tempdir().unwrap()) else { return };
    let folder = folder.path().join("hostile");
    chart(&folder, "{{ fail \"\\x1b]52;c;ZXZpbA==\\x07 \\u202ebad\\u009b\" }}\n");
    for words in [&["helm", "template", "x"][..], &["render"], &["helm", "lint"]] {
        let ran = run(Command::new(&binary).args(words).arg(&folder));
        if ran.code == 2 {
            continue;
        }
        let ran = ran.exits(1).says("\\u001b]52;c;ZXZpbA==\\u0007").says("\\u202ebad");
        ["\u{1b}", "\u{7}", "\u{202e}", "\u{9b}"].into_iter().fold(ran, |ran, obeyed| ran.does_not_say(obeyed));
    }
}

#[test]
fn a_broken_secret_is_not_quoted() {
    let (Some(binary), folder) = (binary(), tempfile::tempdir().unwrap()) else { return };
    let folder = folder.path().join("hostile");
    let secret = |data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\n{data}");
    for data in [
        "stringData:\n  password: hunter2\n   hunter2: [\n",
        "stringData:\n  password: hunter2: hunter2\n",
        "data:\n  password: !!int hunter2\n",
        "data:\n  password: !!bool hunter2\n",
        "data:\n  password: !!float hunter2\n",
        "data:\n  password: \"hunter2\n",
    ] {
        chart(&folder, &secret(data));
        let plain = folder.join("plain");
        std::fs::create_dir_all(&plain).unwrap();
        std::fs::write(plain.join("secret.yaml"), secret(data)).unwrap();
        run(Command::new(&binary).args(["helm", "template", "x"]).arg(&folder)).exits(1).does_not_say("hunter2");
        run(Command::new(&binary).arg("render").arg(&plain)).exits(1).does_not_say("hunter2");
        std::fs::write(plain.join("kustomization.yaml"), "resources: [secret.yaml]\n").unwrap();
        run(Command::new(&binary).args(["kustomize", "build"]).arg(&plain)).exits(1).does_not_say("hunter2");
    }
}

fn begun(address: &str, text: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(text.as_bytes()).ok()?;
    Some(stream)
}

fn health(address: &str) -> String {
    let Some(mut stream) = begun(address, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n") else {
        return "no connection".to_owned();
    };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Ticks of the processor that a process has used.
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how busy the machine was meanwhile")]
fn a_server_out_of_connections_still_tells_its_health_and_does_not_spin() {
    let (Some(binary), folder) = (binary(), tempfile::tempdir().unwrap()) else { return };
    let sandbox = folder.path().join("sandbox");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--sandbox"].map(str::to_owned);
    let few = "ulimit -n 256 && exec \"$0\" \"$@\"".to_owned();
    let words =
        [vec!["-c".to_owned(), few, binary.display().to_string()], serve.to_vec(), vec![sandbox.display().to_string()]];
    let words = words.concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let server = Started::new(Path::new("/bin/sh"), folder.path(), &words);
    let url = server.url();
    let address = url.trim_start_matches("http://");
    let mut open = Vec::new();
    for _ in 0..400 {
        open.extend(begun(address, "GET /api/v1/applications HTTP/1.1\r\nhost: x\r\nx-"));
    }
    let (start, before) = (Instant::now(), ticks(server.id()));
    for _ in 0..20 {
        assert_eq!(health(address), "HTTP/1.1 200 OK");
        std::thread::sleep(Duration::from_millis(100));
    }
    let (used, passed) = (ticks(server.id()) - before, start.elapsed());
    // a hundred ticks a second
    assert!(u128::from(used) * 10 < passed.as_millis() / 2, "{used} ticks in {passed:?}");
    drop(open);
    assert_eq!(health(address), "HTTP/1.1 200 OK");
}
