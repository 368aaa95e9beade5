//! The Pipeline's status after a plan.

use api::gantline::{
    Environment, EnvironmentStatus, GateState, PipelineCondition, PipelineConditionKind, PipelineStatus,
};

use object::short_hash;

use super::sight::{Runs, Sight};
use super::{Brought, Draft};
use crate::identity::label;
use crate::owned::Records;

impl Draft<'_> {
    pub(super) fn status(&self) -> PipelineStatus {
        let environments = self.seen.pipeline.spec.environments.iter().zip(&self.sights);
        let moved = environments.clone().filter_map(|(environment, sight)| self.tag_moved(&environment.name, sight));
        let moved = moved.map(|message| PipelineCondition { r#type: PipelineConditionKind::TagMoved, message });
        let moved: Vec<PipelineCondition> = moved.collect();
        let environments = environments.map(|(environment, sight)| self.environment_status(environment, sight));
        let environments: Vec<EnvironmentStatus> = environments.collect();
        let past = environments.iter().filter(|environment| !environment.not_promoted.is_empty());
        let past = past.map(|environment| PipelineCondition {
            r#type: PipelineConditionKind::NotPromoted,
            message: environment.not_promoted.clone(),
        });
        let conditions = self.conditions.iter().cloned().chain(moved).chain(past).collect();
        PipelineStatus { runs: runs(&environments), environments, conditions }
    }

    fn environment_status(&self, environment: &Environment, sight: &Sight<'_>) -> EnvironmentStatus {
        let name = &environment.name;
        let old = self.seen.pipeline.status_of(name);
        let app = sight.place.and_then(|place| place.application.as_ref());
        EnvironmentStatus {
            name: name.clone(),
            application: environment.application.clone(),
            commit: app.map_or_else(String::new, |app| app.commit.clone()),
            sync: app.map(|app| app.sync),
            health: app.map(|app| app.health),
            pinned: old.and_then(|old| old.pinned.clone()),
            waiting: self.waiting_for(name),
            not_promoted: self.not_promoted(name, sight),
            ..self.release_status(name, sight, old)
        }
    }

    /// What nobody promoted there, although others were, or what is quarantined since: of its own Application, else of
    /// others.
    fn not_promoted(&self, environment: &str, sight: &Sight<'_>) -> String {
        let own = self.own_not_promoted(environment, sight);
        let own = Some(own).filter(|own| !own.is_empty()).or_else(|| self.bad_running(environment, sight));
        own.or_else(|| self.brought_past(environment, sight)).unwrap_or_default()
    }

    fn brought_past(&self, environment: &str, sight: &Sight<'_>) -> Option<String> {
        let records = Records::of(self.seen);
        let beside = &sight.place?.beside;
        if beside.is_empty() || self.is_untouched(environment) {
            return None;
        }
        let Brought { image, namespace } = beside.iter().find(|brought| !records.put(environment, &brought.image))?;
        Some(format!(
            "{image}, which another Application has in namespace {namespace}, was not promoted to {environment}: it came \
             past the gates"
        ))
    }

    fn own_not_promoted(&self, environment: &str, sight: &Sight<'_>) -> String {
        let first = self.seen.pipeline.spec.environments.first().is_some_and(|first| first.name == environment);
        let says = |what: &str| format!("{what} was not promoted to {environment}: it came past the gates");
        match &sight.runs {
            Runs::Release(index) => {
                let release = &self.releases[*index];
                let by_hand = release.in_environment(environment).is_some_and(|entry| entry.by_hand);
                let label = label(&release.spec.images);
                match &release.status.quarantine {
                    Some(_) => match self.by_another_tag(sight) {
                        Some(written) => format!(
                            "{} is {label}, which is quarantined, and {environment} runs it: promote another one, or roll \
                             back",
                            written.image
                        ),
                        None if first => String::new(),
                        None => format!(
                            "{label} is quarantined, and {environment} runs it: promote another one, or roll back"
                        ),
                    },
                    None if by_hand => says(&label),
                    None => String::new(),
                }
            }
            // where a tag moved that is what is said
            Runs::Other if !first && !self.is_untouched(environment) && self.moved_in(environment, sight).is_none() => {
                let images: Vec<String> = sight.images.iter().map(|written| written.image.to_string()).collect();
                says(&images.join(", "))
            }
            Runs::Other | Runs::Nothing | Runs::Unknown { .. } => String::new(),
        }
    }

    /// What runs there; as it was while that is not known.
    fn release_status(
        &self,
        environment: &str,
        sight: &Sight<'_>,
        old: Option<&EnvironmentStatus>,
    ) -> EnvironmentStatus {
        if matches!(sight.runs, Runs::Unknown { asked: true, .. }) {
            let EnvironmentStatus { release, tag, digest, since, .. } = old.cloned().unwrap_or_default();
            return EnvironmentStatus { release, tag, digest, since, ..EnvironmentStatus::default() };
        }
        let release = self.run_by(sight);
        let first = sight.images.first();
        let tag = match release {
            Some(release) => label(&release.spec.images).into_owned(),
            None => first.and_then(|written| written.image.tag.clone()).unwrap_or_default(),
        };
        let entry = release.and_then(|release| release.in_environment(environment));
        EnvironmentStatus {
            release: release.map_or_else(String::new, |release| release.metadata.name.clone()),
            tag,
            digest: first.and_then(|written| written.digest).cloned(),
            since: entry.and_then(|entry| entry.deployed_at).or_else(|| old?.since),
            ..EnvironmentStatus::default()
        }
    }

    /// What the open promotions into an environment wait for. Only what stays the same while they do: the status is
    /// written for each change.
    fn waiting_for(&self, environment: &str) -> Vec<String> {
        let open = self.promotions.iter().filter(|p| p.spec.environment == environment && p.status.phase.is_open());
        let gates = open.flat_map(|promotion| &promotion.status.gates);
        gates.filter(|gate| gate.state != GateState::Passed).map(|gate| gate.name.clone()).collect()
    }
}

/// What the environments run, on one line.
fn runs(environments: &[EnvironmentStatus]) -> String {
    let mut line = String::with_capacity(64);
    for EnvironmentStatus { name, tag, .. } in environments {
        let tag = if tag.is_empty() { "-" } else { short_hash(tag) };
        let space = if line.is_empty() { "" } else { " " };
        [space, name, "=", tag].iter().for_each(|part| line.push_str(part));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_environments_run_is_one_line() {
        let status = |name: &str, tag: &str| EnvironmentStatus {
            name: name.to_owned(),
            tag: tag.to_owned(),
            ..EnvironmentStatus::default()
        };
        let all =
            [status("dev", &"4f2a9c1e7b".repeat(4)), status("staging", "v2026.11.30-build7"), status("production", "")];
        assert_eq!(runs(&all), "dev=4f2a9c1e7b staging=v2026.11.30-build7 production=-");
    }
}
