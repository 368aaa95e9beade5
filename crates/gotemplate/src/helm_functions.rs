//! Helm 4.2.4's own functions on YAML, JSON and TOML (`pkg/engine/funcs.go`).

mod json;
mod toml;
mod yaml;

pub(crate) use yaml::marshal;

use crate::function::Function;

/// All tables of functions. They replace sprig's of the same name.
pub static TABLES: &[&[Function]] = &[json::FUNCTIONS, toml::FUNCTIONS, yaml::FUNCTIONS];
