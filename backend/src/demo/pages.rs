//! The demo shop's two pages.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

/// The script for shops, as a page names it.
pub struct Script {
    /// Its address.
    pub url: String,
    /// Its hash.
    pub integrity: String,
}

/// The shop's own script: mounts the form and goes on when the card is stored.
pub const SCRIPT: &str = r#"const place = document.getElementById("card");
const card = Cardamom.mount(place, JSON.parse(place.dataset.card));
card.on("success", ({ token, reference }) => {
  location.href = "/thanks?" + new URLSearchParams({ token, reference });
});
card.on("expired", () => location.reload());
"#;

/// The checkout. The form comes into its place by script; the options stand in the page as data.
pub fn shop(script: &Script, options: &Value) -> String {
    page(
        "Checkout",
        &html! {
            section.order {
                h1 { "Checkout" }
                ul {
                    li { span { "Green cardamom, 250 g" } b { "€ 12.40" } }
                    li { span { "Shipping" } b { "€ 3.90" } }
                    li.sum { span { "Total" } b { "€ 16.30" } }
                }
                p { "This page is the shop's. The form is Cardamom's, on another site: what you type there never reaches the shop." }
                p.hint { "Test card: " code { "4111 1111 1111 1111" } ", any future date, code " code { "123" } "." }
            }
            div id="card" data-card=(options) { noscript { p { "This shop needs scripts." } } }
            script defer src=(script.url) integrity=(script.integrity) crossorigin="anonymous" {}
            script defer src="/shop.js" {}
        },
    )
    .into_string()
}

/// What the shop holds afterwards.
pub fn thanks(card: &Value) -> String {
    let text = |pointer: &str| card.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    page(
        "Thank you",
        &html! {
            section.order.wide {
                h1 { "Thank you" }
                p { "The card is in the vault. This is all that the shop holds:" }
                dl {
                    dt { "Card" } dd { code { (text("/card_metadata/masked")) } " " span.brand { (text("/card_metadata/brand")) } }
                    dt { "Expiry" } dd { (text("/card_metadata/expiry")) }
                    dt { "Holder" } dd { (text("/card_metadata/card_holder")) }
                    dt { "Token" } dd { code.token { (text("/token")) } }
                    dt { "Reference" } dd { code { (text("/reference")) } }
                }
                p { a href="/" { "Take another card" } }
            }
        },
    )
    .into_string()
}

/// A page of the shop.
pub fn page(title: &str, body: &Markup) -> Markup {
    document(title, body, false)
}

/// A page that loads itself again every two seconds.
pub fn refreshing(title: &str, body: &Markup) -> Markup {
    document(title, body, true)
}

fn document(title: &str, body: &Markup, refreshing: bool) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if refreshing { meta http-equiv="refresh" content="2"; }
                title { (title) " · Spice & Co" }
                style { (PreEscaped(STYLE)) }
            }
            body { header { b { "Spice & Co" } span { "demo shop" } nav { a href="/" { "Checkout" } " " a href="/order" { "Order" } " " a href="/request" { "Card by phone" } } } main { (body) } }
        }
    }
}

const STYLE: &str = ":root{color-scheme:light dark;--ink:#22301f;--quiet:#55513d;--ground:#f4f1e8;--line:#ddd6c3;--link:#2f6b2a;--sheet:#fff}\
@media(prefers-color-scheme:dark){:root{--ink:#ece8dc;--quiet:#b5af9c;--ground:#14150f;--line:#3a3a2e;--link:#9bd193;--sheet:#171c23}}\
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground)}\
header{display:flex;gap:.8rem;align-items:baseline;padding:1.2rem 1.5rem;border-bottom:1px solid var(--line)}header span{color:var(--quiet)}\
main{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,26rem);gap:2.5rem;max-width:62rem;margin:2.5rem auto;padding:0 1.5rem}\
@media(max-width:48rem){main{grid-template-columns:minmax(0,1fr);gap:1.5rem;margin:1.5rem auto;padding:0 1rem}}.wide{grid-column:1/-1}\
h1{margin:0 0 1rem;line-height:1.2}ul{list-style:none;padding:0}\
#card{overflow:hidden;border:1px solid var(--line);border-radius:14px;background:var(--sheet)}\
li{display:flex;justify-content:space-between;padding:.6rem 0;border-bottom:1px solid var(--line)}.sum{font-size:1.2rem;border:0}\
.hint{color:var(--quiet)}code{font-family:ui-monospace,monospace}.token{word-break:break-all}.brand{text-transform:capitalize}\
label{display:block;margin:0 0 1rem;max-width:24rem}input,select{display:block;width:100%;padding:.6rem;font:inherit;color:inherit;background:var(--sheet);border:1px solid var(--line);border-radius:8px}\
button{padding:.7rem 1.2rem;font:inherit;font-weight:600;color:#fff;background:#2f6b2a;border:0;border-radius:8px;cursor:pointer}\
nav{margin-inline-start:auto}nav a{margin-inline-start:1rem}.message{padding:1rem 1.2rem;border:1px solid var(--line);border-radius:12px;background:var(--sheet);overflow-wrap:anywhere}\
.message p{margin:0;min-height:1.5em}dt{color:var(--quiet);margin-top:.8rem}dd{margin:0}a{color:var(--link)}";
