//! What may be asked on behalf of an address, and how much may come back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::Limits;

/// The rules for one repository or registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    pub reach: Reach,
    pub limits: Limits,
}

impl Policy {
    /// For what an answer names.
    pub(crate) fn found(&self) -> Self {
        let reach = match &self.reach {
            Reach::Configured(permitted) => Reach::Found(permitted.clone()),
            reach => reach.clone(),
        };
        Self { reach, limits: self.limits.clone() }
    }
}

/// Who named the address, and so which machines it may lead to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Somebody at this machine, who reaches whatever it reaches.
    #[default]
    Anywhere,
    /// Whoever configures this control plane: the address may be private. Where it redirects to may not.
    Configured(Permitted),
    /// A file of a repository, or an answer of another server: public addresses only.
    Found(Permitted),
}

impl Reach {
    /// Where the place itself may be.
    pub(crate) fn home_zone(&self, host: &str, port: u16) -> Zone {
        match self {
            Self::Anywhere => Zone::Anywhere,
            Self::Configured(permitted) | Self::Found(permitted) if permitted.names(host, port) => Zone::Anywhere,
            Self::Configured(permitted) => Zone::Private(permitted.clone()),
            Self::Found(permitted) => Zone::Public(permitted.clone()),
        }
    }

    pub(crate) fn permitted(&self) -> Option<&Permitted> {
        match self {
            Self::Anywhere => None,
            Self::Configured(permitted) | Self::Found(permitted) => Some(permitted),
        }
    }
}

/// Private addresses that may be asked, whoever names them: the words of [`PRIVATE_HOSTS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Permitted(Arc<str>);

/// The key of `argocd-cmd-params-cm` that permits private addresses: hosts, `host:port`, IP addresses, networks
/// (`10.1.0.0/16`) with commas between, or `*`.
pub const PRIVATE_HOSTS: &str = "repositories.private.hosts";

impl Permitted {
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').map(str::trim).filter(|word| !word.is_empty())
    }

    /// Whether the host itself is named, whatever its addresses are.
    pub(crate) fn names(&self, host: &str, port: u16) -> bool {
        let whole = format!("{host}:{port}");
        self.words().any(|word| word.eq_ignore_ascii_case(host) || word.eq_ignore_ascii_case(&whole))
    }

    fn holds(&self, ip: IpAddr) -> bool {
        self.words().any(|word| contains(word, ip).unwrap_or(false))
    }

    fn all(&self) -> bool {
        self.words().any(|word| word == "*")
    }
}

/// Whether a network, or an address, contains the other; nothing where the text is neither.
fn contains(network: &str, ip: IpAddr) -> Option<bool> {
    let (base, length) = network.split_once('/').map_or((network, None), |(base, length)| (base, Some(length)));
    let base: IpAddr = base.trim_matches(['[', ']']).parse().ok()?;
    let (base, ip, width) = match (base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => (u128::from(base.to_bits()), u128::from(ip.to_bits()), 32),
        (IpAddr::V6(base), IpAddr::V6(ip)) => (base.to_bits(), ip.to_bits(), 128),
        _ => return Some(false),
    };
    let length = length.map_or(Some(width), |length| length.parse().ok().filter(|length| *length <= width))?;
    Some((base ^ ip).checked_shr(width - length).unwrap_or(0) == 0)
}

/// Which machines a connection may go to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Zone {
    Anywhere,
    /// Other machines of the same owner as well, but no service of the platform below.
    Private(Permitted),
    Public(Permitted),
}

