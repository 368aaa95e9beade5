//! The kinds that are watched, and by what their objects are found beside their names.

use std::collections::BTreeMap;
use std::fmt;

use object::{GroupKind, ImageRef, Index, Kind, LiveObject, canonical_repository};
use serde_json::Value;

use crate::argocd::{
    APPLICATION_KIND, AppProject, Application, ClusterSecret, Destination, RepositorySecret, normalize_git_url,
    secret_data,
};
use crate::gantline::{GROUP, Pipeline, Promotion, Release};

const ARGOCD_GROUP: &str = "argoproj.io";

impl Application {
    /// By the normalized addresses of its sources.
    pub const BY_REPOSITORY: Index<Self> = Index::new("repository", |app| {
        let addresses = app.spec.all_sources().iter().map(|source| normalize_git_url(&source.repo_url));
        addresses.filter(|address| !address.is_empty()).collect()
    });
    /// The namespace whose labels and annotations it keeps.
    pub const BY_KEPT_NAMESPACE: Index<Self> = Index::new("kept-namespace", |app| {
        app.spec.kept_namespace_metadata().map(|_| app.spec.destination.namespace.clone()).into_iter().collect()
    });
    /// By the server or the name of the cluster that it deploys to.
    pub const BY_CLUSTER: Index<Self> = Index::new("cluster", |app| {
        let Destination { server, name, .. } = &app.spec.destination;
        let both = [server.trim_end_matches('/'), name].into_iter().filter(|text| !text.is_empty());
        both.map(str::to_owned).collect()
    });
    /// By the repositories of the images that it has, in their canonical spelling.
    pub const BY_IMAGE: Index<Self> = Index::new("image", |app| {
        let images = app.status.summary.images.iter().filter_map(|image| image.parse().ok());
        images.map(|image: ImageRef| image.canonical_repository()).collect()
    });
    pub const BY_PROJECT: Index<Self> = Index::new("project", |app| vec![app.spec.project_name().to_owned()]);
}

impl Kind for Application {
    const INDEXES: &'static [Index<Self>] =
        &[Self::BY_REPOSITORY, Self::BY_CLUSTER, Self::BY_PROJECT, Self::BY_KEPT_NAMESPACE, Self::BY_IMAGE];

    fn group_kind() -> GroupKind {
        GroupKind::new(ARGOCD_GROUP, APPLICATION_KIND)
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        Self::from_value(object.into_value()).map_err(|error| error.to_string())
    }
}

impl Kind for AppProject {
    fn group_kind() -> GroupKind {
        GroupKind::new(ARGOCD_GROUP, "AppProject")
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        Self::from_value(object.into_value()).map_err(|error| error.to_string())
    }
}

impl Pipeline {
    /// By the Applications of its environments.
    pub const BY_APPLICATION: Index<Self> = Index::new("application", |pipeline| {
        pipeline.spec.environments.iter().map(|environment| environment.application.clone()).collect()
    });
    /// By the repositories of its images, in their canonical spelling.
    pub const BY_IMAGE: Index<Self> = Index::new("image", |pipeline| {
        pipeline.spec.images.iter().map(|image| canonical_repository(&image.name)).collect()
    });
}

impl Kind for Pipeline {
    const INDEXES: &'static [Index<Self>] = &[Self::BY_APPLICATION, Self::BY_IMAGE];

    fn group_kind() -> GroupKind {
        GroupKind::new(GROUP, "Pipeline")
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        Self::from_value(object.into_value()).map_err(|error| error.to_string())
    }

    fn read_or_outline(object: LiveObject) -> Result<Self, (String, Option<Box<Self>>)> {
        Self::read_or_outline(object.into_value()).map_err(|(error, outline)| (error.to_string(), outline))
    }
}

impl Release {
    pub const BY_PIPELINE: Index<Self> = Index::new("pipeline", |release| vec![release.spec.pipeline.clone()]);
}

impl Kind for Release {
    const INDEXES: &'static [Index<Self>] = &[Self::BY_PIPELINE];

    fn group_kind() -> GroupKind {
        GroupKind::new(GROUP, "Release")
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        Self::from_value(object.into_value()).map_err(|error| error.to_string())
    }
}

impl Promotion {
    pub const BY_PIPELINE: Index<Self> = Index::new("pipeline", |promotion| vec![promotion.spec.pipeline.clone()]);
}

impl Kind for Promotion {
    const INDEXES: &'static [Index<Self>] = &[Self::BY_PIPELINE];

    fn group_kind() -> GroupKind {
        GroupKind::new(GROUP, "Promotion")
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        Self::from_value(object.into_value()).map_err(|error| error.to_string())
    }
}

impl Kind for RepositorySecret {
    fn group_kind() -> GroupKind {
        GroupKind::new("", "Secret")
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        let read = Self::from_secret(&object).map_err(|error| error.to_string())?;
        read.ok_or_else(|| format!("Secret {} names no repository by its label", object.name()))
    }
}

impl Kind for ClusterSecret {
    fn group_kind() -> GroupKind {
        GroupKind::new("", "Secret")
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        let read = Self::from_secret(&object).map_err(|error| error.to_string())?;
        read.ok_or_else(|| format!("Secret {} names no cluster by its label", object.name()))
    }
}

/// A config map of the control plane: its texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigMap {
    pub name: String,
    pub data: BTreeMap<String, String>,
}

impl Kind for ConfigMap {
    fn group_kind() -> GroupKind {
        GroupKind::new("", "ConfigMap")
    }

    /// Values that are no texts are left out.
    fn read(object: LiveObject) -> Result<Self, String> {
        let map = object.value().get("data").and_then(Value::as_object).into_iter().flatten();
        let data = map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
        Ok(Self { name: object.name().to_owned(), data })
    }
}

/// A Secret of the control plane: its texts, decoded. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    pub data: BTreeMap<String, String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("keys", &self.data.keys()).finish()
    }
}

impl Kind for Secret {
    fn group_kind() -> GroupKind {
        GroupKind::new("", "Secret")
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        Ok(Self { data: secret_data(object.value()) })
    }
}
