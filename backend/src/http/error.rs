//! One error type for every surface of ours: problem documents (RFC 9457), with the member `error` that clients
//! of the vault interface read (spec A.1). Bodies of 5xx answers hold a request id and nothing else.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::again::Again;
use crate::access::AccessError;
use crate::access::api_keys::ApiKeyError;
use crate::access::tokens::TokenKeyError;
use crate::capture::CaptureError;
use crate::crypto::CryptoError;
use crate::invalid::Invalid;
use crate::json::JsonError;
use crate::model::Refusal;
use crate::model::retrieve::Ended;
use crate::outbox::OutboxError;
use crate::outbox::log::ResendError;
use crate::outgoing::{Fault, OutgoingError};
use crate::proxy::ProxyError;
use crate::proxy::hosts::HostError;
use crate::requests::RequestError;
use crate::retrieve::RetrieveError;
use crate::storage::StoreError;
use crate::vault::VaultError;

/// An answer that says no.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Invalid>,
    again: bool,
}

/// The body of an error (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct Problem {
    /// A URI reference that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status code.
    pub status: u16,
    /// One sentence for a person.
    pub detail: String,
    /// The same sentence, for clients of the vault interface.
    pub error: String,
    /// What was refused, where one place is at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
}

/// One refused value.
#[derive(Serialize, ToSchema)]
pub struct ProblemField {
    /// JSON pointer (RFC 6901) into the body, or `/name` of a query parameter.
    pub pointer: String,
    /// The last step of the pointer.
    pub field: String,
    /// Stable name of the problem.
    pub code: String,
    /// One sentence for a person.
    pub detail: String,
}

impl ApiError {
    /// An error of a status, a stable code and a sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), again: false }
    }

    /// Unknown things of every kind, foreign ones among them: one body.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing here.")
    }

    /// An answer of ours that cannot be read back.
    pub fn unreadable() -> Self {
        Self::internal(&JsonError::NotJson)
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable name of the problem.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// As a problem document.
    pub fn problem(&self) -> Problem {
        Problem {
            kind: format!("/docs#problem-{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            error: self.detail.clone(),
            errors: self.errors.iter().map(field).collect(),
        }
    }

    /// A failure of ours, logged here with its causes.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        // The chain is logged once, here at the boundary; its texts hold no values.
        let mut chain = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            chain.push_str(": ");
            chain.push_str(&inner.to_string());
            cause = inner.source();
        }
        tracing::error!(error = chain, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something failed on our side.")
    }
}

fn field(invalid: &Invalid) -> ProblemField {
    ProblemField {
        pointer: invalid.pointer.clone(),
        field: invalid.pointer.rsplit('/').next().unwrap_or_default().to_owned(),
        code: invalid.code.to_owned(),
        detail: invalid.detail.clone(),
    }
}

/// What an error says, for surfaces whose clients parse another shape.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The status.
    pub status: StatusCode,
    /// The stable name.
    pub code: &'static str,
    /// One sentence.
    pub detail: String,
    /// The refused values.
    pub errors: Vec<Invalid>,
}

/// Marks an answer to a failure of ours; its body is written where the request's id is known.
#[derive(Clone, Copy, Debug)]
pub struct Internal;

/// The whole answer to a failure of ours: a request id and nothing else.
pub fn internal(id: &str) -> Response {
    let detail = format!("Something failed on our side. The request is {id}.");
    let mut response = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response();
    response.extensions_mut().remove::<Internal>();
    response
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            response.extensions_mut().insert(Internal);
        }
        if self.again {
            response.extensions_mut().insert(Again);
        }
        let refused =
            Refused { status: self.status, code: self.code, detail: self.detail, errors: self.errors };
        response.extensions_mut().insert(refused);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"cardamom\", charset=\"UTF-8\""),
            );
        }
        let later = match self.status {
            StatusCode::TOO_MANY_REQUESTS => Some("60"),
            StatusCode::SERVICE_UNAVAILABLE => Some("5"),
            _ => None,
        };
        if let Some(later) = later {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(later));
        }
        response
    }
}

