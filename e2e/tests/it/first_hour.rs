//! What somebody does first: what a demo prints, line by line; addresses as they are typed; a terminal of 80 columns.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::{Ran, Started, binary, demo, eventually, has, patiently, run};
use serde_json::Value;

/// A shell as nobody has set it up: an empty home, in a folder of its own.
fn fresh_shell(line: &str, home: &Path, path: &str) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("bash");
    shell.args(["--noprofile", "--norc", "-c", line]).current_dir(folder.path());
    run(shell.env_clear().env("HOME", home).env("PATH", path))
}

/// It does, once the demo has got so far, and nobody else pushes at the same moment.
fn works(line: &str, home: &Path, path: &str) {
    eventually("the line works", || {
        let ran = fresh_shell(line, home, path);
        if ran.code == 0 { Ok(()) } else { Err(format!("{line}: {}{}", ran.out, ran.err)) }
    });
}

#[test]
fn every_line_that_is_printed_works_in_a_fresh_shell() {
    let Some(binary) = binary().filter(|_| has("git") && has("kubectl") && has("bash")) else { return };
    let room = tempfile::tempdir().expect("a folder");
    let (stage, home) = (room.path().join("a stage"), room.path().join("home"));
    std::fs::create_dir(&home).expect("a folder");
    let stage_name = stage.display().to_string();
    let arguments = ["demo", "--speed", "60", "--listen", "127.0.0.1:0", "--keep", &stage_name];
    let started = Started::new(&binary, room.path(), &arguments);
    let url = started.url();
    let said = eventually("all of it is printed", || {
        Some(started.said())
            .filter(|said| said.contains("explain checkout-service-production"))
            .ok_or_else(|| started.said())
    });
    let admin = said.lines().find_map(|line| line.split_once("admin      has the password that this prints: "));
    let admin = admin.expect("how admin logs in").1;
    let usual = "/usr/local/bin:/usr/bin:/bin";
    let commands: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("       ")).collect();
    assert!(commands.len() >= 7, "{said}");
    // pasted twice: nothing of it works only once
    for line in commands.iter().chain(&commands) {
        works(line, &home, usual);
    }
    let export = said.lines().find_map(|line| line.split_once("export KUBECONFIG=")).expect("the kubeconfig").1;
    works(&format!("export KUBECONFIG={export}; kubectl get nodes"), &home, usual);
    works(admin, &home, usual);
    let password = fresh_shell(admin, &home, usual).succeeds().out;
    // the README's lines, where `gantline` is on the path, in another clone
    let (program, clone) = (binary.parent().expect("a folder").display(), stage.join("another").display().to_string());
    for line in readme() {
        let line = line.replace("http://127.0.0.1:8080", &url).replace("FOLDER/shop", &format!("'{clone}'"));
        works(&line.replace("FOLDER", &format!("'{stage_name}'")), &home, &format!("{program}:{usual}"));
    }
    bad_versions_stay_in_dev(&binary, room.path(), &stage_name, &url, &password);
    assert_eq!(started.interrupt(), 0);
}

/// What the README says is to be tried.
fn readme() -> Vec<String> {
    let text = include_str!("../../../README.md");
    let part = text.split("## Three things to try").nth(1).and_then(|rest| rest.split("And with a repository").next());
    let lines = part.expect("three things").lines().filter_map(|line| line.trim_start().strip_prefix("$ "));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    assert!(lines.len() >= 7, "{lines:?}");
    lines
}

fn bad_versions_stay_in_dev(binary: &Path, temporary: &Path, stage: &str, url: &str, password: &str) {
    let gantline = |words: &[&str]| {
        run(Command::new(binary).args(words).env("HOME", temporary).env("TMPDIR", temporary).env_remove("KUBECONFIG"))
    };
    gantline(&["login", url, "-u", "admin", "-p", password]).succeeds();
    let pushed = gantline(&["demo", "push", "--bad", "--in", stage]).succeeds().says("its pods fail");
    let tag =
        pushed.out.split_once("checkout-service:").expect("a tag").1.split(' ').next().unwrap_or_default().to_owned();
    patiently(60, "dev is Degraded with it", || {
        let shown = gantline(&["pipeline", "get", "checkout-service", "-o", "json"]).succeeds().json();
        let dev = &shown["status"]["environments"][0];
        if dev["tag"] == *tag && dev["health"] == "Degraded" { Ok(()) } else { Err(dev.to_string()) }
    });
    gantline(&["demo", "push", "--in", "/nowhere"]).exits(1).says("no demo runs from /nowhere");
    gantline(&["demo", "push"]).exits(1).says("--in DIR");
}

