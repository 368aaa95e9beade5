//! Go's text/template with sprig's and Helm's functions, and a value model that is Go's.
//!
//! **Absent on purpose:** files, network, environment, clock, randomness, Kubernetes.
