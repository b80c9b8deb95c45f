//! Errors as JSON:API has them (spec B.8).

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Value, json};

use crate::http::error::{ApiError, Internal, Refused};
use crate::invoices::InvoiceError;

/// The code of a direct sale whose token is not good.
const SALE_TOKEN: &str = "sale_token";

/// Writes refusals as JSON:API documents. Values that were refused are 422 here, as clients expect.
pub async fn dress(request: Request, next: Next) -> Response {
    dressed(next.run(request).await)
}

/// An answer as clients of the interface read it.
pub fn dressed(response: Response) -> Response {
    let Some(refused) = response.extensions().get::<Refused>().cloned() else { return response };
    let (mut parts, _) = response.into_parts();
    if parts.status == StatusCode::BAD_REQUEST && !refused.errors.is_empty() {
        parts.status = StatusCode::UNPROCESSABLE_ENTITY;
    }
    let body = document(parts.status, &refused).to_string();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.api+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    if refused.code == SALE_TOKEN {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        parts.headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    // The error is whole: without an id in its body, which stands in the header.
    parts.extensions.remove::<Internal>();
    Response::from_parts(parts, Body::from(body))
}

fn document(status: StatusCode, refused: &Refused) -> Value {
    let entry = |code: &str, detail: &str, pointer: Option<&str>| {
        let mut entry = json!({
            "status": status.as_u16().to_string(),
            "code": code,
            "title": status.canonical_reason().unwrap_or("Error"),
            "detail": detail,
        });
        if let (Some(pointer), Some(members)) = (pointer, entry.as_object_mut()) {
            let (name, value) = match pointer.strip_prefix("/page[").or(pointer.strip_prefix("/filter[")) {
                Some(_) => ("parameter", pointer.trim_start_matches('/')),
                None => ("pointer", pointer),
            };
            members.insert("source".to_owned(), json!({ name: value }));
        }
        entry
    };
    let errors: Vec<_> = if refused.errors.is_empty() {
        vec![entry(refused.code, &refused.detail, None)]
    } else {
        refused.errors.iter().map(|error| entry(error.code, &error.detail, Some(&error.pointer))).collect()
    };
    json!({ "errors": errors })
}

impl From<InvoiceError> for ApiError {
    fn from(error: InvoiceError) -> Self {
        let unprocessable = |code, detail: String| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        match error {
            InvoiceError::Invalid(errors) => errors.into(),
            InvoiceError::Unknown => Self::not_found(),
            InvoiceError::SaleToken => {
                let detail = "The token of this sale is not valid, has ended, or was used.";
                Self::new(StatusCode::UNAUTHORIZED, SALE_TOKEN, detail)
            }
            InvoiceError::State(detail) => unprocessable("state", detail.to_owned()),
            InvoiceError::Busy => {
                let detail = "A payment, capture or refund of this invoice is under way; look again soon.";
                Self::new(StatusCode::CONFLICT, "busy", detail)
            }
            InvoiceError::Declined(resolution) => {
                unprocessable("declined", format!("The acquirer refused it: {resolution}."))
            }
            InvoiceError::Operation(error) => Self::internal(&error),
            InvoiceError::Vault(error) => error.into(),
        }
    }
}
