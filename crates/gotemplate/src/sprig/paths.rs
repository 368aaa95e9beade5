//! Paths with slashes, as Go's `path` package takes them apart.

use bstr::ByteSlice;

use crate::function::{Function, Param, string};
use crate::value::{Str, Value};

const PATH: &[Param] = &[Param::String];

macro_rules! path_function {
    ($name:literal, $body:expr) => {
        Function::new($name, PATH, |args, _| Ok(Value::String(Str::from($body(string(args, 0)?.as_bytes())))))
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    path_function!("base", base),
    path_function!("osBase", base),
    path_function!("dir", directory),
    path_function!("osDir", directory),
    path_function!("clean", clean),
    path_function!("osClean", clean),
    path_function!("ext", extension),
    path_function!("osExt", extension),
    Function::new("isAbs", PATH, |args, _| Ok(Value::Bool(string(args, 0)?.as_bytes().starts_with(b"/")))),
    Function::new("osIsAbs", PATH, |args, _| Ok(Value::Bool(string(args, 0)?.as_bytes().starts_with(b"/")))),
];

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let trimmed = path.trim_end_with(|c| c == '/');
    if trimmed.is_empty() {
        return b"/";
    }
    trimmed.rsplit_once_str(b"/").map_or(trimmed, |(_, last)| last)
}

fn directory(path: &[u8]) -> Vec<u8> {
    clean(&path[..path.rfind_byte(b'/').map_or(0, |slash| slash + 1)])
}

fn extension(path: &[u8]) -> &[u8] {
    let name = path.rsplit_once_str(b"/").map_or(path, |(_, last)| last);
    name.rfind_byte(b'.').map_or(b"", |dot| &name[dot..])
}

/// The shortest equal path: no empty parts, no `.`, no `..` where it can be resolved.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split_str(b"/").filter(|part| !part.is_empty() && *part != b".") {
        let above = parts.last().is_none_or(|last| *last == b"..");
        match part {
            b".." if !above => drop(parts.pop()),
            b".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = bstr::join("/", parts);
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
