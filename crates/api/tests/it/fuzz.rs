//! Pseudo-random objects and policies, the same in every run: whatever an API server holds, no reader panics.

use std::collections::BTreeMap;

use api::argocd::{
    AppProject, Application, Policy, Settings, Subject, glob_match, normalize_git_url, parse_duration,
    parse_go_duration,
};
use api::gantline::{Pipeline, Promotion, Release};
use serde_json::{Map, Value, json};
use test_support::Dice;

/// The text with pieces put in, taken away, or cut off.
fn spoil(dice: &mut Dice, text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(3) {
        let at = dice.below(chars.len() + 1);
        match dice.below(3) {
            0 => drop(chars.splice(at..at, dice.pick(&PIECES).chars())),
            1 => chars.truncate(at),
            _ if at < chars.len() => drop(chars.remove(at)),
            _ => {}
        }
    }
    chars.into_iter().collect()
}

const PIECES: [&str; 24] = [
    ",",
    "\"",
    "\n",
    "[",
    "]",
    "{",
    "}",
    "*",
    "!",
    "\\",
    "(",
    "(?!",
    "/",
    "://",
    "%2f",
    "\0",
    "\u{202e}",
    "-",
    ":",
    "99999999999999999999",
    "h",
    "é",
    " ",
    "p, role:admin, *, *, *, deny",
];

/// What stands in the place of a value.
fn wild(dice: &mut Dice) -> Value {
    match dice.below(9) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1e300),
        4 => json!(u64::MAX),
        5 => json!([]),
        6 => json!({}),
        7 => json!([{"a": [null]}, "x"]),
        _ => json!(spoil(dice, "10m")),
    }
}

/// The value with one of its leaves, or parts, replaced.
fn spoiled(value: &Value, dice: &mut Dice) -> Value {
    match value {
        Value::Object(fields) if !fields.is_empty() && dice.below(12) > 0 => {
            let at = dice.below(fields.len());
            let spoil = |(number, (key, value)): (usize, (&String, &Value))| {
                (key.clone(), if number == at { spoiled(value, dice) } else { value.clone() })
            };
            Value::Object(fields.iter().enumerate().map(spoil).collect::<Map<_, _>>())
        }
        Value::Array(items) if !items.is_empty() && dice.below(12) > 0 => {
            let at = dice.below(items.len());
            items.iter().enumerate().map(|(n, item)| if n == at { spoiled(item, dice) } else { item.clone() }).collect()
        }
        Value::String(text) if dice.below(3) > 0 => json!(spoil(dice, text)),
        _ => wild(dice),
    }
}