impl Zone {
    /// # Errors
    /// Why there is no connection to the address.
    pub(crate) fn check(&self, host: &str, ip: IpAddr) -> Result<(), String> {
        let kind = kind(ip);
        let fine = match self {
            Self::Anywhere => true,
            Self::Private(permitted) => matches!(kind, Kind::Public | Kind::Private) || permitted.holds(ip),
            Self::Public(permitted) => {
                kind == Kind::Public || permitted.holds(ip) || (permitted.all() && kind == Kind::Private)
            }
        };
        if fine {
            return Ok(());
        }
        let (what, whose) = match kind {
            Kind::Platform => ("a link-local, metadata, multicast or unspecified address", format!("{ip}")),
            Kind::Private | Kind::Public => ("a private address", host.to_owned()),
        };
        Err(format!(
            "{host} is {ip}, {what}, and nobody configured it: if it may be asked, name {whose} in {PRIVATE_HOSTS} of the \
             ConfigMap argocd-cmd-params-cm, or make a repository Secret for the address"
        ))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    /// Of this machine, or of networks that are nobody's in the Internet.
    Private,
    /// Of the link, or nobody's: where platforms have the services that hand out their credentials.
    Platform,
}

fn kind(ip: IpAddr) -> Kind {
    match ip {
        IpAddr::V4(ip) => kind_v4(ip),
        IpAddr::V6(ip) => kind_v6(ip),
    }
}

fn kind_v4(ip: Ipv4Addr) -> Kind {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        // the metadata service of Alibaba Cloud is in the shared range
        (100, 100, 100) if ip == Ipv4Addr::new(100, 100, 100, 200) => Kind::Platform,
        (0 | 224..=255, _, _) | (169, 254, _) => Kind::Platform,
        (10 | 127, _, _) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) | (198, 18..=19, _) => Kind::Private,
        (192, 0, 0) => Kind::Private,
        _ => Kind::Public,
    }
}

fn kind_v6(ip: Ipv6Addr) -> Kind {
    let parts = ip.segments();
    let embedded = |high: u16, low: u16| kind_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        // mapped and compatible addresses, and those of translators
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // the metadata service of Amazon
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] => Kind::Platform,
        [first, ..] => match first {
            0xff00..=0xffff | 0xfe80..=0xfebf => Kind::Platform,
            0xfc00..=0xfdff | 0xfec0..=0xfeff | 0x64 => Kind::Private,
            _ => Kind::Public,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_internet_private_or_of_the_platform() {
        let check = |kind: Kind, texts: &[&str]| {
            for text in texts {
                assert_eq!(super::kind(text.parse().unwrap()), kind, "{text}");
            }
        };
        check(Kind::Public, &["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1", "::ffff:8.8.8.8"]);
        check(
            Kind::Private,
            &["127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.0.1", "192.168.0.1", "100.64.0.1", "::1"],
        );
        check(Kind::Private, &["fc00::1", "fdff::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]);
        check(Kind::Private, &["2002:0a00:0001::", "::127.0.0.1", "fec0::1"]);
        check(Kind::Platform, &["0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "fe80::1"]);
        check(Kind::Platform, &["ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254", "100.100.100.200"]);
    }

    #[test]
    fn zones() {
        let permitted = Permitted::new("10.1.0.0/16, fd00::/8,git.corp,h:81, 169.254.1.1");
        let public = Zone::Public(permitted.clone());
        let passes = |zone: &Zone, ip: &str| zone.check("h", ip.parse().unwrap()).is_ok();
        for (ip, in_public, in_private) in [
            ("1.1.1.1", true, true),
            ("10.1.2.3", true, true),
            ("10.2.0.1", false, true),
            ("fd12::1", true, true),
            ("fc00::1", false, true),
            ("169.254.1.1", true, true),
            ("169.254.169.254", false, false),
        ] {
            assert_eq!(passes(&public, ip), in_public, "{ip}");
            assert_eq!(passes(&Zone::Private(permitted.clone()), ip), in_private, "{ip}");
            assert!(passes(&Zone::Anywhere, ip));
        }
        assert!(permitted.names("GIT.corp", 1) && permitted.names("h", 81) && !permitted.names("h", 8));
        let all = Zone::Public(Permitted::new("*"));
        assert!(passes(&all, "127.0.0.1") && !passes(&all, "169.254.169.254"));
        let why = Zone::Public(Permitted::default()).check("h", "127.0.0.1".parse().unwrap()).unwrap_err();
        assert!(why.contains(PRIVATE_HOSTS) && why.contains("h is 127.0.0.1"), "{why}");
    }
}
