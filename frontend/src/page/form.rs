//! The document of the hosted form.

use leptos::either::Either;
use leptos::prelude::*;
use shared::{Expiry, Field, FormRules, Text, Texts, YearMonth};

use super::FormPage;
use super::brand_choice::brand_choice;
use super::brand_marks::brand_marks;
use super::keypad::keypad;
use super::language::language;
use super::link;
use super::logo::logo;
use super::notice::{Notice, notice};
use super::pay;
use super::picture::picture;
use super::shell::{Shell, document};
use crate::ui::{self, Face, Seed, State};

/// A whole document with the form. It works as a plain POST before any script arrives, and without.
pub fn form_page(page: &FormPage) -> String {
    let body = Owner::new().with(|| body(page).to_html());
    let own = page.payment.as_ref().map(|_| pay::CSS).or(page.about.as_ref().map(|_| link::CSS));
    let css = own.map(|own| own.to_owned() + page.css.as_deref().unwrap_or_default());
    let css = css.or_else(|| page.css.clone());
    let shell = Shell {
        title: &page.title,
        wording: &page.wording,
        nonce: &page.nonce,
        look: &page.look,
        css: css.as_deref(),
        config: Some(&page.config),
        page_js: Some(&page.assets.page_js),
        keypad: page.keypad.then_some(&page.assets.keypad),
        assets: Some(&page.assets),
    };
    document(&shell, &body)
}

fn body(page: &FormPage) -> impl IntoView + use<> {
    let texts = &page.wording.texts;
    let payment = page.payment.as_ref();
    let state = State::refused(texts.clone(), &page.errors, page.alert.clone().unwrap_or_default());
    let seed =
        Seed { faces: faces(page), choice: brand_choice(page.networks, texts), locked: page.needs_fragment };
    let fields = ui::fields(&page.rules, &seed, &ArcRwSignal::new(state));
    let hidden: Vec<_> = page
        .hidden
        .iter()
        .map(|(name, value)| view! { <input type="hidden" name=name.clone() value=value.clone() /> })
        .collect();
    let of_browser = of_browser(texts, &page.rules);
    view! {
        <main class="sheet">
            {logo(&page.look)}
            <form
                id=ui::FORM
                method="post"
                action=page.action.clone()
                data-luhn=page.rules.disable_luhn.then_some("off")
                data-any-expiry=page.rules.any_expiry.then_some("on")
                data-min-expiry=page.rules.min_expiry.map(YearMonth::written)
                data-texts=of_browser
                data-cards=given(&page.card_types.join(" "))
                data-codes=given(&page.codes)
                data-advance=page.rules.auto_advance.then_some("on")
                aria-labelledby="cardamom-title"
            >
                {heading(page)}
                {page.about.as_ref().map(link::before)}
                {page.needs_fragment.then(|| fragment_messages(texts))}
                {hidden}
                {(page.look.picture && !page.look.bare).then(picture)}
                {brand_marks(&page.card_types, texts)}
                {payment.and_then(|payment| payment.card.as_ref()).map(pay::kept_card)}
                <div id=ui::ROOT>{fields}</div>
                {page.keypad.then(|| keypad(texts))}
                <p class="trust">
                    <svg viewBox="0 0 16 16" aria-hidden="true">
                        <path d="M4.5 7V5a3.5 3.5 0 0 1 7 0v2M3 7h10v7H3z"></path>
                    </svg>
                    {texts.get(Text::Trust).to_owned()}
                </p>
            </form>
            {payment.and_then(|payment| payment.other.as_ref()).map(|other| pay::other(other, texts))}
            {page.languages.as_ref().map(|choices| language(choices, texts))}
            {page.about.as_ref().map(link::after)}
            <p class="quiet" id=ui::STATUS role="status"></p>
            {notice(Notice::Success, texts, Some(ui::SUCCESS))}
            {notice(Notice::Gone, texts, Some(ui::GONE))}
        </main>
    }
}

/// What the form is called: its title, or what is paid by it.
fn heading(page: &FormPage) -> impl IntoView + use<> {
    match &page.payment {
        Some(payment) => Either::Left(pay::bill(&payment.bill, &page.wording.texts)),
        None => Either::Right(view! { <h1 id="cardamom-title">{page.title.clone()}</h1> }),
    }
}

/// The texts that the browser needs, one a line. Those of a field that is not shown are left empty. The merchant's
/// messages for additional fields come last.
fn of_browser(texts: &Texts, rules: &FormRules) -> String {
    let absent: Vec<_> = Field::ALL.into_iter().filter(|&field| !rules.of(field).visible).collect();
    let needed = |text: &Text| !absent.iter().any(|field| text.name().starts_with(field.name()));
    let of_browser = Text::ALL.iter().take(Text::OF_BROWSER);
    let lines = of_browser.map(|text| if needed(text) { texts.get(*text) } else { "" });
    let lines: Vec<_> = lines.chain(texts.own()).collect();
    lines.join("\n")
}

