//! Health scripts of users: Lua 5.2 as Argo CD's `resource.customizations.health` has it, in a box.
//!
//! **Absent on purpose:** files, processes, the environment and the clock. A script sees the object, tables, texts and
//! numbers; the time is an argument; instructions and memory are limited.

mod script;
mod scripts;
mod time;

pub use script::{Script, ScriptError};
pub use scripts::Scripts;
