//! Who asks, and what they get to see: routes reach objects only through here, and here each is checked.

use std::borrow::Cow;
use std::sync::Arc;

use api::argocd::Application;
use api::gantline::{Environment, GateReport, Pipeline, Promotion, Release};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use control::requests::Seen;
use control::{AppKey, ConnectedCluster, Controller};
use promotion::requests;

use crate::Server;
use crate::error::ApiError;
use crate::overview::{self, Lane};
use crate::people::Identity;
use crate::rights::{Needs, Object, Resource, Verb, allowed, permit};
use crate::stores::UnreadablePipeline;
use crate::suggest;
use crate::veil::Veil;
use crate::views::{self, EnvironmentView};

/// A request of somebody who was let in.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    server: Server,
    identity: Arc<Identity>,
    needs: Needs,
}

impl FromRequestParts<Server> for Asker {
    type Rejection = ApiError;

    /// The route's guard left it.
    async fn from_request_parts(parts: &mut Parts, _: &Server) -> Result<Self, ApiError> {
        let asker = parts.extensions.get::<Self>().cloned();
        asker.ok_or_else(|| ApiError::unauthenticated("no session: log in first (gantline login)"))
    }
}

impl Asker {
    pub(crate) fn new(server: Server, identity: Identity, needs: Needs) -> Self {
        Self { server, identity: Arc::new(identity), needs }
    }

