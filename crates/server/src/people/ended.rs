//! The sessions that were ended before they expired. A session belongs to an epoch, and holds only in that of the list:
//! with a list that is gone, or that somebody changed, all of its epoch are over.

use std::collections::BTreeMap;

use clock::Ids;
use cluster::{Cluster, ClusterError};
use control::SESSIONS_SECRET;
use failpoint::Point;
use jiff::Timestamp;
use object::LiveObject;
use serde::{Deserialize, Serialize};

use super::{accounts, token};

/// Of the Secret: the list, signed as sessions are.
const ENTRY: &str = "ended";
/// Whoever else writes may come first.
const ATTEMPTS: usize = 20;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ended {
    /// Another one after each loss of the list.
    pub(crate) epoch: String,
    /// Second of the expiry by the id of the session.
    sessions: BTreeMap<String, i64>,
}

impl Ended {
    /// None when it is not there, or not as a server with this key wrote it.
    pub(crate) fn read(data: &BTreeMap<String, String>, key: &[u8]) -> Option<Self> {
        token::read(data.get(ENTRY)?, key, None).ok()
    }

    pub(crate) fn has(&self, session: &str) -> bool {
        self.sessions.contains_key(session)
    }
}

/// Where the list is kept.
pub(crate) struct Book<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) namespace: &'a str,
    pub(crate) key: &'a [u8],
    pub(crate) ids: &'a Ids,
}

impl Book<'_> {
    /// The list as it stands in the cluster; with a new epoch where there is none that holds.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub(crate) async fn open(&self) -> Result<(LiveObject, Ended), ClusterError> {
        self.change(|_| {}).await
    }

    /// Ends a session for good. What would have expired by itself is left out.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub(crate) async fn end(&self, session: &str, expires: i64, now: Timestamp) -> Result<LiveObject, ClusterError> {
        let add = |ended: &mut Ended| {
            ended.sessions.retain(|_, expiry| now.as_second() < *expiry);
            ended.sessions.insert(session.to_owned(), expires);
        };
        self.change(add).await.map(|(live, _)| live)
    }

    async fn change(&self, change: impl Fn(&mut Ended)) -> Result<(LiveObject, Ended), ClusterError> {
        let mut attempts = 0;
        loop {
            let seen = accounts::get(self.cluster, self.namespace, SESSIONS_SECRET).await?;
            let known = seen.as_ref().and_then(|seen| Ended::read(&api::argocd::secret_data(seen.value()), self.key));
            let mut ended = known.clone().unwrap_or_else(|| self.new_epoch());
            change(&mut ended);
            if let (Some(seen), true) = (&seen, known.as_ref() == Some(&ended)) {
                return Ok((seen.clone(), ended));
            }
            match self.write(seen.as_ref(), &ended).await {
                // what somebody else wrote meanwhile counts
                Err(ClusterError::AlreadyExists { .. } | ClusterError::Conflict { .. }) if attempts < ATTEMPTS => {
                    attempts += 1;
                }
                written => return written.map(|live| (live, ended)),
            }
        }
    }

    fn new_epoch(&self) -> Ended {
        Ended { epoch: self.ids.uuid(), sessions: BTreeMap::new() }
    }

    async fn write(&self, seen: Option<&LiveObject>, ended: &Ended) -> Result<LiveObject, ClusterError> {
        let signed = token::sign(ended, self.key).map_err(|error| ClusterError::Malformed {
            object: format!("Secret {SESSIONS_SECRET}"),
            message: error.to_string(),
        })?;
        let data = BTreeMap::from([(ENTRY.to_owned(), signed)]);
        failpoint::before(Point::SessionEnd);
        let written = accounts::put(self.cluster, self.namespace, SESSIONS_SECRET, seen, data).await;
        failpoint::after(Point::SessionEnd);
        written
    }
}
