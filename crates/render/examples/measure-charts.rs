//! `measure-charts [CHART...]`: loads each chart of the Helm corpus, or those named, once and renders it many times with what
//! stays cached; prints milliseconds.

#![expect(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, reason = "this is a measurement")]

#[path = "../tests/it/folder.rs"]
mod folder;
#[path = "../tests/it/helm_cases.rs"]
mod helm_cases;
#[path = "../tests/it/helm_flags.rs"]
mod helm_flags;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use helm_cases::Case;
use helm_flags::Command;
use render::helm::{load, render_chart};

/// Milliseconds of one case.
struct Measured {
    id: String,
    /// Reading the chart from disk.
    load: f64,
    /// With nothing parsed yet.
    first: f64,
    /// The best of the later ones.
    render: f64,
    bytes: usize,
}

fn main() {
    let charts: Vec<String> = std::env::args().skip(1).collect();
    let cases = if charts.is_empty() { recorded() } else { charts.iter().map(|chart| of_chart(chart)).collect() };
    let mut all: Vec<Measured> = cases.iter().filter_map(measure).collect();
    all.sort_by(|a, b| a.render.total_cmp(&b.render));
    let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize].render;
    println!(
        "{} renders of loaded charts, ms: median {:.3}, p95 {:.3}, max {:.3}",
        all.len(),
        at(0.5),
        at(0.95),
        at(1.0)
    );
    println!("the slowest:\n  render   first    load   KiB out");
    for slow in all.iter().rev().take(10) {
        let kib = slow.bytes / 1024;
        println!("{:8.3} {:7.3} {:7.3} {kib:9}   {}", slow.render, slow.first, slow.load, slow.id);
    }
}

fn recorded() -> Vec<Case> {
    let Some(corpus) = helm_cases::corpus() else {
        println!("SKIPPED: ../shared/conformance/helm is absent");
        return Vec::new();
    };
    let mut folders: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    folders.iter().flat_map(|folder| helm_cases::cases(folder)).collect()
}

fn of_chart(folder: &str) -> Case {
    Case { folder: folder.into(), id: folder.to_owned(), arguments: vec![".".to_owned()] }
}

/// Nothing for a case that fails, or would write files.
fn measure(case: &Case) -> Option<Measured> {
    let writes = case.arguments.iter().any(|a| a == "--output-dir");
    let command = Command::parse(case.arguments.iter().cloned(), &case.folder).ok().filter(|_| !writes)?;
    let bytes = command.run().ok()?.0.len();
    let path = std::fs::canonicalize(&command.chart).ok()?;
    let start = Instant::now();
    let chart = Arc::new(load(&folder::Folder::tree("/"), relative(&path)).ok()?);
    let load = milliseconds(start);
    let start = Instant::now();
    render_chart(&chart, &command.options).ok()?;
    let first = milliseconds(start);
    let again = |_| {
        let start = Instant::now();
        let rendered = render_chart(&chart, &command.options);
        assert!(std::hint::black_box(rendered).is_ok());
        milliseconds(start)
    };
    let render = (0..7).map(again).fold(f64::MAX, f64::min);
    Some(Measured { id: case.id.clone(), load, first, render, bytes })
}

fn relative(path: &Path) -> &str {
    path.to_str().unwrap().trim_start_matches('/')
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
