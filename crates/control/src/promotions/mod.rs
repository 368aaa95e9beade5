//! The loops for Pipelines, Releases and Promotions.

use std::sync::Arc;

use crate::context::Context;

/// Runs until it is dropped.
pub(crate) async fn run(context: Arc<Context>) {
    context.inventory.ready().await;
    futures::future::pending().await
}
