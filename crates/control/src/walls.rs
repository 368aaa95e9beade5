//! What an operation brings to the environments of Pipelines: to those that its Application deploys, and to those of others
//! by writing their objects, or an image of theirs into their namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::Application;
use api::gantline::Pipeline;
use engine::{Compared, all_images, pod_labels};
use object::{ImageRef, Manifest, canonical_repository};
use promotion::{Images, Look, Meanings, Owner, Passing, Records, unclear, unpromoted};

use crate::context::Context;
use crate::grounds::{Ground, Grounds};
use crate::live::belonging;
use crate::pipelines::observe::recorded;
use crate::reconcile::Judged;
use crate::served::Served;
use crate::sites::Site;
use crate::stores::AppKey;

/// An Application that deploys an environment of a Pipeline, and what an operation would bring there.
#[derive(Debug)]
pub(crate) struct Wall {
    pub(crate) pipeline: Arc<Pipeline>,
    /// As it was, where it is missing.
    pub(crate) owner: Arc<Application>,
    /// By the object that would have it.
    parts: Vec<Part>,
    live: Vec<ImageRef>,
    served: Served,
    means: Meanings,
    /// The images of the environment's objects, by namespace: as far as somebody asked.
    there: BTreeMap<String, Vec<ImageRef>>,
}

/// What one object brings.
#[derive(Debug)]
struct Part {
    /// The object, and all images that it would have.
    what: String,
    images: Vec<ImageRef>,
    brings: Images,
}

impl Part {
    /// The tags of these repositories.
    fn tags<'a>(&'a self, repositories: &'a BTreeSet<String>) -> impl Iterator<Item = &'a ImageRef> {
        let all = self.images.iter().filter(|image| image.digest.is_none());
        all.filter(|image| repositories.contains(&image.canonical_repository()))
    }

    /// As it is let in past the gates, with what its tags mean now.
    fn passing(&self, subject: &str, repositories: &BTreeSet<String>, means: &Meanings) -> Passing {
        let meaning = |tag: &ImageRef| Some(means.get(tag)?.as_ref().ok()?.digest.clone());
        let tags = self.tags(repositories).map(|tag| (tag.to_string(), meaning(tag))).collect();
        Passing { what: format!("{subject}\n{}", self.what), tags }
    }
}

impl Wall {
    fn brings(&self) -> Images {
        let mut all = Images { live: self.live.clone(), means: self.means.clone(), ..Images::default() };
        for Part { brings, .. } in &self.parts {
            all.new.extend(brings.new.iter().cloned());
            all.replaced.extend(brings.replaced.iter().cloned());
            all.unreadable.extend(brings.unreadable.iter().cloned());
            all.joining.extend(brings.joining.iter().cloned());
        }
        all
    }

    fn brings_something_new(&self) -> bool {
        self.parts.iter().any(|part| !part.brings.bring_nothing_new())
    }

    fn repositories(&self) -> BTreeSet<String> {
        self.pipeline.spec.images.iter().map(|image| canonical_repository(&image.name)).collect()
    }

    /// All that it matters for an override what they mean: those of the objects that bring something.
    pub(crate) fn tags(&self) -> BTreeSet<ImageRef> {
        let repositories = self.repositories();
        self.parts.iter().flat_map(|part| part.tags(&repositories)).cloned().collect()
    }

    /// The objects that bring something, each with its images: what is let in is those, and nothing beside them.
    pub(crate) fn passing(&self, subject: &str, means: &Meanings) -> Vec<Passing> {
        let repositories = self.repositories();
        self.parts.iter().map(|part| part.passing(subject, &repositories, means)).collect()
    }

    /// Without what was let in before, if anything is left.
    pub(crate) fn without(
        mut self,
        subject: &str,
        means: &Meanings,
        was_let_in: impl Fn(&Passing) -> bool,
    ) -> Option<Self> {
        let repositories = self.repositories();
        self.parts.retain(|part| !was_let_in(&part.passing(subject, &repositories, means)));
        self.brings_something_new().then_some(self)
    }

