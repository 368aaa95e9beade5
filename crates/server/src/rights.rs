//! Who may do what. [`permit`] is the one place that decides, for reads as for writes.
//!
//! Rights come from the lines of `argocd-rbac-cm`, from the roles of projects, and from the groups that gates name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::{ADMIN, AppProject, Application, Grants, Policy, Subject};
use api::gantline::{Environment, Pipeline, Promotion, Release};

use crate::people::Identity;
use crate::people::identity::groups_of;

/// What lines of a policy are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Resource {
    /// Objects are `PROJECT/NAME`, outside of the control plane's namespace `PROJECT/NAMESPACE/NAME`.
    Applications,
    /// What the containers of an Application print; objects are called as that is.
    Logs,
    /// Objects are servers, of a cluster that belongs to a project `PROJECT/SERVER`.
    Clusters,
    /// Objects are `PIPELINE`, and for all verbs but `get` `PIPELINE/ENVIRONMENT`.
    Pipelines,
    /// Objects are `PIPELINE/RELEASE`.
    Releases,
    /// Objects are `PIPELINE/ENVIRONMENT`.
    Promotions,
}

impl Resource {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Applications => "applications",
            Self::Logs => "logs",
            Self::Clusters => "clusters",
            Self::Pipelines => "pipelines",
            Self::Releases => "releases",
            Self::Promotions => "promotions",
        }
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Sync,
    /// Past the gates of a Pipeline.
    Override,
    Delete,
    Promote,
    Approve,
    Reject,
    RollBack,
    Unpin,
    Lift,
}

impl Verb {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Sync => "sync",
            Self::Override => "override",
            Self::Delete => "delete",
            Self::Promote => "promote",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::RollBack => "rollback",
            Self::Unpin => "unpin",
            Self::Lift => "lift",
        }
    }
}

/// What a route needs. It stands beside the route in the one table of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// A session; the answer holds what its owner may get.
    Session,
    /// The right to the object that is asked for. Lists hold the objects that their reader may get.
    Right(Resource, Verb),
}

/// What a right is about: what lines of a policy call it, and the groups that have every right to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Object {
    pub(crate) resource: Resource,
    pub(crate) name: String,
    /// Whose roles count besides.
    project: Option<String>,
    groups: Vec<String>,
}

impl Object {
    fn new(resource: Resource, name: String) -> Self {
        Self { resource, name, project: None, groups: Vec::new() }
    }

    /// `home` is the namespace of the control plane.
    pub(crate) fn application(app: &Application, home: &str) -> Self {
        let (project, name, namespace) = (app.spec.project_name(), &app.metadata.name, &app.metadata.namespace);
        let at_home = namespace.is_empty() || namespace == home;
        let name = if at_home { format!("{project}/{name}") } else { format!("{project}/{namespace}/{name}") };
        Self { project: Some(project.to_owned()), ..Self::new(Resource::Applications, name) }
    }

    /// The same, for lines about another kind of right.
    pub(crate) fn as_resource(&self, resource: Resource) -> Self {
        Self { resource, ..self.clone() }
    }

    /// `project` is empty where the cluster belongs to none.
    pub(crate) fn cluster(project: &str, server: &str) -> Self {
        match project {
            "" => Self::new(Resource::Clusters, server.to_owned()),
            _ => Self {
                project: Some(project.to_owned()),
                ..Self::new(Resource::Clusters, format!("{project}/{server}"))
            },
        }
    }

    /// Who belongs to a group of any of its gates may see it.
    pub(crate) fn pipeline(pipeline: &Pipeline) -> Self {
        Self {
            groups: groups_of(&pipeline.spec.environments),
            ..Self::new(Resource::Pipelines, pipeline.metadata.name.clone())
        }
    }

    pub(crate) fn environment(pipeline: &Pipeline, environment: &Environment) -> Self {
        let name = format!("{}/{}", pipeline.metadata.name, environment.name);
        Self { groups: groups_of(std::slice::from_ref(environment)), ..Self::new(Resource::Pipelines, name) }
    }

    pub(crate) fn release(release: &Release, pipeline: Option<&Pipeline>) -> Self {
        Self::of(Resource::Releases, &release.spec.pipeline, &release.metadata.name, pipeline)
    }

    pub(crate) fn promotion(promotion: &Promotion, pipeline: Option<&Pipeline>) -> Self {
        Self::of(Resource::Promotions, &promotion.spec.pipeline, &promotion.spec.environment, pipeline)
    }

    fn of(resource: Resource, owner: &str, name: &str, pipeline: Option<&Pipeline>) -> Self {
        let groups = pipeline.map_or_else(Vec::new, |pipeline| groups_of(&pipeline.spec.environments));
        Self { groups, ..Self::new(resource, format!("{owner}/{name}")) }
    }

