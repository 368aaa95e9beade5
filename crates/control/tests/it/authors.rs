//! Who is behind a release, whatever they do so as not to be seen.

use api::gantline::{Promotion, Release, ReleaseSource, Verdict};
use cluster::{Patch, PatchOptions};
use object::ResourceKey;
use serde_json::json;
use test_support::GitRepo;

use crate::fixtures::{apply, pause};
use crate::promotions::{DEPLOYMENT, OVERLAY, World, application};

const PATCH: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\nspec:\n  template:\n    spec:\n      containers:\n      - name: shop\n        image: ghcr.io/acme/shop:";
const REPLACEMENT: &str = "configMapGenerator:\n- name: pin\n  envs: [image.env]\nreplacements:\n- source: {kind: ConfigMap, name: pin, fieldPath: data.IMAGE}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: [spec.template.spec.containers.0.image]\n";

fn images(tag: &str) -> String {
    format!("images:\n- name: ghcr.io/acme/shop\n  newTag: {tag}\n")
}

impl World {
    async fn commit(&self, author: &str, files: &[(&str, &str)]) {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(*text))).collect();
        self.repository.commit(author, &files, "Change something").await;
    }

    /// The local parts of the addresses of those behind a release; all of them are known.
    async fn behind(&self, tag: &str) -> Vec<String> {
        let source = self.source_of(tag).await;
        assert_eq!(source.unread, "", "{tag}");
        let name =
            |person: std::borrow::Cow<str>| person.split_once(' ').map(|(name, _)| name.to_owned()).unwrap_or_default();
        let mut names: Vec<String> = source.everybody().map(name).collect();
        names.sort();
        names
    }
}

/// Long before, somebody writes an image into files that nobody reads. Somebody else links them in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_what_is_linked_in_is_named() {
    let world = World::start().await;
    let component = format!("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n{}", images("v11"));
    let base = format!("resources: [../../base]\n{}", images("\"v\\x312\""));
    let (linked, moved) = (format!("{PATCH}v13\n"), format!("{PATCH}v15\n"));
    let files = [
        ("evil/component/kustomization.yaml", component.as_str()),
        ("evil/base/kustomization.yaml", &base),
        ("dev/hidden/linked.yaml", &linked),
        ("dev/image.env", "IMAGE=ghcr.io/acme/shop:v14\n"),
        ("evil/moved.yaml", &moved),
    ];
    world.commit("mallory", &files).await;
    world.controller_settles().await;
    let controller = world.controller(None);
    let resources = "resources: [../base]\n";
    world.repository.link("bob", "dev/linked.yaml", "hidden/linked.yaml");
    for (tag, kustomization) in [
        ("v11", format!("{resources}components: [../evil/component]\n")),
        ("v12", "resources: [../evil/base]\n".to_owned()),
        ("v13", format!("{resources}patches: [{{path: linked.yaml}}]\n")),
        ("v14", format!("{resources}{REPLACEMENT}")),
    ] {
        world.commit("bob", &[("dev/kustomization.yaml", &kustomization)]).await;
        assert_eq!(world.behind(tag).await, ["bob", "mallory"], "{tag}");
    }
    let kustomization = format!("{resources}patches: [{{path: moved.yaml}}]\n");
    let edits = [
        ("evil/moved.yaml", None),
        ("dev/moved.yaml", Some(moved.as_str())),
        ("dev/kustomization.yaml", Some(kustomization.as_str())),
    ];
    world.repository.commit("bob", &edits, "Move").await;
    assert_eq!(world.behind("v15").await, ["bob", "mallory"], "a file that was moved");
    controller.end().await;
}

