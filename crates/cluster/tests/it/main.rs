//! Against a real API server where `E2E_KUBECONFIG` names one, and against a small server made here that misbehaves.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic and say why it skips")]

mod misbehaving;
mod real;
mod versions;