/// An attribute that is left out where there is nothing to say.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The looks of the fields with the values that they start with. A number or a code is never written into a
/// document, and a box is never ticked.
fn faces(page: &FormPage) -> Vec<(Field, Face)> {
    let mut faces = page.faces.clone();
    for (field, face) in &mut faces {
        let kept = page.values.iter().find(|(of, _)| of == field).map(|(_, value)| value.clone());
        if field.is_secret() || *field == Field::Consent {
            continue;
        }
        let Some(years) = &mut face.second else {
            face.value = kept;
            continue;
        };
        if let Some(expiry) = kept.and_then(|kept| Expiry::parse(&kept).ok()) {
            face.value = Some(format!("{:02}", expiry.month()));
            years.value = Some(expiry.year().to_string());
        }
    }
    faces
}

/// Shown by the lack of scripts, or by `page.js` when the address holds no secret (security rule 18).
fn fragment_messages(texts: &Texts) -> impl IntoView + use<> {
    view! {
        <noscript>
            <p class="alert">{texts.get(Text::NeedsScripts).to_owned()}</p>
        </noscript>
        <p class="alert" id="cardamom-incomplete" role="alert" hidden>
            {texts.get(Text::LinkIncomplete).to_owned()}
        </p>
    }
}

#[cfg(test)]
mod tests {
    use shared::{Brand, FieldError, FieldOptions, Networks, Problem, Wording};

    use super::*;
    use crate::page::{Asset, Assets, Choice, Choices, Logo, Look};

    fn asset(url: &str) -> Asset {
        Asset { url: url.to_owned(), integrity: "sha384-abc".to_owned() }
    }

