//! What an Application sets on top of a kustomization file: Argo CD runs `kustomize edit` for it, here the file that was
//! read is changed.

use std::collections::BTreeMap;

use object::path;

use super::config::{Image, Kustomization, Label, Patch, PatchOptions, Replica, Selector};
use super::load::Folder;
use crate::{KustomizeOptions, KustomizePatch};

/// Applies `options` to the file. Says whether there was anything to apply.
pub(crate) fn apply(file: &mut Kustomization, options: &KustomizeOptions, folder: &Folder) -> bool {
    let nothing = KustomizeOptions { build: options.build.clone(), ..KustomizeOptions::default() };
    if *options == nothing {
        return false;
    }
    for (into, from) in [
        (&mut file.name_prefix, &options.name_prefix),
        (&mut file.name_suffix, &options.name_suffix),
        (&mut file.namespace, &options.namespace),
    ] {
        if !from.is_empty() {
            into.clone_from(from);
        }
    }
    options.images.iter().for_each(|image| set_image(&mut file.images, image));
    options.replicas.iter().for_each(|(name, count)| set_replica(&mut file.replicas, name, *count));
    add_labels(file, options);
    for (key, value) in &options.common_annotations {
        if options.force_common_annotations || !file.common_annotations.contains_key(key) {
            file.common_annotations.insert(key.clone(), value.clone());
        }
    }
    let wanted = |entry: &&String| !options.ignore_missing_components || folder.has_folder(entry);
    file.components.extend(options.components.iter().filter(wanted).cloned().map(Some));
    file.patches.extend(options.patches.iter().map(patch));
    true
}

/// `kustomize edit set image`: `name=newName:tag`, `name:tag`, `name@digest`.
fn set_image(images: &mut Vec<Image>, text: &str) {
    let (name, rest) = text.split_once('=').map_or((None, text), |(name, rest)| (Some(name), rest));
    let (rest, digest) = rest.split_once('@').map_or((rest, ""), |(rest, digest)| (rest, digest));
    let colon = rest.rfind(':').filter(|at| !rest[*at..].contains('/'));
    let (new_name, tag) = colon.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]));
    let mut image = Image {
        name: name.unwrap_or(new_name).to_owned(),
        new_tag: tag.to_owned(),
        digest: digest.to_owned(),
        ..Image::default()
    };
    if name.is_some_and(|n| n != new_name) {
        new_name.clone_into(&mut image.new_name);
    }
    match images.iter_mut().find(|i| i.name == image.name) {
        Some(known) => {
            if image.new_name.is_empty() && name.is_none() {
                image.new_name.clone_from(&known.new_name);
            }
            if image.new_tag.is_empty() && image.digest.is_empty() {
                image.new_tag.clone_from(&known.new_tag);
                image.digest.clone_from(&known.digest);
            }
            *known = image;
        }
        None => images.push(image),
    }
}

fn set_replica(replicas: &mut Vec<Replica>, name: &str, count: i64) {
    match replicas.iter_mut().find(|r| r.name == name) {
        Some(known) => known.count = count,
        None => replicas.push(Replica { name: name.to_owned(), count }),
    }
}

fn add_labels(file: &mut Kustomization, options: &KustomizeOptions) {
    if options.common_labels.is_empty() {
        return;
    }
    if options.label_without_selector || options.label_include_templates {
        file.labels.push(Label {
            pairs: options.common_labels.clone(),
            include_templates: options.label_include_templates,
            ..Label::default()
        });
        return;
    }
    let labels: &mut BTreeMap<String, String> = file.common_labels.get_or_insert_default();
    for (key, value) in &options.common_labels {
        if options.force_common_labels || !labels.contains_key(key) {
            labels.insert(key.clone(), value.clone());
        }
    }
}

fn patch(patch: &KustomizePatch) -> Patch {
    let text = |name: &str| patch.target.get(name).cloned().unwrap_or_default();
    let option = |name: &str| patch.options.get(name).copied().unwrap_or_default();
    let target = Selector {
        group: text("group"),
        version: text("version"),
        kind: text("kind"),
        name: text("name"),
        namespace: text("namespace"),
        annotation_selector: text("annotationSelector"),
        label_selector: text("labelSelector"),
    };
    Patch {
        path: patch.path.clone(),
        patch: patch.patch.clone(),
        target: (!patch.target.is_empty()).then_some(target),
        options: PatchOptions {
            allow_name_change: option("allowNameChange"),
            allow_kind_change: option("allowKindChange"),
        },
    }
}

impl Folder {
    fn has_folder(&self, entry: &str) -> bool {
        path::join(self.root(), entry).is_some_and(|full| self.tree().is_folder(&full).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_as_kustomize_edit_takes_them() {
        for (text, name, new_name, tag, digest) in [
            ("nginx:1", "nginx", "", "1", ""),
            ("nginx=ghcr.io/a/nginx:2", "nginx", "ghcr.io/a/nginx", "2", ""),
            ("host:5000/a@sha256:12", "host:5000/a", "", "", "sha256:12"),
            ("a=b", "a", "b", "", ""),
        ] {
            let mut images = Vec::new();
            set_image(&mut images, text);
            let i = &images[0];
            assert_eq!((&*i.name, &*i.new_name, &*i.new_tag, &*i.digest), (name, new_name, tag, digest), "{text}");
        }
    }
}
