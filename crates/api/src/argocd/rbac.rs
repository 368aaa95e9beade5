//! Who may do what: `argocd-rbac-cm`.

mod as_written;
mod claims;
mod expression;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use regex::Regex;
use serde_json::Value;

use super::glob::Glob;
use super::permission::Reading;
use super::project::AppProject;

pub use as_written::BuiltIn;
pub use claims::denial;

/// Why a line of a policy cannot be read, or does nothing of what somebody will have meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "policy line {line} {text:?} does not say what it seems to: {reason}; write `p, SUBJECT, RESOURCE, ACTION, OBJECT, allow|deny` or `g, USER_OR_GROUP, ROLE`"
)]
pub struct PolicyError {
    /// 0 for `policy.default`, which comes before all lines.
    pub line: usize,
    pub text: String,
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Rule {
    subject: String,
    resource: Field,
    action: Field,
    object: Field,
    effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Effect {
    Allow,
    Deny,
    /// Another word than these two, as Argo CD reads it.
    Nothing,
}

/// A pattern of a rule as written, read once and when it is first asked: most never are.
#[derive(Debug, Clone)]
struct Field {
    text: String,
    regex: bool,
    reading: Reading,
    pattern: OnceLock<Pattern>,
}

#[derive(Debug, Clone)]
enum Pattern {
    Glob(Glob),
    Expression(Regex),
    /// A glob that is not well-formed.
    Nothing,
    /// What it is about is not known; a request that comes upon it is refused.
    Unreadable,
}

impl Field {
    fn new(text: &str, regex: bool, reading: Reading) -> Self {
        Self { text: text.to_owned(), regex, reading, pattern: OnceLock::new() }
    }

    fn read(&self) -> Pattern {
        match self.regex {
            true => expression::go(&self.text).map_or(Pattern::Unreadable, Pattern::Expression),
            false => Glob::new(&self.text, None).map_or(Pattern::Nothing, Pattern::Glob),
        }
    }

    /// `None` when the pattern cannot be read. A glob that is not well-formed allows nothing, and may deny everything.
    fn meets(&self, text: &str, effect: Effect) -> Option<bool> {
        match self.pattern.get_or_init(|| self.read()) {
            Pattern::Glob(glob) => Some(glob.matches(text)),
            Pattern::Expression(expression) => Some(expression.is_match(text)),
            Pattern::Nothing => Some(effect == Effect::Deny && self.reading == Reading::Careful),
            Pattern::Unreadable => None,
        }
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Field {}

impl Hash for Field {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Rule {
    /// `None` when a pattern that matters cannot be read.
    fn meets(&self, resource: &str, action: &str, object: &str) -> Option<bool> {
        let mut meets = true;
        for (field, text) in [(&self.resource, resource), (&self.action, action), (&self.object, object)] {
            meets = meets && field.meets(text, self.effect)?;
        }
        Some(meets)
    }
}

/// The role that may do everything; `admin` has it unless a policy says otherwise.
pub const ADMIN: &str = "role:admin";

/// Somebody who asks: a user (local account or `sub` of a token) and the groups they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    pub user: String,
    pub groups: Vec<String>,
}

/// The policy of one installation: built-in roles, the lines of `policy.csv` and its siblings, the default role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Arc<Rule>>,
    roles: BTreeMap<String, BTreeSet<String>>,
    /// From g lines that cannot be read for certain: of these roles only what they deny counts.
    doubtful_roles: BTreeMap<String, BTreeSet<String>>,
    default_role: String,
    scopes: Vec<String>,
    /// Patterns are regular expressions (`policy.matchMode: regex`), found anywhere in the text.
    regex: bool,
    /// Whether lines and patterns that say nothing deny what they may have meant.
    reading: Reading,
}

/// What one subject may do: the rules of each name that it goes by, each judged on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Grants(Vec<Vec<Arc<Rule>>>);

impl Grants {
    /// Whether a rule of one of the names denies.
    pub fn deny(&self, resource: &str, action: &str, object: &str) -> bool {
        self.0
            .iter()
            .flatten()
            .any(|rule| rule.effect == Effect::Deny && rule.meets(resource, action, object) != Some(false))
    }

    /// Whether one of the names has a rule that allows and none that denies.
    pub fn allow(&self, resource: &str, action: &str, object: &str) -> bool {
        self.0.iter().any(|rules| decides(rules, resource, action, object))
    }
}

fn decides(rules: &[Arc<Rule>], resource: &str, action: &str, object: &str) -> bool {
    let mut allowed = false;
    for rule in rules {
        match rule.meets(resource, action, object) {
            Some(true) if rule.effect == Effect::Allow => allowed = true,
            Some(true) if rule.effect == Effect::Nothing => {}
            Some(false) => {}
            // denied; or a pattern that is no expression, which makes the answer unknown and therefore no
            _ => return false,
        }
    }
    allowed
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

/// More that lines may be about.
const OTHER_RESOURCES: [&str; 6] = ["logs", "exec", "extensions", "pipelines", "releases", "promotions"];

const ACTIONS: [&str; 14] = [
    "get", "create", "update", "delete", "sync", "override", "action", "invoke", "promote", "approve", "reject",
    "rollback", "unpin", "lift",
];

const UNKNOWN_ROLE: &str = "no line says what this role may: it gives nothing, and takes nothing away";

/// What of a rule nothing is called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Resource,
    Action,
}

impl Unknown {
    fn allowed(self) -> &'static str {
        match self {
            Self::Resource => "there is no such resource, so it permits nothing",
            Self::Action => "there is no such action, so it permits nothing",
        }
    }

    fn denied(self) -> &'static str {
        match self {
            Self::Resource => "there is no such resource, so it denies all of them",
            Self::Action => "there is no such action, so it denies all of them",
        }
    }
}

impl Policy {
    /// Reads the data of `argocd-rbac-cm`. Lines that cannot be read are reported; they allow nothing, and what
    /// they may have denied is denied.
    pub fn from_config_map(data: &BTreeMap<String, String>) -> (Self, Vec<PolicyError>) {
        let regex = data.get("policy.matchMode").is_some_and(|mode| mode.trim() == "regex");
        let mut policy = Self::built_in(regex);
        let mut problems = Vec::new();
        policy.default_role = data.get("policy.default").map(|role| role.trim().to_owned()).unwrap_or_default();
        policy.scopes = scopes(data.get("scopes").map(String::as_str).unwrap_or_default());
        let own = data.get("policy.csv");
        let others = data.iter().filter(|(k, _)| *k != "policy.csv" && k.starts_with("policy.") && k.ends_with(".csv"));
        let texts = || own.into_iter().chain(others.clone().map(|(_, text)| text));
        let lines = || texts().flat_map(|text| (1..).zip(text.lines().map(str::trim)));
        let slip = |line: usize, text: &str, reason| PolicyError { line, text: text.to_owned(), reason };
        for (line, text) in lines() {
            problems.extend(policy.add_line(text).err().map(|reason| slip(line, text, reason)));
        }
        let default = [(0, policy.default_role.clone())];
        let unknown = |text: &str| fields(text).last().is_some_and(|role| policy.is_unknown(role));
        let given = default.iter().map(|(line, text)| (*line, text.as_str()));
        let given = given.chain(lines().filter(|(_, text)| text.starts_with(['g', 'G'])));
        problems.extend(given.filter(|(_, text)| unknown(text)).map(|(line, text)| slip(line, text, UNKNOWN_ROLE)));
        (policy, problems)
    }

