//! Retrieve endpoints: cards read by an endpoint's secret, without passphrase and credential.

use backend::crypto::binding::Binding;
use serde_json::{Value, json};

use crate::app::{NUMBER, OTHER_NUMBER, PASSPHRASE, TestApp, card, text};
use crate::client::{Answer, Call};

on_both_engines! {
    a_card_is_read_by_the_secret_alone,
    a_locked_endpoint_reads_its_card_alone,
    a_locked_token_reads_any_reference,
    members_are_masked,
    a_wrong_secret_is_as_an_unknown_endpoint,
    an_endpoint_ends_by_time_and_by_uses,
    an_endpoint_ends_with_its_keys_passphrase,
    an_endpoint_ends_with_a_rotation,
    patches_are_in_and_codes_are_not,
    an_endpoint_is_listed_shown_and_deleted,
    a_foreign_endpoint_is_unknown,
    what_cannot_be_an_endpoint_is_refused,
    a_read_is_audited,
    an_endpoint_goes_with_its_card,
    a_card_is_revealed_once_and_shown_masked_before,
    the_page_is_for_itself_alone,
    an_endpoint_for_the_page_answers_no_program,
    the_first_view_is_masked_as_the_card_is,
    the_secret_of_the_page_opens_the_page_alone,
    who_asks_for_html_gets_the_page,
    who_asks_for_html_of_a_capture_endpoint_gets_the_form,
}

/// An endpoint of the key `shop`, and a stored card's token.
async fn made(app: &TestApp, query: &str) -> (Value, String) {
    app.key().await;
    let stored = app
        .merchant
        .send(with_passphrase("POST", "/v1/vault?user=shop&reference=r1").json(&card(NUMBER)))
        .await;
    let token = text(&stored.ok()["token"]);
    let query = query.replace("TOKEN", &token);
    let created = app.merchant.send(with_passphrase("POST", &format!("/v1/retrieve?user=shop{query}"))).await;
    (created.ok(), token)
}

fn with_passphrase(method: &'static str, target: &str) -> Call {
    Call::new(method, target).header("x-vault-passphrase", PASSPHRASE)
}

async fn read(app: &TestApp, created: &Value, query: &str) -> Answer {
    let call = Call::new("GET", &format!("{}{query}", text(&created["url"])));
    app.anonymous.send(call.header("x-retrieve-secret", &text(&created["secret"]))).await
}

async fn a_card_is_read_by_the_secret_alone(app: TestApp) {
    let (created, token) = made(&app, "&ttl=PT10M").await;
    assert_eq!(created["expires_at"], "2027-01-15T08:10:00Z");
    let object = read(&app, &created, &format!("?token={token}&reference=r1")).await.ok();
    assert_eq!(object, card(NUMBER));
    let call = Call::new("GET", &format!("{}?token={token}&reference=r1", text(&created["url"])))
        .header("x-pcivault-retrieve-secret", &text(&created["secret"]))
        .header("origin", "https://shop.example");
    let answer = app.anonymous.send(call).await;
    assert_eq!((answer.ok(), answer.header("access-control-allow-origin")), (card(NUMBER), "*"));
    for query in ["", "?token=none", &format!("?token={token}"), &format!("?token={token}&reference=r2")] {
        read(&app, &created, query).await.refused(404, "not_found");
    }
}

async fn a_locked_endpoint_reads_its_card_alone(app: TestApp) {
    let (created, token) = made(&app, "&token=TOKEN&reference=r1").await;
    assert_eq!(created["lockdown_info"], json!({ "token": token, "reference": "r1" }));
    assert_eq!(read(&app, &created, "").await.ok(), card(NUMBER));
    let other = app
        .merchant
        .send(with_passphrase("POST", "/v1/vault?user=shop&reference=r1").json(&card(OTHER_NUMBER)));
    let other = text(&other.await.ok()["token"]);
    read(&app, &created, &format!("?token={other}")).await.refused(404, "not_found");
    read(&app, &created, "?reference=r2").await.refused(404, "not_found");
}

