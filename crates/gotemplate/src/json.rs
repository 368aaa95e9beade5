//! Go's `encoding/json` over template values.

mod decode;
mod encode;

pub(crate) use decode::{JsonError, decode};
pub(crate) use encode::{Html, encode, plain, unsupported_number};
