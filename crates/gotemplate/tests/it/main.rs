//! Integration tests of the template engine.

mod bombs;
mod chart;
mod functions;
mod fuzz;
mod snippets;