/// Answers every request with a page, as many times as there are connections.
fn somebody_elses_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { continue };
            let mut request = [0; 4096];
            let read = connection.read(&mut request).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&request[..read]).contains("a-secret"), "the password was told");
            let page =
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<ok>";
            let _ = connection.write_all(page.as_bytes());
        }
    });
    port
}

#[test]
fn an_address_that_is_wrong_is_told_with_what_would_work() {
    let Some(demo) = demo() else { return };
    let person = demo.stranger();
    let plain = demo.url.trim_start_matches("http://").to_owned();
    let other = somebody_elses_server();
    let sandbox: Value = std::fs::read_to_string(demo.folder.join("sandbox.json"))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .expect("sandbox.json");
    let tls = sandbox["server"].as_str().expect("an address").trim_start_matches("https://").to_owned();
    let check = |address: &str, code: i32, says: &[&str]| {
        for words in
            [["login", address, "--password", "a-secret"].as_slice(), ["app", "list", "--server", address].as_slice()]
        {
            let ran =
                person.gantline(words).exits(code).does_not_say("InvalidContentType").does_not_say("builder error");
            says.iter().fold(ran, |ran, text| ran.says(text));
        }
    };
    check(&plain, 1, &["speaks plain HTTP, not HTTPS", &format!("use {}", demo.url)]);
    check(&format!("https://{plain}/"), 1, &["speaks plain HTTP", &format!("use {}", demo.url)]);
    check(&format!("http://{tls}"), 1, &["speaks HTTPS, not plain HTTP", &format!("use https://{tls}"), "--ca FILE"]);
    check(&format!("https://{tls}"), 1, &["certificate", "not trusted", "--ca FILE"]);
    check("http://127.0.0.1:1", 1, &["nothing listens at http://127.0.0.1:1"]);
    check("no-such-host.invalid", 1, &["there is no host no-such-host.invalid", "http://HOST:PORT"]);
    check(&format!("http://127.0.0.1:{other}"), 1, &["is no Gantline server", "text/html"]);
    check(&format!("127.0.0.1:{other}"), 1, &["speaks plain HTTP", "no Gantline server"]);
    check("ftp://127.0.0.1", 2, &["neither http nor https"]);
    check("http://127.0.0.1:99999", 2, &["port"]);
    check("not a url", 2, &["is no address of a server", "http://HOST:PORT"]);
}

