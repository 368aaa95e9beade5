//! What would come past the gates, as it is said, and what to do instead.

use std::fmt;

use object::{ImageDigest, ImageRef};

use crate::about::outlined;
use crate::ledger::Barrier;
use crate::meaning::Fit;
use crate::owned::{Images, Joining};

#[derive(Debug)]
pub(crate) enum Stranger<'a> {
    /// All of an image goes.
    Replaced(&'a str),
    Quarantined {
        image: &'a ImageRef,
        /// Where its text does not say it.
        is: Option<&'a ImageDigest>,
        by: String,
    },
    /// What is quarantined may be it.
    Unclear {
        image: &'a ImageRef,
        /// It comes in; else it is there already.
        is_new: bool,
        why: String,
        by: String,
    },
    /// What was promoted under its tag is another image.
    Moved {
        image: &'a ImageRef,
        was: &'a ImageDigest,
        now: &'a ImageDigest,
    },
    NotPromoted(&'a ImageRef),
    /// It was, and another one since.
    Past(&'a ImageRef),
    Unreadable(&'a str),
    Joining(&'a Joining),
}

impl<'a> Stranger<'a> {
    pub(crate) fn barred(barrier: &Barrier<'_, 'a>, images: &'a Images) -> Self {
        let Barrier { fit, told, quarantine } = barrier;
        // of another Pipeline: who may see this Application may not see that one
        let by = match quarantine.release.as_str() {
            "" => format!("{}: {}", quarantine.whose(), outlined(quarantine)),
            _ => "another Pipeline that promotes it".to_owned(),
        };
        let image = told.image;
        if *fit == Fit::Yes {
            return Self::Quarantined { image, is: told.digest.filter(|_| image.digest.is_none()), by };
        }
        let why = match images.means.get(image) {
            Some(Err(why)) => why,
            Some(Ok(_)) => "there is more in it than is looked at",
            None => "its registry was not asked",
        }
        .to_owned();
        Self::Unclear { image, is_new: images.new.contains(image), why, by }
    }

    pub(crate) fn told_to_its_own(&self, pipeline: &str, environment: &str, owner: &str, syncing: &str) -> String {
        format!(
            "{environment} of Pipeline {pipeline} runs what was promoted, and {self}: {}, or sync past the gates (gantline \
             app sync {syncing} --override), which needs the right to override {owner}",
            self.way_out(pipeline, environment)
        )
    }

    /// Everybody who may see the Application that syncs reads it: nothing that is not in that.
    pub(crate) fn told_to_others(&self, project: &str, syncing: &str) -> String {
        let what = match self {
            Self::Replaced(_) | Self::Joining(_) => {
                "this puts something else in the place of what runs there".to_owned()
            }
            Self::Unclear { image, is_new: true, .. } => format!("nobody can tell what {image} means"),
            Self::Unclear { .. } => "nobody can tell what an image means that is there already".to_owned(),
            Self::Quarantined { image, .. }
            | Self::Moved { image, .. }
            | Self::NotPromoted(image)
            | Self::Past(image) => {
                format!("{image} may not come in")
            }
            Self::Unreadable(_) => self.to_string(),
        };
        format!(
            "an environment where this goes runs only what a Pipeline promotes, and {what}: take it back in Git or deploy \
             it elsewhere, or ask the people of project {project}, who know why and may sync past their gates (gantline \
             app sync {syncing} --override)"
        )
    }

    /// What to do about it, but to go past the gates.
    fn way_out(&self, pipeline: &str, environment: &str) -> String {
        match self {
            Self::Moved { .. } => {
                format!("push another tag and promote it (gantline promote {pipeline} --to {environment})")
            }
            Self::Unclear { image, .. } if image.digest.is_some() => {
                format!(
                    "push an image with the platforms that are needed, and promote it (gantline promote {pipeline} --to {environment})"
                )
            }
            Self::Unclear { image, .. } => {
                let name = &image.name;
                format!("write its digest ({name}@sha256:...), or sync again once its registry says what the tag means")
            }
            Self::Joining(_) => "give its pods other labels, or take it back in Git".to_owned(),
            Self::Past(_) => format!(
                "take it back in Git, then go back to what was there before (gantline rollback {pipeline} --in {environment})"
            ),
            Self::Replaced(_) | Self::Quarantined { .. } | Self::NotPromoted(_) | Self::Unreadable(_) => {
                format!("take it back in Git and promote it (gantline promote {pipeline} --to {environment})")
            }
        }
    }
}

impl fmt::Display for Stranger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced(name) => write!(f, "this puts something else in the place of {name}"),
            Self::Quarantined { image, is: None, by } => write!(f, "{image} is quarantined by {by}"),
            Self::Quarantined { image, is: Some(digest), by } => {
                write!(f, "{image}, which means {digest}, is quarantined by {by}")
            }
            Self::Unclear { image, why, by, .. } => write!(
                f,
                "nobody can tell what {image} means ({why}), of whose repository an image is quarantined by {by}"
            ),
            Self::Moved { image, was, now } => {
                write!(f, "{image} means {now} now, and {was} was promoted under this tag: it moved")
            }
            Self::NotPromoted(image) => write!(f, "{image} was not"),
            Self::Past(image) => write!(f, "{image} was promoted before, and something else since"),
            Self::Joining(Joining { workload, service, image }) => write!(
                f,
                "this puts something else in the place of {image}: Service {service} would send to {workload}, too"
            ),
            Self::Unreadable(what) => write!(f, "{what} is no image that can be told"),
        }
    }
}
