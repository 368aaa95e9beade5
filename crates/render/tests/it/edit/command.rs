//! The command lines of kustomize, for the table and the example program.

use render::kustomize::edit::{Add, AddGenerator, ChangeGenerator, Create, Edit, PatchEntry, Remove, Set};

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Edit(Edit),
    Create(Create),
}

/// Flags of kustomize that take no value.
const SWITCHES: [&str; 9] = [
    "force",
    "without-selector",
    "include-templates",
    "ignore-non-existence",
    "no-verify",
    "vars",
    "autodetect",
    "recursive",
    "disableNameSuffixHash",
];

#[derive(Debug, Default)]
struct Arguments {
    positional: Vec<String>,
    flags: Vec<(String, String)>,
}

impl Arguments {
    fn read(line: &[String]) -> Option<Self> {
        let mut read = Self::default();
        let mut words = line.iter();
        while let Some(word) = words.next() {
            let name = match word.as_str() {
                "--" => {
                    read.positional.extend(words.by_ref().cloned());
                    continue;
                }
                "-f" => "force",
                "-i" => "ignore-non-existence",
                word if word.starts_with("--") => &word[2..],
                word if word.starts_with('-') => return None,
                word => {
                    read.positional.push(word.to_owned());
                    continue;
                }
            };
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None if SWITCHES.contains(&name) => (name, "true".to_owned()),
                None => (name, words.next()?.clone()),
            };
            read.flags.push((name.to_owned(), value));
        }
        Some(read)
    }

    fn text(&self, flag: &str) -> String {
        self.flags.iter().rev().find(|(name, _)| name == flag).map(|(_, v)| v.clone()).unwrap_or_default()
    }

    fn all(&self, flag: &str) -> Vec<String> {
        self.flags.iter().filter(|(name, _)| name == flag).map(|(_, v)| v.clone()).collect()
    }

    fn has(&self, flag: &str) -> bool {
        self.text(flag) == "true"
    }

    /// The only argument.
    fn one(&self) -> Option<String> {
        let [one] = self.positional.as_slice() else { return None };
        Some(one.clone())
    }

    /// At least one argument.
    fn many(&self) -> Option<Vec<String>> {
        (!self.positional.is_empty()).then(|| self.positional.clone())
    }

    fn patch(&self) -> PatchEntry {
        PatchEntry {
            path: self.text("path"),
            patch: self.text("patch"),
            group: self.text("group"),
            version: self.text("version"),
            kind: self.text("kind"),
            name: self.text("name"),
            namespace: self.text("namespace"),
            annotation_selector: self.text("annotation-selector"),
            label_selector: self.text("label-selector"),
        }
    }

    fn add_generator(&self) -> Option<AddGenerator> {
        let files = self.all("from-file");
        Some(AddGenerator {
            name: self.one()?,
            namespace: self.text("namespace"),
            from_file: files.iter().flat_map(|files| files.split(',')).map(str::to_owned).collect(),
            from_literal: self.all("from-literal"),
            from_env_file: self.text("from-env-file"),
            behavior: self.text("behavior"),
            disable_name_suffix_hash: self.has("disableNameSuffixHash"),
            r#type: self.text("type"),
        })
    }

    fn change_generator(&self) -> Option<ChangeGenerator> {
        Some(ChangeGenerator {
            name: self.one()?,
            namespace: self.text("namespace"),
            from_literal: self.all("from-literal"),
            new_namespace: self.text("new-namespace"),
        })
    }
}

/// Reads a command line without the program's name; none when it is malformed, as kustomize would say.
pub(crate) fn parse(line: &[String]) -> Option<Command> {
    let words: Vec<&str> = line.iter().map(String::as_str).collect();
    let skip = match words.as_slice() {
        ["edit", "fix", ..] => 2,
        ["edit", ..] => 3,
        _ => 1,
    };
    let a = Arguments::read(line.get(skip..)?)?;
    let edit = match words.as_slice() {
        ["create" | "init", ..] => return Some(Command::Create(create(&a))),
        ["edit", "fix", ..] => Edit::Fix { vars: a.has("vars") },
        ["edit", "set", what, ..] => Edit::Set(set(what, &a)?),
        ["edit", "add", what, ..] => Edit::Add(add(what, &a)?),
        ["edit", "remove", what, ..] => Edit::Remove(remove(what, &a)?),
        _ => return None,
    };
    Some(Command::Edit(edit))
}

fn set(what: &str, a: &Arguments) -> Option<Set> {
    Some(match what {
        "image" => Set::Image(a.many()?),
        "namespace" => Set::Namespace(a.one()?),
        "nameprefix" => Set::NamePrefix(a.one()?),
        "namesuffix" => Set::NameSuffix(a.one()?),
        "replicas" => Set::Replicas(a.many()?),
        "label" => Set::Label(a.many()?),
        "annotation" => Set::Annotation(a.many()?),
        "buildmetadata" => Set::BuildMetadata(a.one()?),
        "configmap" => Set::ConfigMap(a.change_generator()?),
        "secret" => Set::Secret(a.change_generator()?),
        _ => return None,
    })
}

fn add(what: &str, a: &Arguments) -> Option<Add> {
    Some(match what {
        "resource" => Add::Resource { paths: a.many()?, no_verify: a.has("no-verify") },
        "component" => Add::Component(a.many()?),
        "generator" => Add::Generator(a.many()?),
        "transformer" => Add::Transformer(a.many()?),
        "base" => Add::Base(a.one()?),
        "patch" => Add::Patch(a.patch()),
        "label" => Add::Label {
            pairs: a.many()?,
            force: a.has("force"),
            without_selector: a.has("without-selector"),
            include_templates: a.has("include-templates"),
        },
        "annotation" => Add::Annotation { pairs: a.many()?, force: a.has("force") },
        "buildmetadata" => Add::BuildMetadata(a.one()?),
        "configmap" => Add::ConfigMap(a.add_generator()?),
        "secret" => Add::Secret(a.add_generator()?),
        _ => return None,
    })
}

fn remove(what: &str, a: &Arguments) -> Option<Remove> {
    let ignore_non_existence = a.has("ignore-non-existence");
    Some(match what {
        "resource" => Remove::Resource(a.many()?),
        "component" => Remove::Component(a.many()?),
        "transformer" => Remove::Transformer(a.many()?),
        "patch" => Remove::Patch(a.patch()),
        "label" => Remove::Label { keys: a.one()?, ignore_non_existence },
        "annotation" => Remove::Annotation { keys: a.one()?, ignore_non_existence },
        "buildmetadata" => Remove::BuildMetadata(a.one()?),
        "configmap" => Remove::ConfigMap { names: a.one()?, namespace: a.text("namespace") },
        "secret" => Remove::Secret { names: a.one()?, namespace: a.text("namespace") },
        _ => return None,
    })
}

fn create(a: &Arguments) -> Create {
    Create {
        resources: a.text("resources"),
        namespace: a.text("namespace"),
        name_prefix: a.text("nameprefix"),
        name_suffix: a.text("namesuffix"),
        annotations: a.text("annotations"),
        labels: a.text("labels"),
        autodetect: a.has("autodetect"),
        recursive: a.has("recursive"),
    }
}
