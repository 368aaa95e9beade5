//! Small but real OCI images.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::{Compression, GzBuilder};
use serde_json::json;
use sha2::{Digest, Sha256};

/// An image with this label starts and exits at once, again and again.
pub const CRASH_LABEL: &str = "dev.gantline.sandbox.crash";
/// An image with this label runs but is never ready.
pub const NOT_READY_LABEL: &str = "dev.gantline.sandbox.not-ready";

/// The media type of its manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What a registry is given: two blobs, and the manifest that names them.
#[derive(Debug)]
pub struct Image {
    pub layer: Vec<u8>,
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
}

/// `sha256:...`
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Image {
    /// Holds one file, `/release`, that says what it is.
    pub fn build(repository: &str, tag: &str, labels: &BTreeMap<String, String>) -> Self {
        let archive = archive("release", format!("{repository}:{tag}\n").as_bytes());
        let layer = gzip(&archive);
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": { "Entrypoint": ["/release"], "Labels": labels },
            "rootfs": { "type": "layers", "diff_ids": [digest_of(&archive)] },
            "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "gantline sandbox" }],
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": digest_of(&config), "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": digest_of(&layer), "size": layer.len() }],
        });
        Self { layer, config, manifest: manifest.to_string().into_bytes() }
    }
}

/// A tar archive (ustar) of one file.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut field = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    field(0, name);
    field(100, "0000755\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{:011o}\0", content.len()));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = vec![0; (512 - content.len() % 512) % 512];
    [&header[..], content, &padding, &[0; 1024]].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::default());
    // writing to memory does not fail
    let written = writer.write_all(bytes).and_then(|()| writer.finish());
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_same_each_time_and_hangs_together() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let (one, two) = (Image::build("shop/web", "1.0", &labels), Image::build("shop/web", "1.0", &labels));
        assert_eq!(one.manifest, two.manifest);
        assert_ne!(one.manifest, Image::build("shop/web", "1.1", &labels).manifest);
        assert_ne!(one.manifest, Image::build("shop/web", "1.0", &BTreeMap::new()).manifest);
        let manifest: serde_json::Value = serde_json::from_slice(&one.manifest).unwrap();
        assert_eq!(manifest["config"]["digest"], digest_of(&one.config));
        assert_eq!(manifest["layers"][0]["digest"], digest_of(&one.layer));
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&one.layer[..]), &mut plain).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&one.config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest_of(&plain));
        assert_eq!(&plain[512..525], b"shop/web:1.0\n");
    }
}
