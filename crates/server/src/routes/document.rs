//! The OpenAPI document of all routes, made of their table.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApiBuilder, Ref, Required, Type,
};

use super::table::{Row, Table};
use crate::rights::Needs;
use crate::views::Problem;

/// An OpenAPI document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenApi(pub(super) Value);

const ABOUT: &str = "Argo CD's paths for Applications, clusters and sessions, ours for Pipelines, Releases and Promotions. \
                     `x-needs` of an operation says which right of `argocd-rbac-cm` it needs.";
const TOKEN: &str = "token";

pub(super) fn document(table: Table) -> Value {
    let mut paths = Paths::new();
    let mut schemas = vec![(Problem::name().into_owned(), <Problem as utoipa::PartialSchema>::schema())];
    for mut row in table.0 {
        schemas.append(&mut row.described.schemas);
        let method = if row.method == "POST" {
            HttpMethod::Post
        } else if row.method == "DELETE" {
            HttpMethod::Delete
        } else {
            HttpMethod::Get
        };
        paths.add_path_operation(row.path, vec![method], operation(row));
    }
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let document = OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Gantline").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).build())
        .paths(paths)
        .components(Some(ComponentsBuilder::new().schemas_from_iter(schemas).security_scheme(TOKEN, token).build()));
    serde_json::to_value(document.build()).unwrap_or_default()
}

fn operation(row: Row) -> Operation {
    let in_path = row.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Parameter> = in_path.map(path_parameter).chain(row.described.parameters).collect();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(row.method.as_str(), row.path)))
        .summary(Some(row.about))
        .request_body(row.described.body)
        .response("200", row.described.answer.unwrap_or_default())
        .response("default", problem("It is not so: the message says why, and what to do next."))
        .extensions(Some(ExtensionsBuilder::new().add("x-needs", needs(row.needs)).build()));
    if row.needs != Needs::Nothing {
        operation =
            operation
                .response("401", problem("No session that holds."))
                .security(SecurityRequirement::new::<_, _, &str>(TOKEN, []));
    }
    if let Needs::Right(..) = row.needs {
        operation = operation.response("403", problem("The right is missing; also for what is not there."));
    }
    operation.parameters((!parameters.is_empty()).then_some(parameters)).build()
}

fn path_parameter(name: &str) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    parameter.schema(Some(text)).build()
}

/// `getApplicationsByNameManagedResources`
fn operation_id(method: &str, path: &str) -> String {
    let parts = path.trim_start_matches("/api/v1").split('/').map(|part| match part.strip_prefix('{') {
        Some(name) => format!("by-{}", name.trim_end_matches('}')),
        None => part.to_owned(),
    });
    let words = parts.flat_map(|part| part.split(['-', '.']).map(capitalized).collect::<Vec<_>>());
    format!("{}{}", method.to_lowercase(), words.collect::<String>())
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn needs(needs: Needs) -> Value {
    match needs {
        Needs::Nothing => json!("nothing"),
        Needs::Session => json!("session"),
        Needs::Right(resource, verb) => json!({ "resource": resource.as_str(), "verb": verb.as_str() }),
    }
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}
