//! What other Applications have where environments are.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::argocd::Application;
use api::gantline::Pipeline;
use promotion::{Brought, Observed};

use crate::context::Context;
use crate::grounds::{Ground, Grounds};
use crate::live::namespaces_of;
use crate::sites::Site;
use crate::walls::of_owner;

/// An Application that has an image of a repository of the Pipeline.
struct Neighbour {
    app: Arc<Application>,
    site: Arc<Site>,
    namespaces: BTreeSet<String>,
}

/// Looks by the images that Applications say they have: what carries no Application's mark is not looked for.
pub(super) fn beside(cx: &Context, seen: &mut Observed) {
    let neighbours = neighbours(cx, &seen.pipeline);
    if neighbours.is_empty() {
        return;
    }
    let grounds = Grounds::by(cx, Arc::clone(&seen.pipeline), Arc::clone(&seen.ledger));
    for (environment, place) in seen.pipeline.spec.environments.iter().zip(&mut seen.places) {
        let is_its = |ground: &&Ground| ground.owner.metadata.name == environment.application;
        let Some(ground) = grounds.owners.iter().find(is_its) else { continue };
        let there = |it: &&Neighbour| {
            it.app.metadata.uid != ground.owner.metadata.uid && ground.meets(it.site.server(), &it.namespaces)
        };
        let found: BTreeSet<(String, String)> =
            neighbours.iter().filter(there).flat_map(|neighbour| neighbour.brought(cx, &grounds, ground)).collect();
        let found = found.into_iter().filter_map(|(namespace, image)| Some((namespace, image.parse().ok()?)));
        place.beside = found.map(|(namespace, image)| Brought { image, namespace }).collect();
    }
}

fn neighbours(cx: &Context, pipeline: &Pipeline) -> Vec<Neighbour> {
    let repositories = Pipeline::BY_IMAGE.values(pipeline).into_iter();
    let mut all: Vec<_> =
        repositories.flat_map(|name| cx.stores.applications.by(&Application::BY_IMAGE, &name)).collect();
    all.sort_by(|a, b| a.metadata.uid.cmp(&b.metadata.uid));
    all.dedup_by(|a, b| a.metadata.uid == b.metadata.uid);
    let neighbour = |app: Arc<Application>| {
        let site = cx.sites.at(&app.spec.destination).ok()?;
        Some(Neighbour { namespaces: namespaces_of(&app), site, app })
    };
    all.into_iter().filter_map(neighbour).collect()
}

impl Neighbour {
    /// The Pipeline's images that it has where an environment is and it has no place of its own, with their namespaces.
    fn brought(&self, cx: &Context, grounds: &Grounds, ground: &Ground) -> Vec<(String, String)> {
        let Self { app, site, namespaces } = self;
        let (own, repositories) = (Grounds::deployed_by(cx, app), Pipeline::BY_IMAGE.values(&grounds.pipeline));
        let is_past = |namespace: &&String| {
            ground.has(site.server(), namespace)
                && !Grounds::any_home(&own, app, site.server(), namespace, &grounds.pipeline)
        };
        let images = |namespace: &String| {
            let all = of_owner(cx, site, app, Some(namespace)).into_iter();
            let its = all.filter(|image| repositories.contains(&image.canonical_repository()));
            its.map(|image| (namespace.clone(), image.to_string())).collect::<Vec<_>>()
        };
        namespaces.iter().filter(is_past).flat_map(images).collect()
    }
}
