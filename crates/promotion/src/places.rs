//! Where environments were entered. Walls stand there whatever becomes of the Applications that deployed them: a place is
//! given up with its environment, once that is taken out of the Pipeline.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::plan::PlaceApplication;

/// So many namespaces of one environment are kept: a ledger has limits. Beyond them there is a wall as long as the
/// Application is there.
const MOST: usize = 16;

/// By environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Places(BTreeMap<String, Entered>);

/// Where one environment is, and was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entered {
    /// The project of its Application: it says who may go past the gates while the Application is missing.
    pub project: String,
    /// Namespaces, by the address of their cluster.
    pub namespaces: BTreeMap<String, BTreeSet<String>>,
}

impl Places {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn of(&self, environment: &str) -> Option<&Entered> {
        self.0.get(environment)
    }

    pub fn has(&self, environment: &str, cluster: &str, namespace: &str) -> bool {
        self.of(environment).is_some_and(|entered| entered.has(cluster, namespace))
    }

    pub(crate) fn leave_all_but(&mut self, stays: impl Fn(&str) -> bool) {
        self.0.retain(|environment, _| stays(environment));
    }

    /// Where an environment is entered first it may be beside others. It comes along where its Application goes, but not to
    /// where others are already: whoever sends it there would open their walls.
    pub(crate) fn enter(&mut self, environment: &str, app: &PlaceApplication, is_anothers: impl Fn(&str) -> bool) {
        let is_new = !self.0.contains_key(environment);
        if app.cluster.is_empty() || !is_new && !app.is_synced() {
            return;
        }
        let entered = self.0.entry(environment.to_owned()).or_default();
        entered.project.clone_from(&app.project);
        let namespaces = app.namespaces.iter().filter(|name| is_new || !is_anothers(name));
        namespaces.for_each(|namespace| entered.add(&app.cluster, namespace));
    }
}

impl Entered {
    fn has(&self, cluster: &str, namespace: &str) -> bool {
        self.namespaces.get(cluster).is_some_and(|there| there.contains(namespace))
    }

    /// Whether there is room for no other place.
    pub(crate) fn is_full(&self) -> bool {
        self.namespaces.values().map(BTreeSet::len).sum::<usize>() >= MOST
    }

    fn add(&mut self, cluster: &str, namespace: &str) {
        if !namespace.is_empty() && !self.is_full() {
            self.namespaces.entry(cluster.to_owned()).or_default().insert(namespace.to_owned());
        }
    }
}
