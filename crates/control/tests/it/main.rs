//! The controller against a Kubernetes API: a sandbox, or the server that `E2E_KUBECONFIG` names.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod absence;
mod applications;
mod asked;
mod authors;
mod charts;
mod client_side;
mod confinement;
mod differences;
mod events;
mod fixtures;
mod health_scripts;
mod hooks;
mod overrides;
mod places;
mod promotions;
mod records;
mod replicas;
mod sites;
mod stays;
mod tags;
mod unread;
mod walls;
mod windows;