    /// Whether it is a role of which no line says anything.
    fn is_unknown(&self, role: &str) -> bool {
        role.starts_with("role:")
            && !self.roles.contains_key(role)
            && !self.rules.iter().any(|rule| rule.subject == role)
    }

    fn built_in(regex: bool) -> Self {
        let mut policy = Self { scopes: scopes(""), regex, ..Self::default() };
        let mut rule = |subject: &str, resource: &str, action: &str, object: &str| {
            policy.add(subject, [resource, action, object], Effect::Allow)
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
        for resource in ["pipelines", "releases", "promotions"] {
            rule("role:admin", resource, "*", "*");
            rule("role:readonly", resource, "get", "*");
        }
        policy.roles.entry("admin".to_owned()).or_default().insert("role:admin".to_owned());
        policy
    }

    fn add(&mut self, subject: &str, [resource, action, object]: [&str; 3], effect: Effect) {
        let field = |text| Field::new(text, self.regex, self.reading);
        let (resource, action, object) = (field(resource), field(action), field(object));
        self.rules.push(Arc::new(Rule { subject: subject.to_owned(), resource, action, object, effect }));
    }

    fn add_line(&mut self, line: &str) -> Result<(), &'static str> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let fields = fields(line);
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let reason = match fields.as_slice() {
            ["p", subject, resource, action, object, "allow"] => {
                self.add(subject, [resource, action, object], Effect::Allow);
                self.well_formed(&[resource, action, object])?;
                return self.known(resource, action).map_err(|unknown| unknown.allowed());
            }
            ["p", subject, resource, action, object, "deny"] => {
                let known = self.known(resource, action);
                let everything = if self.regex { "" } else { "*" };
                // nobody knows which of all was meant
                let resource = if known == Err(Unknown::Resource) { &everything } else { resource };
                let action = if known == Err(Unknown::Action) { &everything } else { action };
                self.add(subject, [resource, action, object], Effect::Deny);
                self.well_formed(&[resource, action, object])?;
                return known.map_err(Unknown::denied);
            }
            ["g", member, role] => {
                self.roles.entry((*member).to_owned()).or_default().insert((*role).to_owned());
                return Ok(());
            }
            ["g" | "G", member, role, ..] => {
                self.doubtful_roles.entry((*member).to_owned()).or_default().insert((*role).to_owned());
                return Err("a g line begins with g and has three fields; of the role only what it denies counts");
            }
            ["g" | "G", ..] => return Err("a g line has three fields"),
            ["p", _, _, _, _, _] => "the effect is neither allow nor deny",
            ["p", ..] => "a p line has six fields",
            _ => "it begins with neither p nor g",
        };
        self.add_doubtful(&fields);
        Err(reason)
    }

