//! Texts: trimmed, cut, cased, indented, searched, split and joined.

use bstr::ByteSlice;

use super::conversion::{items, plain_text, text, texts};
use super::letters::{self, is_space};
use super::{words, wrapping};
use crate::function::{CallError, Context, Function, Param, any, integer, string};
use crate::strconv::quote as go_quote;
use crate::value::{List, Map, MapType, Str, Value};

const STRING: &[Param] = &[Param::String];
const TWO_STRINGS: &[Param] = &[Param::String, Param::String];
const INT_AND_STRING: &[Param] = &[Param::INT, Param::String];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("hello", &[], |_, _| Ok(Value::string("Hello!"))),
    Function::new("abbrev", INT_AND_STRING, abbrev),
    Function::new("abbrevboth", &[Param::INT, Param::INT, Param::String], abbrev_both),
    Function::new("trunc", INT_AND_STRING, trunc),
    Function::new("substr", &[Param::INT, Param::INT, Param::String], substr),
    Function::new("trim", STRING, |args, _| Ok(bytes(string(args, 0)?.as_bytes().trim_with(is_space)))),
    Function::new("trimall", TWO_STRINGS, trim_all),
    Function::new("trimAll", TWO_STRINGS, trim_all),
    Function::new("trimSuffix", TWO_STRINGS, trim_suffix),
    Function::new("trimPrefix", TWO_STRINGS, trim_prefix),
    Function::new("upper", STRING, |args, context| mapped(args, context, letters::upper)),
    Function::new("lower", STRING, |args, context| mapped(args, context, letters::lower)),
    Function::new("title", STRING, title),
    Function::new("untitle", STRING, untitle),
    Function::new("swapcase", STRING, swap_case),
    Function::new("snakecase", STRING, |args, _| Ok(words::separated(&string(args, 0)?.to_text(), '_').into())),
    Function::new("kebabcase", STRING, |args, _| Ok(words::separated(&string(args, 0)?.to_text(), '-').into())),
    Function::new("camelcase", STRING, |args, _| Ok(words::pascal(&string(args, 0)?.to_text()).into())),
    Function::new("nospace", STRING, no_space),
    Function::new("initials", STRING, initials),
    Function::new("repeat", INT_AND_STRING, repeat),
    Function::new("wrap", INT_AND_STRING, wrap),
    Function::new("wrapWith", &[Param::INT, Param::String, Param::String], wrap_with),
    Function::new("contains", TWO_STRINGS, |args, context| {
        compare(args, context, |text, part| text.contains_str(part))
    }),
    Function::new("hasPrefix", TWO_STRINGS, |args, context| compare(args, context, <[u8]>::starts_with)),
    Function::new("hasSuffix", TWO_STRINGS, |args, context| compare(args, context, <[u8]>::ends_with)),
    Function::variadic("quote", &[], Param::Any, quote),
    Function::variadic("squote", &[], Param::Any, single_quote),
    Function::variadic("cat", &[], Param::Any, cat),
    Function::new("indent", INT_AND_STRING, |args, context| indent(args, b"", context)),
    Function::new("nindent", INT_AND_STRING, |args, context| indent(args, b"\n", context)),
    Function::new("replace", &[Param::String, Param::String, Param::String], replace),
    Function::new("plural", &[Param::String, Param::String, Param::INT], plural),
    Function::new("split", TWO_STRINGS, |args, context| split(args, None, 1, context)),
    Function::new("splitn", &[Param::String, Param::INT, Param::String], |args, context| {
        split(args, usize::try_from(integer(args, 1)?).ok(), 2, context)
    }),
    Function::new("splitList", TWO_STRINGS, split_list),
    Function::new("join", &[Param::String, Param::Any], join),
    Function::new("sortAlpha", &[Param::Any], sort_alpha),
    Function::new("shuffle", STRING, shuffle),
    Function::new("randAlphaNum", &[Param::INT], |args, context| {
        random(args, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", context)
    }),
    Function::new("randAlpha", &[Param::INT], |args, context| {
        random(args, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", context)
    }),
    Function::new("randNumeric", &[Param::INT], |args, context| random(args, b"0123456789", context)),
    Function::new("randAscii", &[Param::INT], |args, context| random(args, &ascii(), context)),
];

/// The printable ASCII characters.
fn ascii() -> Vec<u8> {
    (32..127).collect()
}

fn bytes(bytes: &[u8]) -> Value {
    Value::String(Str::from(bytes))
}

fn out_of_range(what: impl std::fmt::Display, length: usize) -> CallError {
    CallError::new(format!("runtime error: slice bounds out of range [{what}] with length {length}"))
}

fn abbrev(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let (width, text) = (integer(args, 0)?, string(args, 1)?);
    Ok(wrapping::abbreviate(text.as_bytes(), 0, width).map_or_else(|| text.clone().into(), |t| bytes(&t)))
}

fn abbrev_both(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let (left, right, text) = (integer(args, 0)?, integer(args, 1)?, string(args, 2)?);
    if right < 4 || (left > 0 && right < 7) {
        return Ok(text.clone().into());
    }
    Ok(bytes(&wrapping::abbreviate(text.as_bytes(), left, right).unwrap_or_default()))
}

fn trunc(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let (count, text) = (integer(args, 0)?, string(args, 1)?);
    let all = text.as_bytes();
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if size >= all.len() {
        return Ok(text.clone().into());
    }
    Ok(bytes(if count < 0 { &all[all.len() - size..] } else { &all[..size] }))
}

fn substr(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let (start, end, text) = (integer(args, 0)?, integer(args, 1)?, string(args, 2)?);
    let all = text.as_bytes();
    let from = usize::try_from(start).unwrap_or(0);
    let to = match usize::try_from(end) {
        Ok(end) if end <= all.len() || start < 0 => end,
        Err(_) if start < 0 => return Err(out_of_range(format_args!(":{end}"), all.len())),
        _ => all.len(),
    };
    all.get(from..to).map(bytes).ok_or_else(|| out_of_range(format_args!("{from}:{to}"), all.len()))
}

fn trim_all(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let (set, text) = (string(args, 0)?.to_text(), string(args, 1)?);
    Ok(bytes(text.as_bytes().trim_with(|c| set.contains(c))))
}

fn trim_suffix(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let (suffix, text) = (string(args, 0)?, string(args, 1)?);
    let rest = text.as_bytes().strip_suffix(suffix.as_bytes());
    Ok(rest.map_or_else(|| text.clone().into(), bytes))
}

fn trim_prefix(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let (prefix, text) = (string(args, 0)?, string(args, 1)?);
    let rest = text.as_bytes().strip_prefix(prefix.as_bytes());
    Ok(rest.map_or_else(|| text.clone().into(), bytes))
}

fn mapped(args: &[Value], context: &mut Context<'_>, each: fn(char) -> char) -> Result<Value, CallError> {
    let text = string(args, 0)?;
    context.spend(text.len() / 4)?;
    Ok(Value::string(letters::map(text, each)))
}

/// A capital at the start of each word, where all but letters, digits and `_` separate words.
fn title(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let separates = |c: char| if c.is_ascii() { !(c.is_ascii_alphanumeric() || c == '_') } else { is_space(c) };
    let mut last = ' ';
    let text = string(args, 0)?.to_text();
    let mapped = text.chars().map(|c| {
        let begins = separates(std::mem::replace(&mut last, c));
        if begins { letters::title(c) } else { c }
    });
    Ok(Value::string(mapped.collect::<String>()))
}

fn untitle(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let mut begins = true;
    let text = string(args, 0)?.to_text();
    let mapped = text.chars().map(|c| {
        let first = std::mem::replace(&mut begins, is_space(c));
        if first && !is_space(c) { letters::lower(c) } else { c }
    });
    Ok(Value::string(mapped.collect::<String>()))
}

fn swap_case(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let mut after_space = true;
    let text = string(args, 0)?.to_text();
    let mapped = text.chars().map(|c| {
        if letters::is_upper(c) || letters::is_title(c) {
            after_space = false;
            letters::lower(c)
        } else if letters::is_lower(c) {
            let first = std::mem::replace(&mut after_space, false);
            if first { letters::title(c) } else { letters::upper(c) }
        } else {
            after_space = is_space(c);
            c
        }
    });
    Ok(Value::string(mapped.collect::<String>()))
}

/// The reference reads each byte as a character, which garbles texts beyond ASCII as soon as there is a space.
fn no_space(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let text = string(args, 0)?;
    let characters = || text.as_bytes().iter().map(|b| char::from(*b));
    if !characters().any(is_space) {
        return Ok(text.clone().into());
    }
    Ok(Value::string(characters().filter(|c| !is_space(*c)).collect::<String>()))
}

/// The first character of each word; bytes are read as characters here, too.
fn initials(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let mut gap = true;
    let mut out = String::new();
    for c in string(args, 0)?.as_bytes().iter().map(|b| char::from(*b)) {
        let begins = std::mem::replace(&mut gap, is_space(c));
        if begins && !gap {
            out.push(c);
        }
    }
    Ok(Value::string(out))
}

fn count(args: &[Value], index: usize) -> Result<usize, CallError> {
    usize::try_from(integer(args, index)?).map_err(|_| CallError::new("strings: negative Repeat count"))
}

fn repeat(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (count, text) = (count(args, 0)?, string(args, 1)?.as_bytes());
    context.allocate(text.len().saturating_mul(count))?;
    Ok(bytes(&text.repeat(if text.is_empty() { 0 } else { count })))
}

fn wrap(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let text = string(args, 1)?.as_bytes();
    context.allocate(text.len())?;
    Ok(bytes(&wrapping::wrap(text, integer(args, 0)?, b"\n", false)))
}

fn wrap_with(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (newline, text) = (string(args, 1)?.as_bytes(), string(args, 2)?.as_bytes());
    context.allocate(text.len().saturating_mul(newline.len() + 1))?;
    Ok(bytes(&wrapping::wrap(text, integer(args, 0)?, newline, true)))
}

fn compare(args: &[Value], context: &mut Context<'_>, test: fn(&[u8], &[u8]) -> bool) -> Result<Value, CallError> {
    context.spend(string(args, 1)?.len() / 16)?;
    Ok(Value::Bool(test(string(args, 1)?.as_bytes(), string(args, 0)?.as_bytes())))
}

/// Joins what is made of all arguments that are not nil.
fn spaced(
    args: &[Value],
    context: &mut Context<'_>,
    each: fn(&Value, &mut Context<'_>) -> Result<Vec<u8>, CallError>,
) -> Result<Value, CallError> {
    let mut out = Vec::new();
    for (i, value) in args.iter().filter(|value| !matches!(value, Value::Nil)).enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        let part = each(value, context)?;
        context.allocate(part.len())?;
        out.extend(part);
    }
    Ok(Value::String(Str::from(out)))
}

fn quote(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    spaced(args, context, |value, context| Ok(go_quote(text(value, context)?.as_bytes()).into_bytes()))
}

fn single_quote(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    spaced(args, context, |value, context| Ok([b"'", plain_text(value, context)?.as_bytes(), b"'"].concat()))
}

fn cat(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    spaced(args, context, |value, context| Ok(plain_text(value, context)?.as_bytes().to_vec()))
}

/// Puts spaces before each line, empty ones too, and `before` at the start.
fn indent(args: &[Value], before: &[u8], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (width, text) = (count(args, 0)?, string(args, 1)?.as_bytes());
    let lines = text.find_iter(b"\n").count() + 1;
    let size = before.len().saturating_add(text.len()).saturating_add(lines.saturating_mul(width));
    context.allocate(size)?;
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(before);
    for (i, line) in text.split_str(b"\n").enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + width, b' ');
        out.extend_from_slice(line);
    }
    Ok(Value::String(Str::from(out)))
}

