//! Where Applications may live: the control plane's namespace, and those that `application.namespaces` of
//! `argocd-cmd-params-cm` adds.

use api::ConfigMap;
use api::argocd::{MatchMode, list_match};
use cluster::Scope;
use object::GroupKind;

pub(crate) const PARAMETERS: &str = "argocd-cmd-params-cm";
const KEY: &str = "application.namespaces";

/// The names and patterns as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ApplicationNamespaces {
    own: String,
    /// Globs, and regular expressions between slashes.
    others: Vec<String>,
}

impl ApplicationNamespaces {
    /// `parameters` is `argocd-cmd-params-cm`, if there is one.
    pub(crate) fn read(own: &str, parameters: Option<&ConfigMap>) -> Self {
        let text = parameters.and_then(|parameters| parameters.data.get(KEY)).map_or("", String::as_str);
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != own);
        Self { own: own.to_owned(), others: names.map(str::to_owned).collect() }
    }

    pub(crate) fn hold(&self, namespace: &str) -> bool {
        namespace == self.own || list_match(&self.others, namespace, MatchMode::Regexp)
    }

    /// A watch for each namespace; one over all where patterns stand for some.
    pub(crate) fn scopes(&self, kind: &GroupKind) -> Vec<Scope> {
        let is_pattern = |name: &String| name.contains(['*', '?', '[', '{', '\\', '/']);
        if self.others.iter().any(is_pattern) {
            return vec![Scope::from(kind.clone())];
        }
        let names = std::iter::once(&self.own).chain(&self.others);
        names.map(|name| Scope::namespaced(kind.clone(), name.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_globs_and_expressions_are_read() {
        let check = |text: &str, held: &[&str], not: &[&str], watched: &[&str]| {
            let data = [(KEY.to_owned(), text.to_owned())].into();
            let namespaces =
                ApplicationNamespaces::read("argocd", Some(&ConfigMap { name: PARAMETERS.to_owned(), data }));
            for namespace in held {
                assert!(namespaces.hold(namespace), "{text:?} {namespace}");
            }
            for namespace in not {
                assert!(!namespaces.hold(namespace), "{text:?} {namespace}");
            }
            let scopes = namespaces.scopes(&GroupKind::new("argoproj.io", "Application"));
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.namespace.as_str()).collect();
            assert_eq!(scopes, watched, "{text:?}");
        };
        check("", &["argocd"], &["team"], &["argocd"]);
        check("team, shop ,argocd,", &["argocd", "team", "shop"], &["teams"], &["argocd", "team", "shop"]);
        check("team-*", &["argocd", "team-a"], &["team"], &[""]);
        check("shop,/^team-[0-9]+$/", &["shop", "team-7"], &["team-a", "shop-1"], &[""]);
        check("/", &["argocd"], &["team"], &[""]);
        assert_eq!(ApplicationNamespaces::read("argocd", None).scopes(&GroupKind::new("", "x")).len(), 1);
    }
}