    /// Of a line that cannot be read, whatever it may have denied.
    fn add_doubtful(&mut self, fields: &[&str]) {
        let denial = fields.iter().skip(2).position(|field| is_nearly("deny", field)).map(|at| at + 2);
        let is_allowed = |field: &&str| field.eq_ignore_ascii_case("allow");
        let says_allow = denial.is_none() && fields.iter().skip(3).any(is_allowed);
        let Some(subject) = fields.get(1).filter(|subject| !subject.is_empty()) else { return };
        if says_allow || (denial.is_none() && fields.len() < 5) {
            return;
        }
        let everything = if self.regex { "" } else { "*" };
        // with a field too few or too many, nobody knows which is missing
        let sure = match denial {
            Some(5) => 5,
            Some(at) => at.min(4),
            None if fields.len() >= 6 && fields.iter().skip(6).all(|field| field.is_empty()) => 5,
            None => 4,
        };
        let field =
            |at: usize| fields.get(at).filter(|text| at < sure && !text.is_empty()).map_or(everything, |text| *text);
        self.add(subject, [field(2), field(3), field(4)], Effect::Deny);
    }

    fn well_formed(&self, patterns: &[&str]) -> Result<(), &'static str> {
        let is_bad = |text: &&&str| text.contains(['[', ']', '{', '}', '\\']) && Glob::new(text, None).is_err();
        match patterns.iter().find(is_bad).filter(|_| !self.regex) {
            Some(_) => Err("a pattern is not well-formed: where the line denies, it denies everything"),
            None => Ok(()),
        }
    }

    /// Whether there is a resource, and an action, that the patterns can mean.
    fn known(&self, resource: &str, action: &str) -> Result<(), Unknown> {
        let meets = |pattern: &str, words: &[&str]| {
            let field = Field::new(pattern, self.regex, self.reading);
            words.iter().any(|word| field.meets(word, Effect::Deny) != Some(false))
        };
        if !meets(resource, &RESOURCES) && !meets(resource, &OTHER_RESOURCES) {
            return Err(Unknown::Resource);
        }
        // `action/apps/Deployment/restart` and its like are called as clusters call their kinds
        let fine = action.contains('/') || meets(action, &ACTIONS);
        if fine { Ok(()) } else { Err(Unknown::Action) }
    }

    /// The claims of a token that count as groups; `groups` unless configured.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// This policy with what the roles of a project add. A line that is not about the role, or reaches beyond the
    /// project, does not count.
    #[must_use]
    pub fn with_project(&self, project: &AppProject) -> Self {
        let mut policy = self.clone();
        let name = &project.metadata.name;
        for role in &project.spec.roles {
            let subject = format!("proj:{name}:{}", role.get("name").and_then(Value::as_str).unwrap_or_default());
            for line in texts(role, "policies").filter(|line| is_about(line, &subject, name)) {
                // lines that cannot be read are for whoever looks at the project
                let _ = policy.add_line(line);
            }
            for group in texts(role, "groups") {
                policy.roles.entry(group.to_owned()).or_default().insert(subject.clone());
            }
        }
        policy
    }

