//! The registry over HTTP, as the OCI distribution specification 1.1 describes it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};

use super::Registry;
use super::image::digest_of;
use super::shelf::Manifest;

/// Layers of images that somebody pushes may be so large.
const LARGEST: usize = 1 << 30;

pub(crate) fn router(registry: Registry) -> Router {
    let limit = axum::extract::DefaultBodyLimit::max(LARGEST);
    Router::new().fallback(serve).layer(limit).with_state(registry)
}

/// What a path names. Repositories contain slashes, so paths are taken apart from their ends.
enum Place<'p> {
    Base,
    Catalog,
    Tags(&'p str),
    Manifest(&'p str, &'p str),
    Blob(&'p str),
    Uploads,
    Upload(u64),
}

fn place(path: &str) -> Option<Place<'_>> {
    let rest = path.strip_prefix("/v2")?.trim_start_matches('/');
    if rest.is_empty() {
        return Some(Place::Base);
    }
    if rest == "_catalog" {
        return Some(Place::Catalog);
    }
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return Some(Place::Tags(repository));
    }
    if rest.trim_end_matches('/').ends_with("/blobs/uploads") {
        return Some(Place::Uploads);
    }
    if let Some((_, upload)) = rest.rsplit_once("/blobs/uploads/") {
        return upload.parse().ok().map(Place::Upload);
    }
    if let Some((_, digest)) = rest.rsplit_once("/blobs/") {
        return Some(Place::Blob(digest));
    }
    let (repository, reference) = rest.rsplit_once("/manifests/")?;
    Some(Place::Manifest(repository, reference))
}

