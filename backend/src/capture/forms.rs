//! Hosted forms: a merchant's settings, checked when they are made, and what a page needs of them.

use shared::{Field, FormKind};
use url::Url;

use super::brands::BrandSettings;
use super::options::{self, Additional};
pub use super::settings::{Messages, Runner, Settings};
use super::theme::{self, logo};
use super::{CaptureError, custom, endpoints, take};
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::secret;
use crate::invalid::Invalid;
use crate::json::{Members, Value, told};
use crate::languages::{self, FormLanguages};
use crate::model::{HostedForm, MerchantId, Mode, Outcome};
use crate::outgoing::Outgoing;
use crate::storage::StoreError;

/// A created form.
pub struct Created {
    /// The form.
    pub form: HostedForm,
    /// Where its callbacks run (`callback_runner`).
    pub runner: &'static str,
    /// Members of the body that this server does not know.
    pub ignored: Vec<String>,
    /// The language that the body asked for, and the one that is used.
    pub locale: Option<languages::Answered>,
}

/// Creates a form. `form_type` and `form_id` may stand in the query or in the body; the query wins.
pub async fn create(
    core: &Core,
    outgoing: &Outgoing,
    caller: &Caller,
    form_type: Option<String>,
    form_id: Option<String>,
    mut body: Members,
) -> Result<Created, CaptureError> {
    let form_type = form_type.or(take::text(&mut body, "form_type")?);
    let form_id = form_id.or(take::text(&mut body, "form_id")?);
    if let Some(id) = &form_id {
        endpoints::check_id("/form_id", id)?;
    }
    let id = form_id.unwrap_or_else(|| secret::generate_id(&*core.entropy));
    if form_type.as_deref() == Some(custom::KIND) {
        let form = custom::read(outgoing, body).await?;
        let settings = serde_json::to_string(&form).unwrap_or_default();
        let form = keep(core, caller, id, custom::KIND, settings, &form.allowed_origins).await?;
        return Ok(Created { form, runner: custom::RUNNER, ignored: Vec::new(), locale: None });
    }
    let kind = kind_of(form_type.as_deref())?;
    let spoken = FormLanguages::take(&mut body)?;
    let (look, logo) = theme::take(&mut body).map_err(CaptureError::Invalid)?;
    let (mut settings, links, mut ignored) = parse(body, kind)?;
    settings.look = look;
    if let Some(source) = logo {
        settings.look.logo = Some(logo::make(outgoing, source, &id).await?);
    }
    settings.languages = spoken.languages;
    ignored.extend(spoken.ignored);
    ignored.extend(options::stray_words(&settings.languages, &settings.additional));
    for (index, link) in links.iter().enumerate() {
        let at = format!("/css_links/{index}");
        let sheet = outgoing.get_text(link, 256 * 1024).await;
        let sheet = sheet.map_err(|error| Invalid::new(at.clone(), "unreachable", error.to_string()))?;
        settings.css.push_str(&take::clean(&at, &sheet)?);
    }
    let text = serde_json::to_string(&settings).unwrap_or_default();
    let form = keep(core, caller, id, kind.name(), text, &settings.allowed_origins).await?;
    Ok(Created { form, runner: settings.runner().as_str(), ignored, locale: spoken.answered })
}

async fn keep(
    core: &Core,
    caller: &Caller,
    id: String,
    form_type: &str,
    settings: String,
    allowed_origins: &[String],
) -> Result<HostedForm, CaptureError> {
    let form = HostedForm {
        id,
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        form_type: form_type.to_owned(),
        settings,
        created_at: core.now(),
    };
    let mut transaction = core.store.begin().await?;
    transaction.add_form(form.clone()).await.map_err(|error| match error {
        StoreError::Conflict => CaptureError::Taken,
        other => other.into(),
    })?;
    transaction.add_audit(core.entry(&caller.actor(), "form.create", &form.id, Outcome::Done)).await?;
    transaction.commit().await?;
    if allowed_origins.is_empty() {
        tracing::info!(form = form.id, "a form without allowed_origins may be framed by any site");
    }
    Ok(form)
}