    /// What the subject may do: what the default role permits, or the user or one of their groups (each on its own).
    pub fn grants(&self, subject: &Subject) -> Grants {
        // a group counts only when some g line names it
        let named = |group: &&String| self.roles.contains_key(*group) || self.doubtful_roles.contains_key(*group);
        let groups = subject.groups.iter().filter(named);
        let nobody = String::new();
        let names = [&self.default_role, &subject.user].into_iter().chain(groups).filter(|name| !name.is_empty());
        // a line about nobody is about everybody to Argo CD
        let names = names.chain((self.reading == Reading::AsArgoCd).then_some(&nobody));
        let rules_of = |name: &String| {
            let roles = self.closure(name);
            let doubtful = self.doubtful(&roles);
            let is_of = |rule: &&Arc<Rule>| {
                roles.contains(&rule.subject) || (rule.effect == Effect::Deny && doubtful.contains(&rule.subject))
            };
            self.rules.iter().filter(is_of).cloned().collect()
        };
        Grants(names.map(rules_of).collect())
    }

    /// As [`Policy::grants`], without what is given to nobody.
    fn grants_named(&self, subject: &Subject) -> Grants {
        let mut grants = self.grants(subject);
        if self.reading == Reading::AsArgoCd && !subject.user.is_empty() {
            grants.0.pop();
        }
        grants
    }

    /// Whether the subject may do the action; see [`Policy::grants`].
    pub fn allows(&self, subject: &Subject, resource: &str, action: &str, object: &str) -> bool {
        self.grants(subject).allow(resource, action, object)
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

    /// The roles beyond `roles` of which only what they deny counts.
    fn doubtful(&self, roles: &BTreeSet<String>) -> BTreeSet<String> {
        if self.doubtful_roles.is_empty() {
            return BTreeSet::new();
        }
        roles
            .iter()
            .filter_map(|role| self.doubtful_roles.get(role))
            .flatten()
            .flat_map(|role| self.closure(role))
            .collect()
    }

    /// The roles that the subject has and the groups that it belongs to (for gates that name approvers), with its own
    /// name.
    pub fn memberships(&self, subject: &Subject) -> BTreeSet<String> {
        let names = std::iter::once(&subject.user).chain(&subject.groups);
        names.flat_map(|name| self.closure(name)).collect()
    }
}

impl AppProject {
    /// What does not say what it seems to: lines of roles, patterns that are not well-formed, and settings that nothing
    /// here obeys yet.
    pub fn slips(&self) -> Vec<String> {
        let name = &self.metadata.name;
        let mut slips = Vec::new();
        for role in &self.spec.roles {
            let role_name = role.get("name").and_then(Value::as_str).unwrap_or_default();
            let subject = format!("proj:{name}:{role_name}");
            for text in texts(role, "policies") {
                let reason = match is_about(text, &subject, name) {
                    true => Policy::default().add_line(text).err(),
                    false => Some("it is not about this role and objects of this project, so it counts for nothing"),
                };
                slips.extend(reason.map(|reason| format!("role {role_name}: {text:?}: {reason}")));
            }
        }
        slips.extend(self.spec.slips());
        slips.into_iter().map(|slip| format!("project {name}: {slip}")).collect()
    }
}

/// The texts of a list in a role of a project.
fn texts<'v>(role: &'v Value, list: &str) -> impl Iterator<Item = &'v str> {
    role.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a line of a project's role is `p, proj:PROJECT:ROLE, …, PROJECT/…, …`.
fn is_about(line: &str, subject: &str, project: &str) -> bool {
    match fields(line).as_slice() {
        [p, who, _, _, object, effect] if p == "p" && matches!(effect.as_str(), "allow" | "deny") => {
            who == subject && (object == project || object.starts_with(&format!("{project}/")))
        }
        // what cannot be read allows nothing
        [p, who, ..] => p.eq_ignore_ascii_case("p") && who == subject,
        _ => false,
    }
}

