//! The API document (OpenAPI 3.1), generated from the handlers.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
};

/// The document without paths: title, version, ways to authenticate.
pub fn frame() -> OpenApi {
    let basic = Http::builder()
        .scheme(HttpAuthScheme::Basic)
        .description(Some(
            "`user` and `password` of `cardamom merchant create`. The mode is the credential's.",
        ))
        .build();
    let key = ApiKeyValue::with_description(
        "Authorization",
        "`Bearer <api_key>` or `APIKEY <api_key>`, with the api_key of `cardamom merchant create`.",
    );
    let session = ApiKeyValue::with_description(
        "sessionToken",
        "From `POST /api/payments/paycard/tempsession`, for five minutes; opens card forms and nothing else.",
    );
    let capture = ApiKeyValue::with_description("X-Capture-Secret", "The secret of a capture endpoint.");
    let retrieve = ApiKeyValue::with_description("X-Retrieve-Secret", "The secret of a retrieve endpoint.");
    let operator = ApiKeyValue::with_description(
        "Authorization",
        "`Bearer <operator_key>`, with the operator_key of `cardamom operator-key create`.",
    );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Cardamom")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(INTRODUCTION))
                .contact(Some(ContactBuilder::new().name(Some("The Cardamom maintainers")).build()))
                .license(Some(
                    LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
                ))
                .build(),
        )
        .components(Some(
            ComponentsBuilder::new()
                .security_scheme("basic", SecurityScheme::Http(basic))
                .security_scheme("capture_secret", SecurityScheme::ApiKey(ApiKey::Header(capture)))
                .security_scheme("retrieve_secret", SecurityScheme::ApiKey(ApiKey::Header(retrieve)))
                .security_scheme("session", SecurityScheme::ApiKey(ApiKey::Query(session)))
                .security_scheme("operator", SecurityScheme::ApiKey(ApiKey::Header(operator)))
                .security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(key)))
                .build(),
        ))
        .build()
}

/// The whole document as JSON.
pub fn document() -> String {
    let (_, document) = super::router::api().split_for_parts();
    render(&document)
}

/// A document as JSON with a last line end, as files have it.
pub fn render(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

const INTRODUCTION: &str = "A vault for payment cards with hosted capture forms. \
Bodies are JSON whatever the content type says; an empty body is an empty object; a trailing slash is optional. \
Errors are problem documents (RFC 9457) with the member `error`. \
Where an operation needs credentials, the scopes that they need stand beside them. \
Secrets have a better place than the query: the passphrase in the header `X-Vault-Passphrase`, the capture secret in \
`X-Capture-Secret` or, for the hosted page, behind the address as `#secret=…`.";
