//! Notices: pages, and parts of the form's page, that tell how it ended.

use leptos::prelude::*;
use shared::{Text, Texts};

use super::NoticePage;
use super::logo::logo;
use super::shell::{Shell, document};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The card is stored.
    Success,
    /// The link is unknown, deleted, expired or used up.
    Gone,
    /// The server failed.
    Failed,
    /// The page was opened in a way that is refused.
    NotAllowed,
}

/// A whole document with one notice.
pub fn notice_page(page: &NoticePage) -> String {
    let body = Owner::new().with(|| {
        let notice = notice(page.kind, &page.wording.texts, None);
        view! { <main class="sheet">{logo(&page.look)}{notice}</main> }.to_html()
    });
    let shell = Shell {
        title: &page.title,
        wording: &page.wording,
        nonce: &page.nonce,
        look: &page.look,
        css: page.css.as_deref(),
        config: page.config.as_deref(),
        page_js: page.page_js.as_ref(),
        keypad: None,
        assets: None,
    };
    document(&shell, &body)
}

/// The notice itself. With an id it is a hidden part of the form's page until a script shows it.
pub(super) fn notice(kind: Notice, texts: &Texts, id: Option<&'static str>) -> impl IntoView + use<> {
    let (heading, text) = words(kind);
    view! {
        <section class=class(kind) id=id hidden=id.is_some()>
            <svg viewBox="0 0 48 48" aria-hidden="true">
                <circle cx="24" cy="24" r="22"></circle>
                <path d=icon(kind)></path>
            </svg>
            <h1 tabindex="-1">{texts.get(heading).to_owned()}</h1>
            <p>{texts.get(text).to_owned()}</p>
        </section>
    }
}

const fn words(kind: Notice) -> (Text, Text) {
    match kind {
        Notice::Success => (Text::Saved, Text::SavedText),
        Notice::Gone => (Text::Gone, Text::GoneText),
        Notice::Failed => (Text::Failed, Text::FailedText),
        Notice::NotAllowed => (Text::NotAllowed, Text::NotAllowedText),
    }
}

const fn class(kind: Notice) -> &'static str {
    match kind {
        Notice::Success => "notice good",
        Notice::Gone => "notice",
        Notice::Failed | Notice::NotAllowed => "notice bad",
    }
}

const fn icon(kind: Notice) -> &'static str {
    match kind {
        Notice::Success => "M15 25l6.5 6.5L34 18",
        Notice::Gone => "M24 13v11l7 5",
        Notice::Failed | Notice::NotAllowed => "M24 13v14M24 33.5v.5",
    }
}
