//! What the types of a handler tell of its route: parameters, body, answer.

use axum::Json;
use axum::http::HeaderMap;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Schema};
use utoipa::{IntoParams, ToSchema};

use super::lines::{self, Lines};
use super::text::{Kind, Text};
use crate::Server;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::{Body, Caller, Path, Query};

/// A route as its handler's types have it.
#[derive(Default)]
pub(crate) struct Described {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    pub(super) answer: Option<Response>,
    /// The schemas that are referred to, by name.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
    /// The handler takes an [`Asker`].
    pub(super) asks: bool,
}

impl Described {
    fn reference<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name())
    }

    fn answer(&mut self, kind: &str, schema: Option<Ref>, description: &str) {
        let content = ContentBuilder::new().schema(schema).build();
        self.answer = Some(ResponseBuilder::new().description(description).content(kind, content).build());
    }
}

/// An argument of a handler.
pub(super) trait Part {
    fn describe(_: &mut Described) {}
}

impl Part for axum::extract::State<Server> {}
impl Part for Path<String> {}
impl Part for HeaderMap {}
impl Part for Caller {}

impl Part for Asker {
    fn describe(described: &mut Described) {
        described.asks = true;
    }
}

impl<T: IntoParams> Part for Query<T> {
    fn describe(described: &mut Described) {
        described.parameters.extend(T::into_params(|| Some(ParameterIn::Query)));
    }
}

impl<T: ToSchema> Part for Body<T> {
    fn describe(described: &mut Described) {
        let schema = described.reference::<T>();
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        described.body = Some(body.build());
    }
}

/// What a handler answers.
pub(super) trait Answer {
    fn describe(described: &mut Described);
}

impl<T: ToSchema> Answer for Json<T> {
    fn describe(described: &mut Described) {
        let schema = described.reference::<T>();
        described.answer("application/json", Some(schema), "It is so.");
    }
}

impl<T: Answer> Answer for Result<T, ApiError> {
    fn describe(described: &mut Described) {
        T::describe(described);
    }
}

/// With headers.
impl<H, T: Answer> Answer for (H, T) {
    fn describe(described: &mut Described) {
        T::describe(described);
    }
}

impl Answer for &'static str {
    fn describe(described: &mut Described) {
        described.answer("text/plain; charset=utf-8", None, "A text.");
    }
}

impl<K: Kind> Answer for Text<K> {
    fn describe(described: &mut Described) {
        described.answer(K::KIND, None, "A text.");
    }
}

impl<T: ToSchema> Answer for Lines<T> {
    fn describe(described: &mut Described) {
        let schema = described.reference::<T>();
        described.answer(lines::KIND, Some(schema), "One of these a line, as they come.");
    }
}

impl<T> Answer for axum::response::Sse<T> {
    fn describe(described: &mut Described) {
        described.reference::<crate::views::Overview>();
        described.reference::<crate::views::Delta>();
        let text = "Events: `overview` with an Overview as its data, then `delta` with a Delta for each change.";
        described.answer("text/event-stream", None, text);
    }
}

/// A handler, described by its type. `T` is what axum calls its arguments.
pub(super) trait Describe<T> {
    fn describe() -> Described;
}

macro_rules! describe {
    ($($part:ident)*) => {
        impl<F, M, Returned, Answered, $($part),*> Describe<(M, $($part,)*)> for F
        where
            F: Fn($($part),*) -> Returned,
            Returned: Future<Output = Answered>,
            Answered: Answer,
            $($part: Part,)*
        {
            fn describe() -> Described {
                let mut described = Described::default();
                $($part::describe(&mut described);)*
                Answered::describe(&mut described);
                described
            }
        }
    };
}

describe!();
describe!(A);
describe!(A B);
describe!(A B C);
describe!(A B C D);
describe!(A B C D E);
