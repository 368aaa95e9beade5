//! Who is served beside what was promoted: a Service sends to all pods with its labels, whatever images these have.

use api::argocd::Application;
use api::gantline::Pipeline;
use engine::{Compared, images, selects};
use object::{ImageRef, LiveObject, Manifest};
use promotion::Joining;
use serde_json::Value;

use crate::context::Context;
use crate::live::belonging;
use crate::reconcile::Judged;
use crate::sites::Site;

/// The Services of an environment, those that come included, and the workloads that are there with images of its Pipeline.
#[derive(Debug)]
pub(crate) struct Served {
    services: Vec<Service>,
    promoted: Vec<LiveObject>,
}

#[derive(Debug)]
struct Service {
    name: String,
    namespace: String,
    selector: Value,
}

impl Service {
    fn of(manifest: &Manifest, namespace: &str) -> Option<Self> {
        let selector = manifest.value().pointer("/spec/selector").filter(|_| manifest.kind() == "Service")?;
        let (name, namespace) = (manifest.name().to_owned(), namespace.to_owned());
        Some(Self { name, namespace, selector: selector.clone() })
    }
}

impl Served {
    pub(crate) fn by(cx: &Context, site: &Site, owner: &Application, pipeline: &Pipeline, judged: &Judged) -> Self {
        let (mut services, mut promoted) = (Vec::new(), Vec::new());
        for live in belonging(cx, site, owner) {
            services.extend(Service::of(&live, live.namespace()));
            if live.owner_references().is_empty() && runs_any(&live, pipeline) {
                promoted.push(live);
            }
        }
        let objects = judged.compared.comparison.objects.iter();
        let coming = objects.filter_map(|object| Service::of(object.target.as_ref()?, &object.key.namespace));
        services.extend(coming);
        Self { services, promoted }
    }

    /// What an object would be served beside, that has no image of the Pipeline and was not before. Jobs and hooks come anew
    /// with every sync, and charts give them the labels of all else: they are as free as ever.
    pub(crate) fn joined_by(&self, object: &Compared, pipeline: &Pipeline) -> Option<Joining> {
        if object.hook || matches!(object.key.kind.as_str(), "Job" | "CronJob") {
            return None;
        }
        let target = object.target.as_ref().filter(|target| !runs_any(target, pipeline))?;
        let was = |service: &Service| object.live.as_ref().is_some_and(|live| selects(&service.selector, live));
        let near = self.services.iter().filter(|service| service.namespace == object.key.namespace);
        let mut new = near.filter(|service| selects(&service.selector, target) && !was(service));
        new.find_map(|service| {
            let beside = |live: &&LiveObject| live.namespace() == service.namespace && selects(&service.selector, live);
            let image = self.promoted.iter().filter(beside).find_map(|live| of_pipeline(live, pipeline))?;
            let workload = format!("{}/{}", object.key.kind, object.key.name);
            Some(Joining { workload, service: service.name.clone(), image })
        })
    }
}

fn runs_any(manifest: &Manifest, pipeline: &Pipeline) -> bool {
    of_pipeline(manifest, pipeline).is_some()
}

/// An image of a container.
fn of_pipeline(manifest: &Manifest, pipeline: &Pipeline) -> Option<ImageRef> {
    let all = images(manifest).into_iter().filter(|image| !image.init);
    let mut all = all.filter_map(|image| image.image.parse::<ImageRef>().ok());
    all.find(|image| pipeline.spec.images.iter().any(|own| image.same_repository(&own.name)))
}
