//! Policies as Argo CD reads them: one line that is wrong and none of them counts; what means nothing denies nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{AppProject, Effect, Policy, PolicyError, Reading, Subject, texts};

/// Whether the roles that are built in count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    Counts,
    LeftOut,
}

impl Policy {
    /// Reads the data of `argocd-rbac-cm` as Argo CD does. The claims that count as groups are set apart from it.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn as_written(data: &BTreeMap<String, String>, built_in: BuiltIn) -> Result<Self, PolicyError> {
        let regex = data.get("policy.matchMode").is_some_and(|mode| mode == "regex");
        let built_in = match built_in {
            BuiltIn::Counts => Self::built_in(regex),
            BuiltIn::LeftOut => Self { regex, ..Self::default() },
        };
        let mut policy = Self { reading: Reading::AsArgoCd, ..built_in };
        policy.default_role = data.get("policy.default").cloned().unwrap_or_default();
        for (line, text) in (1..).zip(Self::csv(data).split('\n')) {
            let error = |reason| PolicyError { line, text: text.to_owned(), reason };
            policy.add_as_written(text).map_err(error)?;
        }
        Ok(policy)
    }

    /// All lines of the config map: those of `policy.csv`, and then those of `policy.*.csv` in the order of their names.
    pub fn csv(data: &BTreeMap<String, String>) -> String {
        let others = data.iter().filter(|(key, _)| key.starts_with("policy.") && key.ends_with(".csv"));
        let others = others.filter(|(key, _)| *key != "policy.csv");
        let own = data.get("policy.csv").cloned().unwrap_or_default();
        others.fold(own, |all, (_, text)| format!("{all}\n{text}"))
    }

    /// This policy with all lines of a project. One that cannot be read, and none of them counts.
    #[must_use]
    pub fn with_project_as_written(&self, project: &AppProject) -> Self {
        let mut policy = self.clone();
        let lines = lines_of(project);
        let mut all = lines.iter().flat_map(|text| text.split('\n'));
        match all.try_for_each(|line| policy.add_as_written(line)) {
            Ok(()) => policy,
            Err(_) => self.clone(),
        }
    }

    /// Whether the subject may do the action; `projects` are asked about their own objects.
    pub fn allows_as_written(&self, subject: &Subject, request: [&str; 3], projects: &[AppProject]) -> bool {
        let [resource, action, object] = request;
        let about = project_of(resource, object);
        let project = projects.iter().find(|project| Some(project.metadata.name.as_str()) == about);
        let nobody = Subject::default();
        let Some(project) = project else {
            return self.allows(subject, resource, action, object);
        };
        let is_allowed = |asks: &Subject| {
            let within = self.with_project_as_written(project);
            within.grants_named(asks).allow(resource, action, object)
        };
        let judged = match subject.user.split(':').collect::<Vec<_>>()[..] {
            // a token of a project is good for that project, and has no groups
            ["proj", name, _] => {
                let token = Subject { user: subject.user.clone(), ..Subject::default() };
                name == project.metadata.name && is_allowed(&token)
            }
            _ => is_allowed(subject),
        };
        // the last question is about nobody, without the project
        judged || self.allows(&nobody, resource, action, object)
    }

    fn add_as_written(&mut self, line: &str) -> Result<(), &'static str> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let fields = csv_fields(line).ok_or("its quotes are not those of CSV")?;
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        match fields.as_slice() {
            ["p", subject, resource, action, object, effect] => {
                let effect = match *effect {
                    "allow" => Effect::Allow,
                    "deny" => Effect::Deny,
                    _ => Effect::Nothing,
                };
                self.add(subject, [resource, action, object], effect);
            }
            ["g", member, role] => {
                self.roles.entry((*member).to_owned()).or_default().insert((*role).to_owned());
            }
            ["p" | "g", ..] => return Err("it has too few or too many fields"),
            // parts of the model, which nothing is made of
            ["r" | "e" | "m", ..] => {}
            _ => return Err("it begins with neither p nor g"),
        }
        Ok(())
    }
}

/// The lines that a project adds.
fn lines_of(project: &AppProject) -> Vec<String> {
    let name = &project.metadata.name;
    let of_role = |role: &Value| {
        let subject = format!("proj:{name}:{}", role.get("name").and_then(Value::as_str).unwrap_or_default());
        let mut lines = vec![format!("p, {subject}, projects, get, {name}, allow")];
        lines.extend(texts(role, "policies").map(str::to_owned));
        lines.extend(texts(role, "groups").map(|group| format!("g, {group}, {subject}")));
        lines
    };
    project.spec.roles.iter().flat_map(of_role).collect()
}

/// The project that a request is about.
fn project_of<'a>(resource: &str, object: &'a str) -> Option<&'a str> {
    match resource {
        "applicationsets" | "applications" | "repositories" | "clusters" | "logs" | "exec" => {
            object.split_once('/').map(|(project, _)| project)
        }
        "projects" => Some(object),
        _ => None,
    }
}

/// The fields of a line of CSV, without the space in front of each. Nothing where a quote is not at its place.
fn csv_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let text = text.trim_start();
        let (field, behind) = match text.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let (field, behind) = text.split_once(',').map_or((text, None), |(field, rest)| (field, Some(rest)));
                (Some(field).filter(|field| !field.contains('"'))?.to_owned(), behind)
            }
        };
        fields.push(field);
        rest = behind;
    }
    Some(fields)
}

/// A field behind its first quote; two quotes in it are one.
fn quoted_field(text: &str) -> Option<(String, Option<&str>)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, behind) = rest.split_once('"')?;
        field.push_str(part);
        match behind.chars().next() {
            None => return Some((field, None)),
            Some(',') => return Some((field, Some(&behind[1..]))),
            Some('"') => field.push('"'),
            Some(_) => return None,
        }
        rest = &behind[1..];
    }
}
