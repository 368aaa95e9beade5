use std::borrow::Cow;
use std::marker::PhantomData;

use api::argocd::Application;
use api::gantline::{Pipeline, Promotion, Release};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Fields;

/// A kind of the Kubernetes API. Its schema is the one of its definition.
pub(crate) trait Written {
    const API_VERSION: &'static str;
    const KIND: &'static str;
    /// Lists give some of its fields where that is asked for.
    const BY_FIELDS: bool = false;

    fn written(&self) -> Value;

    /// The same as JSON text.
    fn text(&self) -> String {
        self.written().to_string()
    }

    fn definition() -> Value;
}

macro_rules! written {
    ($kind:ident, $version:expr, $definition:expr) => {
        impl Written for $kind {
            const API_VERSION: &'static str = $version;
            const KIND: &'static str = stringify!($kind);

            fn written(&self) -> Value {
                self.to_value()
            }

            fn definition() -> Value {
                $definition
            }
        }
    };
}

written!(Application, api::argocd::APPLICATION_API_VERSION, api::argocd::application_crd());
written!(Pipeline, api::gantline::API_VERSION, api::gantline::pipeline_crd());
written!(Release, api::gantline::API_VERSION, api::gantline::release_crd());
written!(Promotion, api::gantline::API_VERSION, api::gantline::promotion_crd());

/// An object of the Kubernetes API as it is written there, or the fields of it that were asked for.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent, bound = "")]
pub(crate) struct Object<T> {
    content: Content,
    #[serde(skip)]
    kind: PhantomData<T>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Content {
    /// As text: what goes out as it is needs no tree of values.
    Whole(Box<RawValue>),
    Chosen(Value),
}

impl<T: Written> Object<T> {
    pub(crate) fn of(object: &T) -> Self {
        let content = match RawValue::from_string(object.text()) {
            Ok(text) => Content::Whole(text),
            Err(_) => Content::Chosen(object.written()),
        };
        Self { content, kind: PhantomData }
    }

    /// Some of its fields.
    pub(crate) fn with(object: &T, fields: &Fields) -> Self {
        Self { content: Content::Chosen(fields.choose(object.written())), kind: PhantomData }
    }
}

impl<T: Written> PartialSchema for Object<T> {
    fn schema() -> RefOr<Schema> {
        let definition = T::definition();
        let schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default();
        serde_json::from_value(schema).unwrap_or_else(|_| RefOr::T(Schema::default()))
    }
}

impl<T: Written> ToSchema for Object<T> {
    fn name() -> Cow<'static, str> {
        T::KIND.into()
    }
}
