//! Repository addresses: which ones mean the same repository.

/// The form in which addresses are compared: trimmed, lower case, without `.git`; `git@host:path` and `ssh://` become
/// `git@host/path`. Empty when the text cannot be an address. Transports stay different: https is not ssh.
pub fn normalize_git_url(address: &str) -> String {
    let address = address.trim().to_lowercase();
    let address = address.strip_suffix(".git").unwrap_or(&address);
    if address.is_empty() {
        return String::new();
    }
    if let Some(scp) = scp_form(address) {
        return escape(&scp);
    }
    let Some((scheme, rest)) = address.split_once("://") else {
        return escape(address);
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.is_empty() || host.contains(' ') {
        return String::new();
    }
    if scheme == "ssh" { escape(rest) } else { format!("{scheme}://{}", escape(rest)) }
}

/// Whether both addresses mean the same repository. What is no address is like nothing.
pub fn same_git_url(left: &str, right: &str) -> bool {
    let left = normalize_git_url(left);
    !left.is_empty() && left == normalize_git_url(right)
}

/// `host:port` of an address, in lower case and with the port that it has without one. Nothing for a folder.
pub(crate) fn authority(address: &str) -> Option<String> {
    let address = address.trim().to_lowercase();
    let (scheme, rest) = match (address.split_once("://"), scp_form(&address)) {
        (Some((scheme, rest)), _) => (scheme.to_owned(), rest.to_owned()),
        (None, Some(scp)) => ("ssh".to_owned(), scp),
        (None, None) => ("https".to_owned(), address.clone()),
    };
    let place = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
    let port = match scheme.as_str() {
        "http" => "80",
        "https" | "oci" => "443",
        "ssh" => "22",
        _ => return None,
    };
    let has_port = place.rsplit_once(':').is_some_and(|(host, _)| !host.starts_with('[') || host.ends_with(']'));
    (!place.is_empty()).then(|| if has_port { place.to_owned() } else { format!("{place}:{port}") })
}

/// Whether an address lies below another one: the same host, the same port, and whole parts of the path. Both are
/// normalized. What a client would read in another way than it is written (`..`, a backslash) lies below nothing.
pub(crate) fn lies_below(address: &str, prefix: &str) -> bool {
    let Some(rest) = address.strip_prefix(prefix) else { return false };
    let escaped = |part: &str| part.replace("%2e", ".");
    let moves = address.split('/').any(|part| matches!(escaped(part).as_str(), "." | ".."));
    let hidden = ["%5c", "%09", "%0a", "%0d", "%20"].iter().any(|code| address.to_lowercase().contains(code));
    !moves && !hidden && (rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

/// `user@host:path` as `user@host/path`.
fn scp_form(address: &str) -> Option<String> {
    if address.contains("://") {
        return None;
    }
    let (user, rest) = address.split_once('@')?;
    let (host, path) = rest.split_once(':')?;
    let plain = |text: &str| !text.is_empty() && !text.contains(['/', ' ']);
    (plain(user) && plain(host)).then(|| format!("{user}@{host}/{path}"))
}

/// Writes what Go's `URL.String` would escape in a path.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain =
            byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'|');
        if plain { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}
