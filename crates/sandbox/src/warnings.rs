//! What the API server warns of though it does it: `Warning` headers.

use serde_json::Value;

use crate::schema::resources::Resource;

/// Of any use of a resource that is on its way out.
pub(crate) fn of_resource(resource: &Resource) -> Option<String> {
    if resource.group.is_empty() && resource.kind == "Endpoints" {
        return Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned());
    }
    resource.definition.as_ref()?.deprecation.clone()
}

/// Of an object that was written.
pub(crate) fn of_object(resource: &Resource, object: &Value) -> Vec<String> {
    let mut out = Vec::new();
    match resource.kind.as_str() {
        "Pod" => hidden_variables(&object["spec"], "spec", &mut out),
        "PodTemplate" => hidden_variables(&object["template"]["spec"], "template.spec", &mut out),
        "CronJob" => {
            let path = "spec.jobTemplate.spec.template.spec";
            hidden_variables(&object["spec"]["jobTemplate"]["spec"]["template"]["spec"], path, &mut out);
        }
        "Secret" if object["type"] == "kubernetes.io/tls" => certificate(object, &mut out),
        "CustomResourceDefinition" => {
            for version in object["spec"]["versions"].as_array().into_iter().flatten() {
                formats(&version["schema"]["openAPIV3Schema"], &mut out);
            }
        }
        _ => hidden_variables(&object["spec"]["template"]["spec"], "spec.template.spec", &mut out),
    }
    out
}

fn hidden_variables(spec: &Value, path: &str, out: &mut Vec<String>) {
    for list in ["initContainers", "containers"] {
        for (at, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let variables = container["env"].as_array().map_or(&[][..], Vec::as_slice);
            for (index, variable) in variables.iter().enumerate() {
                let hides = variables.iter().take(index).any(|earlier| earlier["name"] == variable["name"]);
                if hides {
                    out.push(format!(
                        "{path}.{list}[{at}].env[{index}]: hides previous definition of {}, which may be dropped when using apply",
                        variable["name"]
                    ));
                }
            }
        }
    }
}

fn certificate(secret: &Value, out: &mut Vec<String>) {
    use base64::Engine as _;
    let text = secret["data"]["tls.crt"].as_str().unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    if !String::from_utf8_lossy(&bytes).contains("-----BEGIN ") {
        out.push("tls: failed to find any PEM data in certificate input".to_owned());
    }
}

/// Formats that schemas of custom resources may name.
const FORMATS: &[&str] = &[
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "date-time",
    "int32",
    "int64",
    "float",
    "double",
    "k8s-short-name",
    "k8s-long-name",
];

fn formats(schema: &Value, out: &mut Vec<String>) {
    if let Some(format) = schema["format"].as_str().filter(|format| !FORMATS.contains(format)) {
        out.push(format!("unrecognized format {format:?}"));
    }
    for property in schema["properties"].as_object().into_iter().flatten().map(|(_, property)| property) {
        formats(property, out);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            formats(&schema[inner], out);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_that_hides_another_is_named() {
        let spec = json!({ "containers": [{ "env": [{ "name": "A" }, { "name": "B" }, { "name": "A" }] }] });
        let mut out = Vec::new();
        hidden_variables(&spec, "spec", &mut out);
        let text =
            "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply";
        assert_eq!(out, [text]);
    }
}
