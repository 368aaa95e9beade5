//! `gantline login`, `gantline logout`

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use serde_json::json;

use crate::args::Reach;
use crate::client::Client;
use crate::failure::{Code, Failure, Outcome};
use crate::output;
use crate::settings::Config;

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// URL of the server, such as http://127.0.0.1:8080
    url: String,
    #[arg(long, short, default_value = "admin")]
    username: String,
    /// The password [default: asked for, or read from standard input]
    #[arg(long, allow_hyphen_values = true, short, env = "GANTLINE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

impl Login {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let url = if self.url.contains("://") { self.url } else { format!("https://{}", self.url) };
        let url = url.trim_end_matches('/').to_owned();
        let password = match self.password {
            Some(password) => password,
            None => ask(&self.username)?,
        };
        let client = Client::anonymous(&url, reach)?;
        let answer = client.post("/api/v1/session", json!({ "username": self.username, "password": password })).await?;
        let token = output::text(&answer, "/token")
            .ok_or_else(|| Failure::new(format!("{url} answered without a token: is it a Gantline server?")))?;
        let mut config = Config::load();
        config.servers.insert(url.clone(), token);
        config.current = url.clone();
        config.save()?;
        output::line(format!("'{}' logged in to {url}", self.username));
        let who = Client::connect(&Reach { server: Some(url), ..reach.clone() }).await?;
        let who = who.get("/api/v1/session/userinfo").await?;
        for slip in who["slips"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str) {
            output::aside(format!("Warning: {slip}"));
        }
        Ok(Code::Done.into())
    }
}

/// Reads a password: from standard input when it is not a terminal, else by asking.
fn ask(username: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        let _ = write!(std::io::stderr(), "Password of {username} (it will be seen): ");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        Err(Failure::usage("no password given").hint("use --password, GANTLINE_PASSWORD, or standard input"))
    } else {
        Ok(password)
    }
}

pub(crate) async fn logout(reach: &Reach) -> Outcome {
    let mut config = Config::load();
    let url = reach.server.clone().unwrap_or_else(|| config.current.clone());
    if config.servers.contains_key(&url) {
        let ended = Client::connect(&Reach { server: Some(url.clone()), ..reach.clone() })
            .await?
            .delete("/api/v1/session")
            .await;
        config.servers.remove(&url);
        config.save()?;
        // the session may have expired already: forgetting it is what counts here
        if let Err(failure) = ended {
            output::line(format!("forgot the session; the server says: {}", failure.message));
        }
    }
    output::line(format!("logged out of {url}"));
    Ok(Code::Done.into())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Arguments;

    #[test]
    fn a_password_may_begin_with_a_dash() {
        assert!(Arguments::try_parse_from(["gantline", "login", "https://cd.test", "--password", "-hLMobf"]).is_ok());
    }
}
