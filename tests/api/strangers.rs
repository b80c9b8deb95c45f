//! Calls that no credential of a merchant or an operator opens: why each of them is so, and whom it refuses all the same.

use std::collections::BTreeSet;

use backend::model::Scope;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::app::{Endpoint, NUMBER, TestApp, card, text};
use crate::client::{Answer, Call};
use crate::company::{self, Shop, code};
use crate::invoices::{self, GOOD, refusal, sell, sell_by};
use crate::openapi::{lack_of, unauthenticated};
use crate::payment_page::page;
use crate::requests::{ask, fill, filled, history, link, press, signature};

/// Calls of the API document that let others in than merchants and operators, and why.
pub const OPEN: [(&str, &str); 19] = [
    (
        "GET /.well-known/cardamom/scripts.json",
        "published: the scripts of the card page, for everybody to compare",
    ),
    ("GET /.well-known/jwks.json", "published: the public halves of keys"),
    ("GET /health/live", "published: probes ask it, and it tells nothing of a merchant"),
    ("GET /health/ready", "published: probes ask it, and it tells nothing of a merchant"),
    ("POST /api.php", "the company's credentials and its signature stand in the body"),
    ("POST /api.php/status", "the company's credentials and its signature stand in the body"),
    ("POST /api/cardrequest/report/{message}", "the provider of text messages signs it"),
    ("GET /api/payments/capturecard", "opened by a session token of the merchant too"),
    ("POST /payment/sale", "the invoice's own signed token lets in, once"),
    (
        "GET /v1/capture/iframe/{form}",
        "a cardholder's page, named by an unguessable id; an endpoint's by its secret",
    ),
    ("POST /v1/capture/iframe/{form}", "the endpoint's secret stands in the form"),
    ("POST /v1/capture/{unique_id}", "the endpoint's secret lets in"),
    ("GET /v1/retrieve/{unique_id}", "the endpoint's secret lets in too"),
    ("GET /v1/retrieve/iframe/pcd", "one page for all, which holds nothing of any endpoint"),
    ("POST /v1/retrieve/iframe/pcd", "the endpoint's secret, or its page's, lets in"),
    ("GET /r/{code}", "the link's unguessable code lets in"),
    ("POST /r/{code}", "the link's unguessable code lets in"),
    ("GET /hpp/{page}", "the page's unguessable id lets in"),
    ("POST /hpp/{page}", "the page's unguessable id lets in"),
];

/// Routes beside the document, and why they are not in it.
pub const BESIDE: [(&str, &str); 26] = [
    ("GET /v1/capture/result/{id}", "a page's own next step"),
    ("GET /v1/capture/done/{id}", "a page's own next step"),
    ("GET /v1/capture/logo/{form}", "a file that pages name"),
    ("GET /r/{code}/form/{ticket}", "a page's own next step"),
    ("GET /r/{code}/result/{id}", "a page's own next step"),
    ("POST /r/{code}/viewed", "sent by the page's script"),
    ("POST /r/{code}/ask", "a page's own next step"),
    ("GET /r/{code}/asked", "a page's own next step"),
    ("POST /r/{code}/passcode", "a page's own next step"),
    ("POST /r/{code}/enter", "a page's own next step"),
    ("GET /hpp/{page}/done", "a page's own next step"),
    ("POST /hpp/{page}/another", "a page's own next step"),
    ("GET /hpp/{page}/result/{id}", "a page's own next step"),
    ("POST /sandbox/acs", "the simulated issuer, where payment pages lead"),
    ("POST /payment/complete-auth/{page}", "where issuers lead back to"),
    ("GET /payment/complete-auth/{page}", "where issuers lead back to"),
    ("GET /api/payment-invoices", "a second path of a documented call"),
    ("POST /api/payment-invoices", "a second path of a documented call"),
    ("GET /api/payment-invoices/{id}", "a second path of a documented call"),
    ("POST /api/payment-invoices/{id}/capture", "a second path of a documented call"),
    ("POST /api/payment-invoices/{id}/void", "a second path of a documented call"),
    ("POST /api/payment-invoices/{id}/refund", "a second path of a documented call"),
    ("GET /assets/{file}", "files that pages name"),
    ("GET /embed/{version}/{file}", "files that pages of shops name"),
    ("GET /openapi.json", "the document itself"),
    ("GET /docs", "the document itself"),
];

