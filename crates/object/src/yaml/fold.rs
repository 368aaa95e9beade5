//! What becomes of a folded scalar (`>`) that go-yaml v3 reads and writes again.
//!
//! The writer doubles breaks between lines, also where the reader will not halve them again (before lines that are
//! indented more), so some texts change. Kustomize writes every object that way once.

/// The text of a folded scalar after go-yaml v3 wrote and read it.
pub fn refolded(text: &str) -> String {
    if text.ends_with(' ') || text.contains(" \n") || !text.contains('\n') {
        return text.to_owned();
    }
    read(&written(text), text)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// The lines of the block as they are written, without their indentation.
fn written(text: &str) -> String {
    // the writer looks at the start of the whole text to decide about each break
    let doubles = text.trim_start_matches('\n').starts_with(|c| !is_blank(c));
    let (mut out, mut after_break, mut indented) = (String::with_capacity(text.len() + 8), true, true);
    for c in text.chars() {
        if c == '\n' {
            if !after_break && !indented && doubles {
                out.push('\n');
            }
            after_break = true;
        } else {
            if after_break {
                indented = is_blank(c);
            }
            after_break = false;
        }
        out.push(c);
    }
    out
}

/// Reads the lines of a block whose final breaks are kept as those of `original` ask for.
fn read(block: &str, original: &str) -> String {
    let body = block.trim_end_matches('\n');
    let trailing = block.len() - body.len();
    let mut out = String::with_capacity(body.len());
    let (mut breaks, mut was_indented, mut first) = (0, false, true);
    for line in body.split('\n') {
        if line.is_empty() {
            breaks += 1;
            continue;
        }
        let indented = line.starts_with(is_blank);
        match (first, was_indented || indented, breaks) {
            (true, _, _) => {}
            (false, true, _) => out.push('\n'),
            (false, false, 0) => out.push(' '),
            (false, false, _) => {}
        }
        out.extend(std::iter::repeat_n('\n', breaks));
        out.push_str(line);
        (breaks, was_indented, first) = (0, indented, false);
    }
    let keeps = original.ends_with("\n\n") || original == "\n";
    let end = if keeps { trailing } else { usize::from(original.ends_with('\n')) };
    out.extend(std::iter::repeat_n('\n', end));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_lines_gain_breaks() {
        for (text, expected) in [
            ("one two\nthree\n", "one two\nthree\n"),
            ("one\n  indented\ntwo", "one\n\n  indented\ntwo"),
            ("a\n\nb\n", "a\n\nb\n"),
            (" a\nb\nc", " a\nb c"),
            ("a\nb \nc", "a\nb \nc"),
        ] {
            assert_eq!(refolded(text), expected, "{text:?}");
        }
    }
}