    fn page() -> FormPage {
        FormPage {
            title: "Card details".to_owned(),
            wording: Wording { lang: "en".to_owned(), rtl: false, texts: Texts::named() },
            languages: None,
            rules: FormRules::default(),
            faces: Field::ALL.map(|field| (field, Face::of(field, &Texts::named()))).to_vec(),
            keypad: false,
            action: "/v1/capture/iframe/pcd".to_owned(),
            hidden: vec![("order".to_owned(), "\"><b>7".to_owned())],
            values: Vec::new(),
            errors: Vec::new(),
            networks: Networks::NONE,
            card_types: Vec::new(),
            codes: String::new(),
            alert: None,
            needs_fragment: false,
            config: r#"{"form":"pcd","x":"\u003c/script>"}"#.to_owned(),
            look: Look::default(),
            css: None,
            about: None,
            payment: None,
            nonce: "00ff".to_owned(),
            assets: Assets {
                glue: asset("/a/g.js"),
                wasm: asset("/a/w.wasm"),
                page_js: asset("/a/p.js"),
                keypad: asset("/a/k.js"),
            },
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
    fn month_and_year_are_lists_where_the_form_says_so() {
        let mut page = page();
        page.rules.expiry_lists = true;
        page.rules.min_expiry = Some(YearMonth { year: 2031, month: 5 });
        let list = |name: &str, token: &str, values: &[&str]| Face {
            name: name.to_owned(),
            autocomplete: token.to_owned(),
            spoken: Some(format!("Expiry {name}")),
            choices: values.iter().map(|&value| (value.to_owned(), format!("{value}!"))).collect(),
            ..Face::default()
        };
        let (_, face) = page.faces.iter_mut().find(|(field, _)| *field == Field::Expiry).unwrap();
        *face = list("expiry_month", "cc-exp-month", &["", "05", "12"]);
        face.second = Some(Box::new(list("expiry_year", "cc-exp-year", &["", "2031"])));
        face.hint = Some("Until May".to_owned());
        page.values = vec![(Field::Expiry, "12 / 2031".to_owned())];
        page.errors = vec![FieldError { field: Field::Expiry, problem: Problem::TooSoon }];
        let html = form_page(&page);
        assert!(html.contains("data-min-expiry=\"2031-05\"") && html.contains(">Until May</p>"));
        let lists: Vec<_> = html.split("<select ").skip(1).collect();
        assert_eq!(lists.len(), 2);
        for (html, id, token, chosen) in [
            (lists[0], "id=\"cardamom-expiry\"", "cc-exp-month", "value=\"12\" selected"),
            (lists[1], "id=\"cardamom-expiry_year\"", "cc-exp-year", "value=\"2031\" selected"),
        ] {
            let list = html.split("</select>").next().unwrap();
            assert!(list.contains(id) && list.contains(token) && list.contains(chosen), "{list}");
            assert!(list.contains("aria-describedby=\"cardamom-expiry-error cardamom-expiry-hint\""));
            assert!(list.contains("aria-invalid=\"true\"") && list.contains("required"));
        }
        assert_eq!(html.matches("autofocus").count(), 1, "the first of the two");
    }

    #[test]
    fn a_bare_page_has_the_merchants_style_and_what_hides() {
        let mut page = page();
        page.css = Some(".field { color: teal }".to_owned());
        page.look.picture = true;
        assert!(form_page(&page).contains(".sheet {"));
        page.look.bare = true;
        let html = form_page(&page);
        assert!(!html.contains(".sheet {") && !html.contains("id=\"cardamom-picture\""));
        assert!(html.contains("color: teal") && html.contains("display: none !important"));
    }

    #[test]
    fn a_choice_of_brands_is_shown_where_the_card_leaves_one() {
        let mut page = page();
        let hidden = form_page(&page);
        assert!(hidden.contains("id=\"cardamom-networks\" hidden"), "{hidden}");
        page.networks = Networks::of([Brand::Dankort, Brand::Visa].into_iter());
        let shown = form_page(&page).split("<body>").nth(1).unwrap().to_owned();
        assert!(!shown.contains("id=\"cardamom-networks\" hidden"));
        let radios: Vec<_> = shown.split("<input type=\"radio\"").skip(1).collect();
        assert_eq!(radios.len(), 3);
        for (radio, value) in radios.iter().zip(["value=\"dankort\"", "value=\"visa\"", "value=\"\""]) {
            assert!(radio.contains(value), "{radio}");
        }
        assert!(radios[0].contains(" checked") && shown.matches(" checked").count() == 1);
    }

    #[test]
    fn the_accepted_cards_have_marks_and_a_text() {
        let mut page = page();
        assert!(!form_page(&page).contains("id=\"cardamom-marks\""));
        page.card_types = vec!["visa".to_owned(), "cartes_bancaires".to_owned(), "other".to_owned()];
        page.codes = "amex:34".to_owned();
        let html = form_page(&page);
        assert!(html.contains("accepted_cardscolon Visa, CB<") && html.contains("data-codes=\"amex:34\""));
        assert!(html.contains("data-cards=\"visa cartes_bancaires other\""));
        assert_eq!(html.matches("class=\"mark\"").count(), 2);
    }

    #[test]
    fn the_config_is_put_as_it_is() {
        let page = page();
        assert!(form_page(&page).contains(&format!("id=\"cardamom-config\">{}</script>", page.config)));
    }

    #[test]
    fn the_browser_is_handed_the_texts_that_change_and_no_others() {
        let html = form_page(&page());
        let handed = html.split("data-texts=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(handed.contains("cvv_hint_back\n") && handed.contains("\nalert_refused"));
        assert!(!handed.contains("trust") && !handed.contains("reference"));
        assert_eq!(handed.lines().count(), Text::OF_BROWSER);
    }

    #[test]
    fn a_language_from_right_to_left_turns_the_document_and_not_its_numbers() {
        let mut page = page();
        page.wording = Wording { lang: "ar".to_owned(), rtl: true, texts: Texts::named() };
        let html = form_page(&page);
        assert!(html.starts_with("<!DOCTYPE html><html lang=\"ar\" dir=\"rtl\" "));
        let body = html.split("<body>").nth(1).unwrap();
        assert_eq!(body.matches("dir=\"ltr\"").count(), 3);
    }

    #[test]
    fn languages_to_choose_open_the_page_anew() {
        let mut page = page();
        let choice =
            |tag: &str, name: &str, chosen| Choice { tag: tag.to_owned(), name: name.to_owned(), chosen };
        page.languages = Some(Choices {
            choices: vec![choice("de", "Deutsch", true), choice("x\"", "<b>", false)],
            query: vec![("unique_id".to_owned(), "\"7".to_owned())],
        });
        let html = form_page(&page);
        assert!(html.contains("<select id=\"cardamom-locale\" name=\"locale\""));
        assert!(html.contains("<option value=\"de\" lang=\"de\" selected>Deutsch</option>"));
        assert!(html.contains("value=\"&quot;7\"") && html.contains("&lt;b&gt;") && !html.contains("<b>"));
        // Not inside the card's form, whose inputs it would send.
        let card = html.split("<form ").nth(1).unwrap();
        assert!(!card.contains("cardamom-locale"));
    }

    #[test]
    fn a_merchants_words_are_shown_as_text() {
        let mut page = page();
        let markup = "<img src=x onerror=alert(1)>\"'&";
        let words = [Text::CardNumber, Text::Submit, Text::Trust, Text::CvvMissing, Text::ExpiryPlaceholder];
        page.wording.texts = Texts::named().with(words.map(|text| (text, markup)));
        let html = form_page(&page);
        assert!(!html.contains("<img") && html.contains("&lt;img src=x onerror=alert(1)&gt;"));
        assert!(!html.contains("onerror=alert(1)>\""));
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