    /// Whoever asks goes on asking, with the rights of now.
    pub(crate) fn again(&self, identity: Identity) -> Self {
        Self { identity: Arc::new(identity), ..self.clone() }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn user(&self) -> &str {
        &self.identity.user
    }

    /// For what is asked about objects that were checked.
    pub(crate) fn controller(&self) -> &Controller {
        &self.server.config.controller
    }

    /// What is decided about a pipeline is decided from this.
    ///
    /// # Errors
    /// 404 when it went away.
    pub(crate) fn observed(&self, pipeline: &Pipeline) -> Result<promotion::Observed, ApiError> {
        let name = &pipeline.metadata.name;
        let seen = self.server.config.controller.observed(name);
        seen.ok_or_else(|| ApiError::not_found(format!("there is no Pipeline {name:?} any more")))
    }

    /// For a request: what it is refused tells nothing of Applications that may not be seen.
    ///
    /// # Errors
    /// As [`Self::observed`].
    pub(crate) fn seen(&self, pipeline: &Pipeline) -> Result<Seen, ApiError> {
        let asker = self.clone();
        Ok(Seen::through(self.observed(pipeline)?, move |seen| asker.veil_over(&seen.pipeline).observed(seen)))
    }

    /// Where the environments of a pipeline stand.
    pub(crate) fn environments(&self, pipeline: &Pipeline) -> Vec<EnvironmentView> {
        let now = self.server.config.clock.now();
        Lane::of(&self.server, pipeline).environments(&self.identity, now)
    }

    fn gates_now(&self, promotion: &Promotion) -> Vec<GateReport> {
        overview::gates_now(|| self.server.config.controller.observed(&promotion.spec.pipeline), promotion)
    }

    fn may(&self, verb: Verb, object: &Object) -> bool {
        permit(&self.identity.rights, verb, object)
    }

    /// Looks for an Application that is not known. So it is for one that may not be seen: nobody learns by the time that it
    /// takes whether there is one.
    pub(crate) async fn look_for(&self, name: &str) {
        if !self.server.application(name).is_some_and(|app| self.may_see(&app)) {
            self.controller().look_for(&AppKey::said(name, &self.server.config.namespace)).await;
        }
    }

    /// The Application, for what the route does.
    ///
    /// # Errors
    /// 403 when it may not be seen or the route's right is missing, 404 when it is not there, 409 when it is no Application
    /// as it is written.
    pub(crate) fn application(&self, name: &str) -> Result<Arc<Application>, ApiError> {
        if let Some(unreadable) = self.unreadable_application(name) {
            let why = unreadable.status.conditions.first().map_or("", |condition| &condition.message);
            return Err(ApiError::new(StatusCode::CONFLICT, format!("Application {name}: {why}; write it right")));
        }
        let found = self.server.application(name);
        let app = self.visible(
            found,
            |app| self.of_application(app),
            Resource::Applications,
            name,
            || {
                let namespace = &self.server.config.namespace;
                format!("there is no Application {name:?} in namespace {namespace}: {}", self.hint(name))
            },
        )?;
        let object = self.of_application(&app);
        match self.needs {
            Needs::Right(resource, _) => self.allowed(&object.as_resource(resource), name)?,
            Needs::Nothing | Needs::Session => {}
        }
        Ok(app)
    }

    /// # Errors
    /// 403 that says who may bring something else to an Application than what it follows, or than what was promoted.
    pub(crate) fn overrides(&self, app: &Application) -> Result<(), ApiError> {
        let name = self.name_of(app);
        let what = if self.controller().is_owned(app) {
            format!("what Pipelines promote to {name}")
        } else {
            format!("what {name} follows")
        };
        allowed(&self.identity, Verb::Override, &self.of_application(app), &what).map_err(ApiError::forbidden)
    }

    pub(crate) fn may_override(&self, app: &Application) -> bool {
        self.may(Verb::Override, &self.of_application(app))
    }

    pub(crate) fn may_see(&self, app: &Application) -> bool {
        self.may(Verb::Get, &self.of_application(app))
    }

    /// One that was written as no Application is, and that may be seen.
    pub(crate) fn unreadable_application(&self, name: &str) -> Option<Arc<Application>> {
        let key = AppKey::said(name, &self.server.config.namespace);
        self.server.unreadable_application(&key).filter(|app| self.may_see(app))
    }

    /// As [`Self::applications`], with those that are no Applications as they are written: each says why.
    pub(crate) fn all_applications(&self) -> Vec<Arc<Application>> {
        let mut all = self.applications();
        all.extend(self.server.unreadable_applications().into_iter().filter(|app| self.may_see(app)));
        all.sort_by(|a, b| AppKey::of(a).cmp(&AppKey::of(b)));
        all
    }

    /// Those that may be seen, by namespace and name.
    pub(crate) fn applications(&self) -> Vec<Arc<Application>> {
        let mut all = self.server.applications();
        all.retain(|app| self.may(Verb::Get, &self.of_application(app)));
        all
    }

    /// What people call an Application: `web`, or `team/web` outside of the control plane's namespace.
    pub(crate) fn name_of(&self, app: &Application) -> String {
        AppKey::of(app).text(&self.server.config.namespace)
    }

    fn of_application(&self, app: &Application) -> Object {
        Object::application(app, &self.server.config.namespace)
    }

    fn hint(&self, name: &str) -> String {
        let all: Vec<String> = self.applications().iter().map(|app| self.name_of(app)).collect();
        let command = || format!("`gantline app list` shows the {} that there are", all.len());
        suggest::meant(name, &all).unwrap_or_else(command)
    }

    /// Why there is none that may be seen.
    pub(crate) fn no_cluster(&self, said: &str) -> ApiError {
        if !self.may(Verb::Get, &Object::absent(Resource::Clusters, said)) {
            return ApiError::forbidden("permission denied");
        }
        ApiError::not_found(format!("there is no cluster {said:?}: `gantline cluster list` shows those that there are"))
    }

    /// Those that may be seen, by server.
    pub(crate) async fn clusters(&self) -> Vec<ConnectedCluster> {
        let mut all = self.controller().clusters().await;
        all.retain(|cluster| self.may(Verb::Get, &Object::cluster(&cluster.project, &cluster.server)));
        all
    }

    /// # Errors
    /// 403 when it may not be seen, 404 when it is not there, 409 when it is no Pipeline as it is written.
    pub(crate) fn pipeline(&self, name: &str) -> Result<Arc<Pipeline>, ApiError> {
        if let Some(unreadable) = self.unreadable_pipeline(name) {
            let why = unreadable.why;
            let text = format!("Pipeline {name} cannot be read, so nothing is done with it: {why}; write it right");
            return Err(ApiError::new(StatusCode::CONFLICT, text));
        }
        let found = self.server.pipeline(name);
        self.visible(found, Object::pipeline, Resource::Pipelines, name, || {
            let known: Vec<String> = self.pipelines().iter().map(|p| p.metadata.name.clone()).collect();
            match known.len() {
                0 => format!(
                    "there is no Pipeline {name:?}, and no other either: apply one to namespace {}",
                    self.server.config.namespace
                ),
                _ => format!("there is no Pipeline {name:?}: {}", suggest::among(name, &known)),
            }
        })
    }

    /// One that was written as no Pipeline is, and that may be seen.
    pub(crate) fn unreadable_pipeline(&self, name: &str) -> Option<UnreadablePipeline> {
        let found = self.server.unreadable_pipeline(name);
        found.filter(|found| self.may(Verb::Get, &Object::pipeline(&found.pipeline)))
    }

    /// Those that may be seen, by name.
    pub(crate) fn pipelines(&self) -> Vec<Arc<Pipeline>> {
        let mut all = self.server.pipelines();
        all.retain(|pipeline| self.may(Verb::Get, &Object::pipeline(pipeline)));
        all
    }

    /// As [`Self::pipelines`], with those that are no Pipelines as they are written: each says why.
    pub(crate) fn all_pipelines(&self) -> Vec<Arc<Pipeline>> {
        let mut all = self.pipelines();
        let unreadable = self.server.unreadable_pipelines().into_iter().map(|it| Arc::new(it.pipeline));
        all.extend(unreadable.filter(|pipeline| self.may(Verb::Get, &Object::pipeline(pipeline))));
        all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        all
    }

    /// A pipeline without what is told of Applications that may not be seen.
    pub(crate) fn shown_pipeline(&self, pipeline: &Pipeline) -> views::Object<Pipeline> {
        let mut shown = pipeline.clone();
        self.veil_over(pipeline).pipeline(&mut shown);
        views::Object::of(&shown)
    }

    /// A release, as [`Self::shown_pipeline`].
    pub(crate) fn shown_release(&self, release: &Release) -> views::Object<Release> {
        let mut shown = release.clone();
        self.veil(&release.spec.pipeline).release(&mut shown);
        views::Object::of(&shown)
    }

    /// A promotion with the gates as they are at this moment, as [`Self::shown_pipeline`].
    pub(crate) fn shown_promotion(&self, promotion: &Promotion) -> views::Object<Promotion> {
        let mut shown = promotion.clone();
        shown.status.gates = self.gates_now(promotion);
        self.veil(&promotion.spec.pipeline).promotion(&mut shown);
        views::Object::of(&shown)
    }

    /// Why a release is where it is, as [`Self::shown_pipeline`]. None when it or its Pipeline went away.
    pub(crate) fn explained(&self, release: &Release) -> Option<views::ReleaseExplanation> {
        let pipeline = self.pipeline(&release.spec.pipeline).ok()?;
        self.explains(&pipeline, |seen| promotion::explain::release(seen, &release.metadata.name))
    }

    /// What its environments run, and what holds what is next. None when it went away.
    pub(crate) fn explained_pipeline(&self, pipeline: &Pipeline) -> Option<views::PipelineExplanation> {
        let explained = self.explains(pipeline, |seen| Some(promotion::explain::pipeline(seen)))?;
        let views::ReleaseExplanation { summary, reasons, .. } = explained;
        Some(views::PipelineExplanation { pipeline: pipeline.metadata.name.clone(), summary, reasons })
    }

    /// What holds what is next in an environment. None when there is none of the name.
    pub(crate) fn explained_environment(&self, pipeline: &Pipeline, name: &str) -> Option<views::ReleaseExplanation> {
        self.explains(pipeline, |seen| promotion::explain::environment(seen, name))
    }

    /// What holds what is next in the environments that an Application deploys.
    pub(crate) fn explained_environments(&self, app: &Application) -> Vec<views::ReleaseExplanation> {
        let mut explained = Vec::new();
        let all = self.controller().deployed_by(app);
        for pipeline in all.into_iter().filter(|pipeline| self.may(Verb::Get, &Object::pipeline(pipeline))) {
            let own = pipeline.spec.environments.iter().filter(|it| it.application == app.metadata.name);
            explained.extend(own.filter_map(|environment| {
                self.explains(&pipeline, |seen| promotion::explain::environment(seen, &environment.name))
            }));
        }
        explained
    }

    fn explains(
        &self,
        pipeline: &Pipeline,
        why: impl Fn(&promotion::Observed) -> Option<promotion::explain::Explanation>,
    ) -> Option<views::ReleaseExplanation> {
        let veil = self.veil_over(pipeline);
        let seen = veil.observed(self.observed(pipeline).ok()?);
        let mut explained = why(&seen)?.into();
        veil.explanation(pipeline, &mut explained);
        Some(explained)
    }

    fn veil(&self, pipeline: &str) -> Veil {
        let all = || Veil::over_what_is_gone(self.sees_application("*"));
        self.server.pipeline(pipeline).map_or_else(all, |pipeline| self.veil_over(&pipeline))
    }

    /// What was in its environments before may be hidden too.
    fn veil_over(&self, pipeline: &Pipeline) -> Veil {
        let (spec, status) = (&pipeline.spec.environments, &pipeline.status.environments);
        let before = |name: &str, now: &str| {
            let mut all = status.iter().filter(|it| it.name == name && it.application != now);
            all.all(|it| self.sees_application(&it.application))
        };
        let own = spec
            .iter()
            .map(|it| (it.name.clone(), self.sees_application(&it.application) && before(&it.name, &it.application)));
        let gone = status.iter().filter(|it| pipeline.environment(&it.name).is_none());
        Veil::over(own.chain(gone.map(|it| (it.name.clone(), self.sees_application(&it.application)))))
    }

    /// Whether the Application of the name may be seen, or that there is none.
    fn sees_application(&self, name: &str) -> bool {
        let app = self.server.application(name);
        let absent = || Object::absent(Resource::Applications, name);
        self.may(Verb::Get, &app.map_or_else(absent, |app| self.of_application(&app)))
    }

    /// The environment of a pipeline, for what the route does.
    ///
    /// # Errors
    /// 404 when there is none of the name, 403 when the route's right is missing.
    pub(crate) fn environment<'p>(&self, pipeline: &'p Pipeline, name: &str) -> Result<&'p Environment, ApiError> {
        let environment = pipeline.environment(name).ok_or_else(|| {
            let known: Vec<String> = pipeline.spec.environments.iter().map(|e| e.name.clone()).collect();
            let pipeline = &pipeline.metadata.name;
            ApiError::not_found(format!("{pipeline} has no environment {name:?}: {}", suggest::among(name, &known)))
        })?;
        let what = format!("{} in {name}", pipeline.metadata.name);
        self.allowed(&Object::environment(pipeline, environment), &what)?;
        Ok(environment)
    }

    /// A release by its name, tag, digest, or the beginning of either (8 characters at least).
    ///
    /// # Errors
    /// 403 or 404 when there is none that may be seen; 400 when there are several.
    pub(crate) fn release(&self, text: &str, pipeline: Option<&str>) -> Result<Arc<Release>, ApiError> {
        let found = match self.server.release(text) {
            Some(release) => vec![release],
            None => meant(&self.releases(pipeline), text.trim_start_matches("sha256:")),
        };
        if let [_, _, ..] = found.as_slice() {
            let names: Vec<&str> = found.iter().map(|release| release.metadata.name.as_str()).collect();
            return Err(ApiError::invalid(format!("{text:?} may mean {}: say which", names.join(" or "))));
        }
        let found = found.into_iter().next();
        self.visible(
            found,
            |release| self.of_release(release),
            Resource::Releases,
            text,
            || {
                let known: Vec<String> = self.releases(pipeline).iter().flat_map(|release| called(release)).collect();
                let command = || "name one as `gantline release list` shows it, by its name, tag or digest".to_owned();
                format!("there is no release {text:?}: {}", suggest::meant(text, &known).unwrap_or_else(command))
            },
        )
    }

    /// As [`Self::release`], for what the route does to it.
    ///
    /// # Errors
    /// As there; 403 also when the route's right is missing.
    pub(crate) fn release_to_change(&self, text: &str) -> Result<Arc<Release>, ApiError> {
        let release = self.release(text, None)?;
        self.allowed(&self.of_release(&release), &release.metadata.name)?;
        Ok(release)
    }

    /// Those that may be seen, the newest first.
    pub(crate) fn releases(&self, pipeline: Option<&str>) -> Vec<Arc<Release>> {
        let mut all = self.server.releases(pipeline);
        all.retain(|release| self.may(Verb::Get, &self.of_release(release)));
        all
    }

    /// Whether lifting its quarantine would be done for who asks.
    pub(crate) fn may_lift(&self, release: &Release) -> bool {
        let (controller, name) = (self.controller(), &release.metadata.name);
        let seen = controller.observed(&release.spec.pipeline);
        seen.filter(|seen| requests::lift(seen, name, self.user(), "").is_ok()).is_some_and(|seen| {
            let offer = overview::lift(&seen.pipeline, release).offered_to(&self.identity, seen.now);
            offer.is_some_and(|offer| offer.refused.is_none())
        })
    }

    fn of_release(&self, release: &Release) -> Object {
        Object::release(release, self.server.pipeline(&release.spec.pipeline).as_deref())
    }

    /// # Errors
    /// 403 when it may not be seen, 404 when it is not there.
    pub(crate) fn promotion(&self, name: &str) -> Result<Arc<Promotion>, ApiError> {
        let found = self.server.promotion(name);
        self.visible(
            found,
            |promotion| self.of_promotion(promotion),
            Resource::Promotions,
            name,
            || {
                let all = self.promotions(None);
                let open = all.iter().filter(|promotion| promotion.status.phase.is_open());
                let open: Vec<&str> = open.map(|promotion| promotion.metadata.name.as_str()).collect();
                match open.len() {
                    0 => format!("there is no Promotion {name:?}, and none is open"),
                    _ => format!("there is no Promotion {name:?}: open are {}", open.join(", ")),
                }
            },
        )
    }

    /// Those that may be seen, the newest first.
    pub(crate) fn promotions(&self, pipeline: Option<&str>) -> Vec<Arc<Promotion>> {
        let mut all = self.server.promotions(pipeline);
        all.retain(|promotion| self.may(Verb::Get, &self.of_promotion(promotion)));
        all
    }

    fn of_promotion(&self, promotion: &Promotion) -> Object {
        Object::promotion(promotion, self.server.pipeline(&promotion.spec.pipeline).as_deref())
    }

    /// What may be seen. As in Argo CD, what may not be seen and what is not there are told alike, so that nobody
    /// learns names; only who may see it wherever it were is told that it is absent.
    fn visible<T>(
        &self,
        found: Option<Arc<T>>,
        object: impl Fn(&T) -> Object,
        resource: Resource,
        name: &str,
        absent: impl FnOnce() -> String,
    ) -> Result<Arc<T>, ApiError> {
        let seen = found.as_deref().map_or_else(|| Object::absent(resource, name), object);
        if !self.may(Verb::Get, &seen) {
            return Err(ApiError::forbidden("permission denied"));
        }
        found.ok_or_else(|| ApiError::not_found(absent()))
    }

    /// # Errors
    /// 403 that says who may, when the route's right to the object is missing.
    fn allowed(&self, object: &Object, what: &str) -> Result<(), ApiError> {
        let Needs::Right(_, verb) = self.needs else { return Ok(()) };
        allowed(&self.identity, verb, object, what).map_err(ApiError::forbidden)
    }
}

