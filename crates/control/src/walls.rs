//! What an operation brings to the environments of Pipelines: to those that its Application deploys, and to those of others
//! by writing their objects, or an image of theirs into their namespaces.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::argocd::Application;
use api::gantline::Pipeline;
use engine::{Compared, all_images};
use object::{ImageRef, Manifest};
use promotion::{Images, Records, unpromoted};

use crate::context::Context;
use crate::live::{belonging, namespaces_of};
use crate::pipelines::observe::recorded;
use crate::reconcile::Judged;
use crate::sites::Site;
use crate::stores::AppKey;

/// An Application that deploys an environment of a Pipeline, and what an operation would bring there.
#[derive(Debug)]
pub(crate) struct Wall {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) owner: Arc<Application>,
    brings: Images,
    /// The images of the environment's objects, by namespace: as far as somebody asked.
    there: BTreeMap<String, Vec<ImageRef>>,
}

impl Wall {
    /// Why what it would let in may not come in.
    pub(crate) fn why(&self, cx: &Context, app: &Application) -> Option<String> {
        let seen = recorded(cx, Arc::clone(&self.pipeline));
        let syncing = AppKey::of(app).text(&cx.namespace);
        unpromoted(&self.pipeline, &self.owner.metadata.name, &syncing, Records::of(&seen), &self.brings)
    }

    fn meet(&mut self, cx: &Context, site: &Site, brought: &Brought<'_>, standing: Standing) {
        let namespace = &brought.object.key.namespace;
        let owner = &self.owner;
        let there = self.there.entry(namespace.clone()).or_insert_with(|| of_owner(cx, site, owner, Some(namespace)));
        self.brings.new.extend(brought.new.iter().filter(|image| !there.contains(image)).cloned());
        if standing == Standing::Its {
            self.brings.replaced.extend(brought.replaced.iter().cloned());
            self.brings.unreadable.extend(brought.unreadable.iter().cloned());
        }
    }
}

/// The environments that an operation brings something to. Whose images and objects no Pipeline knows costs one look into
/// an index for each image that is new.
pub(crate) fn walls(
    cx: &Context,
    app: &Application,
    judged: &Judged,
    is_chosen: impl Fn(&Compared) -> bool,
) -> Vec<Wall> {
    if cx.stores.pipelines.is_empty() {
        return Vec::new();
    }
    let (site, own) = (&judged.compared.site, cx.stores.deployed_by(&AppKey::of(app)));
    let mut walls = BTreeMap::new();
    let objects = judged.compared.comparison.objects.iter().filter(|object| is_chosen(object));
    for brought in objects.filter_map(Brought::by) {
        for pipeline in brought.pipelines(cx, &own) {
            for owner in promotion::owners(&pipeline).into_iter().filter_map(|name| cx.application(name)) {
                let Some(standing) = standing(cx, app, &own, &pipeline, &owner, brought.object) else { continue };
                let key = (pipeline.metadata.name.clone(), owner.metadata.name.clone());
                let wall = walls.entry(key).or_insert_with(|| Wall {
                    pipeline: Arc::clone(&pipeline),
                    brings: Images { live: running(cx, site, &owner), ..Images::default() },
                    owner: Arc::clone(&owner),
                    there: BTreeMap::new(),
                });
                wall.meet(cx, site, &brought, standing);
            }
        }
    }
    walls.into_values().filter(|wall| !wall.brings.bring_nothing_new()).collect()
}

/// How an object stands to the environment of an Application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Its,
    /// In a namespace of the environment.
    Beside,
}

/// What the objects have that carry the mark of an environment's Application, in one namespace or in all.
fn of_owner(cx: &Context, site: &Site, owner: &Application, namespace: Option<&str>) -> Vec<ImageRef> {
    let roots = belonging(cx, site, owner).filter(|live| live.owner_references().is_empty());
    let there = roots.filter(|live| namespace.is_none_or(|namespace| live.namespace() == namespace));
    there.flat_map(|live| Found::of(&live).images).map(|(_, image)| image).collect()
}

/// What an environment runs, by what is known here and by what the status says where another replica works on it.
fn running(cx: &Context, site: &Site, owner: &Application) -> Vec<ImageRef> {
    let said = owner.status.summary.images.iter().filter_map(|image| image.parse().ok());
    of_owner(cx, site, owner, None).into_iter().chain(said).collect()
}

