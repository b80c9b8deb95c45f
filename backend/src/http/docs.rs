//! The API document as JSON and as a page to read, without any script.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::error::ApiError;
use super::router::App;
use super::scripts;

/// `GET /openapi.json`
pub fn json(document: &str) -> impl IntoResponse + use<> {
    (
        [(header::CONTENT_TYPE, "application/json"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")],
        document.to_string(),
    )
}

/// `GET /docs`. The script for shops is shown with this server's address and hashes.
pub fn page(document: &str, app: &App) -> Result<Response, ApiError> {
    let document: Value = serde_json::from_str(document).map_err(|_| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something failed on our side.")
    })?;
    let hash = style_hash();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    Ok((headers, render(&document, &embedding(app)).into_string()).into_response())
}

fn style_hash() -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(STYLE))
}

/// How a page of a shop loads the script, with the newest version that this server has.
fn embedding(app: &App) -> Markup {
    let base = app.public_url.as_str().trim_end_matches('/');
    let Some((version, script, module)) = app.assets.embed_versions().last() else { return html! {} };
    let classic = format!(
        "<script src=\"{base}/embed/{version}/embed.js\"\n  integrity=\"{}\" crossorigin=\"anonymous\"></script>",
        script.integrity
    );
    let by_module = format!(
        "<link rel=\"modulepreload\" href=\"{base}/embed/{version}/embed.mjs\"\n  integrity=\"{}\" crossorigin=\"anonymous\">\n\n\
         import {{ mount }} from \"{base}/embed/{version}/embed.mjs\";",
        module.integrity
    );
    html! {
        section id="embedding" {
            h2 { "The form in a page of yours" }
            p { "As a classic script that defines " code { "Cardamom" } ", or as a module; both are of version " (version) ", which never changes:" }
            pre { code { (classic) } }
            pre { code { (by_module) } }
            pre { code {
                "Cardamom.mount(\"#card\", { base: \"" (base) "\", form: \"…\", uniqueId: \"…\", secret: \"…\" })\n"
                "  .on(\"success\", ({ token, reference }) => { … });"
            } }
            p { "All scripts of the form with their hashes and purposes: " a href=(scripts::PATH) { "scripts.json" } "." }
        }
    }
}

fn render(document: &Value, embedding: &Markup) -> Markup {
    let text = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Cardamom API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (text(document, "/info/title")) " API " small { (text(document, "/info/version")) } }
                    p { (text(document, "/info/description")) }
                    p { "The same as a machine reads it: " a href="/openapi.json" { "openapi.json" } }
                }
                nav aria-label="Operations" {
                    ul { @for (path, method, operation) in operations(document) {
                        li { a href={ "#" (anchor(path, method)) } { code { (method) " " (path) } } " " (text(operation, "/summary")) }
                    } }
                }
                main {
                    (embedding)
                    @for (path, method, operation) in operations(document) { (section(path, method, operation)) }
                    (schemas(document))
                }
            }
        }
    }
}

fn section(path: &str, method: &str, operation: &Value) -> Markup {
    let list = |name: &str| operation.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let field =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let parameters = list("parameters");
    let responses = operation.get("responses").and_then(Value::as_object).cloned().unwrap_or_default();
    html! {
        section id=(anchor(path, method)) {
            h2 { code { span.method { (method) } " " (path) } }
            p { (field(operation, "summary")) " " (field(operation, "description")) }
            @if operation.get("security").is_some() { p.auth { (credentials(operation)) } }
            @if !parameters.is_empty() {
                table {
                    thead { tr { th { "Parameter" } th { "In" } th { "What it is" } } }
                    tbody { @for parameter in &parameters {
                        tr {
                            td { code { (field(parameter, "name")) } @if parameter.get("required") == Some(&Value::Bool(true)) { " *" } }
                            td { (field(parameter, "in")) }
                            td { (field(parameter, "description")) }
                        }
                    } }
                }
            }
            @if let Some(body) = operation.get("requestBody") { p { "Body: " (field(body, "description")) " " (reference(body)) } }
            ul.answers { @for (status, response) in &responses {
                li { code { (status) } " " (field(response, "description")) " " (reference(response)) }
            } }
        }
    }
}

/// What lets a caller in, and which scopes a credential of a merchant needs.
fn credentials(operation: &Value) -> String {
    let mut ways = Vec::new();
    let listed = operation.get("security").and_then(Value::as_array).into_iter().flatten();
    for (scheme, scopes) in listed.filter_map(Value::as_object).flatten() {
        let scopes: Vec<_> = scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let way = match (scheme.as_str(), scopes.as_slice()) {
            // Both are credentials of a merchant, with the same scopes.
            ("api_key", _) => continue,
            ("basic", []) => "a credential".to_owned(),
            ("basic", [scope]) => format!("a credential with the scope {scope}"),
            ("basic", scopes) => format!("a credential with the scopes {}", scopes.join(" and ")),
            ("operator", _) => "an operator's credential".to_owned(),
            ("session", _) => "a session token".to_owned(),
            ("capture_secret" | "retrieve_secret", _) => "the endpoint's secret".to_owned(),
            (other, _) => other.to_owned(),
        };
        ways.push(way);
    }
    format!("Needs {}.", ways.join(", or "))
}

fn schemas(document: &Value) -> Markup {
    let known =
        document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    html! {
        h2 { "Bodies" }
        @for (name, schema) in &known {
            section id={ "schema-" (name) } {
                h3 { code { (name) } }
                p { (schema.get("description").and_then(Value::as_str).unwrap_or_default()) }
                dl { @for (member, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    dt { code { (member) } }
                    dd { (inner.get("description").and_then(Value::as_str).unwrap_or_default()) " " (reference(inner)) }
                } }
            }
        }
    }
}

/// A link to the schema that is mentioned anywhere inside a value.
fn reference(value: &Value) -> Markup {
    let text = value.to_string();
    let name =
        text.split("#/components/schemas/").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    html! { @if let Some(name) = name { a href={ "#schema-" (name) } { (name) } } }
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document.get("paths").and_then(Value::as_object);
    let mut found = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            found.push((path.as_str(), method.as_str(), operation));
        }
    }
    found
}

fn anchor(path: &str, method: &str) -> String {
    format!("{method}{}", path.replace(['/', '{', '}'], "-"))
}

const STYLE: &str = "body{font:16px/1.55 system-ui,sans-serif;max-width:56rem;margin:0 auto;padding:2rem 1rem;color:#1b2430;background:#fff}\
code{font:.92em ui-monospace,monospace}pre{overflow-x:auto;padding:.8rem;border:1px solid #d7dee6}h2{margin-top:2.5rem;border-top:1px solid #d7dee6;padding-top:1.2rem;font-size:1.15rem}\
.method{text-transform:uppercase;color:#0b6b4f;font-weight:700}nav ul{list-style:none;padding:0;line-height:1.9}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid #e6ebf0}\
a{color:#0a5bb5}.auth{color:#5b6775}dt{margin-top:.5rem}dd{margin-left:1.5rem}\
@media(prefers-color-scheme:dark){body{color:#e8edf3;background:#12161c}a{color:#7ab8ff}.method{color:#5fd3ac}h2{border-color:#2b3440}th,td{border-color:#2b3440}.auth{color:#9aa7b5}}";
