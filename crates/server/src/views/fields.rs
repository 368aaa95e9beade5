use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The fields of a list that somebody wants: Argo CD's `fields=items.metadata.name,items.status.sync.status`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(BTreeMap<String, Fields>);

impl Fields {
    /// What is wanted of each item; `None` when that is all of it.
    pub(crate) fn of_items(text: &str) -> Option<Self> {
        let mut fields = Self::default();
        text.split(',').filter_map(|path| path.trim().strip_prefix("items.")).for_each(|path| fields.add(path));
        (!fields.0.is_empty()).then_some(fields)
    }

    fn add(&mut self, path: &str) {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let known = self.0.get(name).is_some_and(|below| below.0.is_empty());
        let below = self.0.entry(name.to_owned()).or_default();
        match rest {
            // a field that is wanted as a whole stays so
            Some(rest) if !known => below.add(rest),
            Some(_) => {}
            None => below.0.clear(),
        }
    }

    /// The value with these fields only; of a list, each item with these fields.
    pub(crate) fn choose(&self, value: Value) -> Value {
        match value {
            _ if self.0.is_empty() => value,
            Value::Object(mut map) => {
                let chosen = |(name, below): (&String, &Self)| Some((name.clone(), below.choose(map.remove(name)?)));
                Value::Object(self.0.iter().filter_map(chosen).collect::<Map<_, _>>())
            }
            Value::Array(items) => items.into_iter().map(|item| self.choose(item)).collect(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_chosen_by_their_paths() {
        let item = json!({"metadata": {"name": "web", "labels": {"a": "b"}}, "status": {"sync": {"status": "Synced"},
            "resources": [{"kind": "Pod", "name": "p"}, {"kind": "Job"}]}});
        let check = |text: &str, expected: Value| {
            let fields = Fields::of_items(text);
            let found = fields.map_or_else(|| item.clone(), |fields| fields.choose(item.clone()));
            assert_eq!(found, expected, "{text}");
        };
        check("", item.clone());
        check("metadata.resourceVersion", item.clone());
        check("items.metadata.name", json!({"metadata": {"name": "web"}}));
        check(
            "items.status.sync.status, items.metadata.name, items.spec",
            json!({"metadata": {"name": "web"}, "status": {"sync": {"status": "Synced"}}}),
        );
        check("items.metadata,items.metadata.name", json!({"metadata": item["metadata"]}));
        check("items.metadata.name,items.metadata", json!({"metadata": item["metadata"]}));
        check("items.status.resources.kind", json!({"status": {"resources": [{"kind": "Pod"}, {"kind": "Job"}]}}));
    }
}
