//! Quotas, limit ranges, schedules, priorities, percentages.

use serde_json::{Value, json};

use super::{list, text};
use crate::quantity::Quantity;
use crate::status::Cause;

/// Names of a ResourceQuota that are neither known nor qualified.
pub(super) fn quota(spec: &Value, found: &mut Vec<Cause>) {
    let known = [
        "cpu",
        "memory",
        "ephemeral-storage",
        "storage",
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
    ];
    for (name, value) in spec["hard"].as_object().into_iter().flatten() {
        let field = format!("spec.hard[{name}]");
        if !known.contains(&name.as_str()) && !name.contains('/') && !name.starts_with("hugepages-") {
            for detail in
                ["must be a standard resource type or fully qualified", "must be a standard resource for quota"]
            {
                found.push(Cause::invalid(field.clone(), &json!(name), detail));
            }
        }
        if Quantity::of(value).is_some_and(|quantity| quantity.nano < 0) {
            found.push(Cause::invalid(field, value, "must be greater than or equal to 0"));
        }
    }
}

pub(super) fn limit_range(spec: &Value, found: &mut Vec<Cause>) {
    for (index, limit) in list(spec, "/limits").iter().enumerate() {
        let at = format!("spec.limits[{index}]");
        if limit["type"] == "Pod" {
            for field in ["default", "defaultRequest"] {
                if limit[field].as_object().is_some_and(|map| !map.is_empty()) {
                    let detail = "may not be specified when `type` is 'Pod'";
                    found.push(Cause::forbidden(format!("{at}.{field}"), detail));
                }
            }
            continue;
        }
        order(limit, &at, found);
    }
}

fn order(limit: &Value, at: &str, found: &mut Vec<Cause>) {
    let of = |part: &str, name: &str| Quantity::of(&limit[part][name]);
    let mut names: Vec<&String> = ["min", "max", "default", "defaultRequest"]
        .iter()
        .filter_map(|part| limit[*part].as_object())
        .flat_map(|map| map.keys())
        .collect();
    names.sort();
    names.dedup();
    for name in names {
        let pairs = [
            ("min", "max", "min value", "max value", "min", "min"),
            ("min", "defaultRequest", "min value", "default request value", "defaultRequest", "defaultRequest"),
            ("defaultRequest", "max", "default request value", "max value", "defaultRequest", "defaultRequest"),
            (
                "defaultRequest",
                "default",
                "default request value",
                "default limit value",
                "defaultRequest",
                "defaultRequest",
            ),
            ("min", "default", "min value", "default value", "default", "min"),
            ("default", "max", "default value", "max value", "default", "default"),
        ];
        for (low, high, low_text, high_text, field, shown) in pairs {
            let (Some(less), Some(more)) = (of(low, name), of(high, name)) else { continue };
            if less.nano > more.nano {
                let detail =
                    format!("{low_text} {} is greater than {high_text} {}", less.canonical(), more.canonical());
                found.push(Cause::invalid(format!("{at}.{field}[{name}]"), &limit[shown][name], &detail));
            }
        }
    }
}

pub(super) fn schedule(spec: &Value, found: &mut Vec<Cause>) {
    let schedule = text(spec, "/schedule");
    let mut bad = |detail: String| found.push(Cause::invalid("spec.schedule", &spec["schedule"], &detail));
    if schedule.contains("TZ") {
        return bad("cannot use TZ or CRON_TZ in schedule, use timeZone field instead".to_owned());
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if !schedule.is_empty() && !schedule.starts_with('@') && fields.len() != 5 {
        bad(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
}

pub(super) fn priority_class(object: &Value, old: Option<&Value>, found: &mut Vec<Cause>) {
    let name = text(object, "/metadata/name");
    let own = ["system-node-critical", "system-cluster-critical"];
    if old.is_none() && name.starts_with("system-") && !own.contains(&name) {
        let detail = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known system priority class"
        );
        found.push(Cause::forbidden("metadata.name", &detail));
    }
    for field in ["value", "preemptionPolicy"] {
        if old.is_some_and(|old| old[field] != object[field]) {
            found.push(Cause::forbidden(field, "may not be changed in an update."));
        }
    }
}

/// A number or a percentage of at most 100, where `bounded`.
pub(super) fn percentage(value: &Value, field: &str, bounded: bool, found: &mut Vec<Cause>) {
    match value {
        Value::String(text) => match text.strip_suffix('%').and_then(|number| number.parse::<u32>().ok()) {
            None => {
                let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                found.push(Cause::invalid(field, value, detail));
            }
            Some(number) if bounded && number > 100 => {
                found.push(Cause::invalid(field, value, "must not be greater than 100%"));
            }
            Some(_) => {}
        },
        Value::Number(number) if number.as_i64().is_some_and(|number| number < 0) => {
            found.push(Cause::invalid(field, value, "must be greater than or equal to 0"));
        }
        _ => {}
    }
}
