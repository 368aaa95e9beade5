//! The types that people write.

mod fuzz;
