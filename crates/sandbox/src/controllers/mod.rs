//! Simulated controllers.

pub(crate) mod faults;
