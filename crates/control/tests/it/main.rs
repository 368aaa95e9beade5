//! The controller against a Kubernetes API: a sandbox, or the server that `E2E_KUBECONFIG` names.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic and say why it skips")]

mod applications;
mod fixtures;
