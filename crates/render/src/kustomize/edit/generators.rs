//! `edit add|set|remove configmap|secret`.

use object::yaml::edit::Step;
use serde_json::{Map, Value, json};

use super::super::config::{Generator, GeneratorOptions};
use super::super::error::Result;
use super::super::generate::{self, What};
use super::command::{AddGenerator, ChangeGenerator};
use super::file::File;

fn field(what: What) -> &'static str {
    match what {
        What::ConfigMap => "configMapGenerator",
        What::Secret => "secretGenerator",
    }
}

fn entries(file: &File, what: What) -> &[Generator] {
    match what {
        What::ConfigMap => &file.read.config_map_generator,
        What::Secret => &file.read.secret_generator,
    }
}

fn place(file: &File, what: What, name: &str, namespace: &str) -> Option<usize> {
    entries(file, what).iter().position(|known| known.name == name && same_namespace(&known.namespace, namespace))
}

/// No namespace is the default one.
fn same_namespace(a: &str, b: &str) -> bool {
    let named = |n: &'_ str| if n.is_empty() { "default".to_owned() } else { n.to_owned() };
    named(a) == named(b)
}

/// Adds sources to the generator of that name, which is created when there is none.
///
/// # Errors
/// When the sources do not go together or cannot be read, or the text cannot be edited there.
pub(crate) fn add(file: &mut File, what: What, command: &AddGenerator) -> Result<()> {
    let files = sources(file, &command.from_file)?;
    check(file, command, &files)?;
    let index = match place(file, what, &command.name, &command.namespace) {
        Some(index) => index,
        None => create(file, what, command)?,
    };
    let at = |key: &str| -> Vec<Step> { vec![field(what).into(), index.into(), key.into()] };
    let env: Vec<String> = Some(command.from_env_file.clone()).filter(|env| !env.is_empty()).into_iter().collect();
    for (key, texts) in [("literals", &command.from_literal), ("files", &files), ("envs", &env)] {
        for text in texts {
            file.push(&at(key), &text.as_str().into())?;
        }
    }
    if !command.behavior.is_empty() {
        file.set(&at("behavior"), &command.behavior.as_str().into())?;
    }
    finish(file, what, index, command.disable_name_suffix_hash)
}

fn check(file: &File, command: &AddGenerator, files: &[String]) -> Result<()> {
    let direct = !files.is_empty() || !command.from_literal.is_empty();
    match (direct, command.from_env_file.is_empty()) {
        (false, true) if !command.from_file.is_empty() => {
            let message = format!("{} stands for no file", command.from_file.join(" or "));
            return Err(file.error(message).hint("paths are relative to the folder of the kustomization"));
        }
        (false, true) => {
            return Err(file.error("no source is given").hint("give --from-literal, --from-file or --from-env-file"));
        }
        (true, false) => {
            return Err(file
                .error("--from-env-file cannot go with other sources")
                .hint("make two calls, or put all of it into the file"));
        }
        _ => {}
    }
    if !["", "create", "merge", "replace"].contains(&command.behavior.as_str()) {
        return Err(file
            .error(format!("{:?} is no behavior", command.behavior))
            .hint("it is create, merge or replace"));
    }
    Ok(())
}

/// The files of `PATH`, a glob, or `KEY=PATH`, which stands for one file.
fn sources(file: &mut File, given: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for text in given {
        let parts: Vec<&str> = text.split('=').collect();
        let (key, pattern) = match parts.as_slice() {
            [key, pattern] => (*key, *pattern),
            parts => ("", parts[0]),
        };
        let found = file.glob(pattern)?;
        if found.is_empty() {
            file.warn(format!("{pattern} does not exist"));
        }
        match (key, found.as_slice()) {
            ("", _) => all.extend(found),
            (key, [one]) => all.push(format!("{key}={one}")),
            _ => {
                let message = format!("{text:?} stands for {} files", found.len());
                return Err(file.error(message).hint("a key needs exactly one file"));
            }
        }
    }
    Ok(all)
}

fn create(file: &mut File, what: What, command: &AddGenerator) -> Result<usize> {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), command.name.as_str().into());
    if !command.namespace.is_empty() {
        entry.insert("namespace".to_owned(), command.namespace.as_str().into());
    }
    if what == What::Secret {
        let kind = if command.r#type.is_empty() { "Opaque" } else { &command.r#type };
        entry.insert("type".to_owned(), kind.into());
    }
    let end = entries(file, what).len();
    file.insert(&[field(what).into()], end, &Value::Object(entry))?;
    Ok(end)
}

