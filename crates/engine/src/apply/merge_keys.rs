//! Which fields of the built-in kinds merge otherwise than by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use object::Gvk;

/// `cargo run -p xtask -- merge-keys` writes it.
const TABLE: &str = include_str!("merge-keys.txt");

static TYPES: LazyLock<HashMap<&str, HashMap<&str, Field>>> = LazyLock::new(read);

/// How a field becomes one of two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Mappings by name; lists are replaced.
    #[default]
    Plain,
    Merge,
    /// Only what is wanted stays: the rest would be the other half of a choice.
    RetainKeys,
    /// Of each element of a list.
    MergeRetainingKeys,
    Replace,
}

impl Strategy {
    fn read(text: &str) -> Self {
        match text {
            "merge" => Self::Merge,
            "retainKeys" => Self::RetainKeys,
            "merge,retainKeys" => Self::MergeRetainingKeys,
            "replace" => Self::Replace,
            _ => Self::Plain,
        }
    }

    pub(super) fn of_elements(self) -> Self {
        if self == Self::MergeRetainingKeys { Self::RetainKeys } else { Self::Plain }
    }
}

/// What is known of a field.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Field {
    pub(super) strategy: Strategy,
    /// By which elements of a list are told apart; empty: they are scalars.
    pub(super) key: &'static str,
    /// Of the field, or of the elements of the list.
    pub(super) of: Type,
}

/// A type of the table; nothing is known of others, as of those of custom resources.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Type(Option<&'static str>);

impl Type {
    pub(super) fn of(kind: &Gvk) -> Self {
        // a group of Kubernetes is called as its package, with a domain behind it at times
        let (package, domain) = kind.group.split_once('.').unwrap_or((kind.group.as_str(), "k8s.io"));
        if !domain.ends_with("k8s.io") {
            return Self::default();
        }
        let package = if package.is_empty() { "core" } else { package };
        let name = format!("{package}/{}.{}", kind.version, kind.kind);
        Self(TYPES.get_key_value(name.as_str()).map(|(name, _)| *name))
    }

    pub(super) fn field(self, name: &str) -> Field {
        let known = self.0.and_then(|own| TYPES.get(own)?.get(name));
        known.copied().unwrap_or_default()
    }
}

fn read() -> HashMap<&'static str, HashMap<&'static str, Field>> {
    let mut types: HashMap<&str, HashMap<&str, Field>> = HashMap::new();
    let mut own = "";
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["type", name] => own = name,
            [name, of, strategy, key @ ..] => {
                let of = Some(of.trim_start_matches("[]")).filter(|of| *of != "-");
                let key = key.first().copied().unwrap_or_default();
                let field = Field { strategy: Strategy::read(strategy), key, of: Type(of) };
                types.entry(own).or_default().insert(name, field);
            }
            _ => {}
        }
    }
    types
}