/// `None`: the object has nothing to do with the environment. Applications to which the same is promoted may share a
/// namespace: each has its own objects there.
fn standing(
    cx: &Context,
    app: &Application,
    own: &[Arc<Pipeline>],
    pipeline: &Pipeline,
    owner: &Application,
    object: &Compared,
) -> Option<Standing> {
    if owner.metadata.uid == app.metadata.uid {
        return Some(Standing::Its);
    }
    if owner.metadata.deletion_timestamp.is_some() || !cx.sites.same(&owner.spec.destination, &app.spec.destination) {
        return None;
    }
    let has = object.shared_with.as_deref() == Some(&*owner.instance_name(&cx.namespace));
    if has || owner.status.resources.iter().any(|resource| resource.wants(&object.key)) {
        return Some(Standing::Its);
    }
    let is_judged_by = |own: &Arc<Pipeline>| own.metadata.name == pipeline.metadata.name || owns(own, app, pipeline);
    let is_beside = namespaces_of(owner).contains(&object.key.namespace) && !own.iter().any(is_judged_by);
    is_beside.then_some(Standing::Beside)
}

/// Whether a Pipeline promotes an image of another one to the Application.
fn owns(pipeline: &Pipeline, app: &Application, other: &Pipeline) -> bool {
    let repositories = |pipeline: &Pipeline| Pipeline::BY_IMAGE.values(pipeline);
    promotion::is_owned(pipeline, &app.metadata.name)
        && repositories(pipeline).iter().any(|image| repositories(other).contains(image))
}

/// What an object would have and has not.
struct Brought<'a> {
    object: &'a Compared,
    new: Vec<ImageRef>,
    replaced: Vec<ImageRef>,
    unreadable: Vec<String>,
}

impl<'a> Brought<'a> {
    /// `None` where it brings nothing that is not there.
    fn by(object: &'a Compared) -> Option<Self> {
        let wanted = Found::of(object.target.as_ref()?);
        let live = object.live.as_deref().map(|live| Found::of(live)).unwrap_or_default();
        let is_there =
            |image: &ImageRef| live.images.iter().any(|(_, there)| there == image) && object.shared_with.is_none();
        // in its own place: an init container with the old image beside another one's container is not what ran
        let stays = |place: &str, old: &ImageRef| {
            wanted.images.iter().any(|(now, new)| now == place && new.same_repository(&old.name))
        };
        let name = format!("{}/{}", object.key.kind, object.key.name);
        let unreadable = wanted.unreadable.iter().filter(|text| !live.unreadable.contains(text));
        let brought = Self {
            object,
            unreadable: unreadable.map(|text| format!("{text:?} of {name}")).collect(),
            replaced: live.images.iter().filter(|(at, old)| !stays(at, old)).map(|(_, old)| old.clone()).collect(),
            new: wanted.images.iter().map(|(_, image)| image).filter(|image| !is_there(image)).cloned().collect(),
        };
        let nothing = brought.new.is_empty() && brought.replaced.is_empty() && brought.unreadable.is_empty();
        (!nothing).then_some(brought)
    }

    /// The Pipelines that it may concern: those of who syncs, of who has the object, and of the images.
    fn pipelines(&self, cx: &Context, own: &[Arc<Pipeline>]) -> Vec<Arc<Pipeline>> {
        let images = self.new.iter().chain(&self.replaced);
        let of_images =
            images.flat_map(|image| cx.stores.pipelines.by(&Pipeline::BY_IMAGE, &image.canonical_repository()));
        let other = self.object.shared_with.iter().flat_map(|owner| cx.stores.deployed_by(&cx.key_of(owner)));
        let mut all: Vec<Arc<Pipeline>> = own.iter().cloned().chain(of_images).chain(other).collect();
        all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        all.dedup_by(|a, b| a.metadata.name == b.metadata.name);
        all
    }
}

/// The images of an object, and what is none though it stands where only images do.
#[derive(Default)]
struct Found {
    /// With the places where they are.
    images: Vec<(String, ImageRef)>,
    unreadable: Vec<String>,
}

impl Found {
    fn of(manifest: &Manifest) -> Self {
        let mut found = Self::default();
        for image in all_images(manifest) {
            match image.text.parse() {
                Ok(parsed) => found.images.push((image.place(), parsed)),
                Err(_) if image.runs => found.unreadable.push(image.text),
                Err(_) => {}
            }
        }
        found
    }
}