/// Sends each call of the lists as who may not make it, and where that tells something, as who may.
pub async fn are_refused(app: &TestApp, name: &str) {
    let (method, path) = name.split_once(' ').unwrap();
    match name {
        "GET /.well-known/cardamom/scripts.json"
        | "GET /.well-known/jwks.json"
        | "GET /health/live"
        | "GET /health/ready"
        | "GET /openapi.json"
        | "GET /docs" => everybody_reads_the_same(app, path).await,
        "POST /api.php" => companies_transact(app).await,
        "POST /api.php/status" => companies_ask(app).await,
        "POST /api/cardrequest/report/{message}" => the_provider_reports(app).await,
        "GET /api/payments/capturecard" => a_session_opens_a_form(app).await,
        "POST /payment/sale" => a_token_sells(app).await,
        "GET /v1/capture/iframe/{form}" => a_form_is_shown(app).await,
        "POST /v1/capture/iframe/{form}" => a_form_is_filed(app).await,
        "POST /v1/capture/{unique_id}" => a_secret_captures(app).await,
        "GET /v1/retrieve/{unique_id}" => a_secret_reads(app).await,
        "GET /v1/retrieve/iframe/pcd" => a_page_holds_nothing(app).await,
        "POST /v1/retrieve/iframe/pcd" => a_secret_reveals(app).await,
        "GET /r/{code}" => a_link_opens(app).await,
        "POST /r/{code}" => a_link_is_filed(app).await,
        "GET /hpp/{page}" => a_payment_page_opens(app).await,
        "POST /hpp/{page}" => a_payment_page_is_filed(app).await,
        "GET /r/{code}/form/{ticket}" => a_ticket_is_needed(app).await,
        "GET /r/{code}/asked" => thanks_tell_nothing(app).await,
        "POST /r/{code}/viewed"
        | "POST /r/{code}/ask"
        | "POST /r/{code}/passcode"
        | "POST /r/{code}/enter" => {
            a_step_of_no_link_does_nothing(app, path).await;
        }
        "POST /hpp/{page}/another" => no_payment_is_given_up(app).await,
        "POST /sandbox/acs" => {
            let call = Call::new("POST", path).form(&[
                ("PaReq", "none"),
                ("MD", "none"),
                ("TermUrl", "https://a.example"),
            ]);
            assert!(!app.anonymous.send(call).await.is(404).text().contains("<form"));
        }
        _ if path.starts_with("/api/payment-invoices") => merchants_of_a_second_path(app, method, path).await,
        "GET /v1/capture/result/{id}"
        | "GET /v1/capture/done/{id}"
        | "GET /v1/capture/logo/{form}"
        | "GET /r/{code}/result/{id}"
        | "GET /hpp/{page}/done"
        | "GET /hpp/{page}/result/{id}"
        | "GET /assets/{file}"
        | "GET /embed/{version}/{file}"
        | "GET /payment/complete-auth/{page}"
        | "POST /payment/complete-auth/{page}" => nothing_is_there(app, method, path).await,
        _ => panic!("{name} lets others in and has no case here"),
    }
}

