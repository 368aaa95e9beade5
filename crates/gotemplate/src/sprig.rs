//! The functions of sprig 3.3.0's `TxtFuncMap`, but for `env` and `expandenv`, which read the environment.

mod certificates;
mod conversion;
mod dates;
mod decimal;
mod defaults;
mod dicts;
mod encoding;
mod hashes;
mod json;
mod letters;
mod lists;
mod math;
mod merging;
mod paths;
mod random;
mod reflect;
mod regexes;
mod secrets;
mod strings;
mod urls;
mod versions;
mod words;
mod wrapping;

use crate::function::Function;

/// All tables of functions, by the noun they are about.
pub static TABLES: &[&[Function]] = &[
    certificates::FUNCTIONS,
    conversion::FUNCTIONS,
    dates::FUNCTIONS,
    defaults::FUNCTIONS,
    dicts::FUNCTIONS,
    encoding::FUNCTIONS,
    hashes::FUNCTIONS,
    json::FUNCTIONS,
    lists::FUNCTIONS,
    math::FUNCTIONS,
    paths::FUNCTIONS,
    reflect::FUNCTIONS,
    regexes::FUNCTIONS,
    secrets::FUNCTIONS,
    strings::FUNCTIONS,
    urls::FUNCTIONS,
    versions::FUNCTIONS,
];
pub(crate) use encoding::base64_decode;
