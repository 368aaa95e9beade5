//! Who may do what: `argocd-rbac-cm`.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::glob::glob_match;

/// Why a policy cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "policy line {line} {text:?} is not valid: {reason}; write `p, SUBJECT, RESOURCE, ACTION, OBJECT, allow|deny` or `g, USER_OR_GROUP, ROLE`"
)]
pub struct PolicyError {
    pub line: usize,
    pub text: String,
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    subject: String,
    resource: String,
    action: String,
    object: String,
    allow: bool,
}

/// Somebody who asks: a user (local account or `sub` of a token) and the groups they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    pub user: String,
    pub groups: Vec<String>,
}

/// The policy of one installation: built-in roles, the lines of `policy.csv` and its siblings, the default role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
    roles: BTreeMap<String, BTreeSet<String>>,
    default_role: String,
    scopes: Vec<String>,
    /// Patterns are regular expressions (`policy.matchMode: regex`), found anywhere in the text.
    regex: bool,
}

/// What the built-in roles may do: `role:readonly` reads, `role:admin` does everything, the account `admin` has it.
const RESOURCES: [&str; 9] = [
    "applications",
    "applicationsets",
    "certificates",
    "clusters",
    "repositories",
    "write-repositories",
    "projects",
    "accounts",
    "gpgkeys",
];

impl Policy {
    /// Reads the data of `argocd-rbac-cm`. Lines that cannot be read are reported and left out, so that one slip does
    /// not lock everybody out.
    pub fn from_config_map(data: &BTreeMap<String, String>) -> (Self, Vec<PolicyError>) {
        let mut policy = Self::built_in();
        let mut problems = Vec::new();
        policy.default_role = data.get("policy.default").map(|role| role.trim().to_owned()).unwrap_or_default();
        policy.scopes = scopes(data.get("scopes").map(String::as_str).unwrap_or_default());
        policy.regex = data.get("policy.matchMode").is_some_and(|mode| mode.trim() == "regex");
        let own = data.get("policy.csv");
        let others = data.iter().filter(|(k, _)| *k != "policy.csv" && k.starts_with("policy.") && k.ends_with(".csv"));
        for text in own.into_iter().chain(others.map(|(_, text)| text)) {
            for (index, line) in text.lines().enumerate() {
                if let Err(reason) = policy.add_line(line) {
                    problems.push(PolicyError { line: index + 1, text: line.trim().to_owned(), reason });
                }
            }
        }
        (policy, problems)
    }

    fn built_in() -> Self {
        let mut policy = Self { scopes: scopes(""), ..Self::default() };
        let mut rule = |subject: &str, resource: &str, action: &str, object: &str| {
            policy.rules.push(Rule {
                subject: subject.to_owned(),
                resource: resource.to_owned(),
                action: action.to_owned(),
                object: object.to_owned(),
                allow: true,
            });
        };
        for resource in RESOURCES {
            let object = if matches!(resource, "applications" | "applicationsets" | "logs") { "*/*" } else { "*" };
            rule("role:readonly", resource, "get", object);
            let actions: &[&str] = match resource {
                "accounts" => &["get", "update"],
                "gpgkeys" => &["get", "create", "delete"],
                _ => &["get", "create", "update", "delete"],
            };
            for action in actions {
                rule("role:admin", resource, action, object);
            }
        }
        rule("role:readonly", "logs", "get", "*/*");
        for action in ["sync", "override", "action/*", "update/*", "delete/*"] {
            rule("role:admin", "applications", action, "*/*");
        }
        rule("role:admin", "logs", "get", "*/*");
        rule("role:admin", "exec", "create", "*/*");
        rule("role:admin", "promotions", "*", "*");
        rule("role:readonly", "promotions", "get", "*");
        policy.roles.entry("admin".to_owned()).or_default().insert("role:admin".to_owned());
        policy
    }

