//! The pages behind a link that a merchant had sent: what stands round the form, and the pages in its place.

use leptos::prelude::*;
use shared::Wording;

use super::Look;
use super::shell::{Shell, document};

/// What a link's page tells beside its form.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Label and value: who asks, for how much, for which card.
    pub facts: Vec<(String, String)>,
    /// The merchant's words before the form; lines are kept.
    pub header: String,
    /// The merchant's words after it.
    pub footer: String,
    /// Above the contacts.
    pub questions: String,
    /// Whom the reader can turn to.
    pub contacts: Vec<Contact>,
}

/// A way to reach somebody.
#[derive(Clone, Debug)]
pub struct Contact {
    /// What is shown.
    pub text: String,
    /// `https:`, `mailto:` or `tel:`.
    pub href: String,
}

/// A page in the form's place: a heading, some words, and at most a few things to do.
#[derive(Debug)]
pub struct LinkPage {
    /// Heading and title.
    pub heading: String,
    /// The language of the document.
    pub wording: Wording,
    /// Paragraphs.
    pub texts: Vec<String>,
    /// What went wrong before.
    pub alert: Option<String>,
    /// What is told of the request.
    pub about: Option<About>,
    /// What can be done, each a form of its own.
    pub forms: Vec<LinkForm>,
    /// How it looks.
    pub look: Look,
    /// The nonce of the response's policy; hexadecimal.
    pub nonce: String,
}

/// A button, perhaps behind an input.
#[derive(Debug)]
pub struct LinkForm {
    /// Root-relative path that it posts to.
    pub action: String,
    /// The button's words.
    pub button: String,
    /// Name and label of a field for a short code of digits.
    pub field: Option<(String, String)>,
}

/// A whole document with one of these pages.
pub fn link_page(page: &LinkPage) -> String {
    let body = Owner::new().with(|| body(page).to_html());
    let shell = Shell {
        title: &page.heading,
        wording: &page.wording,
        look: &page.look,
        nonce: &page.nonce,
        css: Some(CSS),
        config: None,
        page_js: None,
        keypad: None,
        assets: None,
    };
    document(&shell, &body)
}

/// The style of what these pages have beside the form's own.
pub(super) const CSS: &str = include_str!("../../../static/link.css");

/// What stands between heading and form.
pub(super) fn before(about: &About) -> impl IntoView + use<> {
    let facts: Vec<_> = about
        .facts
        .iter()
        .map(|(label, value)| view! { <div><dt>{label.clone()}</dt><dd>{value.clone()}</dd></div> })
        .collect();
    view! {
        <dl class="facts">{facts}</dl>
        {words(&about.header)}
    }
}

/// What stands below the form.
pub(super) fn after(about: &About) -> impl IntoView + use<> {
    let contacts: Vec<_> = about
        .contacts
        .iter()
        .map(|contact| {
            view! { <li><a href=contact.href.clone() rel="noreferrer" target="_blank">{contact.text.clone()}</a></li> }
        })
        .collect();
    let questions = (!contacts.is_empty()).then(|| {
        view! { <section class="contacts"><h2>{about.questions.clone()}</h2><ul>{contacts}</ul></section> }
    });
    view! { {words(&about.footer)} {questions} }
}

fn words(text: &str) -> Option<impl IntoView + use<>> {
    (!text.is_empty()).then(|| view! { <p class="words">{text.to_owned()}</p> })
}

fn body(page: &LinkPage) -> impl IntoView + use<> {
    let texts: Vec<_> = page.texts.iter().map(|text| view! { <p class="words">{text.clone()}</p> }).collect();
    let alert = page.alert.clone().map(|text| view! { <p class="alert" role="alert">{text}</p> });
    let forms: Vec<_> = page.forms.iter().map(form).collect();
    view! {
        <main class="sheet">
            <h1>{page.heading.clone()}</h1>
            {page.about.as_ref().map(before)}
            {texts}
            {alert}
            {forms}
            {page.about.as_ref().map(after)}
        </main>
    }
}

fn form(form: &LinkForm) -> impl IntoView + use<> {
    let field = form.field.as_ref().map(|(name, label)| {
        view! {
            <label for=name.clone()>{label.clone()}</label>
            <input
                id=name.clone()
                name=name.clone()
                inputmode="numeric"
                autocomplete="one-time-code"
                maxlength="12"
                required
                autofocus
            />
        }
    });
    view! {
        <form class="step" method="post" action=form.action.clone()>
            {field}
            <button type="submit">{form.button.clone()}</button>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_text() {
        let evil = "<script>1</script>\"'".to_owned();
        let about = About {
            facts: vec![(evil.clone(), evil.clone())],
            header: evil.clone(),
            footer: evil.clone(),
            questions: evil.clone(),
            contacts: vec![Contact { text: evil.clone(), href: "tel:+1\"><b>".to_owned() }],
        };
        let html = link_page(&LinkPage {
            heading: evil.clone(),
            wording: Wording { lang: "en".to_owned(), rtl: false, texts: shared::Texts::named() },
            texts: vec![evil.clone()],
            alert: Some(evil),
            about: Some(about),
            forms: vec![LinkForm {
                action: "/r/a\"b".to_owned(),
                button: "Go".to_owned(),
                field: Some(("code".to_owned(), "Code".to_owned())),
            }],
            look: Look::default(),
            nonce: "00ff".to_owned(),
        });
        assert!(!html.contains("<script>1") && !html.contains("<b>") && !html.contains("a\"b"));
        assert_eq!(html.matches("<script").count(), 0);
        assert!(html.contains("autocomplete=\"one-time-code\"") && html.contains("class=\"facts\""));
    }
}
