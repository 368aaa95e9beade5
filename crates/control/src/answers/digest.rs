//! Which digest a tag means now, and what is in an image: the registry's answer, with the login that a repository Secret has for it.

use git::{RegistryClient, RegistryError};
use object::{ImageDigest, ImageRef};
use promotion::Parts;

use crate::context::Context;
use crate::git_remotes::logins;

pub(super) async fn ask(cx: &Context, image: &ImageRef) -> Result<ImageDigest, String> {
    let Some(registry) = registry_of(cx, image) else { return Err("no registry is asked".to_owned()) };
    registry.resolve(image).await.map_err(|error| error.to_string())
}

/// What is in an image with a digest.
pub(super) async fn parts(cx: &Context, image: &ImageRef) -> Parts {
    match registry_of(cx, image) {
        Some(registry) => parts_from(&registry, image).await,
        None => Parts::Untold("no registry is asked".to_owned()),
    }
}

pub(super) async fn parts_from(registry: &RegistryClient, image: &ImageRef) -> Parts {
    match registry.parts(image).await {
        Ok(parts) => Parts::Known(parts),
        Err(error @ RegistryError::Unreadable { .. }) => Parts::Unreadable(error.to_string()),
        Err(error) => Parts::Untold(error.to_string()),
    }
}

/// The client with the credentials for the image's registry; `None` where registries are not asked.
pub(crate) fn registry_of(cx: &Context, image: &ImageRef) -> Option<RegistryClient> {
    let reach = git::Reach::Configured(cx.stores.private_hosts());
    let registry = cx.registry.clone()?.with_policy(git::Policy { reach, ..git::Policy::default() });
    let (host, repository) = image.registry_and_repository();
    Some(match cx.stores.credentials().of_image(&format!("{host}/{repository}")) {
        Some(secret) => registry.with_credentials(&host, logins(&secret.credentials)),
        None => registry,
    })
}
