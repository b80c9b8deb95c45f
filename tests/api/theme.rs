//! `/v1/capture/iframe`: how a form looks, and what of it is refused (spec A.5; docs/form.md).

use backend::languages::LANGUAGES;
use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::client::Call;

/// One transparent pixel.
const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

on_both_engines! {
    a_theme_becomes_custom_properties_of_every_page_of_the_form,
    a_form_without_a_theme_has_both_schemes,
    the_interfaces_own_keys_are_taken,
    a_logo_is_served_as_a_png_of_ours,
    unreadable_colours_are_refused_with_their_ratio,
    wrong_looks_are_refused_at_their_place,
    a_logo_behind_a_private_address_is_not_fetched,
    the_first_flight_is_small_with_everything_switched_on,
}

async fn form(app: &TestApp, body: Value) -> String {
    text(&app.merchant.post("/v1/capture/iframe", body).await.ok()["id"])
}

async fn a_theme_becomes_custom_properties_of_every_page_of_the_form(app: TestApp) {
    let theme = json!({ "primary_color": "rgb(10 60 120)", "radius": 3, "dark": { "surface": "#101418" } });
    let body = json!({ "theme": theme, "layout": "compact", "labels": "floating", "show_card": true });
    let id = form(&app, body).await;
    let page = app.anonymous.get(&format!("/v1/capture/iframe/{id}")).await.is(200).text();
    for part in [
        "--primary:#0a3c78;",
        "--radius:3px;",
        "--surface:#101418;",
        "data-layout=\"compact\"",
        "data-labels=\"floating\"",
        "id=\"cardamom-picture\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let gone = format!("/v1/capture/iframe/{id}?unique_id=none&secret=none");
    assert!(app.anonymous.get(&gone).await.is(404).text().contains("--primary:"));
    let shown = app.merchant.get(&format!("/v1/capture/iframe/{id}")).await.ok();
    assert_eq!(shown["look"]["light"]["primary"], "#0a3c78");
    assert_eq!((&shown["look"]["layout"], &shown["look"]["show_card"]), (&json!("compact"), &json!(true)));
}

async fn a_form_without_a_theme_has_both_schemes(app: TestApp) {
    let page = app.anonymous.get("/v1/capture/iframe/pcd").await.is(200).text();
    assert!(page.contains("prefers-color-scheme:dark") && !page.contains("cardamom-picture\""));
    let id = form(&app, json!({ "color_scheme": "light" })).await;
    let page = app.anonymous.get(&format!("/v1/capture/iframe/{id}")).await.text();
    assert!(page.contains("color-scheme:light") && !page.contains("color-scheme:dark"));
}

async fn the_interfaces_own_keys_are_taken(app: TestApp) {
    let theme = json!({
        "primary_color": "#009844", "success_color": "#0c8a25", "error_color": "#cc0000",
        "card_shadow_color": "#069848", "card_primary_color": "#68B645", "logo_image": "",
    });
    let id = form(&app, json!({ "theme": theme, "hide_card": false })).await;
    let page = app.anonymous.get(&format!("/v1/capture/iframe/{id}")).await.text();
    assert!(page.contains("--card:#68b645;") && page.contains("--card-shadow:#069848;"));
    assert!(!page.contains("<img"));
}

async fn a_logo_is_served_as_a_png_of_ours(app: TestApp) {
    let id = form(&app, json!({ "theme": { "logo_image": PNG, "logo_alt": "Shop & Co" } })).await;
    let page = app.anonymous.get(&format!("/v1/capture/iframe/{id}")).await.text();
    assert!(page.contains("alt=\"Shop &amp; Co\""));
    let at = page.split("src=\"").find(|part| part.starts_with("/v1/capture/logo/")).unwrap();
    let logo = app.anonymous.get(at.split('"').next().unwrap()).await;
    assert_eq!(logo.is(200).header("content-type"), "image/png");
    assert_eq!(logo.header("x-content-type-options"), "nosniff");
    assert!(logo.header("content-security-policy").contains("default-src 'none'"));
    app.anonymous.get("/v1/capture/logo/pcd").await.refused(404, "not_found");
    app.merchant.delete(&format!("/v1/capture/iframe/{id}")).await.ok();
    app.anonymous.get(&format!("/v1/capture/logo/{id}")).await.refused(404, "not_found");
}

async fn unreadable_colours_are_refused_with_their_ratio(app: TestApp) {
    let theme = json!({ "muted": "#9a9a9a", "dark": { "error_color": "#800000" } });
    let refused = app.merchant.post("/v1/capture/iframe", json!({ "theme": theme })).await;
    refused.refused(400, "invalid");
    let problem = refused.json();
    let places: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| text(&e["pointer"])).collect();
    assert_eq!(places, ["/theme/muted", "/theme/dark/error_color"]);
    let told = text(&problem["errors"][0]["detail"]);
    assert_eq!(
        told,
        "muted #9a9a9a on surface #ffffff has a contrast of 2.81:1 in the light scheme; it has to be at least 4.5:1."
    );
}

