use api::argocd::{HealthScript, HealthStatus, HealthStatusCode};
use jiff::Timestamp;
use object::LiveObject;

use crate::{Script, ScriptError};

/// The health scripts of `argocd-cm`, by the kinds they are for.
#[derive(Debug, Default)]
pub struct Scripts(Vec<(HealthScript, Result<Script, ScriptError>)>);

impl Scripts {
    /// Reads `scripts`; one that is no Lua makes what it is for Unknown.
    pub fn new(scripts: &[HealthScript]) -> Self {
        let read = |script: &HealthScript| (script.clone(), Script::new(&script.key, &script.text));
        Self(scripts.iter().map(read).collect())
    }

    /// Which scripts are no Lua, and why.
    pub fn problems(&self) -> impl Iterator<Item = (&HealthScript, &ScriptError)> {
        self.0.iter().filter_map(|(script, read)| Some((script, read.as_ref().err()?)))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the script for the kind of `live` says; `None` where there is none, and `Some(None)` where it says nothing.
    pub fn health(&self, live: &LiveObject, now: Timestamp) -> Option<Option<HealthStatus>> {
        if self.0.is_empty() {
            return None;
        }
        let gvk = live.gvk();
        let exact = self.0.iter().find(|(script, _)| script.group == gvk.group && script.kind == gvk.kind);
        let (script, read) =
            exact.or_else(|| self.0.iter().find(|(script, _)| script.matches(&gvk.group, &gvk.kind)))?;
        let said = read.as_ref().map_err(Clone::clone).and_then(|script| script.health(live, now));
        Some(said.unwrap_or_else(|error| {
            let message = format!("the health script {} failed: {error}", script.key);
            Some(HealthStatus::new(HealthStatusCode::Unknown, message))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn script(group: &str, kind: &str, text: &str) -> HealthScript {
        HealthScript { key: format!("health.{kind}"), group: group.into(), kind: kind.into(), text: text.into() }
    }

    #[test]
    fn the_script_for_just_that_kind_comes_first_and_one_that_is_no_lua_makes_it_unknown() {
        let says = |word: &str| format!("return {{status = 'Healthy', message = '{word}'}}");
        let scripts = Scripts::new(&[
            script("*.example.io", "*", &says("all")),
            script("a.example.io", "Exact", &says("exact")),
            script("a.example.io", "Broken", "return {"),
            script("a.example.io", "Silent", "return nil"),
        ]);
        let found = |kind: &str| {
            let object = json!({"apiVersion": "a.example.io/v1", "kind": kind, "metadata": {"name": "a"}});
            scripts.health(&LiveObject::new(object).unwrap(), Timestamp::UNIX_EPOCH)
        };
        assert_eq!(found("Exact").unwrap().unwrap().message, "exact");
        assert_eq!(found("Other").unwrap().unwrap().message, "all");
        assert_eq!(found("Silent"), Some(None));
        let broken = found("Broken").unwrap().unwrap();
        assert_eq!(broken.status, HealthStatusCode::Unknown);
        assert!(broken.message.starts_with("the health script health.Broken failed: health.Broken:1:"), "{broken:?}");
        assert_eq!(scripts.problems().map(|(script, _)| script.kind.as_str()).collect::<Vec<_>>(), ["Broken"]);
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        assert_eq!(scripts.health(&LiveObject::new(object).unwrap(), Timestamp::UNIX_EPOCH), None);
    }
}
