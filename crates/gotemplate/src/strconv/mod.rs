//! Go's `strconv`: numbers and string literals as Go writes and reads them.

mod float;
mod int;
mod quote;

pub use float::{FloatStyle, format_float, parse_float, print_float};
pub(crate) use float::{binary_float, hex_float};
pub use int::{parse_int, parse_uint};
pub use quote::{can_backquote, is_print, quote, quote_ascii, quote_rune};
pub(crate) use quote::{unquote, unquote_rune};