fn replace(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (old, new, text) = (string(args, 0)?.as_bytes(), string(args, 1)?.as_bytes(), string(args, 2)?);
    let found = if old.is_empty() { text.len() + 1 } else { text.as_bytes().find_iter(old).count() };
    if found == 0 {
        return Ok(text.clone().into());
    }
    context.allocate(text.len().saturating_add(found.saturating_mul(new.len())))?;
    if old.is_empty() {
        return Ok(Value::String(Str::from(interspersed(new, text.as_bytes()))));
    }
    Ok(Value::String(Str::from(text.as_bytes().replace(old, new))))
}

/// `new` around every character.
fn interspersed(new: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = new.to_vec();
    for c in characters(text) {
        out.extend_from_slice(c);
        out.extend_from_slice(new);
    }
    out
}

/// The characters; a byte that is not UTF-8 is one of its own.
fn characters(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid();
        let ends = valid.char_indices().map(|(at, c)| &valid.as_bytes()[at..at + c.len_utf8()]);
        ends.chain(chunk.invalid().chunks(1))
    })
}

fn plural(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let chosen = if integer(args, 2)? == 1 { 0 } else { 1 };
    Ok(string(args, chosen)?.clone().into())
}

/// Go's `strings.SplitN`: at most `limit` parts, the last one holds the rest.
fn parts<'t>(text: &'t [u8], separator: &[u8], limit: Option<usize>) -> Vec<&'t [u8]> {
    let limit = limit.unwrap_or(usize::MAX);
    if limit == 0 {
        return Vec::new();
    }
    if !separator.is_empty() {
        return text.splitn_str(limit, separator).collect();
    }
    let mut parts: Vec<&[u8]> = characters(text).take(limit - 1).collect();
    let taken = parts.iter().map(|part| part.len()).sum();
    if taken < text.len() {
        parts.push(&text[taken..]);
    }
    parts
}

