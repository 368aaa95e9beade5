//! `healthy`: another environment runs the release and was Healthy without a break for a time.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{GatePlace, Shape};
use crate::argocd::parse_duration;

/// `healthy: { in: staging, for: 10m }`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthyGate {
    /// The environment that is looked at; the one before when empty.
    #[serde(rename = "in", skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// As `10m`; nothing: healthy now is enough.
    #[serde(rename = "for", skip_serializing_if = "String::is_empty")]
    pub duration: String,
}

impl HealthyGate {
    /// How long; zero when not said or not readable (validation reports that).
    pub fn soak(&self) -> SignedDuration {
        parse_duration(&self.duration).unwrap_or_default()
    }
}

impl Shape for HealthyGate {
    const ABOUT: &'static str = "The release has been Healthy in another environment, without a break, for that long.";
    const EXAMPLE: &'static str = "healthy: { in: staging, for: 10m }";

    fn schema() -> Value {
        json!({"type": "object", "properties": {"in": {"type": "string"}, "for": {"type": "string"}}})
    }

    fn problems(&self, place: &GatePlace<'_>) -> Vec<String> {
        let mut found = Vec::new();
        let soaks = || parse_duration(&self.duration).is_ok_and(|duration| duration.is_positive());
        if !self.duration.is_empty() && !soaks() {
            found.push(format!("healthy.for {:?} is no duration: write 10m, 90s or 1h30m", self.duration));
        }
        if !self.environment.is_empty() && !place.earlier.contains(&self.environment.as_str()) {
            let before = place.earlier.join(", ");
            found.push(format!("healthy.in {:?} is no environment before it: there are {before}", self.environment));
        }
        found
    }
}
