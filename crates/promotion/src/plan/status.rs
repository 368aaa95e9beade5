//! The Pipeline's status after a plan.

use api::gantline::{
    Environment, EnvironmentStatus, GateState, PipelineCondition, PipelineConditionKind, PipelineStatus,
    ReleaseEnvironment,
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
            not_promoted: self.not_promoted(name, sight, old),
            ..self.release_status(name, sight, old)
        }
    }

    /// What is quarantined there, else what nobody promoted there, although others were: of its own Application, else of
    /// others. As it was while it is not known what runs.
    fn not_promoted(&self, environment: &str, sight: &Sight<'_>, old: Option<&EnvironmentStatus>) -> String {
        let own = if sight.is_asked() {
            old.map(|old| old.not_promoted.clone()).filter(|said| !said.is_empty())
        } else {
            let bad = self.bad_release(environment, sight).or_else(|| self.bad_running(environment, sight));
            bad.or_else(|| self.came_past(environment, sight))
        };
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

    /// The release that is there is quarantined, which in the first is nothing new where it is called what it was.
    fn bad_release(&self, environment: &str, sight: &Sight<'_>) -> Option<String> {
        let release = self.run_by(sight).filter(|release| release.status.quarantine.is_some())?;
        let label = label(&release.spec.images);
        let written = self.by_another_tag(sight).map(|written| format!("{} is {label}, which", written.image));
        let what = written.or_else(|| (!self.is_first(environment)).then(|| label.into_owned()))?;
        Some(format!("{what} is quarantined, and {environment} runs it: promote another one, or roll back"))
    }

    fn came_past(&self, environment: &str, sight: &Sight<'_>) -> Option<String> {
        if let Some(back) = self.came_back(environment, sight) {
            return Some(back);
        }
        let what = match sight.runs {
            Runs::Release(index) => {
                let release = &self.releases[index];
                let past = |entry: &&ReleaseEnvironment| entry.by_hand && release.status.quarantine.is_none();
                release.in_environment(environment).filter(past)?;
                label(&release.spec.images).into_owned()
            }
            Runs::Other if !self.is_first(environment) && !self.is_untouched(environment) => {
                self.others_written(environment, sight)?
            }
            Runs::Other | Runs::Nothing | Runs::Unknown { .. } => return None,
        };
        Some(format!("{what} was not promoted to {environment}: it came past the gates"))
    }

    /// What was promoted before, and replaced since. Where a tag moved to it that is what is said.
    fn came_back(&self, environment: &str, sight: &Sight<'_>) -> Option<String> {
        let (release, records) = (self.run_by(sight)?, Records::of(self.seen));
        let is_past = !self.is_first(environment)
            && !records.stands(release, environment)
            && self.moved_in(environment, sight).is_none();
        let label = label(&release.spec.images);
        (is_past && records.was_ever_put(release, environment)).then(|| {
            format!("{label} was promoted to {environment} before, and replaced since: it came back past the gates")
        })
    }

    /// Images that are no release together. Where a tag moved that is what is said of those that were promoted.
    fn others_written(&self, environment: &str, sight: &Sight<'_>) -> Option<String> {
        let (records, has_moved) = (Records::of(self.seen), self.moved_in(environment, sight).is_some());
        let written = sight.images.iter().map(|written| written.image);
        let written = written.filter(|image| !has_moved || !records.put(environment, image));
        let written: Vec<String> = written.map(ToString::to_string).collect();
        (!written.is_empty()).then(|| written.join(", "))
    }

    /// What runs there; as it was while that is not known.
    fn release_status(
        &self,
        environment: &str,
        sight: &Sight<'_>,
        old: Option<&EnvironmentStatus>,
    ) -> EnvironmentStatus {
        if sight.is_asked() {
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
