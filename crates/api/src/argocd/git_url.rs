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