fn objects() -> [Value; 5] {
    let meta = json!({"name": "a", "namespace": "argocd", "annotations": {"argocd.argoproj.io/sync-wave": "1",
        "argocd.argoproj.io/sync-options": "Prune=false,Replace=true"}, "creationTimestamp": "2026-01-01T00:00:00Z"});
    let source = json!({"repoURL": "https://git.test/a", "path": "a", "targetRevision": "main",
        "helm": {"parameters": [{"name": "a", "value": "b"}], "valueFiles": ["$x/a.yaml"]},
        "kustomize": {"images": ["a=b:c"], "replicas": [{"name": "a", "count": "3"}]}, "directory": {"recurse": true}});
    [
        json!({"metadata": meta, "spec": {"project": "p", "sources": [source], "destination": {"server": "s", "namespace": "n"},
            "syncPolicy": {"automated": {"prune": true}, "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}}},
            "ignoreDifferences": [{"group": "apps", "kind": "D", "jsonPointers": ["/a"], "jqPathExpressions": [".a"]}]},
            "operation": {"sync": {"revision": "x", "resources": [{"kind": "a", "name": "b"}]}},
            "status": {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}, "history": [{"id": 1, "revision": "a"}]}}),
        json!({"metadata": meta, "spec": {"sourceRepos": ["*", "!x"], "destinations": [{"server": "*", "namespace": "a-*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}], "sourceNamespaces": ["/^a.*$/"],
            "roles": [{"name": "r", "groups": ["g"], "policies": ["p, proj:a:r, applications, get, a/*, allow"]}]}}),
        json!({"metadata": meta, "spec": {"images": [{"name": "shop", "tags": "^v"}], "environments": [
            {"name": "dev", "application": "d", "auto": true}, {"name": "prod", "application": "p", "gates": [
                {"healthy": {"in": "dev", "for": "10m"}}, {"approval": {"group": "leads"}}, {"window": {"days": "Mon-Fri", "hours": "9-17"}}]}]}}),
        json!({"metadata": meta, "spec": {"pipeline": "shop", "images": [{"name": "a", "tag": "v1", "digest": format!("sha256:{}", "a".repeat(64))}],
            "source": {"author": "ann", "commit": "c"}}, "status": {"quarantine": {"reason": "x"}}}),
        json!({"metadata": meta, "spec": {"pipeline": "shop", "environment": "dev", "release": "r", "digest": format!("sha256:{}", "a".repeat(64))},
            "status": {"phase": "Writing", "approvals": [{"user": "ann", "at": "2026-01-01T00:00:00Z"}]}}),
    ]
}

#[test]
fn no_object_panics_its_reader() {
    let (objects, mut dice) = (objects(), Dice::new(0x9E37_79B9_7F4A_7C15));
    let mut read = 0;
    for round in 0..6_000 {
        let mut value = objects[round % 5].clone();
        for _ in 0..=dice.below(3) {
            value = spoiled(&value, &mut dice);
        }
        read += usize::from(match round % 5 {
            0 => Application::from_value(value)
                .map(|app| drop((app.spec.problems(), app.spec.all_sources().len())))
                .is_ok(),
            1 => AppProject::from_value(value)
                .map(|project| {
                    drop((
                        project.slips(),
                        project.check_application_namespace("a", "b"),
                        Policy::default().with_project(&project),
                    ))
                })
                .is_ok(),
            2 => {
                let _ = Pipeline::problems(&value);
                Pipeline::from_value(value).map(|pipeline| drop(pipeline.semantic_problems())).is_ok()
            }
            3 => Release::from_value(value).is_ok(),
            _ => Promotion::from_value(value).is_ok(),
        });
    }
    assert!(read > 1000, "{read} were read: they are too wild to get anywhere");
}

#[test]
fn no_line_of_a_policy_panics_and_none_that_cannot_be_read_permits() {
    let seeds = [
        "p, role:dev, applications, sync, shop/*, deny",
        "p, ann, logs, get, {a,b}/[!x]*, deny",
        "g, ann, role:dev",
        "p, \"a,b\", *, */x, \\*, deny",
    ];
    let mut dice = Dice::new(42);
    for round in 0..3_000 {
        let mode = dice.pick(&["glob", "regex"]).to_owned();
        let csv = (0..3)
            .map(|_| {
                let seed = dice.pick(&seeds);
                spoil(&mut dice, seed)
            })
            .collect::<Vec<_>>()
            .join("\n");
        let data = BTreeMap::from([
            ("policy.csv".to_owned(), csv.clone()),
            ("policy.matchMode".to_owned(), mode),
            ("scopes".to_owned(), spoil(&mut dice, "[groups, email]")),
        ]);
        let (policy, _) = Policy::from_config_map(&data);
        let ann = Subject { user: "ann".into(), groups: vec!["leads".into()] };
        // all of the lines deny
        assert!(!policy.allows(&ann, "applications", "sync", "shop/web"), "{round}: {csv}");
    }
}

#[test]
fn no_text_of_a_setting_panics_its_reader() {
    let mut dice = Dice::new(7);
    for _ in 0..3_000 {
        for seed in ["1h30m", "2d", "-1.5s", "10m0s"] {
            let text = spoil(&mut dice, seed);
            let _ = (parse_duration(&text), parse_go_duration(&text));
        }
        for seed in ["https://me@git.test:8443/a/B.git?x", "git@github.com:Acme/a.git", "ssh://git@h/a"] {
            let once = normalize_git_url(&spoil(&mut dice, seed));
            let _ = normalize_git_url(&once);
        }
        let _ = glob_match(&spoil(&mut dice, "{a,b*}/[!x-z]?**"), "a/b", Some('/'));
        let keys = [
            "resource.exclusions",
            "accounts.ann",
            "application.resourceTrackingMethod",
            "timeout.reconciliation",
            "resource.customizations",
        ];
        let data = keys.map(|key| {
            (key.to_owned(), spoil(&mut dice, "- apiGroups: [\"*\"]\n  kinds: [Event]\n  clusters: ['*']\n"))
        });
        let _ = Settings::from_config_map(&BTreeMap::from(data));
    }
    // an expression that is small and means much, and one that goes deep
    assert!(glob_match(&"{a,".repeat(5_000), "a", None).is_err());
    assert!(glob_match(&format!("{}{}", "{a,".repeat(5_000), "}".repeat(5_000)), "a", None).is_err());
    assert!(!glob_match(&"*a".repeat(2_000), &"a".repeat(1_000), None).unwrap_or(false));
}
