//! The routes, one file a noun. Argo CD's paths where it has them.

mod applications;
mod clusters;
mod explain;
mod guard;
mod overview;
mod page;
mod pipelines;
mod promotions;
mod releases;
mod session;
mod whereabouts;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::Server;

/// Bodies of requests are small; a larger one is a mistake or an attack.
const BODY_LIMIT: usize = 1024 * 1024;

pub(crate) fn router(server: Server) -> Router {
    Router::new()
        .merge(page::routes())
        .route("/api/version", get(page::version))
        .route("/api/v1/session", post(session::log_in).delete(session::log_out))
        .route("/api/v1/session/userinfo", get(session::user_info))
        .route("/api/v1/overview", get(overview::get))
        .route("/api/v1/stream/overview", get(overview::stream))
        .route("/api/v1/applications", get(applications::list))
        .route("/api/v1/applications/{name}", get(applications::get).delete(applications::delete))
        .route("/api/v1/applications/{name}/sync", post(applications::sync))
        .route("/api/v1/applications/{name}/operation", axum::routing::delete(applications::terminate))
        .route("/api/v1/applications/{name}/managed-resources", get(applications::managed_resources))
        .route("/api/v1/applications/{name}/resource-tree", get(applications::resource_tree))
        .route("/api/v1/clusters", get(clusters::list))
        .route("/api/v1/pipelines", get(pipelines::list))
        .route("/api/v1/pipelines/{name}", get(pipelines::get))
        .route("/api/v1/pipelines/{name}/environments", get(pipelines::environments))
        .route("/api/v1/pipelines/{name}/promote", post(pipelines::promote))
        .route("/api/v1/pipelines/{name}/rollback", post(pipelines::roll_back))
        .route("/api/v1/pipelines/{name}/unpin", post(pipelines::unpin))
        .route("/api/v1/releases", get(releases::list))
        .route("/api/v1/releases/{name}", get(releases::get))
        .route("/api/v1/promotions", get(promotions::list))
        .route("/api/v1/promotions/{name}", get(promotions::get))
        .route("/api/v1/promotions/{name}/approve", post(promotions::approve))
        .route("/api/v1/promotions/{name}/reject", post(promotions::reject))
        .route("/api/v1/explain/{name}", get(explain::get))
        .route("/api/v1/where", get(whereabouts::get))
        .layer(middleware::from_fn(guard::same_site))
        .layer(middleware::from_fn(guard::security_headers))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(server)
}
