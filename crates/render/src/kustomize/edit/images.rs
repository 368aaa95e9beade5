//! `edit set image`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::config::Image;
use super::super::error::{KustomizeError, Result};
use super::super::fields::split_image;
use super::file::{File, place_by_name};

/// Keeps what the file says.
const KEEP: &str = "*";

/// Sets the images of all arguments; of two arguments for one name the last counts.
///
/// # Errors
/// When an argument has no known form, or the text cannot be edited there.
pub(crate) fn set(file: &mut File, arguments: &[String]) -> Result<()> {
    let mut wanted = BTreeMap::new();
    for argument in arguments {
        let image = parse(argument).ok_or_else(|| invalid(file, argument))?;
        wanted.insert(image.name.clone(), image);
    }
    if wanted.is_empty() {
        return Err(file.error("no image is named").hint("name at least one: my-app=registry/my-app:1.2"));
    }
    wanted.into_values().try_for_each(|image| set_one(file, image))
}

fn invalid(file: &File, argument: &str) -> KustomizeError {
    file.error(format!("{argument:?} says nothing to set for an image")).hint(
        "write NAME:TAG, NAME@DIGEST, NAME:TAG@DIGEST, NAME=NEWNAME, NAME=NEWNAME:TAG, NAME=NEWNAME@DIGEST or NAME=NEWNAME:TAG@DIGEST",
    )
}

fn set_one(file: &mut File, image: Image) -> Result<()> {
    let places: Vec<usize> =
        file.read.images.iter().enumerate().filter(|(_, i)| i.name == image.name).map(|(i, _)| i).collect();
    match places.split_first() {
        None => add(file, without_stars(image, &Image::default())),
        Some((first, doubles)) => {
            let known = file.read.images[*first].clone();
            change(file, *first, &without_stars(image, &known))?;
            // a second entry of the name would be applied after ours
            let marked: Vec<bool> = (0..file.read.images.len()).map(|index| doubles.contains(&index)).collect();
            file.remove_items("images", &marked)?;
            file.reread()
        }
    }
}

fn without_stars(mut image: Image, known: &Image) -> Image {
    let of = [
        (&mut image.new_name, &known.new_name),
        (&mut image.new_tag, &known.new_tag),
        (&mut image.digest, &known.digest),
    ];
    for (field, known) in of {
        if field == KEEP {
            field.clone_from(known);
        }
    }
    image
}

/// What an entry had before and the argument does not name goes: that is what kustomize does.
fn change(file: &mut File, index: usize, image: &Image) -> Result<()> {
    for (field, text) in fields(image) {
        file.set_text(&["images".into(), index.into(), field.into()], text)?;
    }
    file.read.images[index] = image.clone();
    Ok(())
}

fn fields(image: &Image) -> [(&'static str, &str); 4] {
    [
        ("newName", &image.new_name),
        ("newTag", &image.new_tag),
        ("digest", &image.digest),
        ("tagSuffix", &image.tag_suffix),
    ]
}

/// In its place by name where the entries are sorted, as kustomize sorts them; else at the end.
fn add(file: &mut File, image: Image) -> Result<()> {
    let index = place_by_name(file.read.images.iter().map(|known| known.name.as_str()), &image.name);
    let named = [("name", image.name.as_str())].into_iter().chain(fields(&image)).filter(|(_, text)| !text.is_empty());
    let entry: Map<String, Value> = named.map(|(field, text)| (field.to_owned(), text.into())).collect();
    file.insert(&["images".into()], index, &Value::Object(entry))?;
    file.read.images.insert(index, image);
    Ok(())
}

/// `NAME=NEWNAME:TAG@DIGEST`, each part but the first being optional.
fn parse(argument: &str) -> Option<Image> {
    let (name, value) = argument.split_once('=').map_or((None, argument), |(name, value)| (Some(name), value));
    let (written, tag, digest) = split_image(value);
    if written == argument {
        return None;
    }
    let (name, new_name) = name.filter(|name| !name.is_empty()).map_or((written, ""), |name| (name, written));
    Some(Image {
        name: name.to_owned(),
        new_name: new_name.to_owned(),
        new_tag: tag.to_owned(),
        digest: digest.to_owned(),
        ..Image::default()
    })
}
