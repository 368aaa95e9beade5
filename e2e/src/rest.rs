//! A server as its API is: requests with a session, answers with a status.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Somebody who asks a server without TLS.
#[derive(Debug, Clone)]
pub struct Rest {
    address: String,
    token: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// 0: none came.
    pub status: u16,
    /// Header lines.
    pub head: String,
    pub body: String,
}

impl Answered {
    /// Null where it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Rest {
    /// Without a session.
    pub fn stranger(url: &str) -> Self {
        Self { address: url.trim_start_matches("http://").to_owned(), token: String::new() }
    }

    /// A session; none where there is no answer, or a refusal.
    pub fn log_in(url: &str, name: &str, password: &str) -> Option<Self> {
        let body = serde_json::json!({ "username": name, "password": password }).to_string();
        let answer = Self::stranger(url).ask("POST", "/api/v1/session", Some(&body));
        let token = answer.json()["token"].as_str()?.to_owned();
        Some(Self { token, ..Self::stranger(url) })
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, None)
    }

    /// A body is JSON. What takes longer than half a minute counts as no answer; what never ends is read for two seconds.
    pub fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Answered {
        let none = |why: String| Answered { status: 0, head: String::new(), body: why };
        self.sent(method, path, body).unwrap_or_else(|error| none(error.to_string()))
    }

    fn sent(&self, method: &str, path: &str, body: Option<&str>) -> std::io::Result<Answered> {
        let mut stream = TcpStream::connect(&self.address)?;
        let seconds = if path.contains("/stream/") { 2 } else { 30 };
        stream.set_read_timeout(Some(Duration::from_secs(seconds)))?;
        let session =
            if self.token.is_empty() { String::new() } else { format!("Authorization: Bearer {}\r\n", self.token) };
        let body = body.unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\n{session}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all((head + body).as_bytes())?;
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return Err(ended.err().unwrap_or_else(|| std::io::ErrorKind::UnexpectedEof.into()));
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Ok(Answered { status, head: head.to_owned(), body: body.to_owned() })
    }
}