/// Writes the options as kustomize does, with those of `generatorOptions` in them, and makes the object to see that it
/// can be made.
fn finish(file: &mut File, what: What, index: usize, no_hash: bool) -> Result<()> {
    let at: Vec<Step> = vec![field(what).into(), index.into(), "options".into()];
    if no_hash {
        file.set(&at, &json!({"disableNameSuffixHash": true}))?;
    }
    file.reread()?;
    if file.read.generator_options.is_some() {
        let entry = &entries(file, what)[index];
        let options = generate::united(entry.options.as_ref(), file.read.generator_options.as_ref());
        write_options(file, &at, &options)?;
        file.reread()?;
    }
    file.check_generator(what, &entries(file, what)[index])
}

fn write_options(file: &mut File, at: &[Step], options: &GeneratorOptions) -> Result<()> {
    let key = |name: &str| [at, &[name.into()]].concat();
    for (name, map) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        for (label, value) in map {
            file.set_key(&key(name), label, &value.as_str().into())?;
        }
    }
    for (name, flag) in [("disableNameSuffixHash", options.disable_name_suffix_hash), ("immutable", options.immutable)]
    {
        if flag {
            file.set(&key(name), &true.into())?;
        }
    }
    Ok(())
}

/// Gives literals of a generator new values, or the generator another namespace.
///
/// # Errors
/// When the generator or a key is not there, or the text cannot be edited there.
pub(crate) fn set(file: &mut File, what: What, command: &ChangeGenerator) -> Result<()> {
    if command.from_literal.is_empty() && command.new_namespace.is_empty() {
        return Err(file.error("nothing is given to set").hint("give --from-literal or --new-namespace"));
    }
    let Some(index) = place(file, what, &command.name, &command.namespace) else {
        let message = format!("{} has no entry named {}", field(what), command.name);
        return Err(file.error(message).hint("give --namespace if the entry has one"));
    };
    if !command.from_literal.is_empty() {
        set_literals(file, what, index, &command.from_literal)?;
    }
    if !command.new_namespace.is_empty() {
        let at = [field(what).into(), index.into(), "namespace".into()];
        file.set(&at, &command.new_namespace.as_str().into())?;
    }
    finish(file, what, index, false)
}

fn set_literals(file: &mut File, what: What, index: usize, literals: &[String]) -> Result<()> {
    let known = entries(file, what)[index].literals.clone();
    let key_of = |text: &str| text.split_once('=').filter(|(_, v)| !v.contains('=')).map(|(key, _)| key.to_owned());
    let read = |file: &File, text: &str| {
        let hint = "a literal is KEY=VALUE, with one equals sign";
        key_of(text).ok_or_else(|| file.error(format!("{text:?} is no literal that can be set")).hint(hint))
    };
    let keys: Vec<String> = known.iter().map(|text| read(file, text)).collect::<Result<_>>()?;
    for literal in literals {
        let key = read(file, literal)?;
        let Some(place) = keys.iter().rposition(|known| *known == key) else {
            let message = format!("{key} is no literal of that {}", what.kind());
            return Err(file.error(message).hint(format!("its literals are {}", keys.join(", "))));
        };
        let at = [field(what).into(), index.into(), "literals".into(), place.into()];
        file.set(&at, &literal.as_str().into())?;
    }
    Ok(())
}

/// Removes generators; names with commas between them.
///
/// # Errors
/// When none of them is there, or the text cannot be edited there.
pub(crate) fn remove(file: &mut File, what: What, names: &str, namespace: &str) -> Result<()> {
    let names: Vec<&str> = names.split(',').collect();
    let fits = |entry: &Generator| names.contains(&entry.name.as_str()) && same_namespace(&entry.namespace, namespace);
    let gone: Vec<bool> = entries(file, what).iter().map(fits).collect();
    if !gone.contains(&true) {
        let message = format!("{} has no entry named {}", field(what), names.join(" or "));
        return Err(file.error(message).hint("give --namespace if the entry has one"));
    }
    for name in &names {
        if place(file, what, name, namespace).is_none() {
            file.warn(format!("{} has no entry named {name}", field(what)));
        }
    }
    file.remove_items(field(what), &gone)
}