async fn serve(
    State(registry): State<Registry>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(place) = place(uri.path()) else { return problem(StatusCode::NOT_FOUND, "UNSUPPORTED", "no such path") };
    let reads = matches!(method, Method::GET | Method::HEAD);
    let digest = query(&uri, "digest");
    let mut response = match place {
        Place::Base if reads => json_answer(&json!({})),
        Place::Catalog if reads => json_answer(&json!({ "repositories": registry.shelf().repositories() })),
        Place::Tags(repository) if reads => tags(&registry, repository, &uri),
        Place::Manifest(repository, reference) if reads => manifest(&registry, repository, reference),
        Place::Manifest(repository, reference) if method == Method::PUT => {
            put_manifest(&registry, repository, reference, &headers, &body)
        }
        Place::Manifest(repository, reference) if method == Method::DELETE => delete(&registry, repository, reference),
        Place::Blob(digest) if reads => blob(&registry, digest),
        Place::Uploads if method == Method::POST => begin(&registry, uri.path(), digest.as_deref(), &body),
        Place::Upload(upload) if method == Method::PATCH => append(&registry, uri.path(), upload, &body),
        Place::Upload(upload) if method == Method::PUT => {
            finish(&registry, uri.path(), upload, digest.as_deref(), &body)
        }
        _ => problem(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported"),
    };
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

fn query(uri: &Uri, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_owned().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn answer(code: StatusCode, headers: &[(&'static str, String)], body: Vec<u8>) -> Response {
    let mut response = Response::builder().status(code).header("docker-distribution-api-version", "registry/2.0");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    // names come from this file and values from checked digests, so this cannot fail for what is served here
    response.body(Body::from(body)).unwrap_or_else(|_| Response::new(Body::empty()))
}

fn json_answer(value: &Value) -> Response {
    answer(StatusCode::OK, &[("content-type", "application/json".into())], value.to_string().into_bytes())
}

fn problem(code: StatusCode, name: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "code": name, "message": message }] }).to_string();
    answer(code, &[("content-type", "application/json".into())], body.into_bytes())
}

fn not_kept(error: &std::io::Error) -> Response {
    let message = format!("the registry's folder cannot be written: {error}: make room, then repeat it");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", &message)
}

fn tags(registry: &Registry, repository: &str, uri: &Uri) -> Response {
    let Some(all) = registry.shelf().tags(repository) else {
        return problem(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let last = query(uri, "last").unwrap_or_default();
    let count = query(uri, "n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let page: Vec<&String> = all.iter().filter(|tag| **tag > last).take(count).collect();
    let more = all.last() > page.last().copied();
    let body = json!({ "name": repository, "tags": page }).to_string().into_bytes();
    let mut headers = vec![("content-type", "application/json".to_owned())];
    if let Some(last) = page.last().filter(|_| more) {
        headers.push(("link", format!("</v2/{repository}/tags/list?n={count}&last={last}>; rel=\"next\"")));
    }
    answer(StatusCode::OK, &headers, body)
}

fn manifest(registry: &Registry, repository: &str, reference: &str) -> Response {
    let Some((digest, manifest)) = registry.shelf().manifest(repository, reference) else {
        return problem(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown to registry");
    };
    let length = manifest.body.len().to_string();
    let headers = [
        ("content-type", manifest.media_type),
        ("docker-content-digest", digest.clone()),
        ("etag", format!("\"{digest}\"")),
        ("content-length", length),
    ];
    answer(StatusCode::OK, &headers, manifest.body)
}

fn put_manifest(registry: &Registry, repository: &str, reference: &str, headers: &HeaderMap, body: &Bytes) -> Response {
    let Ok(parsed) = serde_json::from_slice::<Value>(body) else {
        return problem(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", "manifest is not JSON");
    };
    let by_digest = reference.contains(':');
    if by_digest && reference != digest_of(body) {
        return problem(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "provided digest did not match uploaded content");
    }
    let mut shelf = registry.shelf();
    let layers = parsed["layers"].as_array().cloned().unwrap_or_default();
    for part in layers.iter().chain([&parsed["config"]]).filter_map(|part| part["digest"].as_str()) {
        if shelf.blob(part).is_none() {
            return problem(
                StatusCode::NOT_FOUND,
                "MANIFEST_BLOB_UNKNOWN",
                &format!("blob {part} unknown to registry"),
            );
        }
    }
    let declared = headers.get("content-type").and_then(|value| value.to_str().ok());
    let media_type = declared.or(parsed["mediaType"].as_str()).unwrap_or(super::image::MANIFEST).to_owned();
    let tag = (!by_digest).then_some(reference);
    let digest = match shelf.put_manifest(repository, tag, Manifest { media_type, body: body.to_vec() }) {
        Ok(digest) => digest,
        Err(error) => return not_kept(&error),
    };
    let location = format!("/v2/{repository}/manifests/{digest}");
    answer(StatusCode::CREATED, &[("location", location), ("docker-content-digest", digest)], Vec::new())
}

fn delete(registry: &Registry, repository: &str, reference: &str) -> Response {
    let mut shelf = registry.shelf();
    let gone = if reference.contains(':') {
        shelf.delete_manifest(repository, reference)
    } else {
        shelf.delete_tag(repository, reference)
    };
    match gone {
        Ok(true) => answer(StatusCode::ACCEPTED, &[], Vec::new()),
        Ok(false) => problem(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown to registry"),
        Err(error) => not_kept(&error),
    }
}

fn blob(registry: &Registry, digest: &str) -> Response {
    let Some(bytes) = registry.shelf().blob(digest) else {
        return problem(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry");
    };
    let headers = [
        ("content-type", "application/octet-stream".to_owned()),
        ("docker-content-digest", digest.to_owned()),
        ("content-length", bytes.len().to_string()),
    ];
    answer(StatusCode::OK, &headers, bytes)
}

fn begin(registry: &Registry, path: &str, digest: Option<&str>, body: &Bytes) -> Response {
    let base = path.trim_end_matches('/');
    if let Some(digest) = digest {
        return stored(registry, base, digest, body);
    }
    let upload = registry.shelf().begin_upload();
    let headers = [
        ("location", format!("{base}/{upload}")),
        ("range", "0-0".to_owned()),
        ("docker-upload-uuid", upload.to_string()),
    ];
    answer(StatusCode::ACCEPTED, &headers, Vec::new())
}

fn append(registry: &Registry, path: &str, upload: u64, body: &Bytes) -> Response {
    match registry.shelf().append(upload, body) {
        Some(length) => {
            let range = format!("0-{}", length.saturating_sub(1));
            answer(StatusCode::ACCEPTED, &[("location", path.to_owned()), ("range", range)], Vec::new())
        }
        None => problem(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
    }
}

fn finish(registry: &Registry, path: &str, upload: u64, digest: Option<&str>, body: &Bytes) -> Response {
    let Some(digest) = digest else {
        return problem(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the digest parameter is missing");
    };
    let begun = registry.shelf().end_upload(upload);
    let Some(mut bytes) = begun else {
        return problem(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    };
    bytes.extend_from_slice(body);
    let base = path.rsplit_once('/').map_or(path, |(base, _)| base);
    stored(registry, base, digest, &bytes)
}

/// `uploads`: the path of the repository's uploads.
fn stored(registry: &Registry, uploads: &str, digest: &str, bytes: &[u8]) -> Response {
    if digest != digest_of(bytes) {
        return problem(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "provided digest did not match uploaded content");
    }
    if let Err(error) = registry.shelf().put_blob(bytes) {
        return not_kept(&error);
    }
    let location = format!("{}/{digest}", uploads.trim_end_matches("/uploads"));
    answer(StatusCode::CREATED, &[("location", location), ("docker-content-digest", digest.to_owned())], Vec::new())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(registry: &Registry, method: &str, path: &str, body: &[u8]) -> (u16, HeaderMap, Vec<u8>) {
        let request = axum::http::Request::builder().method(method).uri(path).body(Body::from(body.to_vec())).unwrap();
        let response = registry.router().oneshot(request).await.unwrap();
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        (code, headers, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn check(registry: &Registry, method: &str, path: &str, body: &[u8], code: u16) -> (HeaderMap, Vec<u8>) {
        let (got, headers, bytes) = ask(registry, method, path, body).await;
        assert_eq!(got, code, "{method} {path}: {}", String::from_utf8_lossy(&bytes));
        (headers, bytes)
    }

    #[tokio::test]
    async fn images_are_read_by_tag_and_digest() {
        let registry = Registry::in_memory(["*"]);
        let digest = registry.push_image("shop/web", "1.0", &BTreeMap::new());
        registry.push_image("shop/web", "1.1", &BTreeMap::new());
        check(&registry, "GET", "/v2/", b"", 200).await;
        let (headers, bytes) = check(&registry, "GET", "/v2/shop/web/manifests/1.0", b"", 200).await;
        assert_eq!(headers["docker-content-digest"], digest.as_str());
        assert_eq!(headers["content-type"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(digest_of(&bytes), digest);
        let (headers, body) = check(&registry, "HEAD", &format!("/v2/shop/web/manifests/{digest}"), b"", 200).await;
        assert!(body.is_empty() && headers["content-length"] == bytes.len().to_string());
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        for part in [&manifest["config"], &manifest["layers"][0]] {
            let path = format!("/v2/shop/web/blobs/{}", part["digest"].as_str().unwrap());
            let (_, blob) = check(&registry, "GET", &path, b"", 200).await;
            assert_eq!((json!(digest_of(&blob)), json!(blob.len())), (part["digest"].clone(), part["size"].clone()));
        }
        let (_, tags) = check(&registry, "GET", "/v2/shop/web/tags/list", b"", 200).await;
        assert_eq!(
            serde_json::from_slice::<Value>(&tags).unwrap(),
            json!({ "name": "shop/web", "tags": ["1.0", "1.1"] })
        );
        let (headers, tags) = check(&registry, "GET", "/v2/shop/web/tags/list?n=1", b"", 200).await;
        assert!(
            headers["link"].to_str().unwrap().contains("last=1.0")
                && String::from_utf8(tags).unwrap().contains("[\"1.0\"]")
        );
        check(&registry, "GET", "/v2/shop/web/manifests/2.0", b"", 404).await;
        check(&registry, "GET", "/v2/shop/api/tags/list", b"", 404).await;
        check(&registry, "GET", "/v1/_ping", b"", 404).await;
        check(&registry, "POST", "/v2/", b"", 405).await;
        check(&registry, "DELETE", "/v2/shop/web/manifests/1.0", b"", 202).await;
        check(&registry, "HEAD", "/v2/shop/web/manifests/1.0", b"", 404).await;
    }

    #[tokio::test]
    async fn clients_push_in_one_piece_or_several() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path(), ["*"]).unwrap();
        let digest = digest_of(b"hello");
        check(&registry, "POST", &format!("/v2/a/b/blobs/uploads/?digest={digest}"), b"hello", 201).await;
        let (headers, _) = check(&registry, "POST", "/v2/a/b/blobs/uploads/", b"", 202).await;
        let upload = headers["location"].to_str().unwrap().to_owned();
        let (headers, _) = check(&registry, "PATCH", &upload, b"wor", 202).await;
        assert_eq!(headers["range"], "0-2");
        let config = digest_of(b"world");
        check(&registry, "PUT", &format!("{upload}?digest={config}"), b"ld", 201).await;
        check(&registry, "PUT", &format!("{upload}?digest={config}"), b"", 404).await;
        check(&registry, "POST", &format!("/v2/a/b/blobs/uploads/?digest={digest}"), b"other", 400).await;
        let manifest =
            json!({ "config": { "digest": config, "size": 5 }, "layers": [{ "digest": digest, "size": 5 }] })
                .to_string();
        check(&registry, "PUT", "/v2/a/b/manifests/1", manifest.as_bytes(), 201).await;
        let unknown = manifest.replace(&digest, &digest_of(b"never pushed"));
        check(&registry, "PUT", "/v2/a/b/manifests/1", unknown.as_bytes(), 404).await;
        check(&registry, "PUT", "/v2/a/b/manifests/1", b"{", 400).await;
        let again = Registry::open(folder.path(), ["*"]).unwrap();
        let (_, bytes) = check(&again, "GET", "/v2/a/b/manifests/1", b"", 200).await;
        assert_eq!(bytes, manifest.as_bytes());
        check(&again, "HEAD", &format!("/v2/a/b/blobs/{config}"), b"", 200).await;
    }
}
