//! What the story checks: the API's own answers, over HTTP, as a user would ask.

use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Failure;

/// Real time that one step may take. The whole story has a minute.
const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(100);

/// Somebody who uses the API.
#[derive(Debug, Clone)]
pub(super) struct User {
    base: String,
    token: String,
    http: reqwest::Client,
}

impl User {
    /// Logs in as one of the demo's accounts.
    ///
    /// # Errors
    /// When that is refused.
    pub(super) async fn log_in(base: &str, name: &str) -> Result<Self, Failure> {
        let http = reqwest::Client::new();
        let body = json!({ "username": name, "password": name });
        let answer = http.post(format!("{base}/api/v1/session")).json(&body).send().await?;
        let value: Value = answer.json().await?;
        let token = value["token"].as_str().ok_or_else(|| Failure::new(format!("{name} cannot log in: {value}")))?;
        Ok(Self { base: base.to_owned(), token: token.to_owned(), http })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token).send().await?;
        Ok(answer.json().await?)
    }

    /// The status code and the answer.
    pub(super) async fn post(&self, path: &str, body: Value) -> Result<(u16, Value), Failure> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token).json(&body);
        let answer = request.send().await?;
        let code = answer.status().as_u16();
        Ok((code, answer.json().await.unwrap_or_default()))
    }

    /// One environment of a service, as the page shows it.
    pub(super) async fn environment(&self, service: &str, environment: &str) -> Result<Value, Failure> {
        let overview = self.get("/api/v1/overview").await?;
        let services = overview["services"].as_array().cloned().unwrap_or_default();
        let service = services.into_iter().find(|s| s["name"] == service).unwrap_or_default();
        let environments = service["environments"].as_array().cloned().unwrap_or_default();
        Ok(environments.into_iter().find(|e| e["name"] == environment).unwrap_or_default())
    }

    /// Asks until the answer is as wanted.
    ///
    /// # Errors
    /// After half a minute, with the last answer.
    pub(super) async fn until(
        &self,
        what: &str,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let value = self.get(path).await.unwrap_or_default();
            if wanted(&value) {
                return Ok(value);
            }
            if tokio::time::Instant::now() > deadline {
                let last: String = value.to_string().chars().take(1500).collect();
                return Err(Failure::new(format!(
                    "{what}: not so after {} s; the last answer of {path} was {last}",
                    PATIENCE.as_secs()
                )));
            }
            pause(GLANCE).await;
        }
    }

    /// Asks until an environment of a service is as wanted.
    ///
    /// # Errors
    /// After half a minute, with how it is then.
    pub(super) async fn until_environment(
        &self,
        what: &str,
        service: &str,
        environment: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let value = self.environment(service, environment).await.unwrap_or_default();
            if wanted(&value) {
                return Ok(value);
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Failure::new(format!(
                    "{what}: not so after {} s; {service} in {environment} is {value}",
                    PATIENCE.as_secs()
                )));
            }
            pause(GLANCE).await;
        }
    }
}

/// # Errors
/// With the step's words when it does not hold.
pub(super) fn ensure(holds: bool, what: impl Into<String>) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::new(what.into())) }
}

/// Real time: the story's patience is that of whoever waits for it.
#[expect(clippy::disallowed_methods, reason = "how often to look, in real time")]
pub(super) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