/// A path whose parameters name nothing.
fn none(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn from_another_site(target: &str) -> Call {
    Call::new("POST", target).header("sec-fetch-site", "cross-site")
}

async fn refused_from_another_site(app: &TestApp, call: Call) {
    app.anonymous.send(call).await.refused(403, "cross_site");
}

fn of_method(method: &str, target: &str) -> Call {
    Call::new(if method == "GET" { "GET" } else { "POST" }, target)
}

/// Without what differs each time.
fn without_nonces(text: &str) -> String {
    let mut parts = text.split("nonce=\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + part.split_once('"').map_or("", |(_, rest)| rest))
}

async fn everybody_reads_the_same(app: &TestApp, path: &str) {
    let told = app.anonymous.get(path).await.is(200).text();
    let strangers =
        [app.merchant.clone(), app.test_mode.clone(), app.anonymous.with_basic("nobody", "nothing")];
    for client in strangers {
        assert_eq!(client.get(path).await.is(200).text(), told, "{path}");
    }
    for secret in [NUMBER, app.id.as_str()] {
        assert!(!told.contains(secret), "{path}");
    }
    app.anonymous.post(path, json!({})).await.refused(405, "method");
}

async fn nothing_is_there(app: &TestApp, method: &str, path: &str) {
    for client in [&app.anonymous, &app.merchant] {
        client.send(of_method(method, &none(path))).await.is(404);
    }
}

/// The codes of a request with a wrong password, and of one with a wrong signature.
async fn refusals_of(app: &TestApp, path: &str, transaction: &Value, more: &Value) -> [String; 2] {
    let shop = Shop::of(app);
    let mut wrong_pass = shop.envelope(app, transaction.clone(), more.clone());
    shop.sign(&mut wrong_pass);
    wrong_pass["company_pass"] = json!("0123456789");
    let mut wrong_hash = shop.envelope(app, transaction.clone(), more.clone());
    wrong_hash["request_hash"] = json!("0".repeat(64));
    let send = async |body: Value| {
        let answer = app.anonymous.post(path, body).await.is(200).json();
        assert_eq!(answer["transaction_id"], "", "{answer}");
        code(&answer)
    };
    [send(wrong_pass).await, send(wrong_hash).await]
}

async fn companies_transact(app: &TestApp) {
    let transaction = json!({
        "transaction_type": "AUTH_CAPTURE", "merchant_order_id": company::order(), "amount": "10.00",
        "currency_code_iso3": "GBP",
    });
    let more = json!({ "billing": company::card(NUMBER, "062031") });
    assert_eq!(refusals_of(app, "/api.php", &transaction, &more).await, ["103", "107"]);
    assert_eq!(code(&Shop::of(app).transact(app, transaction, more).await), "1");
}

async fn companies_ask(app: &TestApp) {
    let question = json!({ "status_request_type": "BIN", "bin": "411111" });
    assert_eq!(refusals_of(app, "/api.php/status", &question, &json!({})).await, ["103", "107"]);
    assert_eq!(Shop::of(app).query(app, "BIN", "bin", "411111").await["bin"]["bin"], "411111");
}

async fn the_provider_reports(app: &TestApp) {
    let node =
        app.node_with(|node| node.sms_token = Some(Zeroizing::new("report-token".to_owned()))).anonymous();
    let target = "/api/cardrequest/report/none";
    let report = async |token: &str| {
        let signed =
            signature(token, &format!("https://cards.example{target}"), &[("MessageStatus", "sent")]);
        let call = Call::new("POST", target).form(&[("MessageStatus", "sent")]);
        node.send(call.header("x-twilio-signature", &signed)).await.status
    };
    assert_eq!((report("another").await, report("").await), (403, 403));
    assert_ne!(report("report-token").await, 403);
    press(&node, target, "MessageStatus=sent").await.is(403);
    press(&app.anonymous, target, "MessageStatus=sent").await.is(404);
}

async fn a_session_opens_a_form(app: &TestApp) {
    let token = text(&app.merchant.post("/api/payments/paycard/tempsession", json!({})).await.ok());
    let open = async |token: &str| {
        app.anonymous.get(&format!("/api/payments/capturecard?sessionToken={token}")).await
    };
    open(&token).await.is(200);
    for wrong in ["none".to_owned(), format!("{token}x")] {
        unauthenticated(&open(&wrong).await, "/api/payments/capturecard");
    }
}

async fn a_token_sells(app: &TestApp) {
    let [one, two] = [invoices::make(app, "s1", json!({})).await, invoices::make(app, "s2", json!({})).await];
    let token = |invoice: &Value| text(&invoice["attributes"]["flow_data"]["metadata"]["token"]);
    let (token, other) = (token(&one), token(&two));
    let (signed, signature) = (token.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    for wrong in ["", "none", &format!("{signed}.{signature}")] {
        let answer = sell_by(&app.anonymous, wrong, invoices::card(GOOD)).await;
        assert_eq!(refusal(&answer).0, 401, "{wrong}");
    }
    sell(app, &one, invoices::card(GOOD)).await.is(201);
    assert_eq!(refusal(&sell(app, &one, invoices::card(GOOD)).await).0, 401, "the token was good once");
}

async fn a_form_is_shown(app: &TestApp) {
    let endpoint = app.endpoint("").await;
    let with = |id: &str, secret: &str| format!("/v1/capture/iframe/pcd?unique_id={id}&secret={secret}");
    app.anonymous.get(&with(&endpoint.id, &endpoint.secret)).await.is(200);
    for wrong in ["/v1/capture/iframe/none", &with(&endpoint.id, "wrong"), &with("none", &endpoint.secret)] {
        assert!(!app.anonymous.get(wrong).await.is(404).text().contains("card_number"), "{wrong}");
    }
    // With credentials it is the merchant's own call.
    let form = text(&app.merchant.post("/v1/capture/iframe", json!({})).await.ok()["id"]);
    let target = format!("/v1/capture/iframe/{form}");
    app.merchant.get(&target).await.ok();
    app.anonymous.with_basic("nobody", "nothing").get(&target).await.refused(401, "unauthenticated");
    let reader = app.with_scopes(&[Scope::CardRead]).await;
    assert_eq!(lack_of(reader.get(&target).await.is(403)), Some("form:write"));
    app.other_merchant().await.get(&target).await.refused(404, "not_found");
}

/// How many cards are stored under the managed key.
async fn stored(app: &TestApp) -> usize {
    app.stored_cards("managed").await.len()
}

async fn a_form_is_filed(app: &TestApp) {
    let (endpoint, other) = (app.endpoint("&algorithm=random").await, app.endpoint("").await);
    let before = stored(app).await;
    let body = json!({ "unique_id": endpoint.id, "card_number": NUMBER, "card_holder": "Ada King", "expiry": "06/31",
        "cvv": "737" });
    let target = "/v1/capture/iframe/pcd";
    let sent = |secret: &str| Call::new("POST", target).header("x-capture-secret", secret).json(&body);
    for wrong in ["", "wrong", &other.secret] {
        app.anonymous.send(sent(wrong)).await.refused(404, "not_found");
    }
    let right =
        |target: &str| from_another_site(target).header("x-capture-secret", &endpoint.secret).json(&body);
    refused_from_another_site(app, right(target)).await;
    app.anonymous.send(sent(&endpoint.secret).header("sec-fetch-site", "same-origin")).await.ok();
    assert_eq!(stored(app).await, before + 1);
}

async fn a_secret_captures(app: &TestApp) {
    let (endpoint, other) = (app.endpoint("&algorithm=random").await, app.endpoint("").await);
    let before = stored(app).await;
    for wrong in ["", "wrong", &other.secret] {
        let mut stranger: Endpoint = endpoint.clone();
        wrong.clone_into(&mut stranger.secret);
        stranger.capture(card(NUMBER)).await.refused(404, "not_found");
    }
    let bare = Call::new("POST", &format!("/v1/capture/{}", endpoint.id)).json(&card(NUMBER));
    app.merchant.send(bare).await.refused(404, "not_found");
    endpoint.capture(card(NUMBER)).await.ok();
    assert_eq!(stored(app).await, before + 1);
}

/// A retrieve endpoint of a stored card.
async fn retrieval(app: &TestApp) -> Value {
    let token = app.card().await;
    app.merchant.post(&format!("/v1/retrieve?user=managed&token={token}&reference=r1"), json!({})).await.ok()
}

async fn a_secret_reads(app: &TestApp) {
    let (made, other) = (retrieval(app).await, retrieval(app).await);
    let read = async |secret: &str| {
        let call = Call::new("GET", &text(&made["url"])).header("x-retrieve-secret", secret);
        app.anonymous.send(call).await
    };
    for wrong in ["", "wrong", &text(&other["secret"])] {
        read(wrong).await.refused(404, "not_found");
    }
    let page_url = text(&made["page_url"]);
    read(page_url.split_once("#secret=").unwrap().1).await.refused(403, "page_only");
    read(&text(&made["secret"])).await.ok();
}

async fn a_page_holds_nothing(app: &TestApp) {
    let made = retrieval(app).await;
    let page = async |query: &str| {
        without_nonces(&app.anonymous.get(&format!("/v1/retrieve/iframe/pcd{query}")).await.is(200).text())
    };
    let of = |name: &str| text(&made[name]);
    let bare = page("").await;
    assert_eq!(page(&format!("?unique_id={}&secret={}", of("unique_id"), of("secret"))).await, bare);
    assert_eq!(page("?unique_id=none&secret=wrong&token=none").await, bare);
}

async fn a_secret_reveals(app: &TestApp) {
    let (made, other) = (retrieval(app).await, retrieval(app).await);
    let target = "/v1/retrieve/iframe/pcd";
    let body = json!({ "unique_id": made["unique_id"], "reveal": true });
    let reveal = |call: Call, secret: &str| call.header("x-retrieve-secret", secret).json(&body);
    let (right, other) = (text(&made["secret"]), text(&other["secret"]));
    for wrong in ["", "wrong", &other] {
        app.anonymous.send(reveal(Call::new("POST", target), wrong)).await.refused(404, "not_found");
    }
    refused_from_another_site(app, reveal(from_another_site(target), &right)).await;
    app.anonymous.send(reveal(Call::new("POST", target), &right)).await.ok();
}

async fn a_link_opens(app: &TestApp) {
    ask(app, json!({})).await;
    let link = link(app).await;
    assert!(app.anonymous.get(&link).await.is(200).text().contains("card_number"));
    for wrong in ["/r/none".to_owned(), format!("{link}x")] {
        assert!(!app.anonymous.get(&wrong).await.is(404).text().contains("card_number"), "{wrong}");
    }
}

async fn a_link_is_filed(app: &TestApp) {
    ask(app, json!({})).await;
    let (link, before) = (link(app).await, stored(app).await);
    let body = filled(NUMBER, "737");
    for wrong in ["/r/none".to_owned(), format!("{link}x")] {
        fill(&app.anonymous, &wrong, &body).await.refused(404, "not_found");
    }
    refused_from_another_site(app, from_another_site(&link).json(&body)).await;
    assert_eq!(stored(app).await, before);
    fill(&app.anonymous, &link, &body).await.is(200);
    assert_eq!(stored(app).await, before + 1);
}

async fn a_payment_page_opens(app: &TestApp) {
    let made = invoices::make(app, "p1", json!({})).await;
    app.anonymous.get(&page(&made)).await.is(200);
    for wrong in ["/hpp/none".to_owned(), format!("{}x", page(&made))] {
        assert!(!app.anonymous.get(&wrong).await.is(404).text().contains("card_number"), "{wrong}");
    }
}

async fn a_payment_page_is_filed(app: &TestApp) {
    let made = invoices::make(app, "p2", json!({})).await;
    let body = json!({ "attempts_left": "5", "card_number": GOOD, "card_holder": "Ada King", "expiry": "10/30",
        "cvv": "123" });
    for wrong in ["/hpp/none".to_owned(), format!("{}x", page(&made))] {
        // Whatever was sent, the page that comes next tells how it stands: here, that there is no such payment.
        let next = fill(&app.anonymous, &wrong, &body).await.ok();
        app.anonymous.get(&text(&next["next"])).await.is(404);
        let answer = press(&app.anonymous, &wrong, "attempts_left=5").await;
        app.anonymous.get(answer.is(303).header("location")).await.is(404);
    }
    refused_from_another_site(app, from_another_site(&page(&made)).json(&body)).await;
    assert_eq!(invoices::shown(app, &made).await["status"], "process_pending");
    fill(&app.anonymous, &page(&made), &body).await.is(200);
    assert_eq!(invoices::shown(app, &made).await["status"], "processed");
}

async fn a_ticket_is_needed(app: &TestApp) {
    ask(app, json!({ "OtpPhone": "+4915123456789" })).await;
    let link = link(app).await;
    let page = app.anonymous.get(&format!("{link}/form/none")).await;
    assert!(!page.is(200).text().contains("card_number"), "the passcode comes first");
    app.anonymous.get("/r/none/form/none").await.is(404);
}

async fn thanks_tell_nothing(app: &TestApp) {
    ask(app, json!({})).await;
    let link = link(app).await;
    let of =
        async |link: &str| without_nonces(&app.anonymous.get(&format!("{link}/asked")).await.is(200).text());
    assert_eq!(of(&link).await, of("/r/none").await);
}

/// What a step of a link could have caused: events that leave, and states of the request.
async fn a_step_of_no_link_does_nothing(app: &TestApp, path: &str) {
    let made = ask(app, json!({ "OtpPhone": "+4915123456789" })).await;
    let link = link(app).await;
    let waiting =
        async || app.events().await.iter().map(|event| event.id.to_string()).collect::<BTreeSet<_>>();
    let (before, step) = (waiting().await, path.replace("/r/{code}", ""));
    let answered: Answer = press(&app.anonymous, &format!("/r/none{step}"), "passcode=000000").await;
    assert!(matches!(answered.status, 204 | 303), "{path}: {}", answered.status);
    if answered.status == 303 {
        assert!(answered.header("location").starts_with("/r/none"), "{path}");
    }
    let call = from_another_site(&format!("{link}{step}")).form(&[("passcode", "000000")]);
    refused_from_another_site(app, call).await;
    assert_eq!(waiting().await, before, "{path}");
    assert_eq!(history(app, &made).await, ["MessageQueued"], "{path}");
}

async fn no_payment_is_given_up(app: &TestApp) {
    let answer = press(&app.anonymous, "/hpp/none/another", "").await;
    app.anonymous.get(answer.is(303).header("location")).await.is(404);
    refused_from_another_site(app, from_another_site("/hpp/none/another").form(&[])).await;
}

async fn merchants_of_a_second_path(app: &TestApp, method: &str, path: &str) {
    let target = none(path);
    for client in [app.anonymous.clone(), app.anonymous.with_basic("nobody", "nothing")] {
        unauthenticated(&client.send(of_method(method, &target)).await, path);
    }
    let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Invoice).collect();
    let answer = app.with_scopes(&others).await.send(of_method(method, &target)).await;
    assert_eq!(lack_of(answer.is(403)), Some("invoice"), "{path}");
}
