//! The command lines of `kustomize edit` and `kustomize create`. Texts are the arguments as written.

/// A command line of `kustomize edit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    Set(Set),
    Add(Add),
    Remove(Remove),
    /// Replaces deprecated fields; with `vars` also `vars` by `replacements`.
    Fix {
        vars: bool,
    },
}

/// `kustomize edit set …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// `NAME=NEWNAME:TAG`, `NAME:TAG`, `NAME@DIGEST` and what is between; `*` keeps what is there.
    Image(Vec<String>),
    Namespace(String),
    NamePrefix(String),
    NameSuffix(String),
    /// `NAME=COUNT`.
    Replicas(Vec<String>),
    /// `KEY:VALUE`, for `commonLabels`.
    Label(Vec<String>),
    /// `KEY:VALUE`, for `commonAnnotations`.
    Annotation(Vec<String>),
    /// Options with commas between them; all others go.
    BuildMetadata(String),
    ConfigMap(ChangeGenerator),
    Secret(ChangeGenerator),
}

/// `kustomize edit add …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Add {
    /// Paths or globs; `no_verify` takes paths that do not exist, too.
    Resource {
        paths: Vec<String>,
        no_verify: bool,
    },
    Component(Vec<String>),
    Generator(Vec<String>),
    Transformer(Vec<String>),
    /// Folders with commas between them.
    Base(String),
    Patch(PatchEntry),
    Label {
        pairs: Vec<String>,
        /// Take new values for keys that are there.
        force: bool,
        /// Write to `labels` instead of `commonLabels`.
        without_selector: bool,
        include_templates: bool,
    },
    Annotation {
        pairs: Vec<String>,
        force: bool,
    },
    BuildMetadata(String),
    ConfigMap(AddGenerator),
    Secret(AddGenerator),
}

/// `kustomize edit remove …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remove {
    /// Paths or globs over the entries.
    Resource(Vec<String>),
    /// As for resources; kustomize itself has no such command.
    Component(Vec<String>),
    Transformer(Vec<String>),
    Patch(PatchEntry),
    /// Keys with commas between them.
    Label {
        keys: String,
        ignore_non_existence: bool,
    },
    Annotation {
        keys: String,
        ignore_non_existence: bool,
    },
    BuildMetadata(String),
    /// Names with commas between them.
    ConfigMap {
        names: String,
        namespace: String,
    },
    Secret {
        names: String,
        namespace: String,
    },
}

/// An entry of `patches`: either a path or a patch, and the fields of its target. Empty texts are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatchEntry {
    pub path: String,
    pub patch: String,
    pub group: String,
    pub version: String,
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub annotation_selector: String,
    pub label_selector: String,
}

/// `add configmap NAME …`, `add secret NAME …`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddGenerator {
    pub name: String,
    pub namespace: String,
    /// `PATH` (also a glob) or `KEY=PATH`.
    pub from_file: Vec<String>,
    /// `KEY=VALUE`.
    pub from_literal: Vec<String>,
    pub from_env_file: String,
    /// `create`, `merge`, `replace`, or empty. Of config maps only.
    pub behavior: String,
    pub disable_name_suffix_hash: bool,
    /// Of secrets only; empty is `Opaque`.
    pub r#type: String,
}

/// `set configmap NAME …`, `set secret NAME …`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeGenerator {
    pub name: String,
    pub namespace: String,
    /// `KEY=VALUE` for keys that are there.
    pub from_literal: Vec<String>,
    pub new_namespace: String,
}

/// The flags of `kustomize create`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Create {
    /// Paths or globs with commas between them.
    pub resources: String,
    pub namespace: String,
    pub name_prefix: String,
    pub name_suffix: String,
    /// `KEY:VALUE` with commas between them.
    pub annotations: String,
    pub labels: String,
    /// Add the files in the folder that hold objects.
    pub autodetect: bool,
    /// Look for them in the folders below, too.
    pub recursive: bool,
}
