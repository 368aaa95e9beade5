//! TOML as `BurntSushi/toml` 1.6 writes and reads it.

mod decode;
mod encode;

pub(crate) use decode::decode;
pub(crate) use encode::encode;