/// Whether a field is a word but for case or a slip.
fn is_nearly(word: &str, field: &str) -> bool {
    let field = field.to_lowercase();
    !field.is_empty()
        && (object::distance(&field, word) <= 1 || field.starts_with(word) || field == "denied" || field == "dney")
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
        assert!(policy.memberships(&who("alice", &["developers"])).contains("role:dev"));
    }

    #[test]
    fn roles_of_a_project_count_in_it_alone() {
        let role = |name: &str, groups: &[&str], policies: &[&str]| serde_json::json!({"name": name, "groups": groups, "policies": policies});
        let mut project = AppProject::default_project("argocd");
        project.metadata.name = "shop".into();
        project.spec.roles = vec![
            role("ci", &["builders", "carla"], &["p, proj:shop:ci, applications, sync, shop/*, allow"]),
            role(
                "greedy",
                &["carla"],
                &["p, proj:shop:greedy, applications, delete, bank/*, allow", "g, carla, role:admin"],
            ),
            role("liar", &["carla"], &["p, role:readonly, applications, delete, shop/*, allow"]),
        ];
        let (policy, _) = policy("g, builders, role:none", "role:readonly");
        let policy = policy.with_project(&project);
        let check = |user: &str, groups: &[&str], action: &str, object: &str, allowed: bool| {
            let found = policy.allows(&who(user, groups), "applications", action, object);
            assert_eq!(found, allowed, "{user} {action} {object}");
        };
        check("alice", &["builders"], "sync", "shop/web", true);
        check("carla", &[], "sync", "shop/web", true);
        check("proj:shop:ci", &[], "sync", "shop/web", true);
        check("alice", &[], "sync", "shop/web", false);
        check("carla", &[], "sync", "bank/web", false);
        check("carla", &[], "delete", "bank/web", false);
        check("carla", &[], "delete", "shop/web", false);
    }

    #[test]
    fn slips_are_named_and_left_out() {
        let (policy, problems) = policy("p, a, applications, get, *\ng, b, role:admin\nx", "");
        assert_eq!(problems.iter().map(|p| p.line).collect::<Vec<_>>(), [1, 3]);
        assert!(policy.allows(&who("b", &[]), "projects", "create", "x"));
    }

    #[test]
    fn a_slip_never_permits() {
        let allowed = "p, role:dev, applications, *, shop/*, allow\ng, alice, role:dev\n";
        for (line, others) in [
            ("p, role:dev, applications, sync, shop/vault, deny", true),
            ("p, role:dev, applications, sync, shop/vault, Deny", true),
            ("p, role:dev, applications, sync, shop/vault, DENY", true),
            ("p, role:dev, applications, sync, shop/vault, dent", true),
            ("p, role:dev, applications, sync, shop/vault, no", true),
            ("p, role:dev, applications, sync, shop/vault,", true),
            ("p, role:dev, applications, sync, shop/vault, deny,", true),
            ("p, role:dev, applications, sync, shop/vault, deny # never", true),
            ("P, role:dev, applications, sync, shop/vault, deny", true),
            ("p, role:dev, applications, sync, deny", false),
            ("p, role:dev, applications, sync, shop/vault", false),
            ("p, role:dev, applications, sync, shop, vault, deny", false),
            ("p, role:dev, applications, sync, \"shop/vault, deny", false),
            ("p, role:dev, applications, sync, shop/[vault, deny", false),
            ("p, alice, applications, sync, shop/vault, Deny", true),
            ("p, role:strict, applications, sync, shop/vault, deny\ng, alice, role:strict,", true),
        ] {
            let (policy, problems) = policy(&format!("{allowed}{line}"), "");
            assert_eq!(
                problems.is_empty(),
                line.ends_with("vault, deny") && line.starts_with("p, role:dev") && others,
                "{line}"
            );
            let may = |action, object| policy.allows(&who("alice", &[]), "applications", action, object);
            assert!(!may("sync", "shop/vault"), "{line}");
            assert_eq!(may("sync", "shop/web"), others, "{line}");
            assert!(may("get", "shop/vault"), "{line}");
        }
        // one that meant to allow takes nothing away, and gives nothing
        let (policy, problems) =
            policy(&format!("{allowed}p, role:dev, applications, sync, bank/*, Allow\nx\np, role:admin"), "");
        assert_eq!(problems.len(), 3);
        let may = |user, object| policy.allows(&who(user, &[]), "applications", "sync", object);
        assert!(may("alice", "shop/web") && !may("alice", "bank/web") && may("admin", "bank/web"));
    }

    #[test]
    fn a_slip_in_a_role_of_a_project_does_not_permit() {
        let mut project = AppProject::default_project("argocd");
        project.metadata.name = "shop".into();
        project.spec.roles = vec![serde_json::json!({"name": "ci", "groups": ["builders"], "policies": [
            "p, proj:shop:ci, applications, *, shop/*, allow", "p, proj:shop:ci, applications, delete, shop/*, deny,"]})];
        let (policy, _) = policy("", "");
        let policy = policy.with_project(&project);
        let may = |action| policy.allows(&who("x", &["builders"]), "applications", action, "shop/web");
        assert!(may("sync") && !may("delete"));
    }

    #[test]
    fn a_denial_holds_for_the_built_in_admin() {
        let (policy, problems) =
            policy("p, role:admin, applications, delete, shop/*, deny\np, admin, projects, *, x, deny", "");
        assert_eq!(problems, []);
        let may = |resource, action, object| policy.allows(&who("admin", &[]), resource, action, object);
        assert!(!may("applications", "delete", "shop/web") && !may("projects", "get", "x"));
        assert!(may("applications", "delete", "bank/web") && may("projects", "get", "y"));
    }

    /// What nothing is called permits nothing, and denies all that may have been meant; each is told.
    #[test]
    fn names_that_nothing_has_are_told_and_deny() {
        let may = |csv: &str, action: &str| {
            let (policy, problems) =
                policy(&format!("p, role:dev, applications, *, shop/*, allow\ng, alice, role:dev\n{csv}"), "");
            (policy.allows(&who("alice", &[]), "applications", action, "shop/web"), problems)
        };
        for line in [
            "p, role:dev, aplications, delete, shop/*, deny",
            "p, role:dev, app, delete, shop/*, deny",
            "p, role:dev, applications, delet, shop/*, deny",
            "p, role:dev, applications, Delete, shop/*, deny",
            "p, role:dev, [x, delete, shop/*, deny",
        ] {
            let (permitted, problems) = may(line, "delete");
            assert!(!permitted && problems.len() == 1, "{line}: {problems:?}");
            assert!(problems[0].to_string().contains("den"), "{problems:?}");
        }
        for line in ["p, role:dev, aplications, sync, */*, allow", "p, role:dev, applications, snyc, */*, allow"] {
            let (permitted, problems) = may(line, "delete");
            assert!(
                permitted && problems.len() == 1 && problems[0].reason.contains("permits nothing"),
                "{line}: {problems:?}"
            );
        }
        for fine in [
            "p, role:dev, applications, action/apps/Deployment/restart, */*, deny",
            "p, role:dev, app*, delete/*/Pod/*, */*, deny",
            "p, role:dev, \"{logs,exec}\", \"{get,create}\", */*, deny",
            "p, role:dev, pipelines, approve, x, deny",
        ] {
            assert_eq!(may(fine, "sync"), (true, vec![]), "{fine}");
        }
        for (csv, default, place) in
            [("g, bob, role:devs", "", 1), ("# g\ng, bob, role:devs", "", 2), ("", "role:readonyl", 0)]
        {
            let (_, problems) = policy(csv, default);
            assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [place], "{csv} {default}");
        }
        let (_, problems) = policy("g, bob, team-leads\ng, a, role:x\ng, role:x, role:admin", "role:readonly");
        assert_eq!(problems, [], "groups are nobody's lines");
    }

    #[test]
    fn slips_of_a_project_are_told() {
        let mut project = AppProject::default_project("argocd");
        project.metadata.name = "shop".into();
        project.spec.roles = vec![serde_json::json!({"name": "ci", "policies": [
            "p, proj:shop:ci, applications, sync, shop/*, allow", "p, proj:shop:ci, applications, sync, bank/*, allow",
            "p, proj:shop:ci, applications, snyc, shop/*, deny", "p, proj:shop:ci, applications, get"]})];
        project.spec.source_repos.push("!https://git.test/[".into());
        project.spec.sync_windows = vec![crate::argocd::SyncWindow { kind: "deny".into(), ..Default::default() }];
        let slips = project.slips();
        assert_eq!(slips.len(), 5, "{slips:#?}");
        for (slip, part) in slips.iter().zip(["bank", "snyc", "get", "git.test/[", "sync window"]) {
            assert!(slip.starts_with("project shop: ") && slip.contains(part), "{slip}");
        }
        assert_eq!(AppProject::default_project("argocd").slips(), [""; 0]);
    }
}