    /// Something that is not there: to be told so is for those who may see it wherever it were.
    pub(crate) fn absent(resource: Resource, name: &str) -> Self {
        match resource {
            Resource::Pipelines | Resource::Clusters => Self::new(resource, name.to_owned()),
            _ => Self::new(resource, format!("*/{name}")),
        }
    }
}

/// What one user may do, read from policy and projects once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rights {
    everything: bool,
    grants: Grants,
    /// For projects that have roles: theirs count too.
    in_projects: BTreeMap<String, Grants>,
    groups: BTreeSet<String>,
}

impl Rights {
    pub(crate) fn of(subject: &Subject, policy: &Policy, projects: &[Arc<AppProject>]) -> Self {
        let with_roles = projects.iter().filter(|project| !project.spec.roles.is_empty());
        let in_project =
            |project: &Arc<AppProject>| (project.metadata.name.clone(), policy.with_project(project).grants(subject));
        Self {
            everything: false,
            grants: policy.grants(subject),
            in_projects: with_roles.map(in_project).collect(),
            groups: policy.memberships(subject),
        }
    }

    /// Of who comes with a kubeconfig: its rights are all that counts.
    pub(crate) fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.everything || self.groups.contains(ADMIN)
    }

    /// Whether the user belongs to a group by a `g` line. An admin counts for every group.
    pub(crate) fn belongs_to(&self, group: &str) -> bool {
        self.is_admin() || self.groups.contains(group)
    }
}

/// # Errors
/// Why somebody may not, and who may. `what` is the object in words.
pub(crate) fn allowed(who: &Identity, verb: Verb, object: &Object, what: &str) -> Result<(), String> {
    if permit(&who.rights, verb, object) {
        return Ok(());
    }
    let groups = object.groups.join(" or ");
    let also = if groups.is_empty() { groups } else { format!(", a member of {groups}") };
    let (user, verb, resource, name) = (&who.user, verb.as_str(), object.resource.as_str(), &object.name);
    Err(format!(
        "{user} may not {verb} {what}: an admin can{also}, or whom a line of argocd-rbac-cm allows it (p, WHO, \
         {resource}, {verb}, {name}, allow)"
    ))
}

/// Whether somebody may do it.
pub(crate) fn permit(who: &Rights, verb: Verb, object: &Object) -> bool {
    let here = object.project.as_ref().and_then(|project| who.in_projects.get(project));
    let (grants, resource, verb) = (here.unwrap_or(&who.grants), object.resource.as_str(), verb.as_str());
    let by_group = || object.groups.iter().any(|group| who.belongs_to(group));
    who.everything
        || grants.allow(resource, verb, &object.name)
        // a group of a gate gives no right that a line of the policy takes away
        || (by_group() && !grants.deny(resource, verb, &object.name))
}

#[cfg(test)]
mod tests {
    use api::gantline::{ApprovalGate, Gate};
    use serde_json::json;

    use super::*;

    const POLICY: &str = "g, tina, team-leads\np, tina, applications, sync, shop/*, allow\n\
                          p, tina, clusters, get, *https://b.test, allow\n\
                          p, role:dev, pipelines, promote, */staging, allow\ng, dave, role:dev\n\
                          g, otto, role:admin\np, role:admin, applications, delete, shop/vault, deny";

    fn rights(user: &str) -> Rights {
        let (policy, problems) = Policy::from_config_map(&BTreeMap::from([("policy.csv".into(), POLICY.into())]));
        assert_eq!(problems, []);
        let mut project = AppProject::default_project("argocd");
        project.metadata.name = "shop".into();
        project.spec.roles = vec![json!({"name": "ops", "groups": ["role:dev"],
            "policies": ["p, proj:shop:ops, applications, delete, shop/*, allow",
                "p, proj:shop:ops, clusters, get, shop/*, allow"]})];
        let subject = Subject { user: user.into(), groups: Vec::new() };
        Rights::of(&subject, &policy, &[Arc::new(project)])
    }

    fn application(project: &str, namespace: &str, name: &str) -> Object {
        let mut app = Application::default();
        (app.spec.project, app.metadata.namespace, app.metadata.name) = (project.into(), namespace.into(), name.into());
        Object::application(&app, "argocd")
    }

