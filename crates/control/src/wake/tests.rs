use object::{Kind, LiveObject};
use serde_json::{Value, json};

use super::*;

fn live(kind: &str, name: &str, change: Value) -> LiveObject {
    let mut value =
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "argocd", "uid": "u"}});
    for (pointer, new) in change.as_object().unwrap() {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        value.pointer_mut(parent).unwrap()[last] = new.clone();
    }
    LiveObject::new(value).unwrap()
}

fn change<K: Kind>(old: Option<LiveObject>, new: Option<LiveObject>) -> Change<K> {
    let key = Arc::new(old.as_ref().or(new.as_ref()).unwrap().key());
    let read = |object: LiveObject| Arc::new(K::read(object).unwrap());
    Change { key, old: old.map(read), new: new.map(read) }
}

fn application(namespace: &str, name: &str, repository: &str, project: &str) -> LiveObject {
    let destination = json!({"server": "https://own"});
    let spec = json!({"source": {"repoURL": repository, "path": "p"}, "project": project, "destination": destination});
    live("Application", name, json!({"/metadata/namespace": namespace, "/spec": spec}))
}

/// `web` (and `web` of another team) deploy one repository, `shop` another; a Pipeline for `shop` and one for both.
fn stores() -> Stores {
    let applications = [
        application("argocd", "web", "https://git/web.git", "default"),
        application("team", "web", "https://git/web", "team"),
        application("argocd", "shop", "https://git/shop/all", "default"),
    ];
    let environments =
        |names: &[&str]| json!(names.iter().map(|name| json!({"application": name})).collect::<Vec<_>>());
    let pipelines = [
        live("Pipeline", "shop", json!({"/spec": {"environments": environments(&["shop"])}})),
        live("Pipeline", "both", json!({"/spec": {"environments": environments(&["shop", "web"])}})),
    ];
    Stores::holding("argocd", applications, pipelines)
}

fn config_map(name: &str, data: Value) -> LiveObject {
    live("ConfigMap", name, json!({ "/data": data }))
}

fn secret(url: &str, kind: &str) -> LiveObject {
    let labels = json!({"argocd.argoproj.io/secret-type": kind});
    live("Secret", "s", json!({"/metadata/labels": labels, "/stringData": {"url": url}}))
}

fn cluster_at(server: &str) -> LiveObject {
    let labels = json!({"argocd.argoproj.io/secret-type": "cluster"});
    live("Secret", "c", json!({"/metadata/labels": labels, "/stringData": {"server": server, "config": "{}"}}))
}

