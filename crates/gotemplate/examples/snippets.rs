//! Answers snippets on standard input, one JSON object a line, as Helm would; the corpora's `run.py template` calls it.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use gotemplate::functions::Functions;
use gotemplate::snippet;

#[path = "../tests/it/chart.rs"]
mod chart;

fn main() -> io::Result<()> {
    let functions = Arc::new(Functions::helm());
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = snippet::answer(&functions, &line?, chart::root, &mut chart::StillWorld)?;
        writeln!(out, "{answer}")?;
    }
    Ok(())
}
