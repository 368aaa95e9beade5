//! Starting and ending.