#[test]
fn news_wakes_whom_it_concerns() {
    let stores = stores();
    let check = |what: &str, news: News, expected: &[&str]| {
        let woken = woken(&news, &stores);
        let texts: Vec<String> = woken.iter().map(|(key, depth)| format!("{key} {depth:?}")).collect();
        assert_eq!(texts, expected, "{what}");
    };
    let all = ["application/argocd/shop Latest", "application/argocd/web Latest", "application/team/web Latest"];
    let shop = || application("argocd", "shop", "https://git/shop/all", "default");
    let healthy = || live("Application", "shop", json!({"/status": {"health": {"status": "Healthy"}}}));
    let unwell = || live("Application", "shop", json!({"/status": {"health": {"status": "Degraded"}}}));
    let pipelines = ["pipeline/argocd/both Live", "pipeline/argocd/shop Live"];

    let status = || change(Some(healthy()), Some(unwell()));
    check("a status wakes Pipelines only", News::Application(status()), &pipelines);
    let new = ["application/argocd/shop Latest", pipelines[0], pipelines[1]];
    check("a new Application", News::Application(change(None, Some(shop()))), &new);
    let gone = ["application/argocd/shop Live", pipelines[0], pipelines[1]];
    check("one that went", News::Application(change(Some(shop()), None)), &gone);
    let asked =
        || live("Application", "shop", json!({"/metadata/annotations": {"argocd.argoproj.io/refresh": "normal"}}));
    let ours = change(Some(healthy()), Some(asked()));
    let forced = ["application/argocd/shop Forced", pipelines[0], pipelines[1]];
    check("what came with what we wrote", News::Application(ours), &forced);
    let other = application("team", "shop", "https://git/x", "default");
    let elsewhere = change(None, Some(other));
    check("a namesake elsewhere is in no Pipeline", News::Application(elsewhere), &["application/team/shop Latest"]);

    let project = || change(None, Some(live("AppProject", "team", json!({}))));
    check("a project", News::Project(project()), &["application/team/web Latest"]);
    let of = |spec: Value| live("AppProject", "team", json!({ "/spec": spec }));
    let roles = change(Some(of(json!({}))), Some(of(json!({"roles": [{"name": "dev"}]}))));
    check("who may use a project", News::Project(roles), &[]);
    let status = change(Some(of(json!({}))), Some(live("AppProject", "team", json!({"/status": {}, "/spec": {}}))));
    check("its status", News::Project(status), &[]);
    let web = ["application/argocd/web Latest", "application/team/web Latest"];
    let own = || change(None, Some(secret("https://git/web", "repository")));
    check("a repository", News::Repository(own()), &web);
    let prefix =
        || change(Some(secret("https://git/shop", "repo-creds")), Some(secret("https://git/web", "repo-creds")));
    check("its prefix, before and after", News::Repository(prefix()), &all);
    let elsewhere = change(None, Some(secret("https://git/other", "repo-creds")));
    check("another prefix", News::Repository(elsewhere), &[]);

    let settings = |data| change(None, Some(config_map("argocd-cm", data)));
    check("a setting", News::ConfigMap(settings(json!({"installationID": "x"}))), &all);
    check("no setting of ours", News::ConfigMap(settings(json!({"ga.trackingid": "x"}))), &[]);
    let hosts = json!({"ssh_known_hosts": "git ssh-ed25519 AAAA"});
    check("known hosts", News::ConfigMap(change(None, Some(config_map("argocd-ssh-known-hosts-cm", hosts)))), &[]);
    let certificate = |host: &str| change(None, Some(config_map("argocd-tls-certs-cm", json!({ host: "PEM" }))));
    check("a certificate", News::ConfigMap(certificate("git")), &all);
    check("one of another host", News::ConfigMap(certificate("other")), &[]);
    let policy = config_map("argocd-rbac-cm", json!({"policy.default": "role:readonly"}));
    check("a policy", News::ConfigMap(change(None, Some(policy))), &[]);

    let pipeline = change(None, Some(live("Pipeline", "shop", json!({}))));
    check("a Pipeline", News::Pipeline(pipeline), &["pipeline/argocd/shop Live"]);
    let of = |kind: &str, pipeline: &str| live(kind, "x", json!({"/spec": {"pipeline": pipeline}}));
    let release = || change(None, Some(of("Release", "shop")));
    check("a Release", News::Release(release()), &["pipeline/argocd/shop Live"]);
    let moved = change(Some(of("Promotion", "shop")), Some(of("Promotion", "both")));
    check("a Promotion", News::Promotion(moved), &pipelines);

    let owners = vec!["web".into(), "team_web".into()];
    let live = ["application/argocd/web Live", "pipeline/argocd/both Live", "application/team/web Live"];
    check("live objects, and the Pipelines that look at pods", News::Touched { owners }, &live);
    check("some live objects", News::Missed, &all.map(|text| text.replace("Latest", "Live")).each_ref().map(|t| &**t));
    let keys = || vec![AppKey::new("argocd", "web"), AppKey::new("team", "web")];
    check("a push", News::Moved { readers: keys() }, &web);
    check("a repository that answers again", News::Told { unproven: keys() }, &web);
    let answered = News::Answered { pipelines: ["shop".into()].into() };
    check("an answer", answered, &["pipeline/argocd/shop Live"]);
    let cluster = |server: &str| change(None, Some(cluster_at(server)));
    check("a cluster", News::Cluster(cluster("https://own")), &all);
    check("a cluster that nobody uses", News::Cluster(cluster("https://other")), &[]);
}

fn app(version: u32, change: Value) -> Application {
    let mut value = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd", "uid": "u", "resourceVersion": version.to_string()},
        "spec": {"source": {"repoURL": "r", "path": "p"}}});
    for (pointer, new) in change.as_object().unwrap() {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        let target = value.pointer_mut(parent).unwrap();
        target[last] = new.clone();
    }
    Application::from_value(value).unwrap()
}

fn check(change: Value, expected: Option<Depth>) {
    let new = app(2, change.clone());
    assert_eq!(depth_of(Some(&app(1, json!({}))), &new), expected, "{change}");
    assert_eq!(depth_of(Some(&new), &new.clone()), None, "{change}");
}

