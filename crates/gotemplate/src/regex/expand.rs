//! `$1`, `${name}` and `$$` in replacements.

use std::ops::Range;

use bstr::ByteSlice;

/// Writes `template` to `out`, with the groups of a match of `text` in it.
pub(super) fn expand(
    template: &[u8],
    text: &[u8],
    groups: &[Option<Range<usize>>],
    names: &[String],
    out: &mut Vec<u8>,
) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once_str(b"$") {
        out.extend_from_slice(before);
        if let Some(behind) = after.strip_prefix(b"$") {
            out.push(b'$');
            rest = behind;
        } else if let Some((name, behind)) = reference(after) {
            out.extend_from_slice(group(name, groups, names).map_or(b"", |range| &text[range]));
            rest = behind;
        } else {
            out.push(b'$');
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

/// Reads `name` or `{name}`; gives what follows, too.
fn reference(text: &[u8]) -> Option<(&str, &[u8])> {
    let inner = text.strip_prefix(b"{");
    let body = inner.unwrap_or(text);
    let fits = |c: char| c.is_alphanumeric() || c == '_';
    let end = body.char_indices().find(|(_, _, c)| !fits(*c)).map_or(body.len(), |(start, _, _)| start);
    let (name, rest) = body.split_at(end);
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
    match inner {
        Some(_) => rest.strip_prefix(b"}").map(|rest| (name, rest)),
        None => Some((name, rest)),
    }
}

fn group(name: &str, groups: &[Option<Range<usize>>], names: &[String]) -> Option<Range<usize>> {
    let zero_led = name.len() > 1 && name.starts_with('0');
    if name.bytes().all(|b| b.is_ascii_digit()) && !zero_led {
        return groups.get(name.parse::<usize>().ok()?)?.clone();
    }
    names.iter().zip(groups).find(|(n, g)| *n == name && g.is_some()).and_then(|(_, g)| g.clone())
}
