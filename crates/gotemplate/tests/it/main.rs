//! Integration tests of the template engine.