/// The same with a chart: another file of values, by what lies beside it, and a template that was not used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_values_and_templates_that_are_linked_in_is_named() {
    let world = World::start().await;
    let deployment = |image: &str| {
        let patch = PATCH.replace("ghcr.io/acme/shop:", image).replace(
            "template:",
            "selector: {matchLabels: {app: shop}}\n  template:\n    metadata: {labels: {app: shop}}",
        );
        patch + "\n"
    };
    let chart = [
        ("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
        ("chart/values.yaml", "tag: v1\n"),
        ("chart/templates/d.yaml", &deployment("ghcr.io/acme/shop:{{ .Values.tag }}")),
    ];
    world.commit("dana", &chart).await;
    let evil = [
        ("chart/more.yaml", "tag: v21\n"),
        ("chart/templates/_image.tpl", "{{ define \"image\" }}ghcr.io/acme/shop:v31{{ end }}\n"),
    ];
    world.commit("mallory", &evil).await;
    let source = json!({"repoURL": world.repository.url(), "targetRevision": "main", "path": "chart",
        "helm": {"releaseName": "shop"}});
    apply(&world.cluster, application("dev", json!({"source": source}))).await;
    world.controller_settles().await;
    let controller = world.controller(None);
    world.commit("bob", &[("chart/.argocd-source.yaml", "helm: {valueFiles: [more.yaml]}\n")]).await;
    assert_eq!(world.behind("v21").await, ["bob", "mallory"]);
    world.commit("bob", &[("chart/templates/d.yaml", &deployment("{{ include \"image\" . }}"))]).await;
    assert_eq!(world.behind("v31").await, ["bob", "mallory"]);
    controller.end().await;
}

/// Who merges may choose: what comes of it is as on the first side, which merging alone would not have given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_merges_and_decides_is_named() {
    let world = World::start().await;
    let pin = |tag: &str| format!("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n{}", images(tag));
    let pinned = "resources: [../base]\ncomponents: [../pin]\n";
    world.commit("ci", &[("pin/kustomization.yaml", &pin("v1")), ("dev/kustomization.yaml", pinned)]).await;
    world.controller_settles().await;
    let main = world.repository.open().head_of("main").await.unwrap();
    world.repository.point("refs/heads/feature", main);
    let other = format!("resources: [../base]\n{}", images("v9"));
    let edit = [("dev/kustomization.yaml", Some(other.as_str()))];
    let feature = world.repository.commit_to("feature", "gina", &edit, "Another way").await;
    world.commit("dana", &[("pin/kustomization.yaml", &pin("v2"))]).await;
    let repository = world.repository.open();
    let base = repository.head_of("main").await.unwrap();
    let (author, committer) = (GitRepo::author("tina"), GitRepo::author("tina"));
    let edits = vec![("dev/kustomization.yaml".to_owned(), Some(pinned.into()))];
    let (branch, message, merge) = ("main".to_owned(), "Merge feature".to_owned(), Some(feature));
    let write = git::Write { branch, base, merge, edits, tag: None, message, sign: None, author, committer };
    repository.commit_and_push(write).await.unwrap();
    let controller = world.controller(None);
    assert_eq!(world.behind("v2").await, ["dana", "gina", "tina"]);
    controller.end().await;
}

/// More is not rendered than so much: then everybody counts, and it is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_too_much_changed_everybody_counts() {
    let world = World::start().await;
    world.controller_settles().await;
    let overlay = |tag: &str, note: usize| format!("resources: [../base]\n{}# {note}\n", images(tag));
    world.commit("olga", &[("notes.txt", "beside it")]).await;
    for note in 0..120 {
        world.commit("bob", &[("dev/kustomization.yaml", &overlay("v1", note))]).await;
    }
    world.commit("dana", &[("dev/kustomization.yaml", &overlay("v2", 0))]).await;
    let controller = world.controller(None);
    let source = world.source_of("v2").await;
    assert_eq!(source.author, "dana");
    assert!(source.unread.contains("too many commits change what is rendered"), "{}", source.unread);
    assert_eq!(source.everybody().count(), 3, "{:?}", source.people);
    controller.end().await;
}

