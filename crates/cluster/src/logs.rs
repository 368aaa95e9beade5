//! What containers print.

use futures::{Stream, TryStreamExt};
use http::Method;
use http_body_util::BodyExt;
use object::GroupKind;

use crate::request::Call;
use crate::watch::{Lines, Longest};
use crate::{Cluster, ClusterError};

/// Containers may print without ever ending a line.
const LONGEST: Longest = Longest::Cut(64 << 10);

/// Which lines of a pod's log.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Empty: the only container, or the default one.
    pub container: String,
    pub follow: bool,
    pub previous: bool,
    pub timestamps: bool,
    pub tail_lines: Option<u32>,
    pub since_seconds: Option<u32>,
}

impl Cluster {
    /// The lines of a pod's log, without line ends, as they are asked for: long ones in pieces.
    ///
    /// # Errors
    /// When there is no such pod or container, or the server refuses.
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: &LogOptions,
    ) -> Result<impl Stream<Item = Result<String, ClusterError>> + Send + use<>, ClusterError> {
        let resource = self.resource(&GroupKind::new("", "Pod")).await?;
        let object = format!("logs of {namespace}/{pod}");
        let on = |flag: bool| flag.then_some("true");
        let call = Call::new(Method::GET, format!("{}/log", resource.path(namespace, pod)), object.as_str())
            .accept("*/*")
            .query_some("container", (!options.container.is_empty()).then_some(options.container.as_str()))
            .query_some("follow", on(options.follow))
            .query_some("previous", on(options.previous))
            .query_some("timestamps", on(options.timestamps))
            .query_some("tailLines", options.tail_lines.map(|n| n.to_string()))
            .query_some("sinceSeconds", options.since_seconds.map(|n| n.to_string()));
        let body = call.open(self).await?.into_body();
        let lines = Lines::new(body.into_data_stream(), object, LONGEST);
        Ok(lines.into_stream().map_ok(|line| String::from_utf8_lossy(&line).into_owned()))
    }
}
