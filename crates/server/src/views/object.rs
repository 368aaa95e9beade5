use std::borrow::Cow;
use std::marker::PhantomData;

use api::argocd::Application;
use api::gantline::{Pipeline, Promotion, Release};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A kind of the Kubernetes API. Its schema is the one of its definition.
pub(crate) trait Written {
    const API_VERSION: &'static str;
    const KIND: &'static str;
    /// Lists give some of its fields where that is asked for.
    const BY_FIELDS: bool = false;

    fn written(&self) -> Value;

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
    value: Value,
    #[serde(skip)]
    kind: PhantomData<T>,
}

impl<T: Written> Object<T> {
    pub(crate) fn of(object: &T) -> Self {
        Self { value: object.written(), kind: PhantomData }
    }

    /// The same with some of its fields.
    pub(crate) fn with(self, choose: impl FnOnce(Value) -> Value) -> Self {
        Self { value: choose(self.value), kind: PhantomData }
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