/// The releases that a text means: those with an image of this tag or digest, else those of which one begins so.
fn meant(all: &[Arc<Release>], text: &str) -> Vec<Arc<Release>> {
    let exact: Vec<_> = all.iter().filter(|release| names(release).any(|name| name == text)).cloned().collect();
    let begins = |r: &&Arc<Release>| text.len() >= 8 && names(r).any(|name| name.starts_with(text));
    if exact.is_empty() { all.iter().filter(begins).cloned().collect() } else { exact }
}

/// What people type of a release.
pub(crate) fn called(release: &Release) -> Vec<String> {
    let tags = release.spec.images.iter().map(|image| image.tag.clone());
    std::iter::once(release.metadata.name.clone()).chain(tags).collect()
}

/// What a release may be called: the tags and digests of its images, and what stands for all of them.
fn names(release: &Release) -> impl Iterator<Item = Cow<'_, str>> {
    let images = &release.spec.images;
    let own = images.iter().flat_map(|image| [Cow::from(&*image.tag), Cow::from(image.digest.as_str())]);
    let identity = promotion::identity(images).map(|digest| Cow::from(String::from(digest)));
    let all = own.chain([promotion::label(images)]).chain(identity);
    all.map(|name| match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.trim_start_matches("sha256:")),
        Cow::Owned(name) => Cow::Owned(name.trim_start_matches("sha256:").to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use api::gantline::ReleaseImage;

    use super::*;

    #[test]
    fn a_release_is_meant_by_any_of_its_images() {
        let image = |name: &str, tag: &str, digit: &str| ReleaseImage {
            name: name.into(),
            tag: tag.into(),
            digest: format!("sha256:{}", digit.repeat(64)).parse().unwrap(),
            parts: Vec::new(),
        };
        let release = |name: &str, images: &[ReleaseImage]| {
            let mut release = Release::default();
            (release.metadata.name, release.spec.images) = (name.into(), images.to_vec());
            Arc::new(release)
        };
        let all = [
            release("one", &[image("shop", "v1", "1"), image("worker", "w1", "a")]),
            release("two", &[image("shop", "v1", "1"), image("worker", "w2", "b")]),
        ];
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<String> = meant(&all, text).iter().map(|release| release.metadata.name.clone()).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("w2", &["two"]);
        check("v1", &["one", "two"]);
        check("v1 + w1", &["one"]);
        check("bbbbbbbb", &["two"]);
        check(&"a".repeat(64), &["one"]);
        check(promotion::identity(&all[1].spec.images).unwrap().as_str().trim_start_matches("sha256:"), &["two"]);
        check("bbbb", &[]);
        check("w3", &[]);
    }
}
