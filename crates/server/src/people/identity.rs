//! The one who asks, and what they may do.

use std::fmt;
use std::sync::Arc;

use api::argocd::{Policy, Subject};
use api::gantline::{Environment, Gate};

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) subject: Subject,
    /// The id of the session; empty with `--core`, where there is none.
    pub(crate) session: String,
    /// Second of its expiry, since 1970.
    pub(crate) expires: i64,
    policy: Arc<Policy>,
    /// `--core`: the kubeconfig's rights are all that counts.
    unchecked: bool,
}

/// What needs more than a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Sync,
    Delete,
    Promote,
    Approve,
    RollBack,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "sync",
            Self::Delete => "delete",
            Self::Promote => "promote",
            Self::Approve => "approve",
            Self::RollBack => "rollback",
        })
    }
}

/// The role that may do everything; `admin` has it unless a policy says otherwise.
const ADMIN: &str = "role:admin";

impl Identity {
    pub(crate) fn new(user: &str, session: String, expires: i64, policy: impl Into<Arc<Policy>>) -> Self {
        let subject = Subject { user: user.to_owned(), groups: Vec::new() };
        Self { subject, session, expires, policy: policy.into(), unchecked: false }
    }

    /// Who uses the API in process, with the rights of the kubeconfig.
    pub(crate) fn core(user: &str) -> Self {
        let subject = Subject { user: user.to_owned(), groups: Vec::new() };
        Self { subject, session: String::new(), expires: i64::MAX, policy: Arc::default(), unchecked: true }
    }

    pub(crate) fn user(&self) -> &str {
        &self.subject.user
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.unchecked || self.policy.belongs_to(&self.subject, ADMIN)
    }

    /// Whether the user belongs to a group by a `g` line. An admin counts for every group.
    pub(crate) fn belongs_to(&self, group: &str) -> bool {
        self.is_admin() || self.policy.belongs_to(&self.subject, group)
    }

    /// Applications: admin, or a policy line `p, …, applications, sync|delete, PROJECT/NAME, allow`.
    pub(crate) fn may_change(&self, action: Action, project: &str, application: &str) -> bool {
        let object = format!("{project}/{application}");
        self.is_admin() || self.policy.allows(&self.subject, "applications", &action.to_string(), &object)
    }

    /// Pipelines: admin, a policy line `p, …, pipelines, promote|approve|rollback, PIPELINE/ENVIRONMENT, allow`, or a
    /// group that a gate of the environment names.
    pub(crate) fn may_move(&self, action: Action, pipeline: &str, environment: &Environment) -> bool {
        let object = format!("{pipeline}/{}", environment.name);
        self.is_admin()
            || self.policy.allows(&self.subject, "pipelines", &action.to_string(), &object)
            || groups_of(environment).iter().any(|group| self.belongs_to(group))
    }

    /// The groups of the environment's gates that this user counts for.
    pub(crate) fn gate_groups(&self, environment: &Environment) -> Vec<String> {
        groups_of(environment).into_iter().filter(|group| self.belongs_to(group)).collect()
    }
}

/// The groups that the gates of an environment name.
pub(crate) fn groups_of(environment: &Environment) -> Vec<String> {
    let gates = environment.gates.iter().filter_map(|gate| match gate {
        Gate::Approval(gate) => Some(gate.needed()),
        Gate::Healthy(_) => None,
    });
    let mut groups: Vec<String> = gates.flatten().map(|group| group.name).collect();
    groups.sort();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use api::gantline::ApprovalGate;

    use super::*;

    fn somebody(user: &str) -> Identity {
        let lines = "g, tina, team-leads\np, tina, applications, sync, shop/*, allow\n\
                     p, role:dev, pipelines, promote, */staging, allow\ng, dave, role:dev";
        let (policy, problems) =
            Policy::from_config_map(&BTreeMap::from([("policy.csv".to_owned(), lines.to_owned())]));
        assert_eq!(problems, []);
        Identity::new(user, String::new(), 0, policy)
    }

    fn environment(name: &str, group: &str) -> Environment {
        let gate = Gate::Approval(ApprovalGate { group: group.into(), ..ApprovalGate::default() });
        Environment { name: name.into(), gates: vec![gate], ..Environment::default() }
    }

    #[test]
    fn admin_policy_lines_and_gate_groups_give_rights() {
        let (staging, production) = (environment("staging", ""), environment("production", "team-leads"));
        let check = |user: &str, action: Action, environment: &Environment, expected: bool| {
            assert_eq!(somebody(user).may_move(action, "shop", environment), expected, "{user} {action}");
        };
        check("admin", Action::Approve, &production, true);
        check("tina", Action::Approve, &production, true);
        check("tina", Action::Promote, &staging, false);
        check("dave", Action::Promote, &staging, true);
        check("dave", Action::RollBack, &staging, false);
        check("dave", Action::Promote, &production, false);
        check("eve", Action::Promote, &staging, false);
        assert!(somebody("tina").may_change(Action::Sync, "shop", "web"));
        assert!(!somebody("tina").may_change(Action::Delete, "shop", "web"));
        assert!(!somebody("tina").may_change(Action::Sync, "bank", "web"));
        assert_eq!(somebody("tina").gate_groups(&production), ["team-leads"]);
        assert_eq!(somebody("dave").gate_groups(&production), Vec::<String>::new());
        assert!(Identity::core("me").is_admin());
    }
}
