//! Real worker processes: the example `render_worker` of this crate, which `cargo test` builds.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use object::{FileTree, MemoryTree};
use render::{HelmOptions, RenderContext, Source, ToolChoice};

use super::{Ended, Output, Pool, PoolOptions, Renderer, Subject};

fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/render_worker");
    if !program.exists() {
        eprintln!("SKIPPED: {} is not built: cargo test -p control builds it", program.display());
    }
    program.exists().then_some(program)
}

/// One test with processes at a time: one of them looks for its own, and ends them.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// One process in the slow lane, and more time than a test has.
fn pool(change: impl FnOnce(&mut PoolOptions)) -> Option<Pool> {
    let command = vec![program()?.display().to_string()];
    let mut options = PoolOptions { command, time: Duration::from_secs(300), memory: 256 << 20, fast: 2, slow: 1 };
    change(&mut options);
    Some(Pool::new(options))
}

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\n";
const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: {{ .Values.a | quote }}\n";
/// A thousand million turns: longer than any limit.
const LOOP: &str = "{{ $l := until 1000 }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}";

fn subject(name: &str, tree: FileTree) -> Subject {
    let context = RenderContext { app_name: "shop".to_owned(), ..RenderContext::default() };
    Subject { name: name.to_owned(), tree, source: Source::auto("app"), context }
}

fn chart(name: &str, template: &str) -> Subject {
    let tree = MemoryTree::default().file("app/Chart.yaml", CHART).file("app/values.yaml", "a: b\n");
    subject(name, tree.file("app/templates/x.yaml", template).tree())
}

fn text(output: &Output) -> String {
    assert!(output.complete(), "{:?}", output.problems);
    String::from_utf8(output.manifests.to_vec()).unwrap()
}

/// The process ids of a pool's workers, by the program that they run and whose children they are.
fn processes() -> Vec<u32> {
    let own = std::process::id();
    let of = |id: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        (name.contains("render_worker") && state != "Z" && parent.parse() == Ok(own)).then_some(id)
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_answer_as_this_process_does() {
    let _alone = ALONE.lock().await;
    let Some(pool) = pool(|_| {}) else { return };
    let kustomization = MemoryTree::default()
        .file("base/kustomization.yaml", "resources: [x.yaml]\n")
        .file("base/x.yaml", OBJECT.replace("{{ .Values.a | quote }}", "1"))
        .link("app/base", "../base")
        .file("app/kustomization.yaml", "resources: [base]\nnamePrefix: a-\n");
    let mut referring = chart("reference", OBJECT);
    let values = MemoryTree::default().file("v.yaml", "a: other\n").tree();
    referring.context.references.insert("values".to_owned(), values);
    let options = HelmOptions { value_files: vec!["$values/v.yaml".to_owned()], ..HelmOptions::default() };
    referring.source.tool = ToolChoice::Helm(Box::new(options));
    let broken = chart("broken", "{{ .Values.a.b.c }}");
    for subject in [chart("chart", OBJECT), subject("kustomization", kustomization.tree()), referring, broken] {
        let there = Renderer::Processes(pool.clone()).render(subject.clone()).end().await.unwrap();
        let here = Renderer::InProcess.render(subject.clone()).end().await.unwrap();
        assert_eq!(format!("{there:?}"), format!("{here:?}"), "{}", subject.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_cost_good_charts_nothing_but_a_share_of_the_processor() {
    let _alone = ALONE.lock().await;
    let Some(pool) = pool(|_| {}) else { return };
    let renderer = Renderer::Processes(pool);
    let bombs: Vec<_> = (0..20).map(|n| renderer.render(chart(&format!("bomb {n}"), LOOP))).collect();
    let good: Vec<_> = (0..20).map(|n| renderer.render(chart(&format!("good {n}"), OBJECT))).collect();
    for job in good {
        assert!(text(&job.end().await.unwrap()).contains("\"b\""));
    }
    // the slow lane has one process: most bombs have not even had their turn
    let under_way = bombs.iter().filter(|bomb| !bomb.is_over()).count();
    assert!(under_way >= 10, "{under_way}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_much_ends_with_the_limit_and_the_name() {
    let _alone = ALONE.lock().await;
    let Some(pool) = pool(|options| options.time = Duration::from_millis(700)) else { return };
    let renderer = Renderer::Processes(pool);
    let ended = renderer.render(chart("the shop", LOOP)).end().await.unwrap_err();
    assert!(matches!(ended, Ended::TooLong { .. }), "{ended}");
    assert!(ended.to_string().contains("the shop") && ended.to_string().contains("--render-timeout"), "{ended}");
    // its worker is replaced
    text(&renderer.render(chart("good", OBJECT)).end().await.unwrap());
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    #[test]
    fn a_worker_cannot_get_out() {
        let Some(program) = program() else { return };
        let ended = Command::new(program).arg("probe").output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_has_no_environment_and_no_sockets_and_its_loss_costs_nothing() {
        let _alone = ALONE.lock().await;
        let Some(pool) = pool(|options| options.fast = 1) else { return };
        let renderer = Renderer::Processes(pool.clone());
        let before = processes();
        let mut job = renderer.render(chart("slow", LOOP));
        assert!(job.soon().await.is_none());
        let new: Vec<u32> = processes().into_iter().filter(|id| !before.contains(id)).collect();
        for id in &new {
            assert_eq!(std::fs::read(format!("/proc/{id}/environ")).unwrap(), b"");
            let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
            let open: Vec<PathBuf> = files.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
            assert!(open.iter().all(|file| !file.to_string_lossy().starts_with("socket:")), "{open:?}");
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
            assert!(status.contains("NoNewPrivs:\t1"), "{status}");
            assert!(Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap().success());
        }
        assert!(!new.is_empty());
        // it is repeated once: then the same bomb runs again, and is killed again
        let mut again = Vec::new();
        for _ in 0..600 {
            again = processes().into_iter().filter(|id| !before.contains(id) && !new.contains(id)).collect();
            if !again.is_empty() {
                break;
            }
            pause().await;
        }
        for id in &again {
            assert!(Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap().success());
        }
        let ended = job.end().await.unwrap_err();
        assert!(matches!(ended, Ended::Killed { .. }), "{ended}");
        text(&renderer.render(chart("good", OBJECT)).end().await.unwrap());
    }
}

#[expect(clippy::disallowed_methods, reason = "waits for another process")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}