impl From<Vec<Invalid>> for ApiError {
    fn from(errors: Vec<Invalid>) -> Self {
        let detail = errors.first().map_or("Values were refused.".to_owned(), |first| first.detail.clone());
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "invalid", detail) }
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        vec![invalid].into()
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string()),
            _ => Self::new(StatusCode::BAD_REQUEST, "malformed", error.to_string()),
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Unauthenticated => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Valid credentials are needed.")
            }
            AccessError::Forbidden(scope) => {
                let detail = format!("This credential lacks the scope {}.", scope.as_str());
                Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
            }
            AccessError::TooManyTries => {
                let detail = "Too many wrong passwords; wait a minute.";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", detail)
            }
            AccessError::Store(error) => error.into(),
            AccessError::Crypto(_) => Self::internal(&error),
        }
    }
}

impl From<ApiKeyError> for ApiError {
    fn from(error: ApiKeyError) -> Self {
        let conflict = |code, detail| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            ApiKeyError::Invalid(invalid) => invalid.into(),
            ApiKeyError::Unknown => Self::not_found(),
            ApiKeyError::Ended => conflict("ended", "This credential was ended before."),
            ApiKeyError::Own => conflict("own_credential", "A credential cannot end itself."),
            ApiKeyError::Access(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Text => {
                Self::new(StatusCode::BAD_REQUEST, "characters", "A text holds a NUL character.")
            }
            StoreError::Retry => Self { again: true, ..VaultError::Contended.into() },
            _ => Self::internal(&error),
        }
    }
}

impl From<OutboxError> for ApiError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Store(error) => error.into(),
            OutboxError::Crypto(_) => Self::internal(&error),
        }
    }
}

impl From<ResendError> for ApiError {
    fn from(error: ResendError) -> Self {
        let conflict = |code, detail| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            ResendError::Unknown => Self::not_found(),
            ResendError::Waits => conflict("waits", "This event still waits for its next attempt."),
            ResendError::Erased => conflict("erased", "The content of this event was erased."),
            ResendError::Store(error) => error.into(),
        }
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        let (status, code, detail) = match error {
            VaultError::Invalid(errors) => return errors.into(),
            VaultError::UnknownKey | VaultError::UnknownCard => return Self::not_found(),
            VaultError::WrongPassphrase => {
                (StatusCode::FORBIDDEN, "wrong_passphrase", "The passphrase does not open this key.")
            }
            VaultError::TooManyTries => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_tries",
                "Too many wrong passphrases; wait a minute.",
            ),
            VaultError::KeyExists => (StatusCode::CONFLICT, "key_exists", "A key of this name exists."),
            VaultError::KeyHasCards => (
                StatusCode::CONFLICT,
                "key_has_cards",
                "Cards are stored under this key; safe=false deletes them too.",
            ),
            VaultError::KeyIsManaged => {
                (StatusCode::CONFLICT, "key_is_managed", "The managed key cannot be changed or deleted.")
            }
            VaultError::NoCode => {
                (StatusCode::CONFLICT, "no_code", "No security code is stored with this card.")
            }
            VaultError::Contended => (
                StatusCode::SERVICE_UNAVAILABLE,
                "contended",
                "Others are changing the same thing; try again.",
            ),
            VaultError::Store(error) => return error.into(),
            VaultError::Crypto(CryptoError::Module(_) | CryptoError::UnknownVersion(_)) => {
                tracing::error!(%error, "the root key is out of reach");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "root_key",
                    "The key that this needs is out of reach at the moment; try again.",
                )
            }
            VaultError::Broken | VaultError::Crypto(_) => return Self::internal(&error),
        };
        Self::new(status, code, detail)
    }
}

impl From<TokenKeyError> for ApiError {
    fn from(error: TokenKeyError) -> Self {
        match error {
            TokenKeyError::Store(error) => error.into(),
            TokenKeyError::Crypto(error) => VaultError::from(error).into(),
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Invalid(errors) => errors.into(),
            RequestError::Unknown => Self::not_found(),
            RequestError::Over => {
                Self::new(StatusCode::CONFLICT, "over", "The card is stored already, or the link is over.")
            }
            RequestError::Signature => {
                Self::new(StatusCode::FORBIDDEN, "signature", "The report is not signed by the provider.")
            }
            RequestError::Vault(error) => error.into(),
        }
    }
}

