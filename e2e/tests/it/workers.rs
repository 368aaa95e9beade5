//! Rendering happens in processes of its own: bombs cost nobody else, and nothing outlives the controller.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::{Started, binary, eventually, real_cluster, run};

const CHARTS: usize = 20;

/// Computes until its memory is used up.
const BOMB: &str = "{{- define \"again\" }}{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}{{ end }}\na: {{ include \"again\" . }}\n";
const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  tag: {{ .Values.tag | quote }}\n";

fn git(folder: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=ci", "-c", "user.email=ci@example.com"];
    run(Command::new("git").current_dir(folder).args(who).args(arguments)).succeeds();
}

fn chart(folder: &Path, name: &str, template: &str) {
    let chart = folder.join(name);
    fs::create_dir_all(chart.join("templates")).expect("a folder");
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
    for (file, text) in
        [("Chart.yaml", metadata.as_str()), ("values.yaml", "tag: v1\n"), ("templates/all.yaml", template)]
    {
        fs::write(chart.join(file), text).expect("a file");
    }
}

#[test]
fn bombs_beside_good_charts() {
    let (Some(binary), None) = (binary(), real_cluster()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..CHARTS {
        chart(folder.path(), &format!("good-{number}"), GOOD);
        chart(folder.path(), &format!("bomb-{number}"), BOMB);
    }
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "-qm", "Charts"]);
    let repository = folder.path().display().to_string();
    let tried = run(Command::new(&binary).args(["try", &repository, "--patience", "60"]).env("HOME", folder.path()));
    let tried = tried.exits(1).says(&format!("{CHARTS} of {} healthy", 2 * CHARTS));
    for number in 0..CHARTS {
        let line = |name: String| tried.out.lines().find(|line| line.contains(&name)).unwrap_or_default().to_owned();
        let (good, bomb) = (line(format!("good-{number} ")), line(format!("bomb-{number} ")));
        assert!(good.contains(" healthy") && !good.contains("not healthy"), "{good}");
        // those that still wait for their turn say nothing yet
        let told = bomb.contains("templates/all.yaml:1") && bomb.contains("memory");
        assert!(bomb.contains("not healthy") && (told || !bomb.contains("ComparisonError")), "{bomb}");
    }
}

#[test]
fn workers_end_with_a_controller_that_was_killed() {
    let (Some(binary), None) = (binary(), real_cluster()) else { return };
    if !Path::new("/proc/self/stat").exists() {
        e2e::skipped("there is no /proc");
        return;
    }
    let temporary = tempfile::tempdir().expect("a folder");
    let demo = Started::new(&binary, temporary.path(), &["demo", "--listen", "127.0.0.1:0"]);
    demo.url();
    let parent = demo.id();
    let workers = eventually("the demo has workers", || {
        let workers = children(parent);
        if workers.is_empty() { Err(demo.said()) } else { Ok(workers) }
    });
    for worker in &workers {
        let command = fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap_or_default();
        assert!(command.contains("render-worker"), "{command}");
        let environment = fs::read(format!("/proc/{worker}/environ")).unwrap_or_default();
        assert!(environment.is_empty(), "{}", String::from_utf8_lossy(&environment));
    }
    // SIGKILL: it can tidy up nothing
    drop(demo);
    eventually("all workers have ended", || {
        let left: Vec<&u32> = workers.iter().filter(|worker| is_alive(**worker)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// The fields of `/proc/PID/stat` behind the name: the state and the parent first.
fn stat(process: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let processes = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|process| stat(*process).is_some_and(|(_, of)| of == parent)).collect()
}

fn is_alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z")
}
