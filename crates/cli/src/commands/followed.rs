//! What becomes of a promotion: what it waits for, or how it ended.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::explain::print_gates;
use crate::client::{Client, segment};
use crate::failure::{Code, Failure, Outcome};
use crate::output::{self, or_dash, text};
use crate::patience::{Waited, until};

/// So soon the controller says what a promotion waits for.
const SAID_WITHIN: Duration = Duration::from_secs(10);

// How long somebody looks on. (No doc comment: clap would take it for that of the command.)
#[derive(Debug, Args)]
pub(crate) struct Following {
    /// Wait until it has ended; exit code 1 unless it succeeded
    #[arg(long)]
    wait: bool,
    /// Give up waiting after this many seconds; it goes on
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, requires = "wait")]
    timeout: u64,
}

/// How far a promotion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody has said anything of it yet.
    New,
    Waits,
    /// Its commit is being made.
    Writes,
    /// Its commit is there, and the cluster follows.
    Follows,
    Succeeded,
    /// Without success.
    Ended,
}

impl Stage {
    fn of(promotion: &Value) -> Self {
        let gates = promotion.pointer("/status/gates").and_then(Value::as_array).filter(|gates| !gates.is_empty());
        let has_message = text(promotion, "/status/message").is_some();
        let has_passed = gates.is_some_and(|gates| gates.iter().all(|gate| gate["state"] == "Passed"));
        match text(promotion, "/status/phase").as_deref() {
            // what it waits for otherwise stands in its message
            Some("Waiting") if has_passed && !has_message => Self::Writes,
            Some("Waiting") if gates.is_some() || has_message => Self::Waits,
            None | Some("Waiting") => Self::New,
            Some("Writing") => Self::Writes,
            Some("Written" | "Converging") => Self::Follows,
            Some("Succeeded") => Self::Succeeded,
            Some(_) => Self::Ended,
        }
    }
}

impl Following {
    /// Says what the promotion of that name waits for, or what has become of it. `before`: as it was when something was
    /// said of it, which its gates do not tell of yet.
    ///
    /// # Errors
    /// When it ended without success, or had not ended after all the patience that was asked for.
    pub(crate) async fn follow(&self, client: &Client, name: &str, before: &Value) -> Outcome {
        let patience = if self.wait { Duration::from_secs(self.timeout) } else { SAID_WITHIN };
        let gates = |promotion: &Value| promotion.pointer("/status/gates").cloned();
        let is_told = |promotion: &Value| match Stage::of(promotion) {
            Stage::New | Stage::Writes => false,
            Stage::Waits => !self.wait && gates(promotion) != gates(before),
            Stage::Follows => !self.wait,
            Stage::Succeeded | Stage::Ended => true,
        };
        let path = format!("/api/v1/promotions/{}", segment(name));
        match until(client, &path, patience, |promotion| state(name, promotion), is_told).await? {
            Waited::GaveUp(promotion) if self.wait => {
                let place = |pointer| or_dash(&promotion, pointer);
                let place = format!("{}/{}", place("/spec/pipeline"), place("/spec/environment"));
                Err(Failure::new(format!("{name} has not ended after {} s", self.timeout))
                    .hint(format!("it goes on; what it waits for: gantline explain {place}")))
            }
            Waited::Done(promotion) | Waited::GaveUp(promotion) => report(name, &promotion),
        }
    }
}

fn report(name: &str, promotion: &Value) -> Result<ExitCode, Failure> {
    let said = state(name, promotion);
    if Stage::of(promotion) == Stage::Ended {
        let release = or_dash(promotion, "/spec/release");
        return Err(Failure::new(said).hint(format!("why: gantline explain {release}")));
    }
    output::line(said);
    if Stage::of(promotion) == Stage::Waits {
        print_gates(promotion);
    }
    Ok(Code::Done.into())
}

/// One line.
fn state(name: &str, promotion: &Value) -> String {
    let environment = or_dash(promotion, "/spec/environment");
    let message = text(promotion, "/status/message");
    let because = message.map_or_else(String::new, |message| format!(": {message}"));
    match Stage::of(promotion) {
        Stage::New => format!("promotion {name} is asked for; nobody has said yet what it waits for"),
        Stage::Waits => format!("promotion {name} waits{because}"),
        Stage::Writes => format!("promotion {name} is being written{because}"),
        Stage::Follows => {
            let commit = text(promotion, "/status/commit").unwrap_or_default();
            format!("promotion {name} is commit {}; {environment} follows", commit.get(..10).unwrap_or(&commit))
        }
        Stage::Succeeded => {
            format!("promotion {name} succeeded: {environment} runs {}", or_dash(promotion, "/spec/tag"))
        }
        Stage::Ended => format!("promotion {name} is {}{because}", or_dash(promotion, "/status/phase")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_become_of_a_promotion_is_said_and_a_failure_is_one() {
        let check = |status: Value, said: &str, fails: bool| {
            let promotion =
                json!({"spec": {"environment": "production", "release": "r1", "tag": "v2"}, "status": status});
            assert_eq!(state("p", &promotion), said);
            assert_eq!(report("p", &promotion).is_err(), fails, "{promotion}");
        };
        check(json!(null), "promotion p is asked for; nobody has said yet what it waits for", false);
        check(
            json!({"phase": "Waiting", "gates": []}),
            "promotion p is asked for; nobody has said yet what it waits for",
            false,
        );
        check(json!({"phase": "Waiting", "gates": [{"name": "approval"}]}), "promotion p waits", false);
        let passed = json!([{"name": "approval", "state": "Passed"}]);
        check(json!({"phase": "Waiting", "gates": passed}), "promotion p is being written", false);
        let busy = json!({"phase": "Waiting", "gates": passed, "message": "another one first"});
        check(busy, "promotion p waits: another one first", false);
        check(
            json!({"phase": "Converging", "commit": "0123456789abcdef"}),
            "promotion p is commit 0123456789; production follows",
            false,
        );
        check(json!({"phase": "Succeeded"}), "promotion p succeeded: production runs v2", false);
        check(
            json!({"phase": "Failed", "message": "the branch is protected"}),
            "promotion p is Failed: the branch is protected",
            true,
        );
        check(json!({"phase": "Superseded"}), "promotion p is Superseded", true);
    }
}
