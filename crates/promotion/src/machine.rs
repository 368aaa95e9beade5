//! How far a release is in one environment: `Deploying -> Converged -> Soaking -> Verified | Failed`, decided from what
//! was observed and from nothing else.

use std::borrow::Cow;

use api::gantline::{ReleaseEnvironment, ReleasePhase};
use jiff::{SignedDuration, Timestamp};
use object::same_text;

/// What the cluster says about a release in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The Application is not Synced at a commit that holds the release, or not Healthy yet; why.
    Under(String),
    /// Git or the cluster does not answer, so that nobody can tell; why. That is no answer, neither good nor bad.
    Unknown(String),
    /// Gates hold what its Application would bring, so that nothing shows how it would do; why. Neither is that an answer.
    Held(String),
    /// Synced, Healthy, and the pods run the digest.
    Converged,
    /// It cannot become healthy, as far as one can see; why.
    Degraded(String),
    /// The environment holds another release now.
    Elsewhere,
}

/// One look.
#[derive(Debug, Clone)]
pub struct Observation {
    pub reach: Reach,
    /// A gate of a later environment counts how long this lasts, and for how long at most.
    pub soak: Option<SignedDuration>,
    /// Why the time before this look does not count as healthy, though the last look was: nobody saw it, or it was not.
    pub gap: Option<String>,
    /// Since when the watch runs: before, nobody could tell.
    pub watched_since: Timestamp,
    /// The break before the watch was examined for this look.
    pub examined: bool,
    pub now: Timestamp,
}

/// A release that is not there after this time has failed. Only time that somebody watched counts.
const DEADLINE: SignedDuration = SignedDuration::from_mins(15);

/// The entry after one look; borrowed where that changes nothing, as the same look twice does.
pub fn advance<'a>(entry: &'a ReleaseEnvironment, seen: &Observation) -> Cow<'a, ReleaseEnvironment> {
    let mut next = Cow::Borrowed(entry);
    // an end is an end: another release in the environment, or a failure, is not taken back by a later look
    if matches!(entry.phase, ReleasePhase::Failed | ReleasePhase::Replaced) {
        return next;
    }
    know(&mut next, seen);
    match &seen.reach {
        Reach::Unknown(why) | Reach::Held(why) => say(&mut next, why),
        Reach::Elsewhere => turn(&mut next, ReleasePhase::Replaced, "another release is here now", seen.now),
        Reach::Converged => converge(&mut next, seen),
        Reach::Under(why) => fall_back(&mut next, why, seen),
        Reach::Degraded(why) if entry.phase == ReleasePhase::Deploying => {
            turn(&mut next, ReleasePhase::Failed, why, seen.now);
        }
        Reach::Degraded(why) => fall_back(&mut next, why, seen),
    }
    next
}

fn know(next: &mut Cow<'_, ReleaseEnvironment>, seen: &Observation) {
    let known = !matches!(seen.reach, Reach::Unknown(_) | Reach::Held(_));
    if next.known_since.is_some() != known {
        next.to_mut().known_since = known.then_some(seen.now);
    }
}

fn converge(next: &mut Cow<'_, ReleaseEnvironment>, seen: &Observation) {
    let broken = next.healthy_since.and(seen.gap.as_deref());
    let began = next.healthy_since.filter(|_| broken.is_none()).unwrap_or(seen.now);
    // another replica may watch for longer than the one that looked last
    let watched = next.watched_since.max(seen.examined.then_some(seen.watched_since));
    if broken.is_some() || (next.healthy_since, next.watched_since) != (Some(began), watched) {
        let next = next.to_mut();
        next.restarts += u32::from(broken.is_some());
        (next.healthy_since, next.watched_since) = (Some(began), watched);
    }
    let phase = match seen.soak {
        None => ReleasePhase::Verified,
        Some(soak) if seen.now.duration_since(began) >= soak => ReleasePhase::Verified,
        Some(_) => ReleasePhase::Soaking,
    };
    turn(next, phase, broken.unwrap_or_default(), seen.now);
}

/// Not healthy any more, or not yet: a soak begins again.
fn fall_back(next: &mut Cow<'_, ReleaseEnvironment>, why: &str, seen: &Observation) {
    if next.healthy_since.is_some() {
        let next = next.to_mut();
        next.healthy_since = None;
        next.restarts += 1;
        next.message = why.to_owned();
        next.phase = ReleasePhase::Converged;
        next.since = Some(seen.now);
        return;
    }
    let late = deadline(next, seen.watched_since).is_some_and(|deadline| seen.now >= deadline);
    if late && next.phase == ReleasePhase::Deploying {
        let minutes = DEADLINE.as_mins();
        turn(next, ReleasePhase::Failed, &format!("not there {minutes} minutes after it was written: {why}"), seen.now);
        return;
    }
    say(next, why);
}

/// When a release that is not there has failed; `None` while nobody can tell.
pub(crate) fn deadline(entry: &ReleaseEnvironment, watched_since: Timestamp) -> Option<Timestamp> {
    entry.deployed_at?.max(watched_since).max(entry.known_since?).checked_add(DEADLINE).ok()
}

