//! Texts that are no JSON, each with its kind: what a header says and the document.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// What a text is.
pub(super) trait Kind {
    const KIND: &'static str;
}

macro_rules! kinds {
    ($($name:ident $kind:literal;)*) => {
        $(
            #[derive(Debug)]
            pub(super) struct $name;

            impl Kind for $name {
                const KIND: &'static str = $kind;
            }
        )*
    };
}

kinds! {
    Html "text/html; charset=utf-8";
    Css "text/css; charset=utf-8";
    JavaScript "text/javascript; charset=utf-8";
    OpenMetrics "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

/// A text of a kind. Whoever has one asks whether it is still so.
#[derive(Debug)]
pub(super) struct Text<K>(Cow<'static, str>, PhantomData<K>);

impl<K> Text<K> {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into(), PhantomData)
    }
}

impl<K: Kind> IntoResponse for Text<K> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, K::KIND), (header::CACHE_CONTROL, "no-cache")], self.0).into_response()
    }
}