fn kind_of(form_type: Option<&str>) -> Result<FormKind, Invalid> {
    let wrong = |code, detail| Invalid::new("/form_type", code, detail);
    match form_type {
        None => Ok(FormKind::default()),
        Some(name) => FormKind::from_name(name)
            .ok_or_else(|| wrong("unknown", "The form type has to be pcd, ach or custom.")),
    }
}

/// How the ids of fleeting forms begin: no merchant can choose such an id.
pub const FLEETING: char = '~';

/// What a fleeting form has beyond the settings of all forms, and takes over from forms of its merchant, by their
/// ids. An id of none changes nothing.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the interface by itself")]
pub struct Worn<'a> {
    /// The form whose look and languages it takes.
    pub brand: Option<&'a str>,
    /// The form whose stylesheet it takes.
    pub css: Option<&'a str>,
    /// Whether the cursor stands in the first field.
    pub auto_focus: bool,
    /// Whether the holder's name may hold no digits.
    pub plain_names: bool,
    /// Whether month and year of the expiry are chosen from lists.
    pub expiry_lists: bool,
    /// Whether the holder's identity number is asked for.
    pub owner_id: bool,
    /// Whether our own style is left out.
    pub bare: bool,
    /// Whether the page around the frame is asked before a card is sent.
    pub asks_around: bool,
}

impl Worn<'_> {
    async fn put_on(
        &self,
        core: &Core,
        caller: &Caller,
        settings: &mut Settings,
    ) -> Result<(), CaptureError> {
        if let Some(form) = find_own(core, caller, self.brand).await? {
            (settings.look, settings.languages) = (form.look, form.languages);
        }
        if let Some(form) = find_own(core, caller, self.css).await? {
            settings.css = form.css;
        }
        settings.look.bare = self.bare;
        (settings.auto_focus, settings.plain_names) = (self.auto_focus, self.plain_names);
        (settings.expiry_lists, settings.asks_around) = (self.expiry_lists, self.asks_around);
        if self.owner_id {
            settings.additional = vec![Additional::owner_id()];
        }
        Ok(())
    }
}

