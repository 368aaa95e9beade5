//! Whether a project may be written as it is (the rules of Argo CD 3.5.1).

use std::collections::BTreeSet;

use serde_json::Value;

use super::glob::Glob;
use super::project::{AppProject, AppProjectSpec, DestinationServiceAccount, ProjectDestination};
use super::window::{SyncWindow, WindowError};

/// Why a project may not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProjectError {
    #[error("{field} is '!*', which denies everything: leave it out")]
    DeniesAll { field: &'static str },
    #[error("{what} '{value}' is there twice: leave one out")]
    Twice { what: &'static str, value: String },
    #[error("the role '{0}': names of roles are letters and digits, with - and _ between them")]
    RoleName(String),
    #[error("the policy '{line}' of the role {role}: {reason}")]
    Policy { role: String, line: String, reason: String },
    #[error("the group '{name}' of the role {role}: {reason}")]
    Group { role: String, name: String, reason: &'static str },
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error("destinationServiceAccounts: {field} '{value}' is none: {reason}")]
    ServiceAccount { field: &'static str, value: String, reason: &'static str },
}

impl AppProject {
    /// Whether it may be written.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(&self) -> Result<(), ProjectError> {
        self.spec.check()?;
        self.check_roles()
    }

    fn check_roles(&self) -> Result<(), ProjectError> {
        let project = &self.metadata.name;
        let mut names = BTreeSet::new();
        for role in &self.spec.roles {
            let name = role.get("name").and_then(Value::as_str).unwrap_or_default();
            once(&mut names, "the role", name)?;
            if !is_role_name(name) {
                return Err(ProjectError::RoleName(name.to_owned()));
            }
            let mut lines = BTreeSet::new();
            for line in texts(role, "policies") {
                once(&mut lines, "the policy", line)?;
                let wrong = |reason| ProjectError::Policy { role: name.to_owned(), line: line.to_owned(), reason };
                check_policy(project, name, line).map_err(wrong)?;
            }
            let mut groups = BTreeSet::new();
            for group in texts(role, "groups") {
                once(&mut groups, "the group", group)?;
                let wrong = |reason| ProjectError::Group { role: name.to_owned(), name: group.to_owned(), reason };
                check_group(group).map_err(wrong)?;
            }
        }
        Ok(())
    }
}

impl AppProjectSpec {
    /// All but its roles.
    pub(super) fn check(&self) -> Result<(), ProjectError> {
        let mut destinations = BTreeSet::new();
        for destination in &self.destinations {
            check_destination(destination, &mut destinations)?;
        }
        let mut namespaces = BTreeSet::new();
        self.source_namespaces.iter().try_for_each(|name| once(&mut namespaces, "the source namespace", name))?;
        let mut repositories = BTreeSet::new();
        for repository in &self.source_repos {
            not_all("sourceRepos", repository)?;
            once(&mut repositories, "the source repository", repository)?;
        }
        SyncWindow::check_all(&self.sync_windows)?;
        let mut accounts = BTreeSet::new();
        self.destination_service_accounts.iter().try_for_each(|account| check_account(account, &mut accounts))
    }
}

/// The texts of a list in a role of a project.
fn texts<'v>(role: &'v Value, list: &str) -> impl Iterator<Item = &'v str> {
    role.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn once(seen: &mut BTreeSet<String>, what: &'static str, value: &str) -> Result<(), ProjectError> {
    match seen.insert(value.to_owned()) {
        true => Ok(()),
        false => Err(ProjectError::Twice { what, value: value.to_owned() }),
    }
}

fn not_all(field: &'static str, value: &str) -> Result<(), ProjectError> {
    if value == "!*" { Err(ProjectError::DeniesAll { field }) } else { Ok(()) }
}

