//! Gantline's own resources: Pipeline, Release, Promotion.