#[test]
fn changes_ask_for_as_much_as_they_need() {
    let refresh = |kind: &str| json!({"/metadata/annotations": {"argocd.argoproj.io/refresh": kind}});
    check(refresh("normal"), Some(Depth::Forced));
    check(refresh("hard"), Some(Depth::Hard));
    check(json!({"/spec/source/path": "q"}), Some(Depth::Forced));
    check(json!({"/spec/project": "x"}), Some(Depth::Latest));
    check(json!({"/operation": {"sync": {}}}), Some(Depth::Live));
    check(json!({"/metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}), Some(Depth::Live));
    check(json!({"/status": {"sync": {"status": "Synced"}}}), None);
    assert_eq!(depth_of(None, &app(1, json!({}))), Some(Depth::Latest));
    let asked = app(1, refresh("hard"));
    assert_eq!(depth_of(None, &asked), Some(Depth::Hard), "it was asked while nobody was here");
}

#[test]
fn who_keeps_labels_of_a_namespace_hears_of_who_else_does() {
    let keeps = |name: &str, namespace: &str, team: &str| {
        let kept = json!({"labels": {"team": team}});
        let policy = json!({"syncOptions": ["CreateNamespace=true"], "managedNamespaceMetadata": kept});
        let spec = json!({"source": {}, "destination": {"namespace": namespace}, "syncPolicy": policy});
        live("Application", name, json!({ "/spec": spec }))
    };
    let all = [keeps("keeper", "kept", "x"), keeps("far", "other", "x"), keeps("new", "kept", "x")];
    let stores = Stores::holding("argocd", all, []);
    let check = |what: &str, old: Option<LiveObject>, new: Option<LiveObject>, expected: bool| {
        let woken = woken(&News::Application(change(old, new)), &stores);
        let names: Vec<String> = woken.iter().map(|(key, _)| key.to_string()).collect();
        assert!(!names.contains(&"application/argocd/far".to_owned()), "{what}: {names:?}");
        assert_eq!(names.contains(&"application/argocd/keeper".to_owned()), expected, "{what}: {names:?}");
    };
    let new = |team: &str| Some(keeps("new", "kept", team));
    check("a new one", None, new("y"), true);
    check("a new one that says the same", None, new("x"), false);
    check("another value", new("x"), new("y"), true);
    check("one that went", new("y"), None, true);
    check("one that went elsewhere", new("y"), Some(keeps("new", "elsewhere", "y")), true);
    check("nothing of it", new("y"), new("y"), false);
}

#[test]
fn who_shares_objects_hears_of_who_gives_them_up() {
    let has = |name: &str, to: Value, resources: &[(&str, &str, bool)]| {
        let all = resources.iter().map(|(kind, name, extra)| {
            json!({"kind": kind, "namespace": "x", "name": name, "requiresPruning": extra, "status": "Synced"})
        });
        let status = json!({ "resources": all.collect::<Vec<_>>() });
        live("Application", name, json!({"/spec": {"source": {}, "destination": to}, "/status": status}))
    };
    let own = || json!({"server": Destination::IN_CLUSTER_SERVER, "namespace": "a"});
    let named = || json!({"name": Destination::IN_CLUSTER_NAME, "namespace": "b"});
    let web = [("Service", "web", false)];
    let all = [
        has("owner", own(), &web),
        has("waits", named(), &[("Service", "web", true)]),
        has("far", json!({"server": "https://far"}), &web),
        has("other", own(), &[("Service", "other", false)]),
        has("keeps", own(), &[("Namespace", "x", false)]),
    ];
    let stores = Stores::holding("argocd", all, []);
    let taker = |to: Value, resources: &[(&str, &str, bool)]| Some(has("taker", to, resources));
    let check = |what: &str, old: Option<LiveObject>, new: Option<LiveObject>, expected: &[&str]| {
        let names = sharers(&change(old, new), &stores).into_iter().map(|(key, depth)| format!("{key} {depth:?}"));
        assert_eq!(names.collect::<Vec<_>>(), expected, "{what}");
    };
    let both = ["application/argocd/owner Live", "application/argocd/waits Live"];
    check("one that went", taker(own(), &web), None, &both);
    check("by another name of the cluster", taker(named(), &web), None, &both);
    check("one that does not want it any more", taker(own(), &web), taker(own(), &[("Service", "web", true)]), &both);
    check("one that went to another cluster", taker(own(), &web), taker(json!({"server": "https://x"}), &web), &both);
    check("what it did not want any more before", taker(own(), &[("Service", "web", true)]), None, &[]);
    check("nothing is given up", taker(own(), &[]), taker(own(), &web), &[]);
    check("a namespace that is as others keep it", taker(own(), &[("Namespace", "x", false)]), None, &[]);
}

#[test]
fn a_quarantine_wakes_every_pipeline_of_the_image() {
    let images = |name: &str| json!({"images": [{"name": name}], "environments": []});
    let pipelines = [
        live("Pipeline", "shop", json!({"/spec": images("acme/shop")})),
        live("Pipeline", "web", json!({"/spec": images("docker.io/acme/shop")})),
        live("Pipeline", "other", json!({"/spec": images("acme/other")})),
    ];
    let stores = Stores::holding("argocd", [], pipelines);
    let digest = format!("sha256:{}", "1".repeat(64));
    let image = json!({"name": "acme/shop", "tag": "v1", "digest": digest});
    let quarantined = json!({ "quarantined": { digest: { "by": "tina", "images": [image] } } }).to_string();
    let secret = |text: &str| live("Secret", "gantline-ledger-6", json!({"/stringData": {"shop": text}}));
    let woken = |old: &str, new: &str| {
        let news = News::Ledger(change(Some(secret(old)), Some(secret(new))));
        woken(&news, &stores).into_iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>()
    };
    let (shop, both) = ("pipeline/argocd/shop", ["pipeline/argocd/shop", "pipeline/argocd/web"]);
    assert_eq!(woken("{}", &quarantined), both);
    assert_eq!(woken(&quarantined, "{}"), both);
    assert_eq!(woken("{}", "{\"entered\": [\"dev\"]}"), [shop]);
}