async fn find_own(core: &Core, caller: &Caller, id: Option<&str>) -> Result<Option<Settings>, CaptureError> {
    let Some(id) = id else { return Ok(None) };
    match settings(core, &caller.merchant, caller.mode, id).await {
        Ok(settings) => Ok(Some(settings)),
        Err(CaptureError::Unknown) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A form that a page makes for itself, swept after some days. On one day the same settings give the same form.
pub async fn fleeting(
    core: &Core,
    caller: &Caller,
    body: Members,
    worn: &Worn<'_>,
) -> Result<(String, Settings), CaptureError> {
    let (mut settings, _, _) = parse(body, FormKind::Card)?;
    worn.put_on(core, caller, &mut settings).await?;
    let text = serde_json::to_string(&settings).unwrap_or_default();
    let day = core.now().hour().div_euclid(24).to_be_bytes();
    let parts = [caller.merchant.as_str().as_bytes(), caller.mode.as_str().as_bytes(), text.as_bytes(), &day];
    let digest = crate::crypto::hex(&secret::keyed_digest(&core.subkey("fleeting form"), &parts));
    let form = HostedForm {
        id: format!("{FLEETING}{digest}"),
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        form_type: FormKind::Card.name().to_owned(),
        settings: text,
        created_at: core.now(),
    };
    let id = form.id.clone();
    if core.store.read().await?.find_form(form.merchant.clone(), form.mode, id.clone()).await?.is_none() {
        let mut transaction = core.store.begin().await?;
        match transaction.add_form(form).await {
            // Another page was quicker.
            Ok(()) | Err(StoreError::Conflict) => transaction.commit().await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok((id, settings))
}

/// The settings of a form of a merchant; the standard forms belong to everybody.
pub async fn settings(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    id: &str,
) -> Result<Settings, CaptureError> {
    if let Some(kind) = FormKind::from_name(id) {
        return Ok(Settings::of_kind(kind));
    }
    read(&find(core, merchant, mode, id).await?)
}

/// The settings of a form by its unguessable id, before it is known which endpoint it will be filled for.
pub async fn settings_by_secret_name(core: &Core, id: &str) -> Result<Settings, CaptureError> {
    let found = core.store.read().await?.find_form_by_secret_name(id.to_owned()).await?;
    read(&found.ok_or(CaptureError::Unknown)?)
}

/// A form of a merchant.
pub async fn find(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    id: &str,
) -> Result<HostedForm, CaptureError> {
    let found = core.store.read().await?.find_form(merchant.clone(), mode, id.to_owned()).await?;
    found.ok_or(CaptureError::Unknown)
}

/// Deletes a form.
pub async fn delete(core: &Core, caller: &Caller, id: &str) -> Result<(), CaptureError> {
    let mut transaction = core.store.begin().await?;
    if !transaction.delete_form(caller.merchant.clone(), caller.mode, id.to_owned()).await? {
        return Err(CaptureError::Unknown);
    }
    transaction.add_audit(core.entry(&caller.actor(), "form.delete", id, Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
}

fn read(form: &HostedForm) -> Result<Settings, CaptureError> {
    let inconsistent = |what| StoreError::Inconsistent { table: "hosted_form", what };
    if form.form_type == custom::KIND {
        // It has a page of its own, and nothing of it is filed here.
        return Err(CaptureError::Unknown);
    }
    let settings: Settings = serde_json::from_str(&form.settings).map_err(|_| inconsistent("settings"))?;
    let kind = FormKind::from_name(&form.form_type).ok_or_else(|| inconsistent("form_type"))?;
    Ok(Settings { kind, ..settings })
}

/// Reads a body; answers the settings, the stylesheets to fetch, and what is not known.
fn parse(mut body: Members, kind: FormKind) -> Result<(Settings, Vec<Url>, Vec<String>), CaptureError> {
    let mut settings = Settings {
        kind,
        success_callback: take::script(&mut body, "success_callback")?,
        error_callback: take::script(&mut body, "error_callback")?,
        embedded_js: take::script(&mut body, "embedded_js")?,
        strip_spaces: take::bool(&mut body, "strip_spaces")?,
        disable_luhn: take::bool(&mut body, "disable_luhn")?,
        single_use: take::bool(&mut body, "single_use")?,
        auto_advance: take::bool(&mut body, "auto_advance")?,
        brands: BrandSettings::take(&mut body)?,
        mask_cvv: take::bool(&mut body, "mask_cvv")?,
        force_keypad: take::bool(&mut body, "force_keypad")?,
        messages: take_messages(&mut body)?,
        submit_by_message: take::bool(&mut body, "submit_by_message")?,
        ..Settings::default()
    };
    if let Some(options) = body.take("field_options") {
        settings.fields = options::field_options(options, kind)?;
    }
    additions(&mut body, &mut settings)?;
    if !settings.rules().visible().any(|field| field != Field::Consent) {
        let detail = "At least one field has to be visible.";
        return Err(Invalid::new("/field_options", "nothing_visible", detail).into());
    }
    if let Some(text) = take::script(&mut body, "embedded_css")? {
        settings.css = take::clean("/embedded_css", &text)?;
    }
    let links = take::links(&mut body, "css_links")?;
    settings.js_links = take::links(&mut body, "js_links")?.into_iter().map(String::from).collect();
    settings.allowed_origins = take::origins(&mut body)?;
    let ignored = body.iter().map(|(name, _)| told(name)).collect();
    Ok((settings, links, ignored))
}

/// What a merchant adds to the usual fields.
fn additions(body: &mut Members, settings: &mut Settings) -> Result<(), CaptureError> {
    let mut given = |name| body.take(name).filter(|value| !matches!(value, Value::Null));
    if let Some(value) = given("additional_fields") {
        settings.additional = options::additional_fields(value)?;
    }
    if let Some(value) = given("consent") {
        settings.consent = Some(options::consent(value)?);
    }
    if let Some(value) = given("field_labels") {
        settings.field_labels = options::texts("field_labels", value, settings.kind)?;
    }
    if let Some(value) = given("placeholders") {
        settings.placeholders = options::texts("placeholders", value, settings.kind)?;
    }
    if let Some(value) = given("submit") {
        settings.submit = Some(options::submit(&value)?);
    }
    if let Some(value) = given("extra_data") {
        let data = options::extra_data(value).map_err(CaptureError::Invalid)?;
        settings.extra_data = data.to_json().to_string();
    }
    Ok(())
}

fn take_messages(body: &mut Members) -> Result<Messages, Invalid> {
    match take::text(body, "messages")?.as_deref() {
        None | Some("cardamom") => Ok(Messages::Cardamom),
        Some("card_request") => Ok(Messages::CardRequest),
        Some(_) => Err(Invalid::new("/messages", "unknown", "Messages are cardamom or card_request.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<Settings, String> {
        parse(Members::parse(body.as_bytes()).unwrap(), FormKind::Card)
            .map(|(settings, _, _)| settings)
            .map_err(|error| match error {
                CaptureError::Invalid(problems) => format!("{} {}", problems[0].pointer, problems[0].code),
                _ => "other".to_owned(),
            })
    }

    #[test]
    fn the_seeds_form_shows_the_code_alone() {
        let body = r#"{"success_callback":"ZnVuY3Rpb24oYSxiKXt9","field_options":{"reference":{"visible":false},
            "card_holder":{"visible":false},"expiry":{"visible":false},"card_number":{"visible":false}}}"#;
        let settings = parsed(body).unwrap();
        assert_eq!(settings.rules().visible().collect::<Vec<_>>(), [Field::Cvv]);
        assert_eq!(settings.success_callback.as_deref(), Some("function(a,b){}"));
        assert_eq!(settings.runner(), Runner::Worker);
    }

    #[test]
    fn what_needs_a_document_runs_in_the_done_page() {
        let document = r#"{"success_callback":"KCkgPT4gZG9jdW1lbnQudGl0bGU"}"#;
        assert_eq!(parsed(document).unwrap().runner(), Runner::DonePage);
        assert_eq!(parsed(r#"{"js_links":["https://x.example/a.js"]}"#).unwrap().runner(), Runner::DonePage);
        assert_eq!(parsed("{}").unwrap().runner(), Runner::None);
    }

    #[test]
    fn bad_settings_are_refused_where_they_stand() {
        for (body, problem) in [
            (r#"{"success_callback":"%%%"}"#, "/success_callback base64"),
            (r#"{"success_callback":"/////w=="}"#, "/success_callback base64"),
            (r#"{"field_options":{"colour":{"visible":true}}}"#, "/field_options/colour unknown"),
            (r#"{"field_options":{"cvv":{"shown":true}}}"#, "/field_options/cvv/shown unknown"),
            (r#"{"field_options":{"cvv":{"visible":"perhaps"}}}"#, "/field_options/cvv/visible type"),
            (r#"{"field_options":[]}"#, "/field_options type"),
            (r#"{"allowed_origins":["https://a.example/path"]}"#, "/allowed_origins/0 origin"),
            (r#"{"allowed_origins":["http://a.example"]}"#, "/allowed_origins/0 origin"),
            (r#"{"allowed_origins":["https://a.example; script-src *"]}"#, "/allowed_origins/0 origin"),
            (r#"{"allowed_origins":["https://a;script-src-elem"]}"#, "/allowed_origins/0 origin"),
            (r#"{"allowed_origins":["https://*"]}"#, "/allowed_origins/0 origin"),
            (r#"{"messages":"loud"}"#, "/messages unknown"),
            (r#"{"css_links":["javascript:1"]}"#, "/css_links/0 url"),
        ] {
            assert_eq!(parsed(body).err().as_deref(), Some(problem), "{body}");
        }
        let hidden = ["card_number", "card_holder", "expiry", "cvv"]
            .map(|name| format!(r#""{name}":{{"visible":false}}"#))
            .join(",");
        assert_eq!(
            parsed(&format!(r#"{{"field_options":{{{hidden}}}}}"#)).err().as_deref(),
            Some("/field_options nothing_visible")
        );
    }
}
