//! A host that takes every connection and never says a word.

use std::net::TcpListener;

/// On loopback until it is dropped.
#[derive(Debug)]
pub struct SilentHost(TcpListener);

impl SilentHost {
    /// # Panics
    /// When no port is free.
    #[expect(clippy::expect_used, reason = "a test cannot go on without its host")]
    pub fn start() -> Self {
        // the system takes connections for who listens; nobody reads them
        Self(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    /// What is at a path that begins with `/`.
    ///
    /// # Panics
    /// When the system does not tell its address.
    #[expect(clippy::expect_used, reason = "as above")]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.local_addr().expect("an address"))
    }
}