fn turn(next: &mut Cow<'_, ReleaseEnvironment>, phase: ReleasePhase, message: &str, now: Timestamp) {
    if next.phase != phase {
        let next = next.to_mut();
        (next.phase, next.since) = (phase, Some(now));
    }
    say(next, message);
}

fn say(next: &mut Cow<'_, ReleaseEnvironment>, message: &str) {
    if !same_text(&next.message, message) {
        message.clone_into(&mut next.to_mut().message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests::time;

    fn look(reach: Reach, minute: i64) -> Observation {
        Observation {
            reach,
            soak: Some(SignedDuration::from_mins(10)),
            gap: None,
            watched_since: time(0),
            examined: false,
            now: time(minute),
        }
    }

    fn start() -> ReleaseEnvironment {
        crate::plan::entry("dev", "", time(0))
    }

    fn play(looks: &[(Reach, i64)]) -> ReleaseEnvironment {
        let start = start();
        looks.iter().fold(start, |entry, (reach, minute)| advance(&entry, &look(reach.clone(), *minute)).into_owned())
    }

    #[test]
    fn a_soak_is_continuous() {
        let soaking = play(&[(Reach::Under("rolling out".into()), 1), (Reach::Converged, 2), (Reach::Converged, 11)]);
        assert_eq!((soaking.phase, soaking.healthy_since), (ReleasePhase::Soaking, Some(time(2))));
        let verified = advance(&soaking, &look(Reach::Converged, 12));
        assert_eq!(verified.phase, ReleasePhase::Verified);
        let broken = play(&[
            (Reach::Converged, 2),
            (Reach::Degraded("a pod crashes".into()), 8),
            (Reach::Converged, 9),
            (Reach::Converged, 13),
        ]);
        assert_eq!((broken.phase, broken.healthy_since, broken.restarts), (ReleasePhase::Soaking, Some(time(9)), 1));
        let gap = advance(&soaking, &Observation { gap: Some("nobody looked".into()), ..look(Reach::Converged, 30) });
        assert_eq!((gap.phase, gap.healthy_since), (ReleasePhase::Soaking, Some(time(30))));
    }

    #[test]
    fn a_release_that_does_not_get_there_has_failed() {
        let degraded = play(&[(Reach::Degraded("ImagePullBackOff".into()), 3), (Reach::Converged, 5)]);
        assert_eq!((degraded.phase, degraded.message.as_str()), (ReleasePhase::Failed, "ImagePullBackOff"));
        let late = play(&[(Reach::Under("waits".into()), 14), (Reach::Under("waits".into()), 16)]);
        assert_eq!(late.phase, ReleasePhase::Failed);
        let unseen = Observation { watched_since: time(10), ..look(Reach::Under("waits".into()), 16) };
        assert_eq!(advance(&start(), &unseen).phase, ReleasePhase::Deploying, "nobody watched for ten minutes");
        let replaced = play(&[(Reach::Converged, 1), (Reach::Elsewhere, 2), (Reach::Converged, 3)]);
        assert_eq!(replaced.phase, ReleasePhase::Replaced);
    }

    #[test]
    fn an_outage_is_no_answer() {
        let out = || Reach::Unknown("the cluster does not answer".into());
        let soaking = play(&[(Reach::Converged, 2), (out(), 5), (out(), 11)]);
        assert_eq!((soaking.phase, soaking.healthy_since), (ReleasePhase::Soaking, Some(time(2))));
        assert_eq!(soaking.message, "the cluster does not answer");
        let after = advance(&soaking, &look(Reach::Converged, 12)).into_owned();
        assert_eq!((after.phase, after.restarts), (ReleasePhase::Verified, 0));
        // the deadline counts only what somebody could tell
        let waits = || Reach::Under("web is OutOfSync".into());
        let deploying = play(&[(waits(), 1), (out(), 2), (out(), 40), (waits(), 41), (waits(), 55)]);
        assert_eq!(deploying.phase, ReleasePhase::Deploying);
        assert_eq!(advance(&deploying, &look(waits(), 56)).phase, ReleasePhase::Failed);
    }

    #[test]
    fn what_gates_hold_back_has_not_failed() {
        let held = || Reach::Held("gates hold it".into());
        let waits = || Reach::Under("web is OutOfSync".into());
        let deploying = play(&[(waits(), 1), (held(), 2), (held(), 60), (waits(), 61), (waits(), 75)]);
        assert_eq!((deploying.phase, deploying.message.as_str()), (ReleasePhase::Deploying, "web is OutOfSync"));
        assert_eq!(advance(&deploying, &look(waits(), 76)).phase, ReleasePhase::Failed, "once nobody holds it");
    }

    #[test]
    fn the_same_look_twice_changes_nothing() {
        for reach in [
            Reach::Converged,
            Reach::Under("waits".into()),
            Reach::Unknown("silent".into()),
            Reach::Held("held".into()),
        ] {
            let once = play(&[(reach.clone(), 2)]);
            assert!(matches!(advance(&once, &look(reach, 2)), Cow::Borrowed(_)));
        }
    }
}
