//! The one table of routes. Each row says what it needs; without that there is no way to add one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::describe::{Describe, Described};
use super::guard;
use crate::Server;
use crate::rights::Needs;

/// A route: where, what it needs, what it does.
pub(super) struct Row {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    /// One line for people.
    pub(super) about: &'static str,
    pub(super) described: Described,
    mount: Box<dyn FnOnce(Server) -> MethodRouter<Server> + Send>,
}

/// All routes.
#[derive(Default)]
pub(super) struct Table(pub(super) Vec<Row>);

impl Table {
    /// Adds a route. One that needs something is reached only by who was let in.
    pub(super) fn route<T, H>(
        mut self,
        method: Method,
        path: &'static str,
        needs: Needs,
        about: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Server> + Describe<T>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        let described = <H as Describe<T>>::describe();
        let known: Arc<[String]> = described.parameters.iter().map(|known| known.name.clone()).collect();
        let mount = move |server| {
            // the last is the first that a request meets
            on(filter, handler)
                .route_layer(middleware::from_fn_with_state(known, guard::known_query))
                .route_layer(middleware::from_fn_with_state((server, needs), guard::admit))
        };
        self.0.push(Row { method, path, needs, about, described, mount: Box::new(mount) });
        self
    }

    /// The last one takes bodies of so many bytes only.
    pub(super) fn with_body_limit(mut self, bytes: usize) -> Self {
        if let Some(Row { mount, .. }) = self.0.last_mut() {
            let inner = std::mem::replace(mount, Box::new(|_| MethodRouter::new()));
            *mount = Box::new(move |server| inner(server).layer(DefaultBodyLimit::max(bytes)));
        }
        self
    }

    pub(super) fn into_router(self, server: &Server) -> Router<Server> {
        let mut paths: BTreeMap<&str, MethodRouter<Server>> = BTreeMap::new();
        for row in self.0 {
            let methods = paths.remove(row.path).unwrap_or_default();
            paths.insert(row.path, methods.merge((row.mount)(server.clone())));
        }
        paths.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods))
    }
}
