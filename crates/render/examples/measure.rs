//! `measure FOLDER`: renders what `bench/overlays` wrote, in process, and prints medians in milliseconds.

#![expect(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, reason = "this is a measurement")]

use std::path::Path;
use std::time::Instant;

use object::{FileTree, MemoryTree};
use render::{Source, render};

fn main() {
    let root = std::env::args().nth(1).expect("measure FOLDER");
    let tree = read(Path::new(&root), "", MemoryTree::default()).tree();
    let one = Source::auto("overlay7");
    println!("one overlay of 12 objects        {:>9.3}", median(201, || objects(&tree, &one, 12)));
    let top = Source::auto("top");
    let all = render(&tree, &top).manifests.len();
    println!("{:>4} overlays, {:>5} objects      {:>9.3}", all / 12, all, median(9, || objects(&tree, &top, all)));
    for count in [all / 48, all / 24, all / 12] {
        let list: String = (0..count).map(|n| format!("- ../overlay{n}\n")).collect();
        let some = tree.with_file("top/kustomization.yaml", format!("resources:\n{list}").into_bytes());
        let each = median(9, || objects(&some, &top, count * 12)) / count as f64;
        println!("{count:>4} overlays, for each            {each:>9.3}");
    }
    let last = render(&tree, &one);
    let text = tree.read("overlay7/kustomization.yaml").unwrap().unwrap();
    let changed = String::from_utf8_lossy(&text).replace("count: 3", "count: 4");
    let edited = tree.with_file("overlay7/kustomization.yaml", changed.into_bytes());
    println!("the same overlay after a change  {:>9.3}", median(201, || again(&edited, &one, &last.reads)));
    let other = render(&tree, &Source::auto("overlay8"));
    println!("another overlay, not concerned   {:>9.3}", median(201, || assert!(other.reads.holds_in(&edited))));
}

fn again(tree: &FileTree, source: &Source, reads: &object::ReadSet) {
    assert!(!reads.holds_in(tree));
    objects(tree, source, 12);
}

fn objects(tree: &FileTree, source: &Source, count: usize) {
    let rendered = render(tree, source);
    assert!(rendered.complete() && rendered.manifests.len() == count, "{:?}", rendered.problems);
}

fn median(runs: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn read(folder: &Path, path: &str, mut tree: MemoryTree) -> MemoryTree {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{path}{}", entry.file_name().to_string_lossy());
        tree = match entry.path().is_dir() {
            true => read(&entry.path(), &format!("{name}/"), tree),
            false => tree.file(&name, std::fs::read(entry.path()).unwrap()),
        };
    }
    tree
}
