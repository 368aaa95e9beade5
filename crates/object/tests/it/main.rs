//! The YAML dialect under inputs that nobody wrote by hand.

mod fuzz;
