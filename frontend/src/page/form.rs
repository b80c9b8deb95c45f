//! The document of the hosted form.

use leptos::prelude::*;

use super::FormPage;
use super::logo::logo;
use super::notice::{Notice, notice};
use super::picture::picture;
use super::shell::{Shell, document};
use crate::ui::{self, Seed, State};

/// A whole document with the form. It works as a plain POST before any script arrives, and without.
pub fn form_page(page: &FormPage) -> String {
    let body = Owner::new().with(|| body(page).to_html());
    let shell = Shell {
        title: &page.title,
        lang: &page.lang,
        nonce: &page.nonce,
        look: &page.look,
        css: page.css.as_deref(),
        config: Some(&page.config),
        page_js: Some(&page.assets.page_js),
        assets: Some(&page.assets),
    };
    document(&shell, &body)
}

fn body(page: &FormPage) -> impl IntoView + use<> {
    let state = State::refused(&page.errors, page.alert.clone().unwrap_or_default());
    let seed = Seed { values: page.values.clone(), locked: page.needs_fragment };
    let fields = ui::fields(&page.rules, &seed, &ArcRwSignal::new(state));
    let hidden: Vec<_> = page
        .hidden
        .iter()
        .map(|(name, value)| view! { <input type="hidden" name=name.clone() value=value.clone() /> })
        .collect();
    view! {
        <main class="sheet">
            {logo(&page.look)}
            <form
                id=ui::FORM
                method="post"
                action=page.action.clone()
                data-luhn=page.rules.disable_luhn.then_some("off")
                aria-labelledby="cardamom-title"
            >
                <h1 id="cardamom-title">{page.title.clone()}</h1>
                {page.needs_fragment.then(fragment_messages)}
                {hidden}
                {page.look.picture.then(picture)}
                <div id=ui::ROOT>{fields}</div>
                <p class="trust">
                    <svg viewBox="0 0 16 16" aria-hidden="true">
                        <path d="M4.5 7V5a3.5 3.5 0 0 1 7 0v2M3 7h10v7H3z"></path>
                    </svg>
                    "Encrypted, and sent straight to the vault."
                </p>
            </form>
            <p class="quiet" id=ui::STATUS role="status"></p>
            {notice(Notice::Success, Some(ui::SUCCESS))}
            {notice(Notice::Gone, Some(ui::GONE))}
        </main>
    }
}

/// Shown by the lack of scripts, or by `page.js` when the address holds no secret (security rule 18).
fn fragment_messages() -> impl IntoView {
    view! {
        <noscript>
            <p class="alert">"This link needs scripts. Please switch them on for this page and open the link again."</p>
        </noscript>
        <p class="alert" id="cardamom-incomplete" role="alert" hidden>
            "This link is incomplete. Please open it again from where you got it."
        </p>
    }
}

#[cfg(test)]
mod tests {
    use shared::{Field, FieldError, FieldOptions, FormRules, Problem};

    use super::*;
    use crate::page::{Asset, Assets, Logo, Look};

    fn asset(url: &str) -> Asset {
        Asset { url: url.to_owned(), integrity: "sha384-abc".to_owned() }
    }

    fn page() -> FormPage {
        FormPage {
            title: "Card details".to_owned(),
            lang: "en".to_owned(),
            rules: FormRules::default(),
            action: "/v1/capture/iframe/pcd".to_owned(),
            hidden: vec![("order".to_owned(), "\"><b>7".to_owned())],
            values: Vec::new(),
            errors: Vec::new(),
            alert: None,
            needs_fragment: false,
            config: r#"{"form":"pcd","x":"\u003c/script>"}"#.to_owned(),
            look: Look::default(),
            css: None,
            nonce: "00ff".to_owned(),
            assets: Assets { glue: asset("/a/g.js"), wasm: asset("/a/w.wasm"), page_js: asset("/a/p.js") },
        }
    }

