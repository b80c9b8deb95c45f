//! Notices: pages, and parts of the form's page, that tell how it ended.

use leptos::prelude::*;

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
    let body = Owner::new()
        .with(|| view! { <main class="sheet">{logo(&page.look)}{notice(page.kind, None)}</main> }.to_html());
    let shell = Shell {
        title: &page.title,
        lang: &page.lang,
        nonce: &page.nonce,
        look: &page.look,
        css: page.css.as_deref(),
        config: page.config.as_deref(),
        page_js: page.page_js.as_ref(),
        assets: None,
    };
    document(&shell, &body)
}

/// The notice itself. With an id it is a hidden part of the form's page until a script shows it.
pub(super) fn notice(kind: Notice, id: Option<&'static str>) -> impl IntoView {
    let (heading, text) = words(kind);
    view! {
        <section class=class(kind) id=id hidden=id.is_some()>
            <svg viewBox="0 0 48 48" aria-hidden="true">
                <circle cx="24" cy="24" r="22"></circle>
                <path d=icon(kind)></path>
            </svg>
            <h1 tabindex="-1">{heading}</h1>
            <p>{text}</p>
        </section>
    }
}

const fn words(kind: Notice) -> (&'static str, &'static str) {
    match kind {
        Notice::Success => {
            ("Card saved", "Your card details are stored safely. There is nothing more to do here.")
        }
        Notice::Gone => (
            "Link expired",
            "This form can no longer be used. It has expired, was used already, or was withdrawn. Please ask for a new link.",
        ),
        Notice::Failed => (
            "Something went wrong",
            "Your card could not be saved because of a problem on our side. Please try again in a moment.",
        ),
        Notice::NotAllowed => (
            "This form cannot be used here",
            "It was opened or sent in a way that is not allowed. Please go back to where you came from and start again.",
        ),
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
