//! Repository addresses: which ones mean the same repository.

use object::url::Url;

/// The form in which addresses are compared: trimmed, lower case, without `.git`; `git@host:path` and `ssh://` become
/// `git@host/path`. Empty when the text cannot be an address. Transports stay different: https is not ssh.
pub fn normalize_git_url(address: &str) -> String {
    let mut address = address.trim().to_lowercase();
    if ssh_user(&address).is_some() && !address.starts_with(SSH) {
        address = format!("{SSH}{}", address.replacen(':', "/", 1));
    }
    let address = address.strip_suffix(".git").unwrap_or(&address);
    let Ok(url) = Url::parse(address.as_bytes()) else { return String::new() };
    let text = String::from_utf8_lossy(&url.to_bytes()).into_owned();
    text.strip_prefix(SSH).map(str::to_owned).unwrap_or(text)
}

const SSH: &str = "ssh://";

/// Who an address of SSH says asks, `git` of `git@host:path`; nothing for other addresses.
pub fn ssh_user(address: &str) -> Option<&str> {
    let (user, host) = address.strip_prefix(SSH).unwrap_or(address).rsplit_once('@')?;
    (!user.contains(['/', ':']) && !host.is_empty()).then_some(user)
}

/// Whether both addresses mean the same repository. What is no address is like itself only.
pub fn same_git_url(left: &str, right: &str) -> bool {
    let or_itself = |address: &str| match normalize_git_url(address) {
        none if none.is_empty() => address.to_owned(),
        normal => normal,
    };
    let left = or_itself(left);
    !left.is_empty() && left == or_itself(right)
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
