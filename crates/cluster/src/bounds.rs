//! A part of a cluster.

/// Which part of a cluster is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Empty means all, and the cluster-scoped objects with them.
    pub namespaces: Vec<String>,
    /// Whether cluster-scoped objects belong to it although only some namespaces do.
    pub cluster_scoped: bool,
}

impl Bounds {
    /// Whether objects in the namespace are inside; of cluster-scoped ones the namespace is empty.
    pub fn contain(&self, namespace: &str) -> bool {
        match namespace {
            _ if self.namespaces.is_empty() => true,
            "" => self.cluster_scoped,
            inside => self.namespaces.iter().any(|known| known == inside),
        }
    }

    /// The namespaces that a kind is watched in; an empty name stands for the whole cluster.
    pub(crate) fn places(&self, namespaced: bool) -> Vec<String> {
        match (self.namespaces.is_empty(), namespaced) {
            (false, true) => self.namespaces.clone(),
            (false, false) if !self.cluster_scoped => Vec::new(),
            _ => vec![String::new()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_say_what_is_looked_at() {
        let bounds = |namespaces: &[&str], cluster_scoped| Bounds {
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
            cluster_scoped,
        };
        for (bounds, namespace, inside, namespaced, others) in [
            (bounds(&[], false), "a", true, vec![""], vec![""]),
            (bounds(&[], false), "", true, vec![""], vec![""]),
            (bounds(&["a", "b"], false), "b", true, vec!["a", "b"], vec![]),
            (bounds(&["a", "b"], false), "c", false, vec!["a", "b"], vec![]),
            (bounds(&["a"], false), "", false, vec!["a"], vec![]),
            (bounds(&["a"], true), "", true, vec!["a"], vec![""]),
        ] {
            assert_eq!(bounds.contain(namespace), inside, "{bounds:?} {namespace}");
            assert_eq!(
                (bounds.places(true), bounds.places(false)),
                (
                    namespaced.iter().map(ToString::to_string).collect(),
                    others.iter().map(ToString::to_string).collect()
                )
            );
        }
    }
}
