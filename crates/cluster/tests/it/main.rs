//! Against a real API server where `E2E_KUBECONFIG` names one, and against a small server made here that misbehaves.

mod misbehaving;
mod real;
