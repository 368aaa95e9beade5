//! The command lines of `gantline kustomize edit` and `create`.

use clap::{Args, Subcommand};
use render::kustomize::edit::{self, AddGenerator, ChangeGenerator, PatchEntry};

#[derive(Debug, Subcommand)]
pub(crate) enum Edit {
    /// Set images, replicas, labels and names
    #[command(subcommand)]
    Set(Set),
    /// Add resources, patches, components, labels and generators
    #[command(subcommand)]
    Add(Add),
    /// Remove them
    #[command(subcommand)]
    Remove(Remove),
    /// Replace deprecated fields by those that took their place
    Fix {
        /// Also turn vars into replacements
        #[arg(long)]
        vars: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Set {
    /// NAME=NEWNAME:TAG, NAME:TAG, NAME@DIGEST; `*` keeps what is there
    Image {
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
    },
    /// The namespace of all objects
    Namespace { namespace: String },
    /// What all names start with
    #[command(name = "nameprefix")]
    NamePrefix {
        #[arg(allow_hyphen_values = true)]
        prefix: String,
    },
    /// What all names end with
    #[command(name = "namesuffix")]
    NameSuffix {
        #[arg(allow_hyphen_values = true)]
        suffix: String,
    },
    /// NAME=COUNT
    Replicas {
        #[arg(required = true, value_name = "NAME=COUNT")]
        replicas: Vec<String>,
    },
    /// Labels of all objects and their selectors
    Label {
        #[arg(required = true, value_name = "KEY:VALUE")]
        labels: Vec<String>,
    },
    /// Annotations of all objects
    Annotation {
        #[arg(required = true, value_name = "KEY:VALUE")]
        annotations: Vec<String>,
    },
    /// Which of originAnnotations, managedByLabel, transformerAnnotations to write
    #[command(name = "buildmetadata")]
    BuildMetadata { options: String },
    /// Change keys of a ConfigMap that the kustomization generates
    #[command(name = "configmap")]
    ConfigMap(ChangeFlags),
    /// Change keys of a Secret that the kustomization generates
    Secret(ChangeFlags),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Add {
    /// Files and folders, also by globs
    Resource {
        #[arg(required = true)]
        paths: Vec<String>,
        /// Add paths that do not exist, too
        #[arg(long)]
        no_verify: bool,
    },
    /// Folders of components
    Component {
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Files that configure generators
    Generator {
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Files that configure transformers
    Transformer {
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Folders, with commas between them
    Base { folders: String },
    /// A patch, in a file or as text, and what it is for
    #[command(disable_version_flag = true)]
    Patch(PatchFlags),
    /// Labels
    Label {
        #[arg(required = true, value_name = "KEY:VALUE")]
        labels: Vec<String>,
        /// Replace labels that are there
        #[arg(short, long)]
        force: bool,
        /// Leave selectors as they are
        #[arg(long)]
        without_selector: bool,
        /// Label pod templates as well
        #[arg(long)]
        include_templates: bool,
    },
    /// Annotations
    Annotation {
        #[arg(required = true, value_name = "KEY:VALUE")]
        annotations: Vec<String>,
        /// Replace annotations that are there
        #[arg(short, long)]
        force: bool,
    },
    /// Add to buildMetadata
    #[command(name = "buildmetadata")]
    BuildMetadata { options: String },
    /// Generate a ConfigMap
    #[command(name = "configmap")]
    ConfigMap(AddFlags),
    /// Generate a Secret
    Secret(AddFlags),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Remove {
    /// Entries of resources, also by globs
    Resource {
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Entries of components, also by globs
    Component {
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Entries of transformers, also by globs
    Transformer {
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// The patch that is just so
    #[command(disable_version_flag = true)]
    Patch(PatchFlags),
    /// Labels, with commas between their keys
    Label {
        keys: String,
        /// Keys that are not there are no error
        #[arg(short, long)]
        ignore_non_existence: bool,
    },
    /// Annotations, with commas between their keys
    Annotation {
        keys: String,
        /// Keys that are not there are no error
        #[arg(short, long)]
        ignore_non_existence: bool,
    },
    /// Remove from buildMetadata
    #[command(name = "buildmetadata")]
    BuildMetadata { options: String },
    /// ConfigMaps that are generated, with commas between their names
    #[command(name = "configmap")]
    ConfigMap {
        names: String,
        #[command(flatten)]
        namespace: Namespace,
    },
    /// Secrets that are generated, with commas between their names
    Secret {
        names: String,
        #[command(flatten)]
        namespace: Namespace,
    },
}

// The same name as the global option, which it takes the place of: a default keeps that of the global one away.
/// A namespace that means objects, not the server's.
#[derive(Debug, Args)]
pub(crate) struct Namespace {
    /// Namespace of the objects
    #[arg(long, default_value = "", hide_default_value = true)]
    namespace: String,
}

#[derive(Debug, Args)]
pub(crate) struct PatchFlags {
    /// File with the patch
    #[arg(long, default_value = "", hide_default_value = true)]
    path: String,
    /// The patch itself
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    patch: String,
    /// Of the objects to patch
    #[arg(long, default_value = "", hide_default_value = true)]
    group: String,
    /// Of the objects to patch
    #[arg(long, id = "patch-version", default_value = "", hide_default_value = true)]
    version: String,
    /// Of the objects to patch
    #[arg(long, default_value = "", hide_default_value = true)]
    kind: String,
    /// Of the objects to patch
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    #[command(flatten)]
    namespace: Namespace,
    /// Annotations of the objects to patch
    #[arg(long, default_value = "", hide_default_value = true)]
    annotation_selector: String,
    /// Labels of the objects to patch
    #[arg(long, default_value = "", hide_default_value = true)]
    label_selector: String,
}

#[derive(Debug, Args)]
pub(crate) struct AddFlags {
    name: String,
    #[command(flatten)]
    namespace: Namespace,
    /// PATH (also a glob) or KEY=PATH
    #[arg(long, value_delimiter = ',')]
    from_file: Vec<String>,
    /// KEY=VALUE
    #[arg(long)]
    from_literal: Vec<String>,
    /// A file with lines of KEY=VALUE
    #[arg(long, default_value = "", hide_default_value = true)]
    from_env_file: String,
    /// create, merge or replace
    #[arg(long, default_value = "", hide_default_value = true)]
    behavior: String,
    /// Leave the hash of the content out of the name
    #[arg(long = "disableNameSuffixHash", alias = "disable-name-suffix-hash")]
    disable_name_suffix_hash: bool,
    /// Type of a Secret
    #[arg(long, default_value = "", hide_default_value = true)]
    r#type: String,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeFlags {
    name: String,
    #[command(flatten)]
    namespace: Namespace,
    /// KEY=VALUE for keys that are there
    #[arg(long)]
    from_literal: Vec<String>,
    /// Another namespace for it
    #[arg(long, default_value = "", hide_default_value = true)]
    new_namespace: String,
}

/// Write a kustomization file for the current folder
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Files, folders or globs, with commas between them
    #[arg(long, default_value = "", hide_default_value = true)]
    resources: String,
    #[command(flatten)]
    namespace: Namespace,
    /// What all names start with
    #[arg(long = "nameprefix", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    name_prefix: String,
    /// What all names end with
    #[arg(long = "namesuffix", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    name_suffix: String,
    /// KEY:VALUE, with commas between them
    #[arg(long, default_value = "", hide_default_value = true)]
    annotations: String,
    /// KEY:VALUE, with commas between them
    #[arg(long, default_value = "", hide_default_value = true)]
    labels: String,
    /// Add the files of the folder that hold Kubernetes objects
    #[arg(long)]
    autodetect: bool,
    /// With --autodetect: also those of the folders below
    #[arg(long)]
    recursive: bool,
}

impl From<Set> for edit::Set {
    fn from(set: Set) -> Self {
        match set {
            Set::Image { images } => Self::Image(images),
            Set::Namespace { namespace } => Self::Namespace(namespace),
            Set::NamePrefix { prefix } => Self::NamePrefix(prefix),
            Set::NameSuffix { suffix } => Self::NameSuffix(suffix),
            Set::Replicas { replicas } => Self::Replicas(replicas),
            Set::Label { labels } => Self::Label(labels),
            Set::Annotation { annotations } => Self::Annotation(annotations),
            Set::BuildMetadata { options } => Self::BuildMetadata(options),
            Set::ConfigMap(flags) => Self::ConfigMap(flags.into()),
            Set::Secret(flags) => Self::Secret(flags.into()),
        }
    }
}

impl From<Add> for edit::Add {
    fn from(add: Add) -> Self {
        match add {
            Add::Resource { paths, no_verify } => Self::Resource { paths, no_verify },
            Add::Component { paths } => Self::Component(paths),
            Add::Generator { paths } => Self::Generator(paths),
            Add::Transformer { paths } => Self::Transformer(paths),
            Add::Base { folders } => Self::Base(folders),
            Add::Patch(flags) => Self::Patch(flags.into()),
            Add::Label { labels, force, without_selector, include_templates } => {
                Self::Label { pairs: labels, force, without_selector, include_templates }
            }
            Add::Annotation { annotations, force } => Self::Annotation { pairs: annotations, force },
            Add::BuildMetadata { options } => Self::BuildMetadata(options),
            Add::ConfigMap(flags) => Self::ConfigMap(flags.into()),
            Add::Secret(flags) => Self::Secret(flags.into()),
        }
    }
}

impl From<Remove> for edit::Remove {
    fn from(remove: Remove) -> Self {
        match remove {
            Remove::Resource { paths } => Self::Resource(paths),
            Remove::Component { paths } => Self::Component(paths),
            Remove::Transformer { paths } => Self::Transformer(paths),
            Remove::Patch(flags) => Self::Patch(flags.into()),
            Remove::Label { keys, ignore_non_existence } => Self::Label { keys, ignore_non_existence },
            Remove::Annotation { keys, ignore_non_existence } => Self::Annotation { keys, ignore_non_existence },
            Remove::BuildMetadata { options } => Self::BuildMetadata(options),
            Remove::ConfigMap { names, namespace } => Self::ConfigMap { names, namespace: namespace.namespace },
            Remove::Secret { names, namespace } => Self::Secret { names, namespace: namespace.namespace },
        }
    }
}

impl From<PatchFlags> for PatchEntry {
    fn from(flags: PatchFlags) -> Self {
        Self {
            path: flags.path,
            patch: flags.patch,
            group: flags.group,
            version: flags.version,
            kind: flags.kind,
            name: flags.name,
            namespace: flags.namespace.namespace,
            annotation_selector: flags.annotation_selector,
            label_selector: flags.label_selector,
        }
    }
}

impl From<AddFlags> for AddGenerator {
    fn from(flags: AddFlags) -> Self {
        Self {
            name: flags.name,
            namespace: flags.namespace.namespace,
            from_file: flags.from_file,
            from_literal: flags.from_literal,
            from_env_file: flags.from_env_file,
            behavior: flags.behavior,
            disable_name_suffix_hash: flags.disable_name_suffix_hash,
            r#type: flags.r#type,
        }
    }
}

impl From<ChangeFlags> for ChangeGenerator {
    fn from(flags: ChangeFlags) -> Self {
        let ChangeFlags { name, namespace, from_literal, new_namespace } = flags;
        Self { name, namespace: namespace.namespace, from_literal, new_namespace }
    }
}

impl From<Create> for edit::Create {
    fn from(flags: Create) -> Self {
        Self {
            resources: flags.resources,
            namespace: flags.namespace.namespace,
            name_prefix: flags.name_prefix,
            name_suffix: flags.name_suffix,
            annotations: flags.annotations,
            labels: flags.labels,
            autodetect: flags.autodetect,
            recursive: flags.recursive,
        }
    }
}