    #[test]
    fn policy_lines_and_roles_of_projects_give_rights() {
        let check = |user: &str, verb: Verb, object: &Object, expected: bool| {
            assert_eq!(permit(&rights(user), verb, object), expected, "{user} {verb:?} {object:?}");
        };
        let (web, vault) = (application("shop", "argocd", "web"), application("shop", "argocd", "vault"));
        check("admin", Verb::Delete, &web, true);
        check("otto", Verb::Sync, &vault, true);
        check("otto", Verb::Delete, &vault, false);
        check("tina", Verb::Sync, &web, true);
        check("tina", Verb::Sync, &application("shop", "team", "web"), true);
        check("tina", Verb::Sync, &application("bank", "", "web"), false);
        check("tina", Verb::Get, &web, false);
        check("dave", Verb::Delete, &web, true);
        check("dave", Verb::Delete, &application("bank", "", "web"), false);
        check("dave", Verb::Get, &Object::cluster("", "https://b.test"), false);
        check("dave", Verb::Get, &Object::cluster("shop", "https://b.test"), true);
        check("dave", Verb::Get, &Object::cluster("bank", "https://b.test"), false);
        check("tina", Verb::Get, &Object::cluster("shop", "https://b.test"), true);
        check("tina", Verb::Get, &Object::cluster("", "https://b.test"), true);
        check("tina", Verb::Get, &Object::cluster("", "https://c.test"), false);
        check("admin", Verb::Get, &Object::cluster("bank", "https://b.test"), true);
        check("eve", Verb::Get, &Object::absent(Resource::Applications, "web"), false);
        check("admin", Verb::Get, &Object::absent(Resource::Applications, "web"), true);
        assert!(permit(&Rights::everything(), Verb::Delete, &vault));
    }

    #[test]
    fn groups_of_gates_have_the_rights_of_their_environment() {
        let gate = |group: &str| vec![Gate::Approval(ApprovalGate { group: group.into(), ..ApprovalGate::default() })];
        let staging = Environment { name: "staging".into(), ..Environment::default() };
        let production = Environment { name: "production".into(), gates: gate("team-leads"), ..Environment::default() };
        let mut pipeline = Pipeline::default();
        pipeline.metadata.name = "shop".into();
        pipeline.spec.environments = vec![staging, production];
        let [staging, production] = &pipeline.spec.environments[..] else { panic!() };
        let check = |user: &str, verb: Verb, environment: &Environment, expected: bool| {
            let object = Object::environment(&pipeline, environment);
            assert_eq!(permit(&rights(user), verb, &object), expected, "{user} {verb:?} {object:?}");
        };
        check("admin", Verb::Approve, production, true);
        check("tina", Verb::Approve, production, true);
        check("tina", Verb::Promote, staging, false);
        check("dave", Verb::Promote, staging, true);
        check("dave", Verb::RollBack, staging, false);
        check("dave", Verb::Promote, production, false);
        check("eve", Verb::Promote, staging, false);
        assert!(permit(&rights("tina"), Verb::Get, &Object::pipeline(&pipeline)));
        assert!(!permit(&rights("dave"), Verb::Get, &Object::pipeline(&pipeline)));
    }

    /// Who belongs to the group of a gate may all of it, but for what a line takes away from them: by their name, by the
    /// group, by a role, by the default role, and by a line that cannot be read.
    #[test]
    fn a_denial_is_stronger_than_the_group_of_a_gate() {
        let gates = vec![Gate::Approval(ApprovalGate { group: "team-leads".into(), ..ApprovalGate::default() })];
        let mut pipeline = Pipeline::default();
        pipeline.metadata.name = "shop".into();
        pipeline.spec.environments = vec![Environment { name: "production".into(), gates, ..Environment::default() }];
        let production = Object::environment(&pipeline, &pipeline.spec.environments[0]);
        let may = |lines: &str, user: &str, verb: Verb| {
            let lines = format!("g, tina, team-leads\ng, otto, role:admin\ng, tina, role:dev\n{lines}");
            let data = [("policy.csv", lines.as_str()), ("policy.default", "role:all")];
            let data = data.map(|(key, text)| (key.to_owned(), text.to_owned()));
            let subject = Subject { user: user.into(), groups: Vec::new() };
            let rights = Rights::of(&subject, &Policy::from_config_map(&BTreeMap::from(data)).0, &[]);
            permit(&rights, verb, &production)
        };
        assert!(may("", "tina", Verb::Approve) && may("", "otto", Verb::Approve));
        for subject in ["tina", "team-leads", "role:dev", "role:all"] {
            for line in [
                "p, WHO, pipelines, approve, shop/production, deny",
                "p, WHO, pipelines, *, *, deny",
                "p, WHO, *, approve, shop/*, deny",
                "p, WHO, pipelines, approve, shop/production, Deny",
                "p, WHO, pipelines, approve, shop/production, deny,",
                "p, WHO, pipelines, approve, shop/[, deny",
            ] {
                let line = line.replace("WHO", subject);
                assert!(!may(&line, "tina", Verb::Approve), "{line}");
                let others = line.contains("*, *") || may(&line, "tina", Verb::RollBack);
                assert!(others, "{line}: the others stay");
            }
            let elsewhere = format!("p, {subject}, pipelines, approve, shop/staging, deny");
            assert!(may(&elsewhere, "tina", Verb::Approve), "{elsewhere}");
        }
        // who may everything counts for the group, and is denied as everybody is
        assert!(!may("p, role:admin, pipelines, approve, shop/production, deny", "otto", Verb::Approve));
    }
}
