//! `gantline kustomize edit` and `create`, on the kustomization of the current folder, as kustomize has them.

use std::path::Path;

use render::kustomize::KustomizeError;
use render::kustomize::edit::{self, Edited};

use super::flags::{Create, Edit};
use crate::failure::{Code, Failure, Outcome};
use crate::folder::Place;
use crate::output;

impl Edit {
    pub(super) fn run(self) -> Outcome {
        let edit = match self {
            Self::Set(set) => edit::Edit::Set(set.into()),
            Self::Add(add) => edit::Edit::Add(add.into()),
            Self::Remove(remove) => edit::Edit::Remove(remove.into()),
            Self::Fix { vars } => edit::Edit::Fix { vars },
        };
        let place = Place::open(Path::new("."))?;
        write(&place, edit::apply(&place.tree, &place.folder, &edit))
    }
}

impl Create {
    pub(super) fn run(self) -> Outcome {
        let place = Place::open(Path::new("."))?;
        write(&place, edit::create(&place.tree, &place.folder, &self.into()))
    }
}

fn write(place: &Place, edited: Result<Edited, KustomizeError>) -> Outcome {
    let edited = edited.map_err(|error| place.failure(&error.0))?;
    edited.warnings.iter().for_each(|warning| output::aside(place.shown(warning)));
    for (path, text) in edited.others.iter().chain([&(edited.path, edited.text)]) {
        write_whole(&place.root.join(path), text)?;
    }
    Ok(Code::Done.into())
}

/// Writes a file so that a reader sees the old text or the new one, never a part.
fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = path.with_extension(format!("gantline-{}", std::process::id()));
    std::fs::write(&beside, text).map_err(failed)?;
    if let Ok(old) = std::fs::metadata(&path) {
        std::fs::set_permissions(&beside, old.permissions()).map_err(failed)?;
    }
    std::fs::rename(&beside, &path).map_err(failed)
}
