//! What each step of a build changed, scalar by scalar: what `render --trace` shows. Normal builds keep no history.

use super::node::{Key, Node, Place, Scalar};
use super::resource::Resource;
use super::sources::{Role, Source, Sources};

/// One transformation of one kustomization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The field of the kustomization, with its index: `patches[0]`.
    pub(crate) name: String,
    pub(crate) file: String,
    /// 1-based; 0 when the step is not written in the file (an override of the Application).
    pub(crate) line: usize,
}

/// A scalar that a step set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) step: Step,
    /// Where the new value is written, where that is known.
    pub(crate) own: Place,
    /// The scalar that was there before.
    pub(crate) before: Option<Scalar>,
}

/// All changes of a build. A scalar's place names its last change, and that the one before.
#[derive(Debug, Default)]
pub(crate) struct History {
    changes: Vec<Change>,
}

impl History {
    pub(crate) fn get(&self, index: usize) -> Option<&Change> {
        self.changes.get(index)
    }

    /// Remembers the objects as they are now; new ones count as read, not as made by a step.
    pub(crate) fn remember(resources: &mut [Resource]) {
        for resource in resources.iter_mut().filter(|r| r.before.is_none()) {
            resource.before = Some(Box::new(resource.node.clone()));
        }
    }

    /// Notes what `step` changed since the objects were remembered last.
    pub(crate) fn note(&mut self, resources: &mut [Resource], sources: &mut Sources, step: &Step) {
        let mut noting = Noting { history: self, sources, step };
        for resource in resources {
            let before = resource.before.take();
            noting.compare(before.as_deref(), &mut resource.node);
            resource.before = Some(Box::new(resource.node.clone()));
        }
    }
}

struct Noting<'a> {
    history: &'a mut History,
    sources: &'a mut Sources,
    step: &'a Step,
}

impl Noting<'_> {
    fn compare(&mut self, before: Option<&Node>, after: &mut Node) {
        match after {
            Node::Scalar(scalar) => self.scalar(before, scalar),
            Node::Map(pairs) => {
                for (key, value) in pairs {
                    self.compare(before.and_then(|b| field(b, key)), value);
                }
            }
            Node::List(items) => {
                let old = before.map(Node::items).unwrap_or_default();
                let same_length = old.len() == items.len();
                for (i, item) in items.iter_mut().enumerate() {
                    let index = old.get(i).filter(|_| same_length);
                    let partner = old.iter().find(|o| same_element(o, item)).or(index);
                    self.compare(partner, item);
                }
            }
        }
    }

    fn scalar(&mut self, before: Option<&Node>, scalar: &mut Scalar) {
        let before = match before {
            Some(Node::Scalar(before)) => Some(before),
            _ => None,
        };
        match before {
            // a patch repeats names and kinds to say what it is for: that sets nothing
            Some(old) if old.text == scalar.text => scalar.place = old.place,
            _ if before.is_none() && self.is_change(scalar.place) => {}
            _ => {
                let change = Change { step: self.step.clone(), own: scalar.place, before: before.cloned() };
                self.history.changes.push(change);
                scalar.place = Place { source: self.changed(), start: 0, end: 0 };
            }
        }
    }

    /// Whether a scalar was moved here with its history.
    fn is_change(&self, place: Place) -> bool {
        matches!(self.sources.get(place.source).role, Role::Changed(_))
    }

    /// The source that stands for the last change.
    fn changed(&mut self) -> u32 {
        let role = Role::Changed(self.history.changes.len() - 1);
        self.sources.add(Source { file: String::new(), role, text: "".into(), inline: None })
    }
}

fn field<'n>(node: &'n Node, key: &Key) -> Option<&'n Node> {
    node.pairs().iter().find(|(k, _)| k.text == key.text).map(|(_, v)| v)
}

/// Fields that tell the elements of a list apart, as far as lists of Kubernetes have them.
pub(crate) const ELEMENT_KEYS: [&str; 7] = ["name", "containerPort", "port", "mountPath", "key", "ip", "host"];

fn same_element(a: &Node, b: &Node) -> bool {
    match (a, b) {
        (Node::Scalar(a), Node::Scalar(b)) => a.text == b.text,
        _ => {
            let key = ELEMENT_KEYS.iter().find(|k| b.get(k).is_some());
            key.is_some_and(|k| a.get(k).map(Node::text) == b.get(k).map(Node::text))
        }
    }
}
