//! Hosts that send too much are refused, and nothing of it is kept.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git::{Credentials, Limits, Policy, Repositories};
use sha2::Digest;
use test_support::{Answer, GitRepo};

use crate::host;

/// The kind and size of an object of a pack, then `content` packed.
fn object(kind: u8, size: usize, base: &[u8], content: &[u8]) -> Vec<u8> {
    let (mut byte, mut rest) = ((kind << 4) | (size & 0x0f) as u8, size >> 4);
    let mut bytes = Vec::new();
    while rest > 0 {
        bytes.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    bytes.push(byte);
    bytes.extend_from_slice(base);
    let mut encoder = ZlibEncoder::new(&mut bytes, Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap();
    bytes
}

fn blob(size: usize) -> Vec<u8> {
    object(3, size, &[], &vec![0; size])
}

fn pack(count: u32, objects: &[Vec<u8>]) -> Vec<u8> {
    let mut pack = [b"PACK".as_slice(), &2_u32.to_be_bytes(), &count.to_be_bytes(), &objects.concat()].concat();
    // no sum that fits: it is refused before
    pack.extend_from_slice(&sha2::Sha256::digest(&pack)[..20]);
    pack
}

fn sent(pack: &[u8]) -> Vec<u8> {
    let mut body = b"0008NAK\n".to_vec();
    for part in pack.chunks(60_000) {
        body.extend_from_slice(format!("{:04x}\x01", part.len() + 5).as_bytes());
        body.extend_from_slice(part);
    }
    body.extend_from_slice(b"0000");
    body
}

async fn refused(pack: Vec<u8>, limits: Limits) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let repo = GitRepo::with_files(&[("a", "1")]);
    let server = host::start(&repo, move |request, answer| match request.path.ends_with("/git-upload-pack") {
        true => Answer::ok(sent(&pack)),
        false => answer,
    });
    let policy = Policy { limits, ..Policy::default() };
    let url = format!("{}/shop.git", server.url());
    let git = Repositories::new(repo.beside("copy")).open_with(&url, &Credentials::default(), &policy).unwrap();
    let error = git.refresh().await.unwrap_err().to_string();
    let copies = std::fs::read_dir(repo.beside("copy")).unwrap().flatten();
    let kept = copies.flat_map(|copy| {
        let listed = |folder: std::path::PathBuf| std::fs::read_dir(folder).unwrap().flatten();
        let incoming = listed(copy.path()).filter(|entry| entry.file_name().to_string_lossy().starts_with("incoming"));
        listed(copy.path().join("objects/pack")).chain(incoming).collect::<Vec<_>>()
    });
    assert_eq!(kept.count(), 0, "{error}");
    error
}

#[tokio::test]
async fn a_pack_over_a_limit_is_refused_by_its_name() {
    let limits = || Limits { object: 1 << 20, unpacked: 4 << 20, objects: 20, pack: 1 << 20, ..Limits::default() };
    let delta = object(7, 9, &[0; 20], &[0, 0x80, 0x80, 0x80, 0x80, 0x08, 1, b'x', 0]);
    let cases = [
        ("an object", pack(1, &[blob(2 << 20)]), "git.limit.object.bytes"),
        ("its header alone", pack(1, &[object(3, 1 << 40, &[], &[])]), "git.limit.object.bytes"),
        ("what a delta makes", pack(1, &[delta]), "git.limit.object.bytes"),
        ("the whole", pack(5, &vec![blob(1 << 20); 5]), "git.limit.unpacked.bytes"),
        ("many", pack(21, &[]), "git.limit.pack.objects"),
        ("all there are", pack(u32::MAX, &[blob(1)]), "git.limit.pack.objects"),
        ("a lie", pack(1, &[object(3, 10, &[], &vec![0; 3 << 20])]), "is damaged"),
        ("one that ends", pack(3, &[blob(10)]), "is damaged"),
        ("bytes", vec![7; 2 << 20], "git.limit.pack.bytes"),
        ("no pack", b"hello, this is no pack".to_vec(), "is damaged"),
    ];
    for (what, pack, said) in cases {
        let error = refused(pack, limits()).await;
        assert!(error.contains(said) && error.contains("the last good state stays"), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_small_pack_with_a_huge_blob_is_refused_as_it_is_set_up() {
    let error = refused(pack(1, &[blob(120 << 20)]), Limits::default()).await;
    assert!(error.contains("over the limit of 104857600") && error.contains("argocd-cmd-params-cm"), "{error}");
}

#[tokio::test]
async fn an_endless_set_of_references_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let repo = GitRepo::with_files(&[("a", "1")]);
    let server = host::start(&repo, |_, answer| Answer { body: answer.body.repeat(20_000), ..answer });
    let policy = Policy { limits: Limits { advertisement: 100_000, ..Limits::default() }, ..Policy::default() };
    let url = format!("{}/shop.git", server.url());
    let git = Repositories::new(repo.beside("copy")).open_with(&url, &Credentials::default(), &policy).unwrap();
    let error = git.refresh().await.unwrap_err().to_string();
    assert!(error.contains("git.limit.advertisement.bytes"), "{error}");
}

#[test]
fn limits_are_read_by_their_keys() {
    let (limits, problems) = Limits::read(|key| match key {
        "git.limit.object.bytes" => Some("7"),
        "git.limit.pack.bytes" => Some("lots"),
        "git.limit.unpack.seconds" => Some("0"),
        _ => None,
    });
    let default = Limits::default();
    assert_eq!((limits.object, limits.pack, limits.seconds), (7, default.pack, default.seconds));
    assert!(problems.len() == 2 && problems[0].contains("git.limit.pack.bytes"), "{problems:?}");
}