async fn a_locked_token_reads_any_reference(app: TestApp) {
    let (created, token) = made(&app, "&token=TOKEN").await;
    app.merchant
        .send(with_passphrase("POST", "/v1/vault?user=shop&reference=r2").json(&card(NUMBER)))
        .await
        .ok();
    for reference in ["r1", "r2"] {
        assert_eq!(
            read(&app, &created, &format!("?reference={reference}&token={token}")).await.ok(),
            card(NUMBER)
        );
    }
    read(&app, &created, "?reference=r3").await.refused(404, "not_found");
}

async fn members_are_masked(app: TestApp) {
    let (created, _) =
        made(&app, "&token=TOKEN&reference=r1&mask_fields=card_number,%20card_holder,none").await;
    let object = read(&app, &created, "").await.ok();
    assert_eq!(object["card_number"], "411111••••••1111");
    assert_eq!(object["card_holder"], "••••••••");
    assert_eq!(object["card_expiry"], "06-2031");
}

async fn a_wrong_secret_is_as_an_unknown_endpoint(app: TestApp) {
    let (created, token) = made(&app, "").await;
    let other = app.merchant.send(with_passphrase("POST", "/v1/retrieve?user=shop")).await.ok();
    let query = format!("?token={token}&reference=r1");
    let mut bodies = Vec::new();
    for (url, secret) in [
        (text(&created["url"]), "wrong".to_owned()),
        (text(&created["url"]), text(&other["secret"])),
        ("/v1/retrieve/unknown".to_owned(), text(&created["secret"])),
    ] {
        let call = Call::new("GET", &format!("{url}{query}")).header("x-retrieve-secret", &secret);
        let refused = app.anonymous.send(call).await;
        refused.refused(404, "not_found");
        bodies.push(refused.text());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    assert_eq!(app.audit().await.iter().filter(|entry| entry.action == "retrieve.secret").count(), 2);
}

async fn an_endpoint_ends_by_time_and_by_uses(app: TestApp) {
    let (created, _) = made(&app, "&token=TOKEN&reference=r1&max_uses=2&ttl=PT10M").await;
    read(&app, &created, "").await.ok();
    read(&app, &created, "?reference=wrong").await.refused(404, "not_found");
    read(&app, &created, "").await.ok();
    read(&app, &created, "").await.refused(404, "used");
    app.clock.pass(601);
    read(&app, &created, "").await.refused(404, "expired");
    app.clock.pass(25 * 3600);
    app.sweep().await;
    read(&app, &created, "").await.refused(404, "not_found");
}

async fn an_endpoint_ends_with_its_keys_passphrase(app: TestApp) {
    let (created, _) = made(&app, "&token=TOKEN&reference=r1").await;
    read(&app, &created, "").await.ok();
    let change =
        json!({ "user": "shop", "passphrase": PASSPHRASE, "new_passphrase": "another-long-passphrase" });
    app.merchant.put("/v1/key", change).await.ok();
    read(&app, &created, "").await.refused(404, "key_changed");
    assert_eq!(app.merchant.get(&text(&created["url"])).await.ok()["key_changed"], true);
}

async fn an_endpoint_ends_with_a_rotation(app: TestApp) {
    let (created, _) = made(&app, "&token=TOKEN&reference=r1").await;
    app.merchant.send(with_passphrase("POST", "/v1/key/rotate?user=shop")).await.ok();
    read(&app, &created, "").await.refused(404, "key_changed");
    let fresh = app.merchant.send(with_passphrase("POST", "/v1/retrieve?user=shop")).await.ok();
    let query = format!("?token={}&reference=r1", text(&created["lockdown_info"]["token"]));
    assert_eq!(read(&app, &fresh, &query).await.ok(), card(NUMBER));
}

async fn patches_are_in_and_codes_are_not(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    endpoint.capture(json!({ "card_expiry": "07-2032", "cvv": "123" })).await.ok();
    let target = format!("/v1/retrieve?user=managed&token={token}&reference=r1");
    let created = app.merchant.post(&target, json!({})).await.ok();
    let object = read(&app, &created, "").await.ok();
    assert_eq!(object, json!({ "card_number": NUMBER, "card_holder": "Ada King", "card_expiry": "07-2032" }));
}

async fn an_endpoint_is_listed_shown_and_deleted(app: TestApp) {
    let (created, _) = made(&app, "&unique_id=front-desk&token=TOKEN&reference=r1").await;
    read(&app, &created, "").await.ok();
    let listed = app.merchant.get("/v1/retrieve").await.ok();
    assert_eq!((&listed[0]["unique_id"], &listed[0]["uses"]), (&json!("front-desk"), &json!(1)));
    assert!(listed[0].get("secret").is_none());
    assert_eq!(app.merchant.get("/v1/retrieve/front-desk").await.ok(), listed[0]);
    let again = with_passphrase("POST", "/v1/retrieve?user=shop&unique_id=front-desk");
    app.merchant.send(again).await.refused(409, "id_taken");
    app.merchant.delete("/v1/retrieve/front-desk").await.ok();
    read(&app, &created, "").await.refused(404, "not_found");
}

async fn a_foreign_endpoint_is_unknown(app: TestApp) {
    let (created, _) = made(&app, "").await;
    let url = text(&created["url"]);
    for client in [app.other_merchant().await, app.test_mode.clone()] {
        client.get(&url).await.refused(404, "not_found");
        client.delete(&url).await.refused(404, "not_found");
        assert_eq!(client.get("/v1/retrieve").await.ok(), json!([]));
    }
    app.anonymous.get(&url).await.refused(401, "unauthenticated");
}

async fn what_cannot_be_an_endpoint_is_refused(app: TestApp) {
    app.key().await;
    for (query, at) in [
        ("&ttl=soon", "/ttl"),
        ("&ttl=0", "/ttl"),
        ("&unique_id=a/b", "/unique_id"),
        ("&unique_id=iframe", "/unique_id"),
        ("&max_uses=0", "/max_uses"),
        ("&max_uses=10001", "/max_uses"),
        ("&max_reveals=0", "/max_reveals"),
        ("&reference=4111111111111111", "/reference"),
    ] {
        let refused =
            app.merchant.send(with_passphrase("POST", &format!("/v1/retrieve?user=shop{query}"))).await;
        assert_eq!(refused.refused(400, "invalid").0["errors"][0]["pointer"], at, "{query}");
    }
    app.merchant
        .send(with_passphrase("POST", "/v1/retrieve?user=shop&token=none"))
        .await
        .refused(404, "not_found");
    app.merchant
        .post("/v1/retrieve?user=shop&passphrase=another-one", json!({}))
        .await
        .refused(403, "wrong_passphrase");
    app.merchant.post("/v1/retrieve?user=none", json!({})).await.refused(404, "not_found");
}

async fn a_read_is_audited(app: TestApp) {
    let (created, _) = made(&app, "&token=TOKEN&reference=r1&max_uses=1").await;
    read(&app, &created, "").await.ok();
    read(&app, &created, "").await.refused(404, "used");
    read(&app, &created, "?reference=r2").await.refused(404, "used");
    let log = app.audit().await;
    let of = |action: &str| log.iter().filter(|entry| entry.action == action).count();
    assert_eq!((of("retrieve.create"), of("card.retrieve"), of("retrieve.ended")), (1, 1, 2));
    let entry = log.iter().find(|entry| entry.action == "card.retrieve").unwrap();
    assert!(entry.object.starts_with("card_") && entry.actor.starts_with("retrieve:rtv_"));
}

async fn an_endpoint_goes_with_its_card(app: TestApp) {
    let (created, token) = made(&app, "&token=TOKEN&reference=r1").await;
    let any = app
        .merchant
        .send(with_passphrase("POST", &format!("/v1/retrieve?user=shop&token={token}")))
        .await
        .ok();
    let store = |reference: &str| {
        let target = format!("/v1/vault?user=shop&reference={reference}");
        app.merchant.send(with_passphrase("POST", &target).json(&card(NUMBER)))
    };
    store("r2").await.ok();
    for (reference, any_is_left) in [("r1", true), ("r2", false)] {
        app.merchant.delete(&format!("/v1/vault?user=shop&token={token}&reference={reference}")).await.ok();
        store(reference).await.ok();
        // Stored again, under the same token: what was made for the card before reads nothing of it.
        read(&app, &created, "").await.refused(404, "not_found");
        let answer = read(&app, &any, &format!("?reference={reference}")).await;
        assert_eq!(answer.status == 200, any_is_left, "{reference}: {}", answer.text());
        if any_is_left {
            app.merchant.delete(&format!("/v1/vault?user=shop&token={token}&reference=r1")).await.ok();
        }
    }
}

#[tokio::test]
async fn database_and_root_key_alone_open_nothing() {
    let app = TestApp::on_sqlite().await;
    let (created, _) = made(&app, "&token=TOKEN&reference=r1").await;
    let mut t = app.app.core.store.read().await.unwrap();
    let endpoint = t.find_retrieval_by_secret_name(text(&created["unique_id"])).await.unwrap().unwrap();
    let custody = app.custody("shop", PASSPHRASE).await.as_bytes().to_vec();
    let binding = Binding {
        merchant: endpoint.merchant.as_str(),
        mode: endpoint.mode.as_str(),
        record: endpoint.id.as_str(),
        kind: "retrieve endpoint",
        field: "custody",
        number: 0,
        key_version: 0,
    };
    // Who holds the root key takes the outer wrapping off, and finds another one.
    let inner = app.app.core.root.unwrap(&binding, &endpoint.wrapped).unwrap();
    let secret = text(&created["secret"]).into_bytes();
    let on_disk = app.bytes_on_disk();
    for (place, sought) in [(on_disk.as_slice(), &secret), (&on_disk, &custody), (&inner, &custody)] {
        assert!(!place.windows(sought.len()).any(|window| window == sought));
    }
}

/// What the page's script asks.
async fn page(app: &TestApp, created: &Value, body: Value) -> Answer {
    let call = Call::new("POST", "/v1/retrieve/iframe/pcd").header("sec-fetch-site", "same-origin");
    app.anonymous.send(call.header("x-retrieve-secret", &text(&created["secret"])).json(&body)).await
}

async fn a_card_is_revealed_once_and_shown_masked_before(app: TestApp) {
    let (created, token) = made(&app, "&max_uses=3").await;
    let id = &created["unique_id"];
    let asked =
        |reveal: bool| json!({ "unique_id": id, "token": token, "reference": "r1", "reveal": reveal });
    let masked = page(&app, &created, asked(false)).await.ok();
    let expected = json!([["number", "411111••••••1111"], ["holder", "A•• K•••"], ["expiry", "06/31"]]);
    assert_eq!(masked["rows"], expected);
    let shown = page(&app, &created, asked(true)).await.ok();
    assert_eq!(shown["rows"], json!([["number", NUMBER], ["holder", "Ada King"], ["expiry", "06-2031"]]));
    for reveal in [true, false] {
        page(&app, &created, asked(reveal)).await.refused(404, "used");
    }
    // The API reads on.
    read(&app, &created, &format!("?token={token}&reference=r1")).await.ok();
    let revealed = app.audit().await.into_iter().filter(|entry| entry.action == "card.reveal").count();
    assert_eq!(revealed, 1);
    let wrong = json!({ "secret": "wrong" });
    page(&app, &wrong, asked(true)).await.refused(404, "not_found");
}

async fn an_endpoint_for_the_page_answers_no_program(app: TestApp) {
    let (created, _) = made(&app, "&token=TOKEN&reference=r1&reveal_only=true").await;
    assert_eq!(created["reveal_only"], true);
    read(&app, &created, "").await.refused(403, "page_only");
    let wrong = json!({ "url": created["url"], "secret": "wrong" });
    read(&app, &wrong, "").await.refused(404, "not_found");
    let asked = json!({ "unique_id": created["unique_id"], "reveal": true });
    let shown = page(&app, &created, asked).await.ok();
    assert_eq!(shown["rows"][0], json!(["number", NUMBER]));
    let refused = app.audit().await.into_iter().filter(|entry| entry.action == "retrieve.page_only").count();
    assert_eq!(refused, 1);
    assert_eq!(app.merchant.get(&text(&created["url"])).await.ok()["reveal_only"], true);
}

/// The address that a merchant gives to a person, without its host, and the secret in it.
fn handed_out(created: &Value) -> (String, String) {
    let url = text(&created["page_url"]);
    let (address, secret) = url.split_once("#secret=").unwrap();
    (address.strip_prefix("https://cards.example").unwrap().to_owned(), secret.to_owned())
}

async fn the_secret_of_the_page_opens_the_page_alone(app: TestApp) {
    let (created, _) = made(&app, "&token=TOKEN&reference=r1").await;
    let (address, secret) = handed_out(&created);
    assert_eq!(address, format!("/v1/retrieve/iframe/pcd?unique_id={}", text(&created["unique_id"])));
    assert!(secret != text(&created["secret"]) && !text(&created["secret"]).contains(&secret));
    app.anonymous.get(&address).await.is(200);
    let with = |secret: &str| json!({ "url": created["url"], "secret": secret });
    read(&app, &with(&secret), "").await.refused(403, "page_only");
    // The secret of the page is none of the endpoint, from which a further one could be made.
    let shown =
        page(&app, &with(&secret), json!({ "unique_id": created["unique_id"], "reveal": true })).await.ok();
    assert_eq!(shown["rows"][0], json!(["number", NUMBER]));
    page(&app, &with(&secret), json!({ "unique_id": created["unique_id"], "reveal": true }))
        .await
        .refused(404, "used");
    // The endpoint's own secret reads on, and neither is told again.
    read(&app, &created, "").await.ok();
    let listed = app.merchant.get("/v1/retrieve").await.ok().to_string();
    assert!(!listed.contains(&secret) && !listed.contains(&text(&created["secret"])));
    let refused = app.audit().await.into_iter().filter(|entry| entry.action == "retrieve.page_only").count();
    assert_eq!(refused, 1);
    // With the key's passphrase both end.
    let change =
        json!({ "user": "shop", "passphrase": PASSPHRASE, "new_passphrase": "another-long-passphrase" });
    app.merchant.put("/v1/key", change).await.ok();
    for secret in [secret, text(&created["secret"])] {
        page(&app, &with(&secret), json!({ "unique_id": created["unique_id"] }))
            .await
            .refused(404, "key_changed");
    }
}

async fn who_asks_for_html_gets_the_page(app: TestApp) {
    let (_, token) = made(&app, "").await;
    let ask = async |query: &str, accept: &str| {
        let call = with_passphrase("POST", &format!("/v1/retrieve?user=shop{query}"));
        app.merchant.send(call.header("accept", accept).header("accept-language", "de")).await
    };
    let query = format!("&token={token}&reference=r1&unique_id=desk");
    let document = ask(&query, "text/html").await;
    assert_eq!(document.is(200).header("content-type"), "text/html; charset=utf-8");
    assert_eq!(document.header("cache-control"), "no-store");
    let policy = document.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
    assert!(
        policy.contains("; frame-src https://cards.example; ") && !policy.contains("script-src"),
        "{policy}"
    );
    let text = document.text();
    assert!(text.contains("lang=\"de\"") && !text.contains("<script"), "{text}");
    let address = "<iframe src=\"https://cards.example/v1/retrieve/iframe/pcd?unique_id=desk#secret=";
    let secret = text.split(address).nth(1).expect("a frame").split('"').next().unwrap().to_owned();
    let made = json!({ "url": "/v1/retrieve/desk", "secret": secret });
    read(&app, &made, "").await.refused(403, "page_only");
    let shown = page(&app, &made, json!({ "unique_id": "desk", "reveal": true })).await.ok();
    assert_eq!(shown["rows"][0], json!(["number", NUMBER]));
    // A page shows one card, so it is made for one.
    ask("&unique_id=none", "text/html").await.refused(400, "invalid").at("/token", "missing");
    app.merchant.get("/v1/retrieve/none").await.refused(404, "not_found");
    for accept in ["application/json", "*/*", "application/json, text/html"] {
        assert!(
            ask(&format!("&token={token}&reference=r1"), accept).await.ok()["secret"].is_string(),
            "{accept}"
        );
    }
    // What is refused is refused as ever.
    let nobody = Call::new("POST", "/v1/retrieve?user=shop").header("accept", "text/html");
    app.anonymous.send(nobody).await.refused(401, "unauthenticated");
}

async fn who_asks_for_html_of_a_capture_endpoint_gets_the_form(app: TestApp) {
    let token = app.card().await;
    let ask = async |query: &str| {
        let call =
            Call::new("POST", &format!("/v1/capture?user=managed{query}")).header("accept", "text/html");
        let text = app.merchant.send(call).await.is(200).text();
        let source = text.split("<iframe src=\"https://cards.example").nth(1).expect("a frame");
        source.split('"').next().unwrap().replace("&amp;", "&")
    };
    let open = ask("&unique_id=till").await;
    let (address, secret) = open.split_once("#secret=").expect("no server sees the secret");
    assert_eq!(address, "/v1/capture/iframe/pcd?unique_id=till");
    app.anonymous.get(address).await.is(200);
    let call = Call::new("POST", "/v1/capture/till").header("x-capture-secret", secret);
    app.anonymous.send(call.json(&card(OTHER_NUMBER))).await.ok();
    // The form of a locked endpoint asks for nothing of a number.
    let locked = ask(&format!("&token={token}&reference=r1")).await;
    let page = app.anonymous.get(&locked).await.is(200).text();
    assert!(page.contains("name=\"cvv\"") && !page.contains("name=\"card_number\""));
}

async fn the_first_view_is_masked_as_the_card_is(app: TestApp) {
    let rule = json!({ "operations": [{ "name": "mask", "input_field": "card_number", "arguments": { "last": 2 } }] });
    app.merchant.post("/v1/rule?id=two", rule).await.ok();
    let mut made = made(&app, "&token=TOKEN&reference=r1&mask_fields=exp_month,%20nameOnCard").await.0;
    let hidden = |count: usize| "•".repeat(count);
    let first = async |made: &Value| page(&app, made, json!({ "unique_id": made["unique_id"] })).await.ok();
    let masked = json!([["number", "411111••••••1111"], ["holder", hidden(8)], ["expiry", hidden(5)]]);
    assert_eq!(first(&made).await["rows"], masked);
    let token = text(&made["lockdown_info"]["token"]);
    let target = format!("/v1/retrieve?user=shop&token={token}&reference=r1&rules=two");
    made = app.merchant.send(with_passphrase("POST", &target)).await.ok();
    let nothing = json!([["number", hidden(16)], ["holder", hidden(8)], ["expiry", hidden(5)]]);
    assert_eq!(first(&made).await["rows"], nothing);
}

async fn the_page_is_for_itself_alone(app: TestApp) {
    let (created, token) = made(&app, "").await;
    let target = format!(
        "/v1/retrieve/iframe/pcd?unique_id={}&secret={}&token={token}",
        text(&created["unique_id"]),
        text(&created["secret"])
    );
    let document = app.anonymous.get(&target).await;
    for hidden in [text(&created["secret"]), token.clone(), "411111".to_owned()] {
        assert!(!document.is(200).text().contains(&hidden), "{hidden}");
    }
    let policy = document.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'nonce-"), "{policy}");
    assert!(policy.contains("form-action 'none'") && !policy.contains("unsafe"));
    let german = app.anonymous.get("/v1/retrieve/iframe/pcd?locale=de").await;
    assert!(german.text().contains("Karte anzeigen") && german.text().contains("lang=\"de\""));
    let cross = Call::new("POST", "/v1/retrieve/iframe/pcd").header("sec-fetch-site", "cross-site");
    let body =
        json!({ "unique_id": created["unique_id"], "token": token, "reference": "r1", "reveal": true });
    let refused =
        app.anonymous.send(cross.header("x-retrieve-secret", &text(&created["secret"])).json(&body)).await;
    refused.refused(403, "cross_site");
}
