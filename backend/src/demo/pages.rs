//! The demo shop's two pages.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

/// The checkout with the card page in a frame.
pub fn shop(frame: &str) -> String {
    page(
        "Checkout",
        &html! {
            section.order {
                h1 { "Checkout" }
                ul {
                    li { span { "Green cardamom, 250 g" } b { "12.40" } }
                    li { span { "Shipping" } b { "3.90" } }
                    li.sum { span { "Total" } b { "€ 16.30" } }
                }
                p { "This page belongs to the shop, on another site than the form. What you type beside never touches it." }
                p.hint { "Test card: " code { "4111 1111 1111 1111" } ", any future date, code " code { "123" } "." }
            }
            iframe src=(frame) title="Card details" {}
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
                    dt { "Card" } dd { code { (text("/card_metadata/masked")) } " " (text("/card_metadata/brand")) }
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

fn page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Spice & Co" }
                style { (PreEscaped(STYLE)) }
            }
            body { header { b { "Spice & Co" } span { "demo shop" } } main { (body) } }
        }
    }
}

const STYLE: &str = "*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#22301f;background:#f4f1e8}\
header{display:flex;gap:.8rem;align-items:baseline;padding:1.2rem 1.5rem;border-bottom:1px solid #ddd6c3}header span{color:#6a6650}\
main{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,26rem);gap:2.5rem;max-width:62rem;margin:2.5rem auto;padding:0 1.5rem}\
@media(max-width:48rem){main{grid-template-columns:minmax(0,1fr)}}.wide{grid-column:1/-1}\
iframe{width:100%;height:40rem;border:0;border-radius:14px;background:transparent}ul{list-style:none;padding:0}\
li{display:flex;justify-content:space-between;padding:.6rem 0;border-bottom:1px solid #ddd6c3}.sum{font-size:1.2rem;border:0}\
.hint{color:#55513d}code{font-family:ui-monospace,monospace}.token{word-break:break-all}dt{color:#55513d;margin-top:.8rem}dd{margin:0}a{color:#2f6b2a}";