/// A terminal of its own, as `script` makes one; what is seen of it when the answer is typed once nothing is echoed.
fn typed(line: &str, answer: &str, home: &Path) -> String {
    let mut command = Command::new("script");
    command.args(["-qec", line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.env("HOME", home).env("TERM", "xterm").spawn().expect("script starts");
    let (id, mut input) = (child.id(), child.stdin.take().expect("an input"));
    eventually("nothing is echoed", || {
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let shell = children.split_whitespace().next().unwrap_or_default();
        let terminal = std::fs::read_link(format!("/proc/{shell}/fd/0")).map_err(|error| error.to_string())?;
        let settings = run(Command::new("stty").arg("-F").arg(&terminal).arg("-a"));
        if settings.out.contains(" -echo ") { Ok(()) } else { Err(settings.out + &settings.err) }
    });
    input.write_all(format!("{answer}\n").as_bytes()).expect("an input");
    let mut seen = String::new();
    child.stdout.take().expect("an output").read_to_string(&mut seen).expect("an output");
    let _ = child.wait();
    seen
}

#[test]
fn a_password_that_is_typed_is_not_seen() {
    let Some(demo) = demo().filter(|_| has("script")) else { return };
    let home = tempfile::tempdir().expect("a folder");
    let line = format!("{} login {} -u team-lead", demo.binary.display(), demo.url);
    let seen = typed(&line, "team-lead", home.path());
    assert!(seen.contains("Password of team-lead: ") && seen.contains("logged in to"), "{seen}");
    let after = seen.split_once("Password of team-lead: ").expect("the question").1;
    let echoed = after.split_once("'team-lead' logged in").expect("the answer").0;
    assert!(!echoed.contains("team-lead"), "{seen:?}");
}

const LISTS: [&str; 14] = [
    "app list",
    "app get myapp-prod",
    "app history myapp-prod",
    "app events myapp-prod",
    "cluster list",
    "pipeline list",
    "pipeline get checkout-service",
    "pipeline get myapp",
    "release list",
    "env checkout-service",
    "env myapp",
    "where nginx",
    "where 4f2a9c1e7b",
    "gates",
];

/// From the titles of its columns on.
fn table(text: &str) -> Vec<&str> {
    let is_title = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
    text.lines().skip_while(|line| !line.split_whitespace().take(2).all(is_title)).collect()
}

#[test]
fn no_table_is_wider_than_the_terminal() {
    let Some(demo) = demo() else { return };
    let developer = demo.log_in("developer");
    for line in LISTS {
        let words: Vec<&str> = line.split(' ').collect();
        for columns in ["80", "120"] {
            let shown = developer.gantline_with(&words, &[("COLUMNS", columns)]).succeeds().out;
            let width: usize = columns.parse().expect("a number");
            let rows = table(&shown);
            assert!(!rows.is_empty(), "{line}: {shown}");
            rows.iter().for_each(|row| assert!(row.chars().count() <= width, "{line} at {columns}: {row}"));
            // ages, not times
            let is_time = |word: &str| word.len() == 20 && word.contains('T') && word.ends_with('Z');
            assert!(!rows.iter().any(|row| row.split_whitespace().any(is_time)), "{rows:#?}");
        }
        // nobody looks on: all of it, and the same whatever the terminal of whoever started it
        let (one, other) = (developer.gantline(&words).succeeds().out, developer.gantline(&words).succeeds().out);
        assert_eq!(one.lines().next(), other.lines().next(), "{line}");
        assert!(!one.contains('…'), "{line}: {one}");
        if !line.starts_with("app get") {
            let wide = developer.gantline(&[words.as_slice(), &["-o", "wide"]].concat()).succeeds().out;
            assert!(wide.lines().map(str::len).max() >= one.lines().map(str::len).max(), "{line}: {wide}");
        }
    }
}

#[test]
fn help_is_as_wide_as_the_terminal() {
    let Some(binary) = binary() else { return };
    for command in [
        "",
        "app",
        "app sync",
        "serve",
        "demo",
        "demo push",
        "try",
        "login",
        "promote",
        "render",
        "rollback",
        "gates",
        "install",
    ] {
        let words = command.split(' ').filter(|word| !word.is_empty()).chain(["--help"]);
        let help = run(Command::new(&binary).args(words).env("COLUMNS", "80")).succeeds().out;
        help.lines().for_each(|line| assert!(line.chars().count() <= 80, "{command}: {line}"));
    }
}

#[test]
fn names_are_completed_by_what_there_is() {
    let Some(demo) = demo() else { return };
    let developer = demo.log_in("developer");
    let check = |words: &[&str], expected: &[&str]| {
        let index = (words.len()).to_string();
        let asked = [&["--", "gantline"], words].concat();
        let variables = [("GANTLINE_COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", &index), ("_CLAP_IFS", "\n")];
        let found = developer.gantline_with(&asked, &variables).succeeds().out;
        let found: Vec<&str> = found.lines().map(str::trim).collect();
        expected.iter().for_each(|name| assert!(found.contains(name), "{words:?}: {name} is not in {found:?}"));
    };
    check(&["app", "get", "myapp-p"], &["myapp-prod"]);
    check(&["app", "sync", "my"], &["myapp-dev", "myapp-prod", "myapp-staging"]);
    check(&["pipeline", "get", "ch"], &["checkout-service"]);
    check(&["promote", "checkout-service", "--to", "prod"], &["production", "prod"]);
    check(&["release", "show", "1.21"], &["1.21.6-alpine"]);
    check(&["explain", "task-api-d"], &["task-api-dev"]);
    check(&["rel"], &["release"]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        developer.gantline(&["completion", shell]).succeeds().says("GANTLINE_COMPLETE");
    }
}
