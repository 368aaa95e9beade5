//! What is told of clusters, and to whom.

use serde_json::{Value, json};

use crate::house::{House, POLICY, apply, pause, policy};

fn secret(name: &str, data: Value) -> Value {
    let labels = json!({ "argocd.argoproj.io/secret-type": "cluster" });
    let metadata = json!({ "name": format!("cluster-{name}"), "namespace": "argocd", "labels": labels });
    let mut texts = json!({ "name": name, "server": format!("https://{name}.test") });
    texts.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts })
}

impl House {
    async fn clusters(&self, name: &str) -> Vec<Value> {
        let token = self.log_in(name).await;
        let (status, list) = self.get(&token, "/api/v1/clusters").await;
        assert_eq!(status, 200, "{list}");
        list["items"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn clusters_are_told_as_argo_cd_does_and_only_to_whom_they_may_be() {
    let house = House::start().await;
    // no one may be asked to run programs: so it fails without a network
    let exec = json!({ "config": r#"{ "bearerToken": "secret-token", "execProviderConfig": { "command": "c" } }"# });
    apply(&house.cluster, secret("prod", exec.clone())).await;
    apply(&house.cluster, secret("team", json!({ "project": "shop", "namespaces": "a,b", "config": exec["config"] })))
        .await;
    let lines =
        format!("{POLICY}p, eve, clusters, get, shop/*, allow\np, tina, clusters, get, https://prod.*, allow\n");
    apply(&house.cluster, policy(&lines)).await;
    let mut seen = Vec::new();
    for _ in 0..100 {
        seen = house.clusters("tina").await;
        if !seen.is_empty() {
            break;
        }
        pause().await;
    }
    let servers = |seen: &[Value]| seen.iter().map(|cluster| cluster["server"].clone()).collect::<Vec<_>>();
    assert_eq!(servers(&seen), ["https://prod.test"]);
    let eves = house.clusters("eve").await;
    assert_eq!(servers(&eves), ["https://team.test"]);
    assert_eq!((&eves[0]["project"], &eves[0]["namespaces"]), (&json!("shop"), &json!(["a", "b"])));
    let all = house.clusters("rita").await;
    assert_eq!(servers(&all), ["https://kubernetes.default.svc", "https://prod.test", "https://team.test"]);
    let [own, prod, _] = &all[..] else { panic!() };
    assert_eq!((&own["name"], &own["info"]["applicationsCount"]), (&json!("in-cluster"), &json!(1)));
    assert_eq!(own["info"]["connectionState"]["status"], "Successful", "{own}");
    assert!(own["info"]["serverVersion"].as_str().unwrap().starts_with("v1."), "{own}");
    assert_eq!(prod["connectionState"]["status"], "Failed");
    assert!(prod["connectionState"]["message"].as_str().unwrap().contains("config.bearerToken"), "{prod}");
    assert!(!json!(all).to_string().contains("secret-token"));
}
