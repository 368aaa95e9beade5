//! sandbox

mod registry;

pub use registry::{
    AnyImage, CRASH_LABEL, ImageError, ImageSource, LOG_LABEL, NOT_READY_LABEL, PulledImage, Registry, RegistryError,
    Resolving,
};
