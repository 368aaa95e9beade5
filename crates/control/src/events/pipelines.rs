//! The Events of Pipelines, Releases and Promotions: the story that `kubectl describe pipeline` tells. Only of what
//! happened; that the gates were judged again is nothing that happened.

use api::gantline::{ReleasePhase, Verdict};
use promotion::{Fact, Telling, What};

use super::Note;

/// The component that these Events name.
pub(super) const COMPONENT: &str = "gantline";

pub(super) fn note(told: &Fact) -> Note {
    let (warning, reason) = kind(&told.what);
    Note { component: COMPONENT, warning, reason, message: message(told.telling()) }
}

/// Whether somebody should look, and what it is called.
fn kind(what: &What) -> (bool, &'static str) {
    match what {
        What::Released { .. } => (false, "ReleaseCreated"),
        What::Moved { phase, .. } => (*phase == ReleasePhase::Failed, moved(*phase)),
        What::SoakBeganAgain { .. } => (true, "SoakRestarted"),
        What::Wants { .. } => (false, "PromotionOpened"),
        What::Decided { verdict: Verdict::Approve, .. } => (false, "PromotionApproved"),
        What::Decided { verdict: Verdict::Reject, .. } => (true, "PromotionRejected"),
        What::Promoted { .. } => (false, "Promoted"),
        What::RolledBack { .. } => (false, "RolledBack"),
        What::Refused { .. } => (true, "PromotionRefused"),
        What::Overtaken { .. } => (false, "PromotionSuperseded"),
        What::Delayed { .. } => (true, "PromotionDelayed"),
        What::Quarantined { .. } => (true, "ReleaseQuarantined"),
        What::HeldStill { .. } => (true, "QuarantineRestored"),
        What::Lifted { .. } => (false, "QuarantineLifted"),
        What::Pinned { .. } => (false, "EnvironmentPinned"),
        What::Unpinned { .. } => (false, "EnvironmentUnpinned"),
        What::ByHand { .. } => (true, "NotPromoted"),
        What::Tampered { .. } | What::StatusUnread { .. } => (true, "RecordTampered"),
    }
}

fn moved(phase: ReleasePhase) -> &'static str {
    match phase {
        ReleasePhase::Deploying => "ReleaseDeploying",
        ReleasePhase::Converged => "ReleaseConverged",
        ReleasePhase::Soaking => "ReleaseSoaking",
        ReleasePhase::Verified => "ReleaseVerified",
        ReleasePhase::Failed => "ReleaseFailed",
        ReleasePhase::Replaced => "ReleaseReplaced",
    }
}

/// What, why, who, and which commit, as far as each is known and not said before.
fn message(Telling { message, reason, commit, actor }: Telling) -> String {
    let by = format!("by {actor}");
    let mut text = message;
    if !reason.is_empty() {
        text = format!("{text}: {reason}");
    }
    if !actor.is_empty() && !text.contains(&by) {
        text = format!("{text}, {by}");
    }
    if !commit.is_empty() {
        text = format!("{text} (commit {})", commit.chars().take(10).collect::<String>());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what: What, warning: bool, reason: &str, message: &str) {
        let (release, promotion) = Default::default();
        let fact = Fact { pipeline: "shop".into(), release, promotion, tag: "v2".into(), what };
        let note = note(&fact);
        assert_eq!((note.component, note.warning, note.reason), ("gantline", warning, reason));
        assert_eq!(note.message, message);
    }

    #[test]
    fn events_say_what_why_who_and_where() {
        let (environment, by, why) = (|| "production".to_owned(), || "tina".to_owned(), || "errors".to_owned());
        check(
            What::Promoted { environment: environment(), by: by(), reason: why(), commit: "c".repeat(40) },
            false,
            "Promoted",
            "promote(production): shop → v2: errors, by tina (commit cccccccccc)",
        );
        let verdict = Verdict::Reject;
        check(
            What::Decided { environment: environment(), verdict, by: by(), reason: why() },
            true,
            "PromotionRejected",
            "shop v2 for production is rejected by tina: errors",
        );
        check(
            What::Moved { environment: environment(), phase: ReleasePhase::Failed, why: why() },
            true,
            "ReleaseFailed",
            "shop v2 is Failed in production: errors",
        );
        check(
            What::Wants { environment: environment(), by: String::new() },
            false,
            "PromotionOpened",
            "shop v2 wants to go to production",
        );
        check(
            What::Overtaken { environment: environment(), why: "v3 came before it was written".into() },
            false,
            "PromotionSuperseded",
            "shop v2 does not go to production: v3 came before it was written",
        );
    }
}