async fn wrong_looks_are_refused_at_their_place(app: TestApp) {
    let large = format!("data:image/png;base64,{}", "A".repeat(200_000));
    let jpeg = PNG.replace("image/png", "image/jpeg");
    for (body, pointer, code) in [
        (json!({ "theme": { "accent_color": "#000" } }), "/theme/accent_color", "unknown"),
        (json!({ "theme": { "primary_color": "darkish" } }), "/theme/primary_color", "colour"),
        (json!({ "theme": { "primary_color": "red;}body{}" } }), "/theme/primary_color", "colour"),
        (json!({ "theme": { "font": "url(https://x.example/f)" } }), "/theme/font", "unknown"),
        (json!({ "theme": { "logo_image": large } }), "/theme/logo_image", "too_large"),
        (json!({ "theme": { "logo_image": jpeg } }), "/theme/logo_image", "image_type"),
        (
            json!({ "theme": { "logo_image": "data:image/svg+xml;base64,PHN2Zy8+" } }),
            "/theme/logo_image",
            "image_type",
        ),
        (
            json!({ "theme": { "logo_image": "data:image/png;base64,iVBORw0KGgo=" } }),
            "/theme/logo_image",
            "image",
        ),
        (json!({ "layout": "wide" }), "/layout", "unknown"),
    ] {
        let refused = app.merchant.post("/v1/capture/iframe", body).await;
        refused.refused(400, "invalid").at(pointer, code);
    }
}

async fn a_logo_behind_a_private_address_is_not_fetched(app: TestApp) {
    for address in ["https://127.0.0.1/logo.png", "https://[::1]/logo.png", "https://10.0.0.1/logo.png"] {
        let refused =
            app.merchant.post("/v1/capture/iframe", json!({ "theme": { "logo_image": address } })).await;
        refused.refused(400, "invalid").at("/theme/logo_image", "unreachable");
    }
}

async fn the_first_flight_is_small_with_everything_switched_on(app: TestApp) {
    let colours = json!({
        "primary_color": "#0a4f8f", "success_color": "#0c7a25", "error_color": "#c00000", "primary_text": "#ffffff",
        "background": "#f0f2f4", "surface": "#fefefe", "text": "#101820", "muted": "#505a66", "border": "#7a8490",
        "focus": "#0a4f8f", "card_primary_color": "#68b645", "card_shadow_color": "#069848",
    });
    let visible = json!({ "visible": true });
    let body = json!({
        "theme": {
            "light": colours, "logo_image": PNG, "logo_alt": "A shop with a name of its own", "radius": 7,
            "font": "geometric", "font_scale": 1.125, "density": "spacious",
        },
        "layout": "compact", "labels": "floating", "show_card": true,
        "field_options": {
            "reference": { "visible": true, "validate": true }, "postal_code": visible, "billing_address": visible,
            "billing_city": visible, "billing_country": visible,
        },
        "field_labels": { "card_holder": "Name as printed on your card" },
        "placeholders": { "card_holder": "Ada Lovelace", "reference": "Order 17" },
        "additional_fields": [
            { "name": "mail", "label": "E-mail", "type": "email", "required": true },
            { "name": "phone", "label": "Telephone", "type": "tel" },
            { "name": "size", "label": "Size", "type": "select", "options": ["S", "M", "L"] },
        ],
        "consent": { "text": "I agree that the shop stores my card for later payments.", "version": "2027-01" },
        "card_types": ["visa", "mastercard", "amex", "discover", "jcb"],
        "mask_cvv": true, "force_keypad": true, "showLanguageSelector": true,
        "allowed_origins": ["https://shop.example", "https://www.shop.example", "https://pay.shop.example"],
        "success_callback": "KHJlc3BvbnNlKSA9PiB7IHRvcC5sb2NhdGlvbi5ocmVmID0gImh0dHBzOi8vc2hvcC5leGFtcGxlL3RoYW5rcyI7IH0=",
    });
    let id = form(&app, body).await;
    let endpoint = app.endpoint("").await;
    let target = format!(
        "/v1/capture/iframe/{id}?unique_id={}&secret={}&title=Your%20card%20for%20order%2017&order=17&shop=main",
        endpoint.id, endpoint.secret
    );
    let mut longest = (0, "");
    for language in &LANGUAGES {
        for coding in ["br", "gzip"] {
            let target = format!("{target}&locale={}", language.tag);
            let call = Call::new("GET", &target).header("accept-encoding", coding);
            let page = app.anonymous.send(call).await;
            assert_eq!(page.is(200).header("content-encoding"), coding);
            longest = longest.max((page.body.len(), language.tag));
        }
    }
    // What a server may send before it hears from the browser again: 10 packets of 1,400 bytes (RFC 6928).
    assert!(longest.0 <= 14_000, "{} bytes in {}", longest.0, longest.1);
    let plain = app.anonymous.get(&target).await.is(200).text();
    assert!(
        plain.contains("<style") && !plain.contains("rel=\"stylesheet\""),
        "the page needs no other file to show"
    );
}
