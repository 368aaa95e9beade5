use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Object;
use super::object::Written;

/// Objects of one kind, as Kubernetes lists them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub(crate) struct List<T> {
    api_version: &'static str,
    kind: String,
    metadata: ListMeta,
    items: Vec<Object<T>>,
}

/// What a page of a list says of the rest.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListMeta {
    /// Ask for the next page with it; absent on the last one.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remaining_item_count: Option<usize>,
}

impl<T: Written> List<T> {
    /// A list that is whole.
    pub(crate) fn whole(items: Vec<Object<T>>) -> Self {
        Self::page(items, ListMeta::default())
    }

    pub(crate) fn page(items: Vec<Object<T>>, metadata: ListMeta) -> Self {
        Self { api_version: T::API_VERSION, kind: format!("{}List", T::KIND), metadata, items }
    }
}

impl<T: Written> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        ObjectBuilder::new()
            .property("apiVersion", text())
            .property("kind", text())
            .property("metadata", Ref::from_schema_name(ListMeta::name()))
            .property("items", ArrayBuilder::new().items(item::<T>()))
            .required("apiVersion")
            .required("kind")
            .required("metadata")
            .required("items")
            .into()
    }
}

/// The whole object, or those of its fields that `fields` names.
fn item<T: Written>() -> RefOr<Schema> {
    let whole = Ref::from_schema_name(T::KIND);
    if !T::BY_FIELDS {
        return whole.into();
    }
    let about = "What the query's `fields` names of it, at the same places.";
    let chosen = ObjectBuilder::new().schema_type(Type::Object).description(Some(about));
    AnyOfBuilder::new().item(whole).item(chosen).into()
}

impl<T: Written> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::KIND).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ListMeta::name().into(), ListMeta::schema()));
        schemas.push((T::KIND.to_owned(), Object::<T>::schema()));
    }
}
