//! Addresses in texts for people: without what lets somebody in.

use std::borrow::Cow;

const MASK: &str = "***";

/// The text, with each URL in it without user information and without the values of its query and fragment:
/// `https://me:secret@host/a?token=x` becomes `https://host/a?token=***`. The user of an address of ssh stays
/// (`ssh://git@host`).
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("://") {
        let (before, after) = (&rest[..at], &rest[at + 3..]);
        let (address, behind) = after.split_at(after.find(ends_address).unwrap_or(after.len()));
        shown.push_str(before);
        shown.push_str("://");
        place(address, before.to_ascii_lowercase().ends_with("ssh"), &mut shown);
        rest = behind;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The address of a repository, also of the form `user:password@host:path`, that is to be shown.
pub fn shown_address(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((login, place)) if !address.contains("://") && login.contains(':') => Cow::Owned(place.to_owned()),
        _ => without_credentials(address),
    }
}

fn ends_address(character: char) -> bool {
    character.is_whitespace() || character.is_control() || matches!(character, '"' | '\'' | '`' | '\\' | '<' | '>')
}

fn place(address: &str, is_ssh: bool, shown: &mut String) {
    let (place, asked) = address.split_at(address.find(['?', '#']).unwrap_or(address.len()));
    let place = match login_end(place) {
        Some(at) => {
            let user = place[..at].split(':').next().filter(|_| is_ssh);
            if let Some(user) = user {
                shown.push_str(user);
                shown.push('@');
            }
            &place[at + 1..]
        }
        None => place,
    };
    shown.push_str(place);
    for part in asked.split_inclusive(['?', '#', '&', ';']) {
        let (text, end) = part.split_at(part.trim_end_matches(['?', '#', '&', ';']).len());
        match text.split_once('=') {
            Some((name, _)) => shown.extend([name, "=", MASK]),
            None if text.is_empty() => {}
            None => shown.push_str(MASK),
        }
        shown.push_str(end);
    }
}

/// Where the user information ends. A password may hold a slash that nobody encoded.
fn login_end(place: &str) -> Option<usize> {
    let authority = &place[..place.find('/').unwrap_or(place.len())];
    let no_port = |port: &str| port.is_empty() || port.contains(|c: char| !c.is_ascii_digit());
    let cut = authority.rsplit_once(':').is_some_and(|(_, port)| !authority.ends_with(']') && no_port(port));
    authority.rfind('@').or_else(|| place.rfind('@').filter(|_| cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_somebody_in_is_not_shown() {
        for (text, expected) in [
            ("https://me:secret@example.com/a.git", "https://example.com/a.git"),
            ("HTTPS://secret@example.com/a.git", "HTTPS://example.com/a.git"),
            ("https://me:sec/ret@example.com/a.git", "https://example.com/a.git"),
            ("https://me:sec@ret@example.com:8443/a", "https://example.com:8443/a"),
            (
                "https://example.com/a?token=secret&b=secret;c=secret#secret",
                "https://example.com/a?token=***&b=***;c=***#***",
            ),
            ("https://example.com/a?secret", "https://example.com/a?***"),
            ("https://example.com/@scope/a@1.2", "https://example.com/@scope/a@1.2"),
            ("https://example.com:8443/@scope", "https://example.com:8443/@scope"),
            ("https://[::1]:8443/@scope", "https://[::1]:8443/@scope"),
            ("ssh://git:secret@example.com/a", "ssh://git@example.com/a"),
            ("ssh://git@example.com:22/a", "ssh://git@example.com:22/a"),
            ("ftp://secret@example.com/a", "ftp://example.com/a"),
            ("oci://example.com/charts", "oci://example.com/charts"),
            (
                "from https://a:secret@b/c to \"https://x?t=secret\", twice",
                "from https://b/c to \"https://x?t=***\", twice",
            ),
            (r#"{"u":"{\"repoURL\":\"https://a:secret@b/c\"}"}"#, r#"{"u":"{\"repoURL\":\"https://b/c\"}"}"#),
            ("no address: a@b, 12:30", "no address: a@b, 12:30"),
        ] {
            assert_eq!(without_credentials(text), expected);
            assert_eq!(without_credentials(expected), expected, "it changes nothing twice");
        }
        assert_eq!(shown_address("me:secret@example.com:a.git"), "example.com:a.git");
        assert_eq!(shown_address("git@example.com:a.git"), "git@example.com:a.git");
        assert_eq!(shown_address("/srv/git"), "/srv/git");
    }
}
