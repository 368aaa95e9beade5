//! Black-box tests of the built program, on the sandbox of one demo that all of them share; with `E2E_KUBECONFIG`, on a
//! real cluster instead. Each test has a service or a namespace of its own, so that they run side by side.

mod application;
mod cli;
mod delivery;
mod faults;
mod first_hour;
mod hostile;
mod kubectl;
mod lifecycle;
mod packs;
mod people;
mod real_cluster;
mod replicas;
mod rights;
mod sandbox;
mod sites;
mod workers;
