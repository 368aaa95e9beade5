//! Whose a live object is, for a sync that would delete it or make it anew.

use std::collections::BTreeMap;

use api::argocd::names;
use object::{LiveObject, Manifest};
use serde_json::Value;

use crate::annotations::is_hook;
use crate::stay::Other;
use crate::tracking::{Tracking, truncated_label};

/// What tells one Application's objects from those of others.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    pub(crate) application: String,
    pub(crate) tracking: Tracking,
    /// By instance name. `None`: all there may be, and each is named.
    pub(crate) others: Option<BTreeMap<String, Other>>,
}

/// Another Application whose mark an object carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// As in marks.
    pub instance: String,
    /// As people are told of it.
    pub told: Other,
}

impl Claims {
    /// Whose the object is, if it is another Application's. The mark of one that is gone is no claim.
    pub(crate) fn other_owner(&self, live: &Manifest) -> Option<Owner> {
        let instance = self.tracking.application_of(live).filter(|owner| *owner != self.application)?;
        let told = match &self.others {
            None => Other::Named(instance.clone()),
            Some(others) => others.get(&instance)?.clone(),
        };
        self.tracking.is_self_referenced(live).then_some(Owner { instance, told })
    }

    /// Whether the Application made the object, or took it over, by the object's mark.
    pub fn is_own(&self, live: &Manifest) -> bool {
        let ours = self.tracking.application_of(live).as_deref() == Some(&self.application);
        ours && self.tracking.is_self_referenced(live)
    }

    /// Why a hook may not take the object's place: it would be deleted by what the hook says.
    pub(crate) fn against_hook(&self, live: &LiveObject) -> Option<String> {
        if self.is_own(live) || self.is_hook_of_before(live) {
            return None;
        }
        let whose = self.whose(live);
        Some(format!(
            "a hook replaces and deletes only what the application itself made, and {whose}: nothing was changed: give \
             the hook another name, or delete the object by hand"
        ))
    }

    /// Why the object may not be deleted to be made anew.
    ///
    /// # Errors
    /// The sentence.
    pub fn against_anew(&self, live: &LiveObject) -> Result<(), String> {
        if matches!((live.kind(), &*live.gvk().group), ("Namespace", "") | ("CustomResourceDefinition", _)) {
            return Err(
                "it is not made anew, as all that is in it would go: change it as far as it can be changed".into()
            );
        }
        if self.is_own(live) {
            return Ok(());
        }
        let whose = self.whose(live);
        Err(format!(
            "it is not made anew (Force, Replace), as {whose}: sync it once without these options to take it over, or \
             delete it by hand"
        ))
    }

    fn whose(&self, live: &LiveObject) -> String {
        let what = format!("{}/{}", live.kind(), live.name());
        match self.other_owner(live) {
            Some(owner) => format!("{what} belongs to {}", owner.told),
            None => format!("no sync of {} made {what}", self.application),
        }
    }

    /// A hook that Argo CD left when it marked objects by their labels.
    fn is_hook_of_before(&self, live: &LiveObject) -> bool {
        let is_unmarked = live.annotation(names::TRACKING_ID).is_none();
        let label = live.label(&self.tracking.label_key);
        let was_synced = |entry: &Value| entry["manager"] == names::FIELD_MANAGER;
        is_hook(live)
            && is_unmarked
            && label.is_some()
            && label == truncated_label(&self.application).ok().as_deref()
            && live.managed_fields().iter().any(was_synced)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live(kind: &str, metadata: &Value) -> LiveObject {
        LiveObject::new(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})).unwrap()
    }

    fn claims() -> Claims {
        let others = BTreeMap::from([
            ("api".to_owned(), Other::Named("api".into())),
            ("secret".to_owned(), Other::OfProject("team-b".into())),
        ]);
        Claims { application: "web".into(), tracking: Tracking::default(), others: Some(others) }
    }

    fn marked(id: &str) -> LiveObject {
        live("ConfigMap", &json!({"name": "x", "namespace": "shop", "annotations": {names::TRACKING_ID: id}}))
    }

    #[test]
    fn a_hook_replaces_only_what_the_application_made() {
        let against = |live: &LiveObject| claims().against_hook(live).unwrap_or_default();
        assert_eq!(against(&marked("web:/ConfigMap:shop/x")), "");
        assert!(against(&marked("api:/ConfigMap:shop/x")).contains("ConfigMap/x belongs to application api"));
        let hidden = against(&marked("secret:/ConfigMap:shop/x"));
        assert!(
            hidden.contains("belongs to an application of project team-b") && !hidden.contains("secret"),
            "{hidden}"
        );
        for copied_or_gone in ["web:/ConfigMap:shop/y", "gone:/ConfigMap:shop/x"] {
            assert!(against(&marked(copied_or_gone)).contains("no sync of web made ConfigMap/x"), "{copied_or_gone}");
        }
    }

    #[test]
    fn a_hook_that_argo_cd_marked_by_its_label_is_replaced() {
        let of = |manager: &str, hook: &str| {
            live(
                "ConfigMap",
                &json!({"name": "x", "namespace": "shop", "labels": {names::INSTANCE_LABEL: "web"},
                "annotations": {hook: "PreSync"}, "managedFields": [{"manager": manager, "operation": "Apply"}]}),
            )
        };
        assert_eq!(claims().against_hook(&of(names::FIELD_MANAGER, names::HOOK)), None);
        assert!(claims().against_hook(&of("helm", names::HOOK)).is_some());
        assert!(claims().against_hook(&of(names::FIELD_MANAGER, "other")).is_some());
    }

    #[test]
    fn what_holds_others_is_never_made_anew() {
        assert_eq!(claims().against_anew(&marked("web:/ConfigMap:shop/x")), Ok(()));
        assert!(claims().against_anew(&marked("api:/ConfigMap:shop/x")).is_err());
        let id = json!({names::TRACKING_ID: "web:/Namespace:shop/x"});
        let namespace = live("Namespace", &json!({"name": "x", "annotations": id}));
        assert!(claims().is_own(&namespace) && claims().against_anew(&namespace).is_err());
    }
}
