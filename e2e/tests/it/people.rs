//! Who may do what.

use e2e::{demo, has};

#[test]
fn nothing_is_read_without_a_login() {
    let Some(demo) = demo() else { return };
    let stranger = demo.stranger();
    stranger.gantline(&["app", "list"]).exits(2).says("gantline login URL");
    let server = ["--server", demo.url.as_str()];
    stranger.gantline(&[&["app", "list"], &server[..]].concat()).exits(1).says("gantline login").does_not_say("myapp");
    stranger.gantline(&[&["app", "list", "--token", "x.y.z"], &server[..]].concat()).exits(1).says("gantline login");
    let wrong = ["login", demo.url.as_str(), "--username", "nobody", "--password", "wrong"];
    stranger.gantline(&wrong).exits(1).says("Invalid username or password");
    stranger.gantline(&["login", "http://127.0.0.1:1", "--password", "x"]).exits(1).says("http://127.0.0.1:1");
}

#[test]
fn a_developer_may_sync_but_not_decide_nor_delete() {
    let Some(demo) = demo() else { return };
    let developer = demo.log_in("developer");
    let check = |words: &[&str]| {
        developer.gantline(words).exits(1).says("developer may not").says("admin");
    };
    check(&["rollback", "frontend-shell", "--in", "production", "--reason", "no"]);
    check(&["app", "delete", "frontend-shell-production", "--yes"]);
    developer.gantline(&["app", "delete", "frontend-shell-production"]).exits(2).says("--yes");
    developer.gantline(&["app", "sync", "frontend-shell-staging", "--timeout", "20"]).succeeds().says("Succeeded");
}

#[test]
fn a_session_ends_with_the_logout() {
    let Some(demo) = demo() else { return };
    let lead = demo.log_in("team-lead");
    let config = std::fs::read_to_string(lead.config()).expect("a configuration");
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    let token = config["servers"][&demo.url].as_str().expect("a token").to_owned();
    let stolen = ["app", "list", "--server", demo.url.as_str(), "--token", &token];
    demo.stranger().gantline(&stolen).succeeds();
    lead.gantline(&["logout"]).succeeds().says("logged out");
    demo.stranger().gantline(&stolen).exits(1).says("gantline login");
    lead.gantline(&["app", "list", "--server", &demo.url]).exits(1).says("gantline login");
}

#[test]
fn the_session_is_kept_where_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt;
    let Some(demo) = demo() else { return };
    let session = demo.log_in("developer");
    let mode = std::fs::metadata(session.config()).expect("a configuration").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_first_password_of_admin_is_in_a_secret() {
    let Some(demo) = demo() else { return };
    if !has("kubectl") {
        return;
    }
    let template = "{{.data.password | base64decode}}";
    let arguments = ["-n", "argocd", "get", "secret", "argocd-initial-admin-secret", "-o"];
    let password = demo.kubectl(&[&arguments[..], &[&format!("go-template={template}")]].concat()).succeeds().out;
    let admin = demo.stranger();
    admin.gantline(&["login", &demo.url, "--password", &password]).succeeds().says("'admin' logged in");
    admin.gantline(&["app", "sync", "frontend-shell-dev", "--timeout", "20"]).succeeds();
}