/// Only the holder of the right secret comes to what has ended, as with capture endpoints.
impl From<RetrieveError> for ApiError {
    fn from(error: RetrieveError) -> Self {
        let gone = |code, detail| Self::new(StatusCode::NOT_FOUND, code, detail);
        match error {
            RetrieveError::Invalid(invalid) => invalid.into(),
            RetrieveError::Unknown => Self::not_found(),
            RetrieveError::Taken => Self::new(StatusCode::CONFLICT, "id_taken", "This id is taken."),
            RetrieveError::PageOnly => Self::new(
                StatusCode::FORBIDDEN,
                "page_only",
                "This secret shows its card on the hosted page alone.",
            ),
            RetrieveError::Ended(Ended::Expired) => gone("expired", "This retrieve endpoint has expired."),
            RetrieveError::Ended(Ended::UsedUp) => gone("used", "This retrieve endpoint has been used."),
            RetrieveError::Ended(Ended::KeyChanged) => {
                gone("key_changed", "This retrieve endpoint ended when its key's passphrase changed.")
            }
            RetrieveError::Vault(error) => error.into(),
        }
    }
}

impl From<ProxyError> for ApiError {
    fn from(error: ProxyError) -> Self {
        match error {
            ProxyError::Invalid(errors) => errors.into(),
            ProxyError::NotAllowed => Self::new(
                StatusCode::FORBIDDEN,
                "host_not_allowed",
                "The operator has not allowed this host for this merchant.",
            ),
            ProxyError::Unfit => {
                let detail = "This card does not fit the message: a member is missing, or a filter, an operation or a \
                              place cannot take what one holds. Nothing was sent.";
                Self::new(StatusCode::CONFLICT, "card_unfit", detail)
            }
            ProxyError::TooMany => {
                let detail = "This card did not fit too many messages; wait a minute.";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", detail)
            }
            ProxyError::Busy | ProxyError::NeedsRoom => {
                let detail = "There is no room for this call now; nothing was sent. Try again.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
            }
            ProxyError::Unknown => Self::not_found(),
            ProxyError::Unstorable(errors) => {
                let detail = "The server's answer holds no card that can be stored.";
                Self { errors, ..Self::new(StatusCode::BAD_GATEWAY, "unstorable", detail) }
            }
            ProxyError::Call(OutgoingError::Timeout) => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "proxy_timeout",
                "The server did not answer in time; it may have received the message.",
            ),
            ProxyError::Call(error) if error.fault() == Fault::Operator => Self::internal(&error),
            ProxyError::Call(error) => {
                let code = if error.fault() == Fault::Caller { "proxy_refused" } else { "proxy_failed" };
                Self::new(StatusCode::BAD_GATEWAY, code, format!("Nothing came back: {error}."))
            }
            ProxyError::Vault(error) => error.into(),
        }
    }
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Name(_) => {
                let detail = "A host is written as acquirer.example or acquirer.example:8443.";
                Invalid::new("/host", "host", detail).into()
            }
            HostError::Merchant => Self::not_found(),
            HostError::Certificate(_) => {
                let detail = "The certificate, its key or the authority cannot be used.";
                Invalid::new("/client_cert", "certificate", detail).into()
            }
            HostError::Crypto(error) => VaultError::Crypto(error).into(),
            HostError::Store(error) => error.into(),
        }
    }
}

impl From<CaptureError> for ApiError {
    fn from(error: CaptureError) -> Self {
        match error {
            CaptureError::Invalid(errors) => errors.into(),
            CaptureError::Vault(error) => error.into(),
            CaptureError::Unknown | CaptureError::UnknownCard => Self::not_found(),
            CaptureError::Taken => Self::new(StatusCode::CONFLICT, "id_taken", "This id is taken."),
            CaptureError::Refused(refusal) => refusal.into(),
        }
    }
}

/// Only the holder of the right secret comes here; the body is the one of unknown endpoints, but the detail
/// says what happened (design.md, semantics).
impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let gone = |code, detail| Self::new(StatusCode::NOT_FOUND, code, detail);
        match refusal {
            Refusal::Unknown => Self::not_found(),
            Refusal::Expired => gone("expired", "This capture endpoint has expired."),
            Refusal::UsedUp => gone("used", "This capture endpoint has been used."),
            Refusal::Disabled => {
                gone("disabled", "This capture endpoint was switched off after too many refused numbers.")
            }
            Refusal::NoCard => gone("no_card", "The card of this capture endpoint is not stored any more."),
            Refusal::TooMany => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "Too many captures; wait a minute.")
            }
            Refusal::PatchesFull => Self::new(
                StatusCode::CONFLICT,
                "patches_full",
                "Too many changes wait on this card; read or update it with its key first.",
            ),
            Refusal::Repeated => {
                Self::new(StatusCode::CONFLICT, "repeated", "This form was sent and stored before.")
            }
            Refusal::TokenTaken => Self::new(StatusCode::CONFLICT, "token_taken", "No free token was found."),
        }
    }
}
