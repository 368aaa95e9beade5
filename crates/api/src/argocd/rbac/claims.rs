//! Who a token says asks.

use jiff::Timestamp;
use serde_json::Value;

use super::Subject;

impl Subject {
    /// The user and the groups of a token's claims. Of a token of Dex the user is the one that the other side knows.
    pub fn of_claims(claims: &Value, scopes: &[String]) -> Self {
        let groups = scopes.iter().flat_map(|scope| match &claims[scope.as_str()] {
            Value::String(group) => vec![group.clone()],
            Value::Array(groups) => groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        });
        Self { user: user_of(claims).to_owned(), groups: groups.collect() }
    }
}

fn user_of(claims: &Value) -> &str {
    let federated = claims["federated_claims"]["user_id"].as_str().filter(|user| !user.is_empty());
    federated.or_else(|| claims["sub"].as_str()).unwrap_or_default()
}

/// What is said of a request that is denied, in Argo CD's words.
pub fn denial(claims: &Value, request: [&str; 3]) -> String {
    let mut said: Vec<String> = request.map(str::to_owned).into();
    match user_of(claims) {
        "" => {}
        user => said.push(format!("sub: {user}")),
    }
    let issued = claims["iat"].as_f64().and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
    said.extend(issued.map(|at| format!("iat: {at}")));
    format!("rpc error: code = PermissionDenied desc = permission denied: {}", said.join(", "))
}
