//! Which digest a tag means now: the registry's answer, with the login that a repository Secret has for it.

use object::{ImageDigest, ImageRef};

use crate::context::Context;
use crate::git_remotes::logins;

pub(super) async fn ask(cx: &Context, image: &ImageRef) -> Result<ImageDigest, String> {
    let Some(registry) = registry_of(cx, image) else { return Err("no registry is asked".to_owned()) };
    registry.resolve(image).await.map_err(|error| error.to_string())
}

/// The client with the credentials for the image's registry; `None` where registries are not asked.
pub(crate) fn registry_of(cx: &Context, image: &ImageRef) -> Option<git::RegistryClient> {
    let reach = git::Reach::Configured(cx.stores.private_hosts());
    let registry = cx.registry.clone()?.with_policy(git::Policy { reach, ..git::Policy::default() });
    let (host, repository) = image.registry_and_repository();
    Some(match cx.stores.credentials().of_image(&format!("{host}/{repository}")) {
        Some(secret) => registry.with_credentials(&host, logins(&secret.credentials)),
        None => registry,
    })
}