/// The parts as a map with the keys `_0`, `_1`...
fn split(args: &[Value], limit: Option<usize>, index: usize, context: &mut Context<'_>) -> Result<Value, CallError> {
    let parts = parts(string(args, index)?.as_bytes(), string(args, 0)?.as_bytes(), limit);
    context.allocate(parts.len().saturating_mul(2 * size_of::<Value>()))?;
    let entries = parts.iter().enumerate().map(|(i, part)| (Str::from(format!("_{i}")), bytes(part)));
    Ok(Value::Map(Map::typed(MapType::String, entries.collect())))
}

fn split_list(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let parts = parts(string(args, 1)?.as_bytes(), string(args, 0)?.as_bytes(), None);
    context.allocate(parts.len().saturating_mul(size_of::<Value>()))?;
    Ok(Value::List(List::strings(parts)))
}

fn join(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (separator, parts) = (string(args, 0)?, texts(any(args, 1)?, context)?);
    let size = parts.iter().map(|part| part.len() + separator.len()).fold(0, usize::saturating_add);
    context.allocate(size)?;
    let parts: Vec<&[u8]> = parts.iter().map(Str::as_bytes).collect();
    Ok(Value::String(Str::from(bstr::join(separator.as_bytes(), parts))))
}

/// The texts of a list in order; a `[]string` is sorted in place, as in the reference.
fn sort_alpha(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let value = any(args, 0)?;
    if items(value).is_none() {
        return Ok(Value::List(List::strings([text(value, context)?])));
    }
    if let Value::List(list) = value
        && list.element() == crate::value::ElementType::String
    {
        list.items_mut().sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        return Ok(value.clone());
    }
    let mut texts = texts(value, context)?;
    texts.sort();
    Ok(Value::List(List::strings(texts)))
}

fn shuffle(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut characters: Vec<char> = string(args, 0)?.to_text().chars().collect();
    context.spend(characters.len())?;
    for last in (1..characters.len()).rev() {
        let other = super::random::below(last as u64 + 1, context);
        characters.swap(last, usize::try_from(other).unwrap_or_default());
    }
    Ok(Value::string(characters.into_iter().collect::<String>()))
}

/// Steps that one random character counts for: it is a part of a hash.
const RANDOM_STEPS: usize = 5;

fn random(args: &[Value], characters: &[u8], context: &mut Context<'_>) -> Result<Value, CallError> {
    let count = usize::try_from(integer(args, 0)?).unwrap_or(0);
    context.spend(count.saturating_mul(RANDOM_STEPS))?;
    context.allocate(count)?;
    Ok(Value::string(super::random::text(characters, count, context)))
}
