//! How the work is shared, counted when somebody asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::Shares;
use crate::driver::Share;
use crate::stores::{AppKey, Stores};
use crate::wake::Key;

/// `gantline_members` and `gantline_owned_keys`.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) shares: Shares,
    pub(crate) stores: Stores,
}

impl Figures {
    fn owned(&self) -> usize {
        let applications = self.stores.applications.all();
        let keys = applications.iter().map(|app| Key::Application(AppKey::of(app)));
        let pipelines = self.stores.pipelines.all();
        let keys = keys.chain(pipelines.iter().map(|it| Key::pipeline(&it.metadata.namespace, &it.metadata.name)));
        keys.filter(|key| Share::owns(&self.shares, key)).count()
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for (name, help, count) in [
            ("members", "Replicas that share the work", self.shares.members()),
            ("owned_keys", "Applications and Pipelines that this replica works on", self.owned()),
        ] {
            let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
