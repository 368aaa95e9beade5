//! `gantline login`, `gantline logout`

use std::io::{BufRead, IsTerminal};

use clap::Args;
use serde_json::json;

use crate::args::Reach;
use crate::client::Client;
use crate::failure::{Code, Failure, Outcome};
use crate::settings::Config;
use crate::{address, names, output};

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// URL of the server, such as http://127.0.0.1:8080; https unless said
    #[arg(value_parser = names::name)]
    url: String,
    #[arg(long, short, default_value = "admin")]
    username: String,
    /// The password [default: asked for, or read from standard input]
    #[arg(long, allow_hyphen_values = true, short, env = "GANTLINE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// URL of the server [default: the one that was logged in to last]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

impl Login {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let url = address::parse(&self.url)?;
        let client = Client::anonymous(&url, &reach.trust)?;
        // whoever listens there is told no password before it has said what it is
        if !client.get("/api/version").await?["Version"].is_string() {
            return Err(address::foreign(&url, "without a version"));
        }
        let password = match self.password {
            Some(password) => password,
            None => ask(&self.username)?,
        };
        let answer = client.post("/api/v1/session", json!({ "username": self.username, "password": password })).await?;
        let token = output::text(&answer, "/token").ok_or_else(|| address::foreign(&url, "a login without a token"))?;
        let mut config = Config::load();
        config.servers.insert(url.clone(), token);
        config.current = url.clone();
        config.save()?;
        output::line(format!("'{}' logged in to {url}", self.username));
        let who = Client::anywhere(&Reach { server: Some(url), ..reach.clone() }).await?;
        let who = who.get("/api/v1/session/userinfo").await?;
        for slip in who["slips"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str) {
            output::aside(format!("Warning: {slip}"));
        }
        Ok(Code::Done.into())
    }
}

/// Reads a password: from standard input when it is not a terminal, else by asking, and nobody sees what is typed.
fn ask(username: &str) -> Result<String, Failure> {
    let password = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("Password of {username}: "))?
    } else {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if password.is_empty() {
        Err(Failure::usage("no password given").hint("use --password, GANTLINE_PASSWORD, or standard input"))
    } else {
        Ok(password)
    }
}

impl Logout {
    pub(crate) async fn run(self, reach: &Reach) -> Outcome {
        let mut config = Config::load();
        let url = match self.server.as_ref().or(reach.server.as_ref()) {
            Some(said) => address::parse(said)?,
            None if config.current.is_empty() => {
                return Err(Failure::usage("logged in nowhere").hint("name a server with --server"));
            }
            None => config.current.clone(),
        };
        if config.servers.contains_key(&url) {
            let reach = Reach { server: Some(url.clone()), core: false, ..reach.clone() };
            let ended = async { Client::anywhere(&reach).await?.delete("/api/v1/session").await };
            // the session may have expired already: forgetting it is what counts here
            if let Err(failure) = ended.await {
                output::line(format!("forgot the session; the server says: {}", failure.message));
            }
            config.servers.remove(&url);
            config.save()?;
        }
        output::line(format!("logged out of {url}"));
        Ok(Code::Done.into())
    }
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
