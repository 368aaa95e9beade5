//! The crate against recorded builds of kustomize.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its input has failed")]

mod absence;
mod chart_corpus;
mod chart_fields;
mod chart_images;
mod charts;
mod confined;
mod conformance;
mod edit;
mod folder;
mod fuzz;
mod helm;
mod helm_cases;
mod helm_charts;
mod helm_flags;
mod helm_locks;
mod hostile;
mod oddities;
mod problems;
mod reads;
mod remotes;
