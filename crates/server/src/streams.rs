//! Streams that people follow: so many at a time, of each and of all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;

use crate::error::ApiError;

const OF_ALL: usize = 200;
const OF_ONE: usize = 10;
/// Seconds after which it may be tried again.
const AGAIN: i64 = 5;

/// Who follows how many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Followed {
    user: String,
    all: Streams,
}

impl Streams {
    /// # Errors
    /// 429 when the user follows too many, 503 when all do.
    pub(crate) fn follow(&self, user: &str) -> Result<Followed, ApiError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (own, all) = (open.get(user).copied().unwrap_or_default(), open.values().sum::<usize>());
        if own >= OF_ONE {
            let message = format!("{user} follows {OF_ONE} streams already, and more are not served: close one");
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(AGAIN));
        }
        if all >= OF_ALL {
            let message = format!("{OF_ALL} streams are followed already, and more are not served: try again later");
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(AGAIN));
        }
        *open.entry(user.to_owned()).or_default() += 1;
        Ok(Followed { user: user.to_owned(), all: self.clone() })
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let mut open = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_some_and_all_together_have_more() {
        let streams = Streams::default();
        let mut open: Vec<Followed> = Vec::new();
        for user in 0..OF_ALL / OF_ONE {
            open.extend((0..OF_ONE).map(|_| streams.follow(&user.to_string()).unwrap()));
            assert!(streams.follow(&user.to_string()).is_err());
        }
        assert!(streams.follow("late").is_err());
        open.pop();
        assert!(streams.follow("late").is_ok());
        open.clear();
        assert!(streams.0.lock().unwrap().is_empty());
    }
}
