//! Ways to make simulated containers fail on purpose: annotations of Pods (and so of templates), or labels of images.

use serde_json::Value;

use crate::registry::{CRASH_LABEL, NOT_READY_LABEL, PulledImage};

/// The containers exit with code 1 a moment after they start, again and again.
pub(crate) const CRASH: &str = "sandbox.gantline.dev/crash";
/// The containers run but are never ready.
pub(crate) const NOT_READY: &str = "sandbox.gantline.dev/not-ready";
/// So many seconds pass before the containers are ready.
pub(crate) const SLOW_START: &str = "sandbox.gantline.dev/slow-start";
/// Containers that are expected to end (those of Jobs) end with exit code 1.
pub(crate) const JOB_FAILS: &str = "sandbox.gantline.dev/job-fails";
/// So many seconds pass before containers that are expected to end do so.
pub(crate) const DURATION: &str = "sandbox.gantline.dev/duration";

/// What a pod and the image of one of its containers ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) crash: bool,
    pub(crate) not_ready: bool,
    pub(crate) job_fails: bool,
    /// Seconds.
    pub(crate) slow_start: i64,
    /// Seconds.
    pub(crate) duration: i64,
}

impl Faults {
    pub(crate) fn of(pod: &Value, image: Option<&PulledImage>) -> Self {
        let annotation = |name: &str| pod["metadata"]["annotations"][name].as_str();
        let asked = |name: &str| annotation(name).is_some_and(|value| !matches!(value, "false" | "0" | ""));
        let labelled = |name: &str| {
            image
                .and_then(|image| image.labels.get(name))
                .is_some_and(|value| !matches!(value.as_str(), "false" | "0" | ""))
        };
        let seconds = |name: &str, otherwise: i64| annotation(name).and_then(seconds).unwrap_or(otherwise);
        Self {
            crash: asked(CRASH) || labelled(CRASH_LABEL),
            not_ready: asked(NOT_READY) || labelled(NOT_READY_LABEL),
            job_fails: asked(JOB_FAILS),
            slow_start: seconds(SLOW_START, 0),
            duration: seconds(DURATION, 2),
        }
    }
}

/// `90`, `90s`, `2m` or `1h` as seconds.
fn seconds(text: &str) -> Option<i64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: i64 = digits.parse().ok()?;
    match unit {
        "" | "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_and_labels_ask_for_faults() {
        let check = |annotations: Value, labels: &[(&str, &str)], expected: Faults| {
            let labels: BTreeMap<String, String> = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            let image = PulledImage { digest: String::new(), size: 0, labels };
            let pod = json!({ "metadata": { "annotations": annotations } });
            assert_eq!(Faults::of(&pod, Some(&image)), expected);
        };
        let none = Faults { duration: 2, ..Faults::default() };
        check(json!({}), &[], none);
        check(json!({ CRASH: "true" }), &[], Faults { crash: true, ..none });
        check(json!({ CRASH: "false" }), &[(NOT_READY_LABEL, "1")], Faults { not_ready: true, ..none });
        check(json!({ SLOW_START: "2m", DURATION: "x" }), &[], Faults { slow_start: 120, ..none });
        check(json!({ JOB_FAILS: "yes", DURATION: "30" }), &[], Faults { job_fails: true, duration: 30, ..none });
    }
}
