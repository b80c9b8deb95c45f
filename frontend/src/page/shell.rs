//! The frame of a document: head, styles, scripts. Written as text, because it never changes in the browser.

use shared::Wording;

use super::{Asset, Assets, Look};

const CSS: &str =
    concat!(include_str!("../../../static/form.css"), include_str!("../../../static/fields.css"));
/// In its place where the merchant's style decides alone: what hides, and nothing that is seen.
const BARE: &str = include_str!("../../../static/bare.css");
/// Only where there is a keypad.
const KEYPAD: &str = include_str!("../../../static/keypad.css");

/// What the frame of a document needs to know.
pub(super) struct Shell<'a> {
    pub title: &'a str,
    pub wording: &'a Wording,
    pub nonce: &'a str,
    pub look: &'a Look,
    pub css: Option<&'a str>,
    pub config: Option<&'a str>,
    pub page_js: Option<&'a Asset>,
    pub keypad: Option<&'a Asset>,
    pub assets: Option<&'a Assets>,
}

/// The document around a rendered body.
pub(super) fn document(shell: &Shell<'_>, body: &str) -> String {
    let mut page = String::with_capacity(CSS.len() + body.len() + 4096);
    push(
        &mut page,
        &[
            "<!DOCTYPE html><html lang=\"",
            &escape(&shell.wording.lang),
            if shell.wording.rtl { "\" dir=\"rtl" } else { "" },
            "\" data-layout=\"",
            &escape(&shell.look.layout),
        ],
    );
    push(&mut page, &["\" data-labels=\"", &escape(&shell.look.labels), "\"><head><meta charset=\"utf-8\">"]);
    push(&mut page, &["<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"]);
    push(&mut page, &["<meta name=\"robots\" content=\"noindex\"><link rel=\"icon\" href=\"data:,\">"]);
    push(&mut page, &["<title>", &escape(shell.title), "</title>"]);
    if let Some(assets) = shell.assets {
        preload(&mut page, assets);
    }
    style(&mut page, shell.nonce, &shell.look.css);
    style(&mut page, shell.nonce, if shell.look.bare { BARE } else { CSS });
    if shell.keypad.is_some() {
        style(&mut page, shell.nonce, KEYPAD);
    }
    if let Some(css) = shell.css {
        style(&mut page, shell.nonce, css);
    }
    push(&mut page, &["</head><body>", body]);
    if let Some(config) = shell.config {
        push(&mut page, &["<script type=\"application/json\" id=\"cardamom-config\">", config, "</script>"]);
    }
    for script in [shell.page_js, shell.keypad].into_iter().flatten() {
        push(&mut page, &["<script defer src=\"", &escape(&script.url), "\""]);
        push(&mut page, &[" integrity=\"", &escape(&script.integrity), "\"></script>"]);
    }
    if let Some(assets) = shell.assets {
        start(&mut page, &assets.glue);
    }
    page.push_str("</body></html>");
    page
}

/// Text for element content or a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn push(page: &mut String, parts: &[&str]) {
    page.extend(parts.iter().copied());
}

/// A `<` cannot occur in a style element without a risk, and no rule needs one: it is escaped as CSS does.
fn style(page: &mut String, nonce: &str, css: &str) {
    push(page, &["<style nonce=\"", &escape(nonce), "\">", &css.replace('<', "\\3C "), "</style>"]);
}

/// The integrity of the wasm is checked by the fetch that uses it: browsers do not check preloads for fetches.
fn preload(page: &mut String, assets: &Assets) {
    let (glue, wasm) = (&assets.glue, &assets.wasm);
    push(page, &["<link rel=\"modulepreload\" href=\"", &escape(&glue.url)]);
    push(page, &["\" integrity=\"", &escape(&glue.integrity), "\">"]);
    push(page, &["<link rel=\"preload\" as=\"fetch\" crossorigin href=\"", &escape(&wasm.url), "\">"]);
}

/// The module starts itself with the wasm of its own build, whose hash stands in it: no script stands here.
fn start(page: &mut String, glue: &Asset) {
    push(page, &["<script type=\"module\" src=\"", &escape(&glue.url)]);
    push(page, &["\" integrity=\"", &escape(&glue.integrity), "\"></script>"]);
}