impl World {
    /// A commit to `main` whose author did not make it, or a merge of another commit.
    async fn commit_as(&self, people: [&str; 2], tag: &str, message: &str, merge: Option<git::CommitId>) {
        let repository = self.repository.open();
        let base = repository.head_of("main").await.unwrap();
        let [author, committer] = people.map(GitRepo::author);
        let edits = vec![("dev/kustomization.yaml".to_owned(), Some(OVERLAY.replace("v1", tag).into_bytes()))];
        let (branch, message) = ("main".to_owned(), message.to_owned());
        let write = git::Write { branch, base, merge, edits, tag: None, message, sign: None, author, committer };
        repository.commit_and_push(write).await.unwrap();
    }

    async fn people_behind(&self, tag: &str) -> Vec<String> {
        let source = self.source_of(tag).await;
        assert_eq!(source.unread, "");
        source.everybody().map(std::borrow::Cow::into_owned).collect()
    }

    pub(crate) async fn source_of(&self, tag: &str) -> ReleaseSource {
        let scope = cluster::Scope::namespaced(object::GroupKind::new("gantline.dev", "Release"), "argocd");
        let is = |release: &Release| release.spec.images[0].tag == tag;
        for _ in 0..400 {
            let all = self.cluster.list(&scope).await.unwrap().into_iter();
            let mut all = all.map(|live| Release::from_value(live.into_value()).unwrap());
            if let Some(release) = all.find(is) {
                return release.spec.source;
            }
            pause(50).await;
        }
        panic!("{tag} is no release")
    }
}

/// An author who is only said to be one, a co-author, and a change that was merged by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_behind_a_release_is_named() {
    let world = World::start().await;
    world.controller_settles().await;
    let controller = world.controller(None);
    let note = OVERLAY.replace("# ours", "# theirs");
    world.repository.commit("bob", &[("dev/kustomization.yaml", Some(&note))], "Note something").await;
    let body =
        "Build\n\nco-authored-by: Finn <finn@example.com>\n\nSigned-off-by: Gail <gail@example.com>\nReviewed-by: x\n";
    world.commit_as(["dana", "erik"], "v2", body, None).await;
    let people = ["dana", "erik", "Finn", "Gail"].map(|name| format!("{name} <{}@example.com>", name.to_lowercase()));
    let mut found = world.people_behind("v2").await;
    found.sort_by_key(|person| person.to_lowercase());
    assert_eq!(found, people);

    let main = world.repository.open().head_of("main").await.unwrap();
    world.repository.point("refs/heads/feature", main);
    let text = OVERLAY.replace("v1", "v3");
    let files: [(&str, Option<&str>); 1] = [("dev/kustomization.yaml", Some(&text))];
    let feature = world.repository.commit_to("feature", "gina", &files, "Set v3").await;
    world.repository.commit("bob", &[("note.txt", Some("beside it"))], "Note something else").await;
    world.commit_as(["tina", "tina"], "v3", "Merge feature", Some(feature)).await;
    let mut found = world.people_behind("v3").await;
    found.sort();
    assert_eq!(found, ["gina <gina@example.com>", "tina <tina@example.com>"]);
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_what_is_merged_does_not_approve() {
    for (follows, merge) in [("release", true), ("v1.*", false)] {
        let environments = [("dev", "main", false), ("staging", follows, merge)];
        let world = World::with(&environments).await;
        world.controller_settles().await;
        let gated = json!({"spec": {"environments": [{"name": "dev", "application": "shop-dev"}, {"name": "staging",
            "application": "shop-staging", "merge": merge, "gates": [{"approval": {"group": "leads"}}]}]}});
        let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
        world.cluster.patch(&key, &Patch::Merge(gated), PatchOptions::default()).await.unwrap();
        let controller = world.controller(None);
        let scaled = DEPLOYMENT.replace("replicas: 1", "replicas: 2");
        world.repository.commit("hana", &[("base/d.yaml", Some(&scaled))], "Scale").await;
        world.push("v2").await;
        let is = |p: &Promotion| {
            let who = p.status.gates.first().map_or("", |gate| gate.who_can_act.as_str());
            let kept =
                || p.status.merged.as_ref().is_some_and(|kept| kept.people.iter().any(|it| it.starts_with("hana")));
            p.spec.environment == "staging" && p.spec.tag == "v2" && who.contains("but not dana or hana") && kept()
        };
        world.until_promotion("but not dana or hana", is).await;
        controller.end().await;
    }
}

