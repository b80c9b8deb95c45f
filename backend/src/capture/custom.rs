//! Forms of the merchant's own making (`form_type=custom`, spec A.5): scripts that are fetched once, when the form is
//! made, and build the form in a page of opaque origin. What is typed into it is the merchant's scripts' to send.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{CaptureError, options, take};
use crate::core::Core;
use crate::invalid::Invalid;
use crate::json::{Members, Value, told};
use crate::model::{HostedForm, MerchantId, Mode};
use crate::outgoing::Outgoing;
use crate::storage::StoreError;

/// The name of the kind on the wire (`form_type`).
pub const KIND: &str = "custom";
/// Where its callbacks run, on the wire (`callback_runner`): its own scripts call them.
pub const RUNNER: &str = "custom_form";
/// The largest linked script in bytes, and the most of all scripts together.
const MAX_SCRIPT: usize = 512 * 1024;
const MAX_SCRIPTS: usize = 1024 * 1024;
/// The largest linked stylesheet in bytes.
const MAX_SHEET: usize = 256 * 1024;
/// The most bytes of what the scripts are handed.
const MAX_SETTINGS: usize = 64 * 1024;
/// What the page sets by itself.
const RESERVED: [&str; 2] = ["submit_url", "submit_secret"];

/// A custom form, as stored: only what was checked.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Custom {
    /// The scripts in their order: linked ones, then the embedded one.
    pub scripts: Vec<Script>,
    /// Cleaned CSS: embedded, then linked.
    pub css: String,
    /// JavaScript function expression, handed to the form.
    pub success_callback: Option<String>,
    /// JavaScript function expression, handed to the form.
    pub error_callback: Option<String>,
    /// Everything else, handed to the form as it was given: an object as JSON text, so that numbers keep their digits.
    pub settings: String,
    /// Exact origins that may frame the page.
    pub allowed_origins: Vec<String>,
}

/// A script that was kept when the form was made.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Script {
    /// Its address, or `embedded_js`.
    pub from: String,
    /// Its text.
    pub code: String,
}

/// Reads the body of a custom form and fetches what it links.
pub async fn read(outgoing: &Outgoing, mut body: Members) -> Result<Custom, CaptureError> {
    let mut form = Custom {
        success_callback: take::script(&mut body, "success_callback")?,
        error_callback: take::script(&mut body, "error_callback")?,
        allowed_origins: take::origins(&mut body)?,
        ..Custom::default()
    };
    let embedded = take::script(&mut body, "embedded_js")?;
    if let Some(text) = take::script(&mut body, "embedded_css")? {
        form.css = take::clean("/embedded_css", &text)?;
    }
    let (scripts, sheets) = (take::links(&mut body, "js_links")?, take::links(&mut body, "css_links")?);
    if scripts.is_empty() && embedded.is_none() {
        let detail = "A custom form needs a script that defines window.custom_form: embedded_js or js_links.";
        return Err(Invalid::new("/embedded_js", "missing", detail).into());
    }
    form.settings = settings(body)?;
    for (index, link) in scripts.iter().enumerate() {
        let code = fetch(outgoing, &format!("/js_links/{index}"), link, MAX_SCRIPT).await?;
        form.scripts.push(Script { from: link.to_string(), code });
    }
    form.scripts.extend(embedded.map(|code| Script { from: "embedded_js".to_owned(), code }));
    if form.scripts.iter().map(|script| script.code.len()).sum::<usize>() > MAX_SCRIPTS {
        return Err(Invalid::new("/js_links", "too_large", "All scripts together have at most 1 MB.").into());
    }
    for (index, link) in sheets.iter().enumerate() {
        let at = format!("/css_links/{index}");
        let sheet = fetch(outgoing, &at, link, MAX_SHEET).await?;
        form.css.push_str(&take::clean(&at, &sheet)?);
    }
    Ok(form)
}

/// A custom form of a merchant, for its page.
pub async fn find(core: &Core, merchant: &MerchantId, mode: Mode, id: &str) -> Result<Custom, CaptureError> {
    let found = core.store.read().await?.find_form(merchant.clone(), mode, id.to_owned()).await?;
    parse(&found.ok_or(CaptureError::Unknown)?)
}

/// A custom form by its unguessable id, before it is known which endpoint it will be filled for.
pub async fn find_by_secret_name(core: &Core, id: &str) -> Result<Custom, CaptureError> {
    let found = core.store.read().await?.find_form_by_secret_name(id.to_owned()).await?;
    parse(&found.ok_or(CaptureError::Unknown)?)
}

/// The stored settings of a custom form; `Unknown` for forms of other kinds.
pub fn parse(form: &HostedForm) -> Result<Custom, CaptureError> {
    if form.form_type != KIND {
        return Err(CaptureError::Unknown);
    }
    let inconsistent = StoreError::Inconsistent { table: "hosted_form", what: "settings" };
    serde_json::from_str(&form.settings).map_err(|_| inconsistent.into())
}

impl Custom {
    /// What the form's scripts are handed, for an endpoint: the settings, where to send, and what the link brought.
    /// The secret is left out where it comes in the fragment.
    pub fn handed(&self, submit_url: &str, secret: Option<&str>, link: Link) -> Members {
        let mut handed = Members::parse_sealed(self.settings.as_bytes()).unwrap_or_default();
        let mut extra = Members::default();
        for (name, value) in link.extra {
            extra.set(&name, Value::text(value));
        }
        if let Some(Value::Object(own)) = handed.take("extra_data") {
            for (name, value) in own {
                extra.set(&name, value);
            }
        }
        handed.set("extra_data", Value::Object(extra));
        if let Some(reference) = link.reference {
            handed.set("reference", Value::text(reference));
        }
        handed.set("submit_url", Value::text(submit_url));
        handed.set("submit_secret", Value::text(secret.unwrap_or_default()));
        handed
    }
}

/// What the address of a page brings for the form.
pub struct Link {
    /// The reference of the captured card.
    pub reference: Option<String>,
    /// Further members.
    pub extra: Vec<(String, String)>,
}

async fn fetch(outgoing: &Outgoing, at: &str, link: &Url, most: usize) -> Result<String, Invalid> {
    outgoing.get_text(link, most).await.map_err(|error| Invalid::new(at, "unreachable", error.to_string()))
}

/// Everything that is left is the scripts' own business, but holds no card (security rule 10).
fn settings(mut body: Members) -> Result<String, CaptureError> {
    if body.take("single_use").is_some_and(|value| value.as_bool() == Some(true)) {
        let detail = "A custom form sends to its endpoint directly: make that with max_uses=1.";
        return Err(Invalid::new("/single_use", "unsupported", detail).into());
    }
    if let Some(data) = body.take("extra_data").filter(|value| !matches!(value, Value::Null)) {
        let data = options::extra_data(data).map_err(CaptureError::Invalid)?;
        body.set("extra_data", Value::Object(data));
    }
    for (name, value) in body.iter() {
        let at = format!("/{}", told(name));
        if RESERVED.contains(&name) {
            return Err(Invalid::new(at, "reserved", "The page sets this member by itself.").into());
        }
        let alone: Members = std::iter::once((name.to_owned(), value.copy())).collect();
        if shared::digits::holds_card_number(&alone.to_json()) {
            let detail = "This member holds what looks like a card number.";
            return Err(Invalid::new(at, "holds_number", detail).into());
        }
    }
    let text = body.to_json();
    if text.len() > MAX_SETTINGS {
        return Err(Invalid::new("", "too_large", "The settings of a form have at most 64 KB.").into());
    }
    Ok(text.to_string())
}
