//! The routes, one file a noun. Argo CD's paths where it has them.

mod applications;
mod clusters;
mod describe;
mod document;
mod explain;
pub(crate) mod guard;
mod lines;
mod nowhere;
mod overview;
mod page;
mod pipelines;
mod promotions;
mod releases;
mod session;
mod table;
mod text;
mod timeline;
mod voices;
mod whereabouts;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::{Json, Router, middleware};
use serde_json::Value;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::Server;
use crate::rights::{Needs, Resource, Verb};
use nowhere::Nowhere;
use table::Table;

/// Bodies of requests are small; a larger one is a mistake or an attack.
const BODY_LIMIT: usize = 1024 * 1024;

pub(crate) fn router(server: Server) -> Router {
    let table = table();
    let (no_path, no_method) = (Nowhere::of(&table), Nowhere::of(&table));
    table
        .into_router(&server)
        .fallback(async move |method: Method, uri: Uri| no_path.path(&method, &uri))
        .method_not_allowed_fallback(async move |method: Method, uri: Uri| no_method.method(&method, &uri))
        .layer(middleware::from_fn(guard::same_site))
        .layer(middleware::from_fn(guard::security_headers))
        .layer(middleware::from_fn_with_state(server.clone(), guard::dated))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        // a list of Applications is a tenth of it; streams of events are left alone
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .with_state(server)
}

/// The OpenAPI 3.1 document of all routes.
pub fn openapi() -> Value {
    document::document(table())
}

async fn openapi_json() -> Json<document::OpenApi> {
    Json(document::OpenApi(openapi()))
}

#[rustfmt::skip]
fn table() -> Table {
    use Needs::{Nothing, Right, Session};
    use Resource::{Applications, Clusters, Logs, Pipelines, Promotions, Releases};
    use Verb::{Approve, Delete, Get, Lift, Promote, Reject, RollBack, Sync, Unpin};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    Table::default()
        .route(GET, "/", Nothing, "The page", page::html)
        .route(GET, "/app.css", Nothing, "Its style", page::style)
        .route(GET, "/app.js", Nothing, "Its script", page::script)
        .route(GET, "/healthz", Nothing, "Whether the server runs", page::health)
        .route(GET, "/metrics", Nothing, "Figures for Prometheus", page::metrics)
        .route(GET, "/api/version", Nothing, "The version", page::version)
        .route(GET, "/api/openapi.json", Nothing, "This document", openapi_json)
        .route(POST, "/api/v1/session", Nothing, "Log in", session::log_in)
        .with_body_limit(session::BODY_LIMIT)
        .route(DELETE, "/api/v1/session", Session, "Log out: the session ends everywhere", session::log_out)
        .route(GET, "/api/v1/session/userinfo", Nothing, "Who asks", session::user_info)
        .route(GET, "/api/v1/overview", Session, "What there is now", overview::get)
        .route(GET, "/api/v1/stream/overview", Session, "What there is now, and what changes from then on", overview::stream)
        .route(GET, "/api/v1/applications", Right(Applications, Get), "Applications by namespace and name", applications::list)
        .route(GET, "/api/v1/applications/{name}", Right(Applications, Get), "An Application", applications::get)
        .route(DELETE, "/api/v1/applications/{name}", Right(Applications, Delete), "Delete an Application", applications::delete)
        .route(POST, "/api/v1/applications/{name}/sync", Right(Applications, Sync), "Start a sync", applications::sync)
        .route(DELETE, "/api/v1/applications/{name}/operation", Right(Applications, Sync), "End the sync that is under way", applications::terminate)
        .route(GET, "/api/v1/applications/{name}/managed-resources", Right(Applications, Get), "Each object with its differences", applications::managed_resources)
        .route(POST, "/api/v1/applications/{name}/diff", Right(Applications, Get), "How manifests compare with what is there; needs the right to override", applications::diff)
        .with_body_limit(applications::MANIFESTS_LIMIT)
        .route(GET, "/api/v1/applications/{name}/resource-tree", Right(Applications, Get), "The objects and what grew out of them", applications::resource_tree)
        .route(GET, "/api/v1/applications/{name}/logs", Right(Logs, Get), "What its containers print", voices::logs)
        .route(GET, "/api/v1/applications/{name}/events", Right(Applications, Get), "Events about it, or about one of its objects", voices::events)
        .route(GET, "/api/v1/clusters", Right(Clusters, Get), "Clusters by server, and whether each answers", clusters::list)
        .route(GET, "/api/v1/clusters/{server}", Right(Clusters, Get), "A cluster by server or name, and whether it answers", clusters::get)
        .route(GET, "/api/v1/pipelines", Right(Pipelines, Get), "Pipelines by name", pipelines::list)
        .route(GET, "/api/v1/pipelines/{name}", Right(Pipelines, Get), "A Pipeline", pipelines::get)
        .route(GET, "/api/v1/pipelines/{name}/environments", Right(Pipelines, Get), "Where its environments stand", pipelines::environments)
        .route(POST, "/api/v1/pipelines/{name}/promote", Right(Pipelines, Promote), "Ask for a release in an environment", pipelines::promote)
        .route(POST, "/api/v1/pipelines/{name}/rollback", Right(Pipelines, RollBack), "Go back to the release before", pipelines::roll_back)
        .route(POST, "/api/v1/pipelines/{name}/unpin", Right(Pipelines, Unpin), "Let releases come by themselves again", pipelines::unpin)
        .route(GET, "/api/v1/releases", Right(Releases, Get), "Releases, the newest first", releases::list)
        .route(GET, "/api/v1/releases/{name}", Right(Releases, Get), "A release by name, tag or digest", releases::get)
        .route(POST, "/api/v1/releases/{name}/lift", Right(Releases, Lift), "Lift the quarantine of a release", releases::lift)
        .route(GET, "/api/v1/promotions", Right(Promotions, Get), "Promotions, the newest first", promotions::list)
        .route(GET, "/api/v1/promotions/{name}", Right(Promotions, Get), "A Promotion", promotions::get)
        .route(POST, "/api/v1/promotions/{name}/approve", Right(Pipelines, Approve), "Say yes", promotions::approve)
        .route(POST, "/api/v1/promotions/{name}/reject", Right(Pipelines, Reject), "Say no", promotions::reject)
        .route(GET, "/api/v1/timeline", Session, "What happened, the newest first, page by page", timeline::get)
        .route(GET, "/api/v1/explain/{name}", Session, "Why an Application is not green, or a release does not move", explain::get)
        .route(GET, "/api/v1/where", Session, "Where an image runs", whereabouts::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_committed() {
        let made = format!("{:#}\n", openapi());
        let committed = include_str!("../../../../docs/openapi.json");
        assert!(made == committed, "docs/openapi.json is old: cargo run -- debug openapi > docs/openapi.json");
    }

    #[test]
    fn whoever_needs_something_is_asked_for_it() {
        for row in table().0 {
            let asked = row.described.asks == (row.needs != Needs::Nothing);
            assert!(asked, "{} {} takes an Asker where it needs something, and only there", row.method, row.path);
        }
    }
}