/// What is pushed after a word, to where it would be merged from or tagged, waits for a word of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_an_approval_is_approved_anew() {
    for (follows, merge) in [("release", true), ("v1.*", false)] {
        let world = World::with(&[("dev", "main", false), ("staging", follows, merge)]).await;
        world.controller_settles().await;
        let gates = json!([{"approval": {"group": "leads"}}, {"approval": {"group": "ops"}}]);
        let gated = json!({"spec": {"environments": [{"name": "dev", "application": "shop-dev"},
            {"name": "staging", "application": "shop-staging", "merge": merge, "gates": gates}]}});
        let key = ResourceKey::new("gantline.dev", "Pipeline", "argocd", "shop");
        world.cluster.patch(&key, &Patch::Merge(gated), PatchOptions::default()).await.unwrap();
        let (controller, running) = world.asked();
        world.push("v2").await;
        let waits = |p: &Promotion| p.spec.tag == "v2" && p.status.gates.len() == 2 && p.status.merged.is_some();
        world.until_promotion("waits", waits).await;
        let says_yes = async |user: &str, group: &str| {
            let promotion = world.promotions().await.into_iter().find(waits).unwrap().metadata.name;
            let seen = control::requests::Seen::whole(controller.observed("shop").unwrap());
            let groups = [group.to_owned()];
            control::requests::decide(&controller, &seen, &promotion, Verdict::Approve, user, &groups, "").await
        };
        says_yes("tina", "leads").await.unwrap();
        let scaled = DEPLOYMENT.replace("replicas: 1", "replicas: 2");
        if merge {
            world.commit("mallory", &[("base/d.yaml", &scaled)]).await;
        } else {
            // dev does not know of it when it is written
            world.repository.commit("mallory", &[("base/d.yaml", Some(&scaled))], "Scale").await;
            says_yes("otto", "ops").await.unwrap();
        }
        let anew = |p: &Promotion| {
            let gate = p.status.gates.first().cloned().unwrap_or_default();
            p.spec.tag == "v2"
                && gate.value.contains("changed since somebody did")
                && gate.who_can_act.contains("mallory")
        };
        world.until_promotion("asks anew", anew).await;
        assert_eq!(world.commits("v2").await, 0);
        says_yes("tina", "leads").await.unwrap();
        // perhaps dev had looked before the first time
        drop(says_yes("otto", "ops").await);
        world.succeeded("v2").await;
        running.end().await;
    }
}

/// The Release of an image is deleted, and somebody else sets its tag back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wrote_an_image_is_named_when_its_release_is_made_again() {
    let world = World::start().await;
    world.controller_settles().await;
    let controller = world.controller(None);
    let set = async |author: &str, tag: &str| {
        world.commit(author, &[("dev/kustomization.yaml", &OVERLAY.replace("v1", tag))]).await;
        world.source_of(tag).await
    };
    let first = set("mallory", "v2").await;
    assert_eq!(first.author, "mallory");
    set("bob", "v3").await;
    let scope = cluster::Scope::namespaced(object::GroupKind::new("gantline.dev", "Release"), "argocd");
    for live in world.cluster.list(&scope).await.unwrap() {
        if live.value().pointer("/spec/images/0/tag").is_some_and(|tag| tag == "v2") {
            world.delete("Release", live.name()).await;
        }
    }
    assert_eq!(set("carol", "v2").await.author, "carol");
    assert_eq!(world.behind("v2").await, ["carol", "mallory"]);
    controller.end().await;
}
