//! How this program is called from a shell.

use std::path::{Path, PathBuf};

use crate::settings;

const NAME: &str = "gantline";

/// `gantline` where a shell finds this very program by it, else its path, quoted where it needs that.
pub(crate) fn program() -> String {
    let Ok(own) = std::env::current_exe() else { return NAME.to_owned() };
    let found = settings::environment("PATH").and_then(|folders| found_in(&folders));
    if found.is_some_and(|found| same(&found, &own)) { NAME.to_owned() } else { quoted(&own) }
}

/// The first of the name, as a shell looks for it.
fn found_in(folders: &str) -> Option<PathBuf> {
    std::env::split_paths(folders).map(|folder| folder.join(NAME)).find(|path| path.is_file())
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// A path as one word of a shell's line.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,%=".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_a_shell() {
        assert_eq!(quoted(Path::new("/opt/gantline-1.0/bin/gantline")), "/opt/gantline-1.0/bin/gantline");
        assert_eq!(quoted(Path::new("/home/me/my tools/it's")), r"'/home/me/my tools/it'\''s'");
    }

    #[test]
    fn the_first_of_the_path_is_found() {
        let room = tempfile::tempdir().unwrap();
        let folder = |name: &str| room.path().join(name);
        for name in ["one", "two"] {
            std::fs::create_dir(folder(name)).unwrap();
        }
        std::fs::write(folder("two").join(NAME), "").unwrap();
        let path = format!("{}:{}", folder("one").display(), folder("two").display());
        assert_eq!(found_in(&path), Some(folder("two").join(NAME)));
        assert_eq!(found_in(&folder("one").display().to_string()), None);
        assert!(same(&folder("two"), &folder("one").join("../two")));
        assert!(!program().is_empty());
    }
}
