//! What must hold, told apart from how it is decided.

use std::collections::BTreeMap;

use api::gantline::{
    Gate, GateState, Promotion, PromotionPhase, Release, ReleaseEnvironment, ReleasePhase, ReleaseStatus, Verdict,
    WriteStep,
};
use jiff::Timestamp;
use promotion::{Action, Observed, Plan, Step, What, identity, plan, promotion_id};

use super::world::{World, moment};

/// Of each commit, at its moment.
pub(super) fn pushed(world: &World, promotion: &Promotion, release: &Release) -> Result<(), String> {
    let (name, spec) = (&promotion.metadata.name, &promotion.spec);
    let id = promotion_id(promotion);
    if world.commits.iter().any(|commit| commit.promotion.as_ref() == Some(&id)) {
        return Err(format!("{name} is committed twice"));
    }
    let tampered = &world.api.tampered;
    if tampered.promotions.contains(name) || tampered.releases.contains(&spec.release) {
        return Err(format!("{name} moves by what was written past Gantline"));
    }
    let live = &world.api.releases[&release.metadata.name];
    // whatever its record says: that may be cut off, or deleted
    if identity(&release.spec.images).is_some_and(|digest| world.quarantined.contains(&digest)) {
        return Err(format!("{name} moves a quarantined digest"));
    }
    if world.is_held_elsewhere(release) {
        return Err(format!("{name} moves what another Pipeline quarantined"));
    }
    if spec.rollback {
        return Ok(());
    }
    let (pipeline, by_itself) = (&world.api.pipeline, promotion.askers().next().is_none());
    let is_pinned = |at: &str| pipeline.spec.pins.contains_key(at) && !tampered.pins.contains(at);
    if by_itself && is_pinned(&spec.environment) {
        return Err(format!("{name} enters a pinned environment"));
    }
    let index = pipeline.spec.environments.iter().position(|known| known.name == spec.environment).unwrap();
    let before = index.checked_sub(1).map(|before| pipeline.spec.environments[before].name.clone());
    let held = before.is_some_and(|before| world.held.contains(&(spec.release.clone(), before)));
    if by_itself && !held {
        return Err(format!("{name} enters before its predecessor held it"));
    }
    pipeline.spec.environments[index].gates.iter().try_for_each(|gate| passed(world, index, gate, promotion, live))
}

fn passed(world: &World, index: usize, gate: &Gate, promotion: &Promotion, release: &Release) -> Result<(), String> {
    let name = &promotion.metadata.name;
    let fail = |why: &str| Err(format!("{name} skips {gate:?}: {why}"));
    match gate {
        Gate::Healthy(gate) => {
            let before = &world.envs[index - 1];
            let lasted = world.now - before.well_since;
            if before.unknown {
                return fail("nobody can tell whether it is Synced there");
            }
            if !world.runs(index - 1, release) || !before.healthy {
                return fail("it is not healthy there");
            }
            if lasted < gate.soak().as_secs() {
                return fail(&format!("healthy for {lasted}s"));
            }
            let since = release.in_environment(&before.name).and_then(|entry| entry.healthy_since);
            let unseen = before.breaks.iter().find(|end| !gate.soak().is_zero() && !proves(end, since));
            unseen.map_or(Ok(()), |end| fail(&format!("nobody watched before {end:?}, and it counts since {since:?}")))
        }
        Gate::Approval(gate) => {
            let votes = || promotion.status.approvals.iter();
            let good = votes().any(|vote| {
                vote.decision == Verdict::Approve
                    && vote.groups.contains(&gate.group)
                    && vote.user != release.spec.source.author
                    && promotion.askers().all(|asker| vote.user != asker)
            });
            if good && votes().all(|vote| vote.decision == Verdict::Approve) {
                Ok(())
            } else {
                fail("nobody may have approved")
            }
        }
        Gate::Window(gate) => {
            let then = moment(world.now).to_zoned(jiff::tz::TimeZone::UTC);
            let inside = (9..17).contains(&then.hour()) && then.weekday() != jiff::civil::Weekday::Sunday;
            if inside != gate.deny { Ok(()) } else { fail(&format!("it is {then}")) }
        }
    }
}

/// Whether the pods said, at the end of a break of the watch, that a soak lasted through it.
fn proves((end, ready): &(i64, Option<i64>), since: Option<Timestamp>) -> bool {
    let began = since.map(Timestamp::as_second);
    began.is_some_and(|began| *end <= began || ready.is_some_and(|ready| ready <= began))
}

/// Of each plan: what changes is told, and no soak begins again without a reason.
pub(super) fn planned(world: &World, seen: &Observed, planned: &Plan) -> Result<(), String> {
    let mut so_far: BTreeMap<&str, &ReleaseStatus> = BTreeMap::new();
    for step in &planned.steps {
        let Action::SetRelease { name, status } = &step.action else { continue };
        let release = seen.releases.iter().find(|release| release.metadata.name == *name).unwrap();
        let old = so_far.insert(name, status).unwrap_or(&release.status);
        for new in &status.environments {
            let entry = old.environments.iter().find(|entry| entry.name == new.name);
            if !is_told(entry, new, step) {
                return Err(format!("{name} is {:?} in {}, and nobody is told: {planned:#?}", new.phase, new.name));
            }
            let failed = entry.filter(|entry| entry.phase != new.phase && new.phase == ReleasePhase::Failed);
            if failed.is_some() && world.envs.iter().any(|env| env.name == new.name && env.unknown) {
                return Err(format!("{name} fails in {} while nobody can tell: {planned:#?}", new.name));
            }
            let restarted = entry.filter(|entry| entry.restarts < new.restarts);
            if restarted.is_some_and(|entry| undisturbed(world, seen, release, entry)) {
                return Err(format!("the soak of {name} in {} begins again for no reason: {planned:#?}", new.name));
            }
        }
        let quarantined = status.quarantine.is_some() && old.quarantine.is_none();
        if quarantined != step.facts.iter().any(|fact| is_of_quarantine(&fact.what)) {
            return Err(format!("{name}: the quarantine is not told"));
        }
    }
    Ok(())
}

