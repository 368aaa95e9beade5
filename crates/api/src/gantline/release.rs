//! The Release: the immutable thing that travels. Its identity is the digests; tag and commit are labels.

use std::borrow::Cow;

use jiff::Timestamp;
use object::ImageDigest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{API_VERSION, Stored};
use crate::meta::{ObjectMeta, ShapeError, Unknown, is_default, read, time_option, write};

/// `gantline.dev/v1alpha1 Release`, called `PIPELINE-DIGEST12`; with several images by a hash of their digests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Release {
    pub metadata: ObjectMeta,
    pub spec: ReleaseSpec,
    #[serde(skip_serializing_if = "is_default")]
    pub status: ReleaseStatus,
    /// As it was read; `None`: it was made here.
    #[serde(skip)]
    pub stored: Option<Stored>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseSpec {
    pub pipeline: String,
    pub images: Vec<ReleaseImage>,
    pub source: ReleaseSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseImage {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
    pub digest: ImageDigest,
    /// The manifests that are in it, where it is an index of several; empty too where the registry did not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ImageDigest>,
}

/// The commit with which somebody put the images into the first environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseSource {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repository: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// Name of the commit's author: their approval does not count.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// The author's address: another way to tell who it was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Everybody behind the images, since the release before: authors, committers, co-authors, and who wrote what was
    /// merged. Each once, as `Dana Smith <dana@acme.io>`.
    #[serde(skip_serializing_if = "Vec::is_empty", alias = "others")]
    pub people: Vec<String>,
    /// Why these are not all; empty where they are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unread: String,
    pub environment: String,
}

impl ReleaseSource {
    /// The author and the others, as `Dana Smith <dana@acme.io>`.
    pub fn everybody(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let author = named(&self.author, &self.email);
        let is_author = |other: &str| author == other;
        let others = self.people.iter().map(String::as_str).filter(|other| !is_author(other)).collect::<Vec<_>>();
        Some(author).filter(|author| !author.is_empty()).into_iter().chain(others.into_iter().map(Cow::Borrowed))
    }
}

/// `Dana Smith <dana@acme.io>`, or as much of it as is known.
pub fn person(name: &str, email: &str) -> String {
    named(name, email).into_owned()
}

fn named<'a>(name: &'a str, email: &str) -> Cow<'a, str> {
    match email {
        "" => Cow::Borrowed(name),
        _ => Cow::Owned(format!("{name} <{email}>").trim_start().to_owned()),
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseStatus {
    pub environments: Vec<ReleaseEnvironment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// It was written past Gantline once: what its spec says of people and commits is not believed.
    #[serde(skip_serializing_if = "is_default")]
    pub tampered: bool,
    /// How often Gantline wrote this: what was written before counts no more.
    #[serde(skip_serializing_if = "is_default")]
    pub writes: u64,
    /// By which Gantline knows that it wrote all of this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seal: String,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// How far a release is in one environment. An entry is there once the release was put there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseEnvironment {
    pub name: String,
    pub phase: ReleasePhase,
    /// When the phase began.
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Nobody promoted it here: it was written to Git or synced past the gates.
    #[serde(skip_serializing_if = "is_default")]
    pub by_hand: bool,
    /// Healthy without a break since then: what a soak counts from.
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub healthy_since: Option<Timestamp>,
    /// When the release was written to the environment: what a deadline counts from.
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub deployed_at: Option<Timestamp>,
    /// The break of the watch before then was examined: the soak holds across it, or it began again. To the nanosecond, as
    /// breaks may be short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watched_since: Option<Timestamp>,
    /// How it does there was known at every look since then: a deadline counts no time in which nobody could tell.
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub known_since: Option<Timestamp>,
    /// How often the soak began again, and why the last time.
    #[serde(skip_serializing_if = "is_default")]
    pub restarts: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Only [`promotion`'s machine](../../promotion/index.html) moves a release from one to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ReleasePhase {
    /// Written to Git; the cluster is not there yet.
    #[default]
    Deploying,
    /// Synced and Healthy, and the pods run the digest.
    Converged,
    /// Converged, and some later gate counts how long.
    Soaking,
    /// Converged, and every verification passed.
    Verified,
    /// It degraded or did not get there in time.
    Failed,
    /// Another release has taken its place.
    Replaced,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Quarantine {
    pub by: String,
    pub reason: String,
    #[serde(with = "time_option")]
    pub at: Option<Timestamp>,
    /// The Release of another Pipeline that is quarantined, and holds this one too; empty: this one is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub release: String,
}

impl Quarantine {
    /// The other Pipeline that quarantined it.
    pub fn other_pipeline(&self) -> Option<&str> {
        self.release.rsplit_once('-').map(|(pipeline, _)| pipeline)
    }

    /// `tina`, or `tina in Pipeline shop`.
    pub fn whose(&self) -> String {
        match self.other_pipeline() {
            Some(pipeline) => format!("{} in Pipeline {pipeline}", self.by),
            None => self.by.clone(),
        }
    }
}

impl Release {
    /// # Errors
    /// When a known field has a wrong type.
    pub fn from_value(value: Value) -> Result<Self, ShapeError> {
        let stored = Some(Stored::of(&value));
        Ok(Self { stored, ..read(value)? })
    }

    pub fn to_value(&self) -> Value {
        write(self, API_VERSION, "Release")
    }

    /// The first image's tag: what people call the release.
    pub fn tag(&self) -> &str {
        self.spec.images.first().map_or("", |i| i.tag.as_str())
    }

    /// The first image's digest; empty where there is no image.
    pub fn digest(&self) -> &str {
        self.spec.images.first().map_or("", |i| i.digest.as_str())
    }

    pub fn in_environment(&self, name: &str) -> Option<&ReleaseEnvironment> {
        self.status.environments.iter().find(|e| e.name == name)
    }
}

impl ReleasePhase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploying => "Deploying",
            Self::Converged => "Converged",
            Self::Soaking => "Soaking",
            Self::Verified => "Verified",
            Self::Failed => "Failed",
            Self::Replaced => "Replaced",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gantline::{Pipeline, Promotion};

    #[test]
    fn what_is_no_digest_makes_an_object_unreadable() {
        let good = format!("sha256:{}", "d".repeat(64));
        let release =
            |digest: &str| Release::from_value(json!({"spec": {"images": [{"name": "a", "digest": digest}]}}));
        let promotion = |digest: &str| Promotion::from_value(json!({"spec": {"digest": digest}}));
        let pin = |digest: &str| json!({"spec": {"pins": {"dev": {"digest": digest}}}});
        let pipeline = |digest: &str| Pipeline::from_value(pin(digest));
        for bad in ["sha256:d", "v1", &good.to_uppercase()] {
            let errors = [release(bad).err(), promotion(bad).err(), pipeline(bad).err()];
            for error in errors.map(|error| error.unwrap().to_string()) {
                assert!(error.contains("is no image digest: expected sha256: and 64 hexadecimal digits"), "{error}");
            }
        }
        let read = release(&good).unwrap();
        assert_eq!(read.to_value()["spec"]["images"][0]["digest"], good, "as it was written");
        assert_eq!(promotion(&good).unwrap().spec.digest.map(String::from), Some(good));
        assert!(promotion("").is_ok() && pipeline("").is_ok(), "none yet");
        assert!(release("").is_err(), "an image without one is none");
    }
}