/// A cluster that is named only by its name is like a server that is called so.
fn check_destination(rule: &ProjectDestination, seen: &mut BTreeSet<String>) -> Result<(), ProjectError> {
    not_all("destinations: name", &rule.name)?;
    not_all("destinations: server", &rule.server)?;
    not_all("destinations: namespace", &rule.namespace)?;
    let place = if rule.server.is_empty() { &rule.name } else { &rule.server };
    once(seen, "the destination", &format!("{place}/{}", rule.namespace))
}

fn check_account(account: &DestinationServiceAccount, seen: &mut BTreeSet<String>) -> Result<(), ProjectError> {
    let wrong = |field, value: &str, reason| ProjectError::ServiceAccount { field, value: value.to_owned(), reason };
    for (field, pattern) in [("server", &account.server), ("namespace", &account.namespace)] {
        if pattern.contains('!') {
            return Err(wrong(field, pattern, "it denies, which is not possible here"));
        }
        Glob::new(pattern, None).map_err(|error| wrong(field, pattern, error.reason))?;
    }
    let name = &account.default_service_account;
    if name.trim_matches(' ').is_empty() || name.contains(['!', '*', '[', ']', '{', '}', '\\', '/']) {
        return Err(wrong("defaultServiceAccount", name, "write the name of an account"));
    }
    once(seen, "the destination service account", &format!("{}/{}", account.server, account.namespace))
}

fn is_role_name(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_end = |c: char| c.is_ascii_alphanumeric();
    name.chars().all(is_inner) && name.starts_with(is_end) && name.ends_with(is_end)
}

/// `p, proj:PROJECT:ROLE, RESOURCE, ACTION, PROJECT/OBJECT, allow|deny`, read without quotes.
fn check_policy(project: &str, role: &str, line: &str) -> Result<(), String> {
    let fields: Vec<&str> = line.split(',').map(|field| field.trim_matches(' ')).collect();
    let ["p", subject, resource, action, object, effect] = fields[..] else {
        return Err("write `p, SUBJECT, RESOURCE, ACTION, OBJECT, allow|deny`".to_owned());
    };
    let wanted = format!("proj:{project}:{role}");
    if subject != wanted {
        return Err(format!("its subject has to be {wanted}"));
    }
    if !["applications", "applicationsets", "repositories", "clusters", "logs", "exec"].contains(&resource) {
        return Err("projects know applications, applicationsets, repositories, clusters, logs and exec".to_owned());
    }
    let is_part = ["action/", "update/", "delete/"].iter().any(|part| action.contains(part));
    if !is_part && !["get", "create", "update", "delete", "sync", "override", "*"].contains(&action) {
        return Err(format!("there is no action {action}"));
    }
    if !is_object(project, object) {
        return Err(format!("its object has to be {project}/NAME or {project}/NAMESPACE/NAME"));
    }
    match effect {
        "allow" | "deny" => Ok(()),
        _ => Err("its effect has to be allow or deny".to_owned()),
    }
}

fn is_object(project: &str, object: &str) -> bool {
    let is_name = |part: &str| {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || "*_-.".contains(c);
        !part.is_empty() && part.chars().all(is_fine)
    };
    let parts = object.strip_prefix(project).and_then(|rest| rest.strip_prefix('/'));
    let parts: Vec<&str> = parts.map(|parts| parts.split('/').collect()).unwrap_or_default();
    matches!(parts.len(), 1 | 2) && parts.into_iter().all(is_name)
}

fn check_group(group: &str) -> Result<(), &'static str> {
    let name = group.trim();
    let quoted = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if quoted.is_none() && name.contains(',') {
        return Err("a name with a comma stands in quotes");
    }
    let name = quoted.unwrap_or(name);
    let several = group.chars().count() > 1;
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.contains(['"', '\n', '\r', '\t']) {
        return Err("it has quotes or control characters in it");
    }
    if several && (group.starts_with(char::is_whitespace) || group.ends_with(char::is_whitespace)) {
        return Err("it begins or ends with a space");
    }
    Ok(())
}
