//! Pseudo-random bytes for each reader of what servers say, the same in every run: none panics, and none takes long.

use std::io::BufReader;
use std::sync::atomic::AtomicBool;

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use test_support::Dice;

use crate::challenge::{self, Challenge};
use crate::charts::{address, index};
use crate::measure::measure;
use crate::version::{highest, next};
use crate::wire::known_hosts;
use crate::wire::packet::{Packet, Packets};
use crate::wire::protocol::{Advertisement, Report};
use crate::{Limits, Place, Trailers};

/// `seed` with some bytes changed, put in, taken away or cut off.
fn spoil(dice: &mut Dice, seed: &[u8]) -> Vec<u8> {
    const PIECES: [&[u8]; 16] = [
        b"0000", b"0004", b"ffff", b"\0", b"\n", b"://", b"@", b":", b"\xff", b"'", b"=\"", b",", b" ", b"- ", b"[",
        b"{",
    ];
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(5) {
            0 => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            _ if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            _ => {}
        }
    }
    bytes
}

const ROUNDS: usize = 4_000;

fn each(seeds: &[&[u8]], mut read: impl FnMut(&[u8])) {
    let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
    for round in 0..ROUNDS {
        read(&spoil(&mut dice, seeds[round % seeds.len()]));
    }
}

fn each_text(seeds: &[&str], mut read: impl FnMut(&str)) {
    let seeds: Vec<&[u8]> = seeds.iter().map(|seed| seed.as_bytes()).collect();
    each(&seeds, |bytes| read(&String::from_utf8_lossy(bytes)));
}

fn packets(bytes: &[u8]) -> Vec<Packet> {
    let mut packets = Packets::default();
    packets.feed(bytes);
    std::iter::from_fn(|| packets.next("x").ok().flatten()).collect()
}

#[test]
fn what_servers_say_panics_no_reader() {
    let advertised = b"001e# service=git-upload-pack\n0000004895dcfa3633004da0049d3d0fa03f80589cbcaf31 refs/heads/main\0 agent=x\n0000";
    each(&[advertised, b"000eunpack ok\n0019ok refs/heads/main\n0000", b"0008NAK\n0009\x01PACK0000"], |bytes| {
        let (mut found, mut report) = (Advertisement::default(), Report::default());
        for packet in packets(bytes) {
            let _ = found.take("x", &packet);
            report.take(packet);
        }
        let _ = (found.head(), report.judge("x", &[]));
    });
    let object = [0x35_u8, 0x78, 0x9c, 0x4b, 0x4c, 0x4a, 0x4e, 0x49, 0x05, 0x00, 0x05, 0xdc, 0x01, 0xf0];
    let pack = [b"PACK\0\0\0\x02\0\0\0\x01".as_slice(), &object, &[0; 20]].concat();
    let limits = Limits { object: 1 << 16, unpacked: 1 << 18, ..Limits::default() };
    each(&[&pack], |bytes| drop(measure(BufReader::new(bytes), &limits, &AtomicBool::new(false))));
}

#[test]
fn what_registries_and_repositories_say_panics_no_reader() {
    each_text(&["Bearer realm=\"https://r.test/token\",service=\"r\",scope=\"a:b:c\"", "Basic realm=x"], |text| {
        let Ok(value) = HeaderValue::from_str(text) else { return };
        drop(Challenge::of(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)])));
    });
    each_text(&[r#"{"token":"x","access_token":"y","expires_in":3}"#], |text| {
        let answer = serde_json::from_str(text).unwrap_or_default();
        let _ = challenge::token(&answer);
    });
    let index = r#"{"schemaVersion":2,"manifests":[{"mediaType":"image.index","digest":"sha256:ab"},{"digest":""}]}"#;
    each_text(&[index], |text| drop(crate::parts::listed(text.as_bytes())));
    let yaml =
        "apiVersion: v1\nentries:\n  shop:\n  - name: shop\n    version: 1.2.0\n    digest: abc\n    urls: [a.tgz]\n";
    let json = r#"{"apiVersion":"v1","entries":{"shop":[{"name":"shop","version":"1.2.0","urls":["a.tgz"]}]}}"#;
    each_text(&[yaml, json], |text| drop(index::versions(text.as_bytes(), "shop")));
    each_text(&["oci://r.test/a/b", "https://me:x@r.test/charts?t=1", "../x.tgz", "//r.test/x"], |text| {
        let _ = address::Address::parse(text, false, false).map(|address| address.to_string());
        let _ = address::Address::parse(text, true, true).map(|address| address.to_string());
        let _ = address::resolve(&url::Url::parse("https://r.test/charts").unwrap(), text);
    });
    each_text(&["v1.2.3", ">=1.2 <2 || ^3", "~1.x - 2", "1.0.0-rc.1+meta"], |text| {
        let _ = highest(text, ["v1.2.3", "1.0.0-rc.1", text].into_iter());
        let _ = next(text, &["v1.2.3", "v1.2.4-x", text]);
    });
}

#[test]
fn what_people_write_panics_no_reader() {
    each_text(
        &["host.test ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA", "|1|c2FsdA==|aGFzaA== ssh-rsa AAAA", "@revoked * x y"],
        |text| {
            assert_eq!(known_hosts::algorithms(text, "host.test", 22), []);
        },
    );
    each_text(&["Subject\n\nBody\n\nPromotion-Id: 1\nApproved-By: ann <ann@example.com>\n"], |text| {
        let _ = Trailers::parse(text).get("Promotion-Id");
    });
    let places = [
        "https://me:secret@example.com:8443/a/b.git?x=1#y",
        "ssh://git@h.test:22/a",
        "git@h.test:a/b.git",
        "file:///a",
        "./a",
    ];
    each_text(&places, |text| {
        let Ok(place) = Place::parse(text) else { return };
        let shown = place.to_string();
        assert!(!shown.contains(char::is_control), "{text:?}: {shown:?}");
    });
}