    #[test]
    fn every_visible_field_has_its_autocomplete_token() {
        let html = form_page(&page());
        for token in ["cc-number", "cc-name", "cc-exp", "cc-csc"] {
            assert_eq!(html.matches(&format!("autocomplete=\"{token}\"")).count(), 1, "{token}");
        }
        assert!(!html.contains("pattern=") && !html.contains("style=") && !html.contains("novalidate"));
        assert_eq!(html.matches("<form ").count(), 1);
    }

    #[test]
    fn invisible_fields_are_not_in_the_document() {
        let mut page = page();
        for field in [Field::CardNumber, Field::CardHolder, Field::Expiry] {
            page.rules.set(field, FieldOptions { visible: false, validate: true });
        }
        let html = form_page(&page);
        let body = html.split("<body>").nth(1).unwrap();
        for absent in ["card_number", "card_holder", "expiry", "reference"] {
            assert!(!body.contains(absent), "{absent}");
        }
        assert!(body.contains("name=\"cvv\""));
    }

    #[test]
    fn number_and_code_are_never_echoed() {
        let mut page = page();
        page.values = vec![
            (Field::CardNumber, "4111111111111111".to_owned()),
            (Field::Cvv, "9753".to_owned()),
            (Field::CardHolder, "Ada \"<i>".to_owned()),
        ];
        let html = form_page(&page);
        assert!(!html.contains("4111111111111111") && !html.contains("9753"));
        assert!(html.contains("value=\"Ada &quot;&lt;i&gt;\""));
        assert!(html.contains("value=\"&quot;&gt;&lt;b&gt;7\""));
    }

    #[test]
    fn problems_are_told_beside_their_fields_and_linked() {
        let mut page = page();
        page.errors = vec![
            FieldError { field: Field::Expiry, problem: Problem::Past },
            FieldError { field: Field::Cvv, problem: Problem::CodeLength },
        ];
        let html = form_page(&page).split("<body>").nth(1).unwrap().to_owned();
        assert_eq!(html.matches("aria-invalid=\"true\"").count(), 2);
        assert_eq!(html.matches("autofocus").count(), 1);
        assert!(html.contains("id=\"cardamom-expiry-error\" data-problem=\"past\" class=\"error\""));
        assert!(html.contains("aria-describedby=\"cardamom-expiry-error\""));
        assert!(html.contains("<li><a href=\"#cardamom-expiry\">"));
        assert!(html.contains("<li hidden><a href=\"#cardamom-card_number\">"));
    }

    #[test]
    fn the_config_is_put_as_it_is() {
        let page = page();
        assert!(form_page(&page).contains(&format!("id=\"cardamom-config\">{}</script>", page.config)));
    }

    #[test]
    fn css_cannot_end_its_element() {
        let mut page = page();
        page.css = Some("</style><script>1</script>".to_owned());
        assert!(!form_page(&page).contains("<script>1"));
    }

    #[test]
    fn a_secret_in_the_fragment_needs_scripts_and_says_so() {
        let mut page = page();
        page.needs_fragment = true;
        let html = form_page(&page);
        assert!(html.contains("<noscript>") && html.contains("id=\"cardamom-submit\" disabled"));
        assert!(!html.contains("name=\"secret\""));
    }

    #[test]
    fn logo_and_picture_are_shown_where_asked_for() {
        let mut page = page();
        let plain = form_page(&page);
        assert!(!plain.contains("<img") && !plain.contains("id=\"cardamom-picture\""));
        page.look.picture = true;
        let (url, alt) = ("/v1/capture/logo/f?v=1".to_owned(), "Spice \"&\" Co".to_owned());
        page.look.logo = Some(Logo { url, width: 120, height: 40, alt });
        let html = form_page(&page);
        assert!(html.contains("alt=\"Spice &quot;&amp;&quot; Co\"") && html.contains("width=\"120\""));
        let picture = html.split("<div ").find(|part| part.contains("id=\"cardamom-picture\"")).unwrap();
        assert!(picture.split('>').next().unwrap().contains("aria-hidden=\"true\""));
    }
}