    /// The images of which it matters what they mean.
    pub(crate) fn unclear(&self, cx: &Context) -> BTreeMap<ImageRef, Look> {
        let brings = self.brings();
        if brings.new.is_empty() {
            return BTreeMap::new();
        }
        let seen = recorded(cx, Arc::clone(&self.pipeline));
        unclear(&self.pipeline, &self.owner.metadata.name, Records::of(&seen), &brings)
    }

    /// Whether a registry did not say what a tag means: soon it may.
    pub(crate) fn is_unclear(&self) -> bool {
        self.means.values().any(Result::is_err)
    }

    pub(crate) fn learn(&mut self, means: &Meanings) {
        self.means.extend(means.clone());
    }

    /// Why what it would let in may not come in, as whoever may see the Application that syncs may read it.
    pub(crate) fn why(&self, cx: &Context, app: &Application) -> Option<String> {
        let seen = recorded(cx, Arc::clone(&self.pipeline));
        let syncing = AppKey::of(app).text(&cx.namespace);
        let project = self.owner.spec.project_name();
        let is_other = self.owner.metadata.uid != app.metadata.uid && project != app.spec.project_name();
        let owner = Owner { application: &self.owner.metadata.name, other_project: is_other.then_some(project) };
        unpromoted(&self.pipeline, owner, &syncing, Records::of(&seen), &self.brings())
    }

    fn meet(&mut self, cx: &Context, site: &Site, brought: &Brought<'_>, standing: Standing) {
        let namespace = &brought.object.key.namespace;
        let owner = &self.owner;
        let there = self.there.entry(namespace.clone()).or_insert_with(|| of_owner(cx, site, owner, Some(namespace)));
        let new = brought.brings.new.iter().filter(|image| !there.contains(image)).cloned().collect();
        let joining = self.served.joined_by(brought.object, &self.pipeline).into_iter().collect();
        let brings = match standing {
            Standing::Its => Images { new, joining, ..brought.brings.clone() },
            Standing::Beside => Images { new, joining, ..Images::default() },
        };
        if brings.bring_nothing_new() && brought.brings.bring_nothing_new() {
            return; // its labels lead nowhere
        }
        let images = brought.object.target.as_ref().map(|target| Found::of(target).images).unwrap_or_default();
        let images = images.into_iter().map(|(_, image)| image).collect();
        self.parts.push(Part { what: brought.what(), images, brings });
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
    let (site, own) = (&judged.compared.site, Grounds::deployed_by(cx, app));
    let syncing = Syncing { cx, app, judged, own: &own };
    let (mut walls, mut known) = (BTreeMap::new(), BTreeMap::new());
    let objects = judged.compared.comparison.objects.iter().filter(|object| is_chosen(object));
    for brought in objects.filter_map(Brought::by) {
        for pipeline in brought.pipelines(cx, &own) {
            let name = pipeline.metadata.name.clone();
            let grounds = known.entry(name.clone()).or_insert_with(|| Grounds::of(cx, pipeline));
            for ground in &grounds.owners {
                let Some(standing) = syncing.standing(&grounds.pipeline, ground, brought.object) else { continue };
                let owner = &ground.owner;
                let wall = walls.entry((name.clone(), owner.metadata.name.clone())).or_insert_with(|| Wall {
                    pipeline: Arc::clone(&grounds.pipeline),
                    parts: Vec::new(),
                    live: running(cx, site, owner),
                    served: Served::by(cx, site, owner, &grounds.pipeline, judged),
                    means: Meanings::new(),
                    owner: Arc::clone(owner),
                    there: BTreeMap::new(),
                });
                wall.meet(cx, site, &brought, standing);
            }
        }
    }
    walls.into_values().filter(Wall::brings_something_new).collect()
}

/// Who brings something.
struct Syncing<'a> {
    cx: &'a Context,
    app: &'a Application,
    judged: &'a Judged,
    own: &'a [Grounds],
}

/// How an object stands to the environment of an Application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Its,
    /// In a namespace of the environment.
    Beside,
}

