//! URLs as maps of their parts.

use crate::function::{CallError, Context, Function, Param, map, string};
use crate::value::{Map, Str, Value};
use object::url::Url;

pub(super) const FUNCTIONS: &[Function] =
    &[Function::new("urlParse", &[Param::String], url_parse), Function::new("urlJoin", &[Param::Map], url_join)];

fn parsed(text: &[u8], action: &str) -> Result<Url, CallError> {
    let shown = String::from_utf8_lossy(text);
    Url::parse(text).map_err(|e| CallError::new(format!("unable to parse {action}: parse {shown:?}: {e}")))
}

fn url_parse(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    context.spend(string(args, 0)?.len())?;
    let url = parsed(string(args, 0)?.as_bytes(), "url")?;
    let user = url.user.as_ref().map(|user| user.to_bytes()).unwrap_or_default();
    let name = url.host_name().to_vec();
    let parts = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", name),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", user),
    ];
    let entries = parts.into_iter().map(|(key, part)| (Str::from(key), Value::String(Str::from(part))));
    Ok(Value::Map(entries.collect()))
}

fn url_join(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let parts = map(args, 0)?;
    let mut url = Url {
        scheme: part(parts, "scheme")?,
        host: part(parts, "host")?,
        path: part(parts, "path")?,
        query: part(parts, "query")?,
        opaque: part(parts, "opaque")?,
        fragment: part(parts, "fragment")?,
        ..Url::default()
    };
    let user = part(parts, "userinfo")?;
    if !user.is_empty() {
        let around = [b"proto://", user.as_slice(), b"@host"].concat();
        url.user = parsed(&around, "userinfo in dict")?.user;
    }
    Ok(Value::String(Str::from(url.to_bytes())))
}

/// The text of a part; empty where it is missing.
fn part(parts: &Map, key: &str) -> Result<Vec<u8>, CallError> {
    match parts.get(key.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(other) => {
            let kind = other.kind().name();
            Err(CallError::new(format!("unable to parse {key} key, must be of type string, but {kind} found")))
        }
    }
}
