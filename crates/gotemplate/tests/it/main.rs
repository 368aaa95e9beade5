//! Integration tests of the template engine.

mod chart;
mod functions;
mod snippets;