    fn add_line(&mut self, line: &str) -> Result<(), &'static str> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let fields = fields(line);
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        match fields.as_slice() {
            ["p", subject, resource, action, object, effect] => {
                let allow = match *effect {
                    "allow" => true,
                    "deny" => false,
                    _ => return Err("the effect is neither allow nor deny"),
                };
                self.rules.push(Rule {
                    subject: (*subject).to_owned(),
                    resource: (*resource).to_owned(),
                    action: (*action).to_owned(),
                    object: (*object).to_owned(),
                    allow,
                });
                Ok(())
            }
            ["g", member, role] => {
                self.roles.entry((*member).to_owned()).or_default().insert((*role).to_owned());
                Ok(())
            }
            ["p", ..] => Err("a p line has six fields"),
            ["g", ..] => Err("a g line has three fields"),
            _ => Err("it begins with neither p nor g"),
        }
    }

    /// The claims of a token that count as groups; `groups` unless configured.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Whether the subject may do the action: the default role permits it, or the user or one of their groups (each on
    /// its own) has a rule that allows and none that denies.
    pub fn allows(&self, subject: &Subject, resource: &str, action: &str, object: &str) -> bool {
        let permits = |name: &str| !name.is_empty() && self.decides(name, resource, action, object);
        // a group counts only when some g line names it
        let groups = subject.groups.iter().filter(|group| self.roles.contains_key(*group));
        permits(&self.default_role) || permits(&subject.user) || groups.into_iter().any(|group| permits(group))
    }

    fn decides(&self, name: &str, resource: &str, action: &str, object: &str) -> bool {
        let names = self.closure(name);
        let wanted = [resource, action, object];
        let mut allowed = false;
        for rule in self.rules.iter().filter(|rule| names.contains(&rule.subject)) {
            match self.meets(rule, wanted) {
                Some(true) if rule.allow => allowed = true,
                Some(false) => {}
                // denied; or a pattern that is no expression, which makes the answer unknown and therefore no
                _ => return false,
            }
        }
        allowed
    }

    /// `None` when a pattern that matters cannot be read.
    fn meets(&self, rule: &Rule, wanted: [&str; 3]) -> Option<bool> {
        for (pattern, text) in [&rule.resource, &rule.action, &rule.object].into_iter().zip(wanted) {
            let hit = if self.regex {
                Regex::new(pattern).ok()?.is_match(text)
            } else {
                glob_match(pattern, text, None).unwrap_or(false)
            };
            if !hit {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The subject and all roles that it reaches by g lines.
    fn closure(&self, name: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut level = vec![name.to_owned()];
        // Argo CD's enforcer follows ten links
        for _ in 0..=10 {
            let new: Vec<String> = level.into_iter().filter(|name| names.insert(name.clone())).collect();
            level = new.iter().flat_map(|name| self.roles.get(name)).flatten().cloned().collect();
        }
        names
    }

    /// Whether the subject has the role, or belongs to the group, called `name` (for gates that name approvers).
    pub fn belongs_to(&self, subject: &Subject, name: &str) -> bool {
        subject.groups.iter().any(|group| group == name)
            || std::iter::once(&subject.user).chain(&subject.groups).any(|own| self.closure(own).contains(name))
    }
}

/// The fields of a CSV line; a field in double quotes may hold commas.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields.iter().map(|field| field.trim().to_owned()).collect()
}

/// `scopes` is a list in YAML's flow form: `[groups, email]`.
fn scopes(text: &str) -> Vec<String> {
    let list: Vec<String> = text
        .trim()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .split(',')
        .map(|scope| scope.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|scope| !scope.is_empty())
        .collect();
    if list.is_empty() { vec!["groups".to_owned()] } else { list }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(csv: &str, default: &str) -> (Policy, Vec<PolicyError>) {
        let data = [("policy.csv", csv), ("policy.default", default)];
        Policy::from_config_map(&data.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    fn who(user: &str, groups: &[&str]) -> Subject {
        Subject { user: user.into(), groups: groups.iter().map(|&g| g.to_owned()).collect() }
    }

    #[test]
    fn allow_needs_a_rule_and_no_deny() {
        let csv = "p, role:dev, applications, sync, shop/*, allow\n\
                   p, role:dev, applications, sync, shop/production, deny\n\
                   g, developers, role:dev\n\
                   g, team-lead, role:admin";
        let (policy, problems) = policy(csv, "role:readonly");
        assert_eq!(problems, []);
        for (subject, action, object, allowed) in [
            (who("alice", &["developers"]), "sync", "shop/dev", true),
            (who("alice", &["developers"]), "sync", "shop/production", false),
            (who("alice", &["others"]), "sync", "shop/dev", false),
            (who("alice", &[]), "get", "shop/production", true),
            (who("admin", &[]), "delete", "shop/production", true),
            (who("team-lead", &[]), "sync", "shop/production", true),
        ] {
            assert_eq!(
                policy.allows(&subject, "applications", action, object),
                allowed,
                "{subject:?} {action} {object}"
            );
        }
        assert!(policy.belongs_to(&who("alice", &["developers"]), "role:dev"));
    }

    #[test]
    fn slips_are_named_and_left_out() {
        let (policy, problems) = policy("p, a, applications, get, *\ng, b, role:admin\nx", "");
        assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [1, 3]);
        assert!(policy.allows(&who("b", &[]), "projects", "create", "x"));
    }
}
