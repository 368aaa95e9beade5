//! `automated`: automated sync, self-heal, retries.

use std::collections::BTreeSet;

use api::argocd::{Application, RetryStrategy};
use engine::automated::{AutomatedInput, Decision, SelfHealDelay, decide, retry_delay};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answer, part, text, unknown_op};

pub(super) fn answer(input: &Value) -> Answer {
    match text(input, "op") {
        "autosync" => autosync(input),
        "retry" => {
            let strategy: RetryStrategy = part(input, "retry")?;
            let wait = retry_delay(&strategy, part(input, "retryCount")?).map_err(|error| error.to_string())?;
            Ok(json!({"waitSeconds": wait.as_secs_f64()}))
        }
        _ => Err(unknown_op(input)),
    }
}

fn autosync(input: &Value) -> Answer {
    let application = Application::from_value(input["application"].clone()).map_err(|error| error.to_string())?;
    let now: Timestamp = text(input, "now").parse().map_err(|error| format!("now: {error}"))?;
    let is_set = |field: &str| input[field] == true;
    let fixed = SelfHealDelay::Fixed(SignedDuration::from_secs(part(input, "selfHealTimeoutSeconds")?));
    let decision = decide(&AutomatedInput {
        application: &application,
        sync: &part(input, "syncStatus")?,
        resources: &part::<Vec<_>>(input, "resourceStatuses")?,
        revision_has_no_changes: is_set("revisionHasNoChanges"),
        self_heal_delay: if is_set("selfHealBackoffOff") { fixed } else { SelfHealDelay::Growing },
        hooks_are_drift: true,
        contested: &BTreeSet::new(),
        kept_namespace: None,
        now,
    });
    Ok(match decision {
        Decision::Start(operation) => json!({"operation": operation}),
        Decision::Refuse(condition) => json!({"condition": condition}),
        Decision::Later { at } => json!({"retryInSeconds": at.duration_since(now).as_secs_f64()}),
        Decision::Nothing(_) | Decision::Blocked { .. } => json!({}),
    })
}