/// What the objects have that carry the mark of an environment's Application, in one namespace or in all.
pub(crate) fn of_owner(cx: &Context, site: &Site, owner: &Application, namespace: Option<&str>) -> Vec<ImageRef> {
    let roots = belonging(cx, site, owner).filter(|live| live.owner_references().is_empty());
    let there = roots.filter(|live| namespace.is_none_or(|namespace| live.namespace() == namespace));
    there.flat_map(|live| Found::of(&live).images).map(|(_, image)| image).collect()
}

/// What an environment runs, by what is known here and by what the status says where another replica works on it.
fn running(cx: &Context, site: &Site, owner: &Application) -> Vec<ImageRef> {
    let said = owner.status.summary.images.iter().filter_map(|image| image.parse().ok());
    of_owner(cx, site, owner, None).into_iter().chain(said).collect()
}

impl Syncing<'_> {
    /// `None`: the object has nothing to do with the environment. Environments that are in one namespace by what their
    /// Applications say have their own objects there; what an Application puts elsewhere is judged by who is there.
    fn standing(&self, pipeline: &Pipeline, ground: &Ground, object: &Compared) -> Option<Standing> {
        let (owner, cluster) = (&ground.owner, self.judged.compared.site.server());
        if owner.metadata.uid == self.app.metadata.uid || self.is_of(owner, object) {
            return Some(Standing::Its);
        }
        let namespace = object.key.namespace.as_str();
        let is_beside =
            ground.has(cluster, namespace) && !Grounds::any_home(self.own, self.app, cluster, namespace, pipeline);
        is_beside.then_some(Standing::Beside)
    }

    /// Whether another Application has the object, or had it before it was missing or went elsewhere, or wants it.
    fn is_of(&self, owner: &Application, object: &Compared) -> bool {
        let mark = object.live.as_ref().and_then(|live| self.judged.compared.options.tracking.application_of(live));
        let wants = || owner.status.resources.iter().any(|resource| resource.wants(&object.key));
        mark.is_some_and(|mark| mark == owner.instance_name(&self.cx.namespace))
            || wants() && self.cx.sites.same(&owner.spec.destination, &self.app.spec.destination)
    }
}

/// What an object would have and has not.
struct Brought<'a> {
    object: &'a Compared,
    brings: Images,
}

impl<'a> Brought<'a> {
    /// `None` where it brings nothing that is not there, and no labels of pods.
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
        let brings = Images {
            unreadable: unreadable.map(|text| format!("{text:?} of {name}")).collect(),
            replaced: live.images.iter().filter(|(at, old)| !stays(at, old)).map(|(_, old)| old.clone()).collect(),
            new: wanted.images.iter().map(|(_, image)| image).filter(|image| !is_there(image)).cloned().collect(),
            ..Images::default()
        };
        let labels = |manifest: &Manifest| pod_labels(manifest).cloned();
        let is_relabelled =
            object.live.as_deref().is_some_and(|live| labels(live) != object.target.as_ref().and_then(labels));
        (is_relabelled || !brings.bring_nothing_new()).then_some(Self { object, brings })
    }

    /// The object with all its images.
    fn what(&self) -> String {
        let images = self.object.target.iter().flat_map(all_images).map(|image| image.text);
        let images: BTreeSet<String> = images.collect();
        format!("{}\n{}", self.object.key, Vec::from_iter(images).join("\n"))
    }

    /// The Pipelines that it may concern: those of who syncs, of who has the object, and of the images.
    fn pipelines(&self, cx: &Context, own: &[Grounds]) -> Vec<Arc<Pipeline>> {
        let images = self.brings.new.iter().chain(&self.brings.replaced);
        let of_images =
            images.flat_map(|image| cx.stores.pipelines.holding_by(&Pipeline::BY_IMAGE, &image.canonical_repository()));
        let other = self.object.owner().into_iter().flat_map(|owner| cx.stores.guarded_by(&cx.key_of(owner)));
        let mut all: Vec<Arc<Pipeline>> =
            own.iter().map(|own| Arc::clone(&own.pipeline)).chain(of_images).chain(other).collect();
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
