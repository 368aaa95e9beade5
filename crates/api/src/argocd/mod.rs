//! Argo CD's resources and configuration as people write them.
