//! One Pipeline's entry, as it stands in its Secret.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use promotion::Ledger;

use super::{CROWDED, secret_of};

/// Entries of more bytes are compressed: people recur.
const PLAIN: usize = 1024;
/// So many of the last releases are kept with their people where there is room; else fewer.
const KEPT: [usize; 6] = [usize::MAX, 50, 20, 10, 5, 1];
/// What a compressed entry begins with; then deflated JSON (RFC 1950) in base64.
const DEFLATED: &str = "deflated ";
/// Bytes of the JSON of one entry: nobody writes more.
const LARGEST: u64 = 1024 * 1024;

/// # Errors
/// What it is not, and what to do.
pub(crate) fn read(pipeline: &str, text: &str) -> Result<Ledger, String> {
    let read = match text.strip_prefix(DEFLATED) {
        None => serde_json::from_str(text).map_err(|error| error.to_string()),
        Some(packed) => unpacked(packed),
    };
    read.map_err(|error| {
        format!(
            "data.{pipeline} of the Secret {} is no ledger: {error}: put the old one back, or take the entry out: then only \
             what Releases and Promotions say counts",
            secret_of(pipeline)
        )
    })
}

fn unpacked(packed: &str) -> Result<Ledger, String> {
    let bytes = STANDARD.decode(packed).map_err(|error| error.to_string())?;
    serde_json::from_reader(BufReader::new(ZlibDecoder::new(&*bytes).take(LARGEST))).map_err(|error| error.to_string())
}

fn written(ledger: &Ledger) -> std::io::Result<String> {
    let text = serde_json::to_string(ledger)?;
    if text.len() <= PLAIN {
        return Ok(text);
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes())?;
    Ok(format!("{DEFLATED}{}", STANDARD.encode(packed.finish()?)))
}

/// So much of a Secret entries take.
pub(crate) fn bytes(entries: &BTreeMap<String, String>) -> usize {
    entries.iter().map(|(pipeline, text)| pipeline.len() + text.len()).sum()
}

/// An entry as it has room beside those of other Pipelines: who was behind older releases gives way, and nothing else.
pub(super) fn fitting(ledger: &Ledger, others: &BTreeMap<String, String>) -> std::io::Result<String> {
    let room = CROWDED.saturating_sub(bytes(others)).max(CROWDED / (others.len() + 1));
    let mut text = String::new();
    for releases in KEPT {
        text = written(&ledger.of_last(releases))?;
        if text.len() <= room {
            break;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With so many releases, each by three people.
    fn ledger(releases: usize) -> Ledger {
        let of = |number: usize| {
            let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            serde_json::json!({"release": format!("{hash:016x}"), "people": ["Dana Smith <dana@acme.io>", "Theo <theo@acme.io>", "CI"]})
        };
        let last: Vec<_> = (0..releases).map(of).collect();
        serde_json::from_value(serde_json::json!({"entered": ["staging"], "appeared": {"last": last}})).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_what_recurs_takes_no_room() {
        for releases in [0, 3, 100] {
            let text = written(&ledger(releases)).unwrap();
            assert_eq!(read("shop", &text).unwrap(), ledger(releases));
            assert!(text.len() < 4_000, "{releases}: {}", text.len());
        }
        for torn in ["deflated", "deflated !", "deflated AAAA", "{", ""] {
            assert!(read("shop", torn).unwrap_err().contains("is no ledger"), "{torn}");
        }
        let whole = written(&ledger(100)).unwrap();
        assert!(read("shop", &whole[..whole.len() / 8 * 4]).is_err(), "cut off");
    }

    #[test]
    fn where_there_is_no_room_older_people_give_way_and_nothing_else() {
        let full: BTreeMap<_, _> = (0..800).map(|number| (format!("web-{number}"), "x".repeat(1_080))).collect();
        let text = fitting(&ledger(100), &full).unwrap();
        assert!(text.len() <= CROWDED / 801, "{}", text.len());
        let kept = read("shop", &text).unwrap();
        assert!((1..100).contains(&kept.appeared.last.len()), "{}", kept.appeared.last.len());
        assert_eq!(kept.entered, ledger(0).entered);
        assert_eq!(fitting(&kept, &full).unwrap(), text, "and stays so");
        assert_eq!(read("shop", &fitting(&ledger(100), &BTreeMap::new()).unwrap()).unwrap(), ledger(100));
        // however little there is, what matters is written
        let crowd: BTreeMap<_, _> = (0..9_000).map(|number| (format!("web-{number}"), "x".repeat(100))).collect();
        let least = read("shop", &fitting(&ledger(100), &crowd).unwrap()).unwrap();
        assert_eq!((least.appeared.last.len(), least.entered), (1, ledger(0).entered));
    }
}
