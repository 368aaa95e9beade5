//! The example repositories, as files in this program.

include!(concat!(env!("OUT_DIR"), "/examples.rs"));

/// The files of one example, with paths inside of it.
pub(crate) fn files(example: &str) -> Vec<(String, Vec<u8>)> {
    let prefix = format!("{example}/");
    let own =
        FILES.iter().filter_map(|(path, bytes)| Some(((*path).strip_prefix(&prefix)?.to_owned(), bytes.to_vec())));
    own.collect()
}