fn is_of_quarantine(what: &What) -> bool {
    matches!(what, What::Quarantined { .. } | What::HeldStill { .. })
}

/// Whether somebody hears of what a step changes in an environment.
fn is_told(old: Option<&ReleaseEnvironment>, new: &ReleaseEnvironment, step: &Step) -> bool {
    let before = old.map_or(ReleasePhase::Deploying, |old| old.phase);
    let quiet = matches!(new.phase, ReleasePhase::Deploying | ReleasePhase::Replaced) || before == new.phase;
    quiet
        || step.facts.iter().any(|fact| match &fact.what {
            What::Moved { environment, .. } | What::SoakBeganAgain { environment, .. } => *environment == new.name,
            _ => false,
        })
}

/// Whether an environment was well and watched since a soak in it began, whatever happened to others.
fn undisturbed(world: &World, seen: &Observed, release: &Release, entry: &ReleaseEnvironment) -> bool {
    let env = world.envs.iter().position(|env| env.name == entry.name).unwrap();
    let watched = seen.place(&entry.name).and_then(|place| place.watched_since);
    let well = world.envs[env].healthy && Some(moment(world.envs[env].well_since)) <= entry.healthy_since;
    well && world.runs(env, release) && watched <= entry.healthy_since
}

/// Once nothing happens any more: whoever waits says for what, and the record is whole.
pub(super) fn at_rest(world: &World, seen: &Observed) -> Result<(), String> {
    let planned = plan(seen);
    if !planned.steps.is_empty() {
        return Err(format!("it does not come to rest: {:?}", planned.steps));
    }
    if let Some(next) = planned.next {
        let before = Observed { now: next - jiff::SignedDuration::from_secs(1), ..seen.clone() };
        let early = plan(&before).steps;
        if before.now > seen.now && !early.is_empty() {
            return Err(format!("something to do before {next}: {early:?}"));
        }
    }
    seen.promotions.iter().try_for_each(|promotion| {
        recorded(world, promotion)?;
        waits(seen, promotion)
    })
}

fn waits(seen: &Observed, promotion: &Promotion) -> Result<(), String> {
    let (name, status) = (&promotion.metadata.name, &promotion.status);
    if !status.phase.is_open() {
        return Ok(());
    }
    if status.phase != PromotionPhase::Waiting {
        return Err(format!("{name} is {:?} for ever", status.phase));
    }
    if status.retry_at.is_some_and(|at| at > seen.now) && !status.message.is_empty() {
        return Ok(());
    }
    let mut waiting = status.gates.iter().filter(|gate| gate.state != GateState::Passed).peekable();
    if waiting.peek().is_none() {
        return Err(format!("{name} waits for nothing: {:?}", status.message));
    }
    let silent = waiting.find(|gate| {
        gate.value.is_empty() || gate.who_can_act.is_empty() || gate.earliest.is_some_and(|at| at <= seen.now)
    });
    if let Some(gate) = silent {
        return Err(format!("{name} waits for {gate:?}, and nobody knows until when or for whom"));
    }
    let explained = promotion::explain::environment(seen, &promotion.spec.environment);
    match explained.is_some_and(|explained| !explained.reasons.is_empty()) {
        true => Ok(()),
        false => Err(format!("{name} waits, and nothing explains it")),
    }
}

fn recorded(world: &World, promotion: &Promotion) -> Result<(), String> {
    let (name, status) = (&promotion.metadata.name, &promotion.status);
    let steps: Vec<WriteStep> = status.steps.iter().map(|record| record.step).collect();
    let claims = steps.iter().take_while(|step| **step == WriteStep::Claimed).count();
    let rest = &steps[claims..];
    let whole = [WriteStep::Recorded, WriteStep::Refreshed, WriteStep::Converged];
    let committed = world.commits.iter().any(|commit| commit.promotion == Some(promotion_id(promotion)));
    let ordered = status.steps.windows(2).all(|pair| pair[0].at <= pair[1].at);
    let good = ordered && whole.starts_with(rest) && (claims > 0 || rest.is_empty());
    let known = committed != status.commit.is_empty();
    let done = status.phase != PromotionPhase::Succeeded || rest == whole;
    // of a commit that was not recorded when somebody wrote the record, or deleted its release, Git tells
    let cut_off = ["past Gantline", "does not exist any more"].iter().any(|why| status.message.contains(why));
    if good && (known || cut_off) && done {
        Ok(())
    } else {
        Err(format!(
            "the record of {name} has gaps: {steps:?}, {status:?}, committed: {committed}, {}",
            moment(world.now)
        ))
    }
}
