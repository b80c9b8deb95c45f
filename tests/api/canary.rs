//! A canary number and code go through every call, also through those that are refused; afterwards they are
//! looked for in logs, answers and everything that the database keeps, in every form that a text takes on.

use backend::model::{Clock as _, SystemClock};
use backend::transactions::hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{Endpoint, text};
use crate::client::{Answer, Call, Client};
use crate::process::{self, Server};

/// An American Express test number that nothing else uses, and a code of its own.
const CANARY: &str = "371449635398431";
const CODE: &str = "8371";
const PASSPHRASE: &str = "canary-passphrase-in-clear";

#[tokio::test]
async fn no_canary_is_left_on_sqlite() {
    process::on_sqlite(no_canary_is_left).await;
}

#[tokio::test]
async fn no_canary_is_left_on_postgres() {
    process::on_postgres(no_canary_is_left).await;
}

#[test]
fn the_search_finds_what_it_is_for() {
    for hidden in [CANARY, "3714 496353 98431", "3714-4963-5398-431", "134893536944173"] {
        assert!(found(format!("x{hidden}y").as_bytes()).is_some(), "{hidden}");
    }
    for shift in ["", "a", "ab"] {
        assert!(
            found(STANDARD.encode(format!("{shift}{CANARY}\"}}")).as_bytes()).is_some(),
            "base64 {shift}"
        );
    }
    assert!(found(hex(CANARY).as_bytes()).is_some() && found(b"\"cvv\":\"8371\"").is_some());
    assert!(found(PASSPHRASE.as_bytes()).is_some());
    assert_eq!(found(b"37144\xe2\x80\xa2\xe2\x80\xa28431 a8371b 371449 micros=8371"), None);
}

async fn no_canary_is_left(mut server: Server) {
    let merchant = server.merchant().await;
    let mut answers = key_calls(&merchant).await;
    answers.extend(vault_calls(&merchant).await);
    answers.extend(capture_calls(&merchant).await);
    answers.extend(locked_calls(&merchant).await);
    answers.extend(form_calls(&merchant).await);
    answers.extend(page_calls(&merchant).await);
    answers.extend(plain_form_calls(&merchant).await);
    answers.extend(proxy_calls(&server, &merchant).await);
    answers.extend(retrieve_calls(&merchant).await);
    answers.extend(account_calls(&merchant).await);
    answers.extend(stray_calls(&merchant).await);
    answers.extend(gateway_calls(&server).await);
    answers.extend(invoice_calls(&server).await);
    assert!(
        answers.iter().any(|answer| answer.status == 200) && answers.iter().all(|answer| answer.status < 500)
    );
    for answer in &mut answers {
        // Made of a process's number and a count.
        answer.headers.remove("x-request-id");
        let mut whole = format!("{:?}\n", answer.headers).into_bytes();
        whole.extend(&answer.body);
        assert_eq!(found(&whole), None, "in an answer: {}", answer.text());
    }
    // Before the end too: closing a database may tidy it up.
    assert_eq!(found(&kept(&server).await), None, "in the running database");
    let (_, log) = server.stop().await;
    assert!(log.contains("answered"), "the log is the detailed one");
    assert_eq!(found(log.as_bytes()), None, "in the log");
    assert_eq!(found(&kept(&server).await), None, "in the database");
    if let Some(database) = server.database {
        database.delete().await;
    }
}

/// Everything that is kept: files, or the rows of all tables.
async fn kept(server: &Server) -> Vec<u8> {
    let files = std::fs::read_dir(server.data.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file).unwrap()).collect();
    if let Some(database) = &server.database {
        let dump = database.dump().await;
        assert!(dump.windows(4).any(|window| window == b"card"), "the dump holds the tables");
        bytes.extend(dump);
    }
    bytes
}

/// The form of the canary that is found, if any. Of short forms, only whole words count.
fn found(bytes: &[u8]) -> Option<String> {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    let text = without_durations(&text);
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let mut long =
        vec![CANARY.to_owned(), reversed(CANARY), hex(CANARY), hex(CANARY).to_uppercase(), hex(CODE)];
    for separator in [" ", "-", "+", "%20", "."] {
        long.push([&CANARY[..4], &CANARY[4..10], &CANARY[10..]].join(separator));
        long.push([&CANARY[..4], &CANARY[4..8], &CANARY[8..12], &CANARY[12..]].join(separator));
    }
    for shift in ["", "a", "ab"] {
        // The first and last characters depend on what stands around.
        let encoded = STANDARD.encode(format!("{shift}{CANARY}"));
        long.push(encoded[4..encoded.len() - 4].to_owned());
    }
    long.extend([STANDARD.encode(CODE).replace('=', ""), PASSPHRASE.to_owned(), STANDARD.encode(PASSPHRASE)]);
    let short = [CODE.to_owned(), reversed(CODE)];
    let is_word = |at: usize, part: &str| {
        let around = [text[..at].chars().next_back(), text[at + part.len()..].chars().next()];
        !around.into_iter().flatten().any(|c| c.is_ascii_alphanumeric())
    };
    let long = long.into_iter().find(|part| text.contains(part.as_str()));
    long.or_else(|| {
        short.into_iter().find(|part| text.match_indices(part.as_str()).any(|(at, _)| is_word(at, part)))
    })
}

/// How long something took may be any number.
fn without_durations(log: &str) -> String {
    let mut parts = log.split("micros=");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("micros=");
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    text
}

fn hex(text: &str) -> String {
    text.bytes()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}

fn spaced() -> String {
    [&CANARY[..4], &CANARY[4..10], &CANARY[10..]].join(" ")
}

fn whole() -> Value {
    json!({ "card_number": spaced(), "card_holder": "Ada King", "card_expiry": "06-2031", "cvv": CODE })
}

/// Bodies that are refused, each with the canary in another place.
fn refused() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        json!({ "card_number": format!("{CANARY}1"), "cvv": CODE }),
        json!({ "card_number": CANARY, "cvv": format!("{CODE} {CODE}") }),
        json!({ "card_number": CANARY, "pan": CANARY }),
        json!({ "card_number": CANARY, "note": { "a": [CANARY] } }),
        json!({ "card_number": CANARY, CANARY: { CANARY: CANARY } }),
        json!({ "card_number": CANARY, "expiry": CANARY }),
        json!({ "card_number": CANARY, "card_holder": CANARY }),
        json!({ "card_number": CANARY, "track2": format!("{CANARY}=3106") }),
        json!({ "card_number": CANARY, "cvv": CANARY }),
        json!({ "card_number": [CANARY], "cvv": { "a": CODE } }),
    ]
    .iter()
    .map(|body| body.to_string().into_bytes())
    .collect();
    bodies.push(format!("card_number={CANARY}&cvv={CODE}").into_bytes());
    bodies.push(format!("{{\"n\":\"{CANARY}\",\"n\":\"{CANARY}\"}}").into_bytes());
    bodies.push(format!("[\"{CANARY}\"]").into_bytes());
    bodies.push([format!("{{\"n\":\"{CANARY}").as_bytes(), b"\xff\"}"].concat());
    bodies.push(format!("{{\"n\":\"{CANARY}\",\"a\":\"{}\"}}", CANARY.repeat(20_000)).into_bytes());
    bodies
}

async fn key_calls(client: &Client) -> Vec<Answer> {
    let made = client.post("/v1/key", json!({ "user": "shop", "passphrase": PASSPHRASE })).await;
    assert_eq!(made.ok()["passphrase"], PASSPHRASE, "the one answer that shows it");
    let change = json!({ "user": "shop", "passphrase": "wrong", "new_passphrase": PASSPHRASE });
    vec![
        client.post("/v1/key", json!({ "user": CANARY, "passphrase": PASSPHRASE })).await,
        client.post("/v1/key", json!({ "user": "shop", "passphrase": PASSPHRASE })).await,
        client.put("/v1/key", change).await,
        client.post("/v1/key/rotate", json!({ "user": "shop", "passphrase": PASSPHRASE })).await,
        client.get(&format!("/v1/key?limit={CANARY}&next_token={CANARY}")).await,
        client.get("/v1/key").await,
        client.delete(&format!("/v1/key?user={CANARY}&safe={CODE}")).await,
    ]
}

/// Reads through retrieve endpoints; the answers that show the card are left out.
async fn retrieve_calls(client: &Client) -> Vec<Answer> {
    let stored = client.post("/v1/vault?user=managed&reference=to-read", whole()).await;
    let token = text(&stored.ok()["token"]);
    let create = format!("/v1/retrieve?user=managed&token={token}&reference=to-read");
    let created = client.post(&create, json!({})).await.ok();
    let masking = client.post(&format!("{create}&mask_fields=card_number"), json!({})).await.ok();
    let anonymous = client.anonymous();
    let read = |created: &Value, query: &str| {
        let call = Call::new("GET", &format!("{}{query}", text(&created["url"])));
        anonymous.send(call.header("x-retrieve-secret", &text(&created["secret"])))
    };
    assert_eq!(read(&created, "").await.ok()["card_number"], CANARY, "one answer that tells");
    let page = |reveal: bool| {
        let body = json!({ "unique_id": text(&created["unique_id"]), "reveal": reveal });
        let call = Call::new("POST", "/v1/retrieve/iframe/pcd").json(&body);
        anonymous.send(call.header("x-retrieve-secret", &text(&created["secret"])))
    };
    let masked = page(false).await;
    assert!(page(true).await.is(200).text().contains(CANARY), "the other answer that tells");
    vec![
        stored,
        masked,
        page(true).await,
        read(&masking, "").await,
        read(&masking, &format!("?token={CANARY}")).await,
        read(&masking, &format!("?reference={CANARY}")).await,
        client.post(&format!("/v1/retrieve?user=managed&mask_fields={CANARY}&ttl={CANARY}"), json!({})).await,
        client.post(&format!("/v1/retrieve?user=managed&unique_id={CANARY}"), json!({})).await,
        client.get("/v1/retrieve").await,
    ]
}

/// Credentials, and calls that are sent twice.
async fn account_calls(client: &Client) -> Vec<Answer> {
    let once = |body: Value| {
        let call = Call::new("POST", "/v1/vault?user=managed&algorithm=random&return_card_metadata=true");
        client.send(call.header("idempotency-key", "canary").json(&body))
    };
    vec![
        once(json!({ "card_number": CANARY, "note": CANARY })).await,
        once(whole()).await,
        once(whole()).await,
        once(json!({ "card_number": CANARY, "cvv": CODE, "card_holder": "Other" })).await,
        client.post("/v1/api-key", json!({ "name": CANARY, "scopes": [CANARY] })).await,
        client.post("/v1/api-key", json!({ "name": spaced(), "scopes": ["card:read"] })).await,
        client.get(&format!("/v1/api-key/{CANARY}")).await,
        client.get(&format!("/v1/usage?month={CANARY}")).await,
        client.get("/v1/whoami").await,
    ]
}

async fn vault_calls(client: &Client) -> Vec<Answer> {
    let base = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}&return_card_metadata=true");
    let stored = client.post(&base, whole()).await;
    let token = text(&stored.ok()["token"]);
    let card = format!("{base}&token={token}");
    let read = client.get(&card).await.ok();
    assert_eq!(
        (&read["card_number"], &read["cvv"]),
        (&CANARY.into(), &CODE.into()),
        "the one answer that tells"
    );
    let update = card.replace("/vault?", "/vault/update?");
    let mut answers = vec![
        stored,
        client.post(&format!("{base}&number={CANARY}&reference=by-query"), json!({})).await,
        client.post(&format!("{base}&algorithm=partial_middle_6_4&reference=part"), whole()).await,
        client.post(&format!("{base}&algorithm=luhn&reference=luhn"), whole()).await,
        client.post(&format!("{base}&reference={CANARY}"), whole()).await,
        client.post(&base.replace(PASSPHRASE, CANARY), whole()).await,
        client.get(&format!("{card}&mask_fields=card_number,cvv")).await,
        client.get(&format!("{base}&token={CANARY}")).await,
        client.get("/v1/vault?return_card_metadata=true").await,
        client.post(&update, json!({ "card_number": CANARY, "cvv": CODE })).await,
        client.post(&update, json!({ "cvv": CODE, "note": "x" })).await,
        client.anonymous().post(&base, whole()).await,
        client.with_basic(CANARY, CODE).post(&base, whole()).await,
        client.delete(&format!("/v1/vault?user=shop&token={CANARY}")).await,
    ];
    for body in refused() {
        answers.push(client.send(Call::new("POST", &base).body(body)).await);
    }
    answers
}

async fn capture_calls(client: &Client) -> Vec<Answer> {
    let base = format!("/v1/capture?user=shop&passphrase={PASSPHRASE}");
    let hook = json!({ "webhook": { "url": "https://shop.example/hook", "secret": "x" } });
    let made = client.post(&format!("{base}&return_card_metadata=true"), hook).await;
    let endpoint = Endpoint::of(client, &made.ok());
    let bad_hook = json!({ "webhook": { "url": format!("https://shop.example/{CANARY}"), "metadata": { "a": CANARY } } });
    let mut answers = vec![
        made,
        endpoint.capture(whole()).await,
        endpoint.capture(whole()).await,
        client.send(endpoint.call(&format!("?reference={CANARY}")).json(&whole())).await,
        client.send(Call::new("POST", &format!("/v1/capture/{}", endpoint.id)).json(&whole())).await,
        client
            .send(Call::new("POST", "/v1/capture/none").header("x-capture-secret", CANARY).json(&whole()))
            .await,
        client.send(Call::new("POST", &format!("/v1/capture/{CANARY}")).json(&whole())).await,
        client.post(&base, bad_hook).await,
        client.post(&format!("{base}&unique_id={CANARY}"), json!({})).await,
        client.post(&format!("{base}&token={CANARY}"), json!({})).await,
        client.post(&format!("{base}&ttl={CANARY}"), json!({})).await,
        client.get(&format!("/v1/capture/{}", endpoint.id)).await,
        client.get(&format!("/v1/capture/{CANARY}")).await,
        client.get("/v1/capture").await,
    ];
    for body in refused() {
        answers.push(client.send(endpoint.call("").body(body)).await);
    }
    answers.push(client.delete(&format!("/v1/capture/{CANARY}")).await);
    answers.push(client.delete(&format!("/v1/capture/{}", endpoint.id)).await);
    answers
}

async fn locked_calls(client: &Client) -> Vec<Answer> {
    let stored = client.post("/v1/vault?user=managed&reference=r1", whole()).await;
    let query = format!("&reference=r1&token={}", text(&stored.ok()["token"]));
    let endpoint = Endpoint::create(client, &query).await;
    let mut answers = vec![stored, endpoint.capture(json!({ "cvv": CODE, "card_expiry": "07-2032" })).await];
    for body in refused() {
        answers.push(client.send(endpoint.call("").body(body)).await);
    }
    answers
}

async fn form_calls(client: &Client) -> Vec<Answer> {
    vec![
        client.post(&format!("/v1/capture/iframe?form_type={CANARY}"), json!({})).await,
        client.post(&format!("/v1/capture/iframe?form_id={CANARY}"), json!({})).await,
        client.post("/v1/capture/iframe", json!({ "form_id": "shop", CANARY: CANARY })).await,
        client.post("/v1/capture/iframe", json!({ "field_options": { CANARY: {} } })).await,
        client.post("/v1/capture/iframe", json!({ "field_options": { "cvv": { CANARY: true } } })).await,
        client.post("/v1/capture/iframe", json!({ "success_callback": CANARY })).await,
        client.get("/v1/capture/iframe/shop").await,
        client.get(&format!("/v1/capture/iframe/{CANARY}")).await,
        client.delete(&format!("/v1/capture/iframe/{CANARY}")).await,
    ]
}

async fn page_calls(client: &Client) -> Vec<Answer> {
    let (client, endpoint) = (client.anonymous(), Endpoint::create(client, "").await);
    let base = format!("/v1/capture/iframe/pcd?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    let mut answers = Vec::new();
    for query in [
        format!("{base}&reference={CANARY}&title={CANARY}&note={CANARY}&cvv={CODE}&{CANARY}=x"),
        format!("/v1/capture/iframe/pcd?unique_id={CANARY}&reference={CANARY}"),
        format!("/v1/capture/iframe/pcd?unique_id={}&secret={CANARY}", endpoint.id),
        format!("/v1/capture/iframe/{CANARY}?unique_id={CANARY}"),
        format!("/v1/capture/result/{CANARY}"),
        format!("/v1/capture/done/{CANARY}"),
        format!("/assets/{CANARY}.js"),
    ] {
        answers.push(client.get(&query).await);
    }
    answers
}

async fn plain_form_calls(client: &Client) -> Vec<Answer> {
    let endpoint = Endpoint::create(client, "").await;
    let client = client.anonymous();
    let good = [("card_number", CANARY), ("card_holder", "Ada King"), ("expiry", "06/31"), ("cvv", CODE)];
    let past = [("card_number", CANARY), ("card_holder", "Ada King"), ("expiry", "06/25"), ("cvv", CODE)];
    let strayed = [("card_number", CODE), ("card_holder", CANARY), ("expiry", CANARY), ("cvv", CANARY)];
    let extra = [("note", CANARY), ("reference", CANARY), ("security_code", CODE), (CANARY, "x")];
    let mut answers = Vec::new();
    for (fields, extra) in
        [(good, &extra[..0]), (past, &extra[..]), (strayed, &extra[..]), (good, &extra[..])]
    {
        let mut all = vec![("unique_id", endpoint.id.as_str()), ("secret", &endpoint.secret)];
        all.extend_from_slice(&fields);
        all.extend_from_slice(extra);
        let sent = client.send(Call::new("POST", "/v1/capture/iframe/pcd").form(&all)).await;
        for _ in 0..2 {
            answers.push(client.get(sent.is(303).header("location")).await);
        }
        answers.push(sent);
        let body: Value = all.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let call = Call::new("POST", "/v1/capture/iframe/pcd").header("x-capture-secret", &endpoint.secret);
        answers.push(client.send(call.json(&body)).await);
    }
    for body in refused() {
        let call = Call::new("POST", "/v1/capture/iframe/pcd").header("x-capture-secret", &endpoint.secret);
        answers.push(client.send(call.header("content-type", "application/json").body(body)).await);
    }
    answers
}

/// The gateway interface: cards where they belong, and everywhere else.
#[expect(clippy::too_many_lines, reason = "one list of calls")]
async fn gateway_calls(server: &Server) -> Vec<Answer> {
    let made = server.new_merchant(&["Gateway shop"]).await;
    let (id, hash_code) = (text(&made["company_id"]), text(&made["company_hashcode"]));
    let client = server.anonymous();
    let orders = std::cell::Cell::new(0);
    let call = async |path: &str, transaction: Value, billing: Value| {
        orders.set(orders.get() + 1);
        let order = transaction.get("merchant_order_id").map_or_else(|| format!("c{}", orders.get()), text);
        let now = SystemClock.now().rfc3339();
        let timestamp: String = now.chars().filter(char::is_ascii_digit).take(14).collect();
        let kind = transaction.get("transaction_type").map_or_else(String::new, text);
        let fourth = transaction.get("original_transaction_id").filter(|_| !kind.starts_with("AUTH_"));
        let fourth = fourth.map_or(order.clone(), text);
        let mut body = json!({
            "timestamp": timestamp, "company_id": id, "company_pass": made["company_pass"],
            "request_hash": hash::signed(&[&timestamp, &kind, &id, &fourth], &hash_code),
            "transaction": transaction, "billing": billing,
        });
        body["transaction"]["merchant_order_id"] = json!(order);
        client.send(Call::new("POST", path).json(&body)).await
    };
    let card = json!({
        "cardnumber": CANARY, "cardexp": "062031", "cardcvv": CODE, "cardholder_name": "Ada King",
    });
    let auth = |part: &str, more: Value| {
        let mut transaction = json!({
            "transaction_type": "AUTH_ONLY", "subscription_type": part, "amount": "1.00", "currency_code_iso3": "GBP",
        });
        transaction.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        transaction
    };
    let init = call("/api.php", auth("INIT", json!({})), card.clone()).await;
    let token = text(&init.json()["transaction_id"]);
    let of = |token: &str| json!({ "original_transaction_id": token });
    let manage = |part: &str| json!({ "transaction_type": "SUBSCRIPTION_MANAGE", "subscription_type": part, "original_transaction_id": token });
    let mut answers = vec![
        init,
        call("/api.php", auth("", json!({})), card.clone()).await,
        call("/api.php", auth("UPDATE_BILLING", of(&token)), card.clone()).await,
        call("/api.php", auth("REUSE", of(&token)), json!({ "cardcvv": CODE })).await,
        call("/api.php", auth("REBILL", of(&token)), json!({})).await,
    ];
    assert!(answers.iter().all(|answer| answer.json()["response_code"] == "1"), "the canary was charged");
    for (transaction, billing) in [
        (auth("REBILL", of(&token)), card.clone()),
        (auth("INIT", json!({ "amount": CANARY })), card.clone()),
        (auth("INIT", json!({ "merchant_order_id": CANARY })), card.clone()),
        (auth("INIT", json!({ "merchant_custom_1": CANARY, "currency_code_iso3": CODE })), card.clone()),
        (auth("INIT", json!({ "transaction_type": CANARY })), card.clone()),
        (auth(CANARY, json!({})), card.clone()),
        (auth("REBILL", of(CANARY)), card.clone()),
        (auth("INIT", json!({ "amount": "0" })), json!({ "card_token": CANARY })),
        (auth("INIT", json!({})), json!({ "cardnumber": CANARY, "cardexp": CANARY, "cardcvv": CANARY })),
        (manage("UPDATE_BILLING"), card.clone()),
        (manage("UPDATE_BILLING"), json!({ "billing_street": CANARY, "billing_city": CODE })),
        (manage("DISABLE"), card.clone()),
    ] {
        answers.push(call("/api.php", transaction, billing).await);
    }
    let query = json!({ "status_request_type": CANARY, "transaction_id": CANARY, "bin": CANARY });
    answers.push(call("/api.php/status", query, card).await);
    for body in refused() {
        answers.push(client.send(Call::new("POST", "/api.php").body(body)).await);
    }
    answers
}

/// Invoices that the canary pays, with its card kept and without, and those that it hides in.
async fn invoice_calls(server: &Server) -> Vec<Answer> {
    let made = server.new_merchant(&["Invoices"]).await;
    let account = server.anonymous().with_basic(&text(&made["account_id"]), &text(&made["account_key"]));
    let order = |reference: &str, more: Value| {
        let mut attributes = json!({
            "test_mode": true, "reference_id": reference, "currency": "USD", "amount": 1,
            "service": "payment_card_usd_hpp", "customer": { "reference_id": "c1" },
            "gateway_options": { "cardgate": { "tokenize": true } },
        });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "data": { "type": "payment-invoices", "attributes": attributes } })
    };
    let mut answers = Vec::new();
    for hidden in [
        json!({ "description": spaced() }),
        json!({ "metadata": { CANARY: CODE, "cvv": CODE } }),
        json!({ "customer": { "reference_id": CANARY, "name": CANARY } }),
        json!({ "reference_id": CANARY, "amount": CANARY, "token": CANARY, "service": CANARY }),
        json!({ "return_url": format!("https://example.com/{CANARY}"), "expires": CANARY }),
    ] {
        answers.push(account.post("/payment-invoices", order("hidden", hidden)).await);
    }
    let typed = json!({
        "card_number": spaced(), "card_holder": "Ada King", "cvv": CODE, "exp_month": "06", "exp_year": "31",
        "browser_info": { "browser_user_agent": CANARY, CANARY: "x" },
    });
    let wrong = json!({ "card_number": CANARY, "card_holder": CANARY, "cvv": CANARY, "exp_month": CODE });
    for (reference, attributes) in [("o1", &wrong), ("o2", &typed)] {
        let invoice = account.post("/payment-invoices", order(reference, json!({}))).await;
        let token = text(&invoice.is(201).json()["data"]["attributes"]["flow_data"]["metadata"]["token"]);
        let body = json!({ "data": { "type": "sale-operation", "attributes": attributes } });
        let call = Call::new("POST", "/payment/sale").json(&body);
        let call = call.header("authorization", &format!("Bearer {token}"));
        answers.push(server.anonymous().send(call).await);
        let target = format!("/payment-invoices/{}", text(&invoice.json()["data"]["id"]));
        answers.push(account.get(&target).await);
        answers.push(account.post(&format!("{target}/refund?x={CANARY}"), json!({ CANARY: CODE })).await);
    }
    let target = format!("/payment-invoices?filter[reference_id]={CANARY}&page[cursor]={CANARY}");
    answers.push(account.get(&target).await);
    answers.push(account.get(&format!("/payment-invoices/{CANARY}")).await);
    answers.push(server.anonymous().post(&format!("/payment/complete-auth/{CANARY}"), json!({})).await);
    answers
}

/// A card with its code waits to be sent to a server that is not there; rules see what they may not show.
async fn proxy_calls(server: &Server, client: &Client) -> Vec<Answer> {
    let host = "acquirer.invalid";
    assert!(server.beside(&["merchant", "allow-host", "Shop", host]).await.success);
    let base = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}&reference=proxy");
    let stored = client.post(&base, whole()).await;
    let token = text(&stored.ok()["token"]);
    let post = base.replace("/vault?", "/proxy/post?") + &format!("&token={token}&debug=true");
    let call = |url: &str, body: &str| json!({ "request": { "url": url, "body": body } });
    let all = "{{card_number}} {{cvv}} {{card_holder}} {{card_number|substr(4, 6)}}";
    let url = format!("https://{host}/");
    let rule = |name: &str, input: &str| json!({ "operations": [{ "name": name, "input_field": input, "output_field": "x" }], "sample": whole() });
    let mut with_extra = call(&url, all);
    with_extra["request"]["extra_data"] = json!({ "a": [CANARY], CANARY: 1, "cvv": CODE });
    let sent = client.post(&post, call(&url, all)).await;
    let id = text(&sent.ok()["id"]);
    assert!(sent.text().contains("37144•"), "the filled message is shown, masked");
    vec![
        stored,
        sent,
        client.get(&format!("/v1/proxy/{id}")).await,
        client.get(&format!("/v1/proxy/{CANARY}")).await,
        client.post(&post, call(&url, &format!("{all}{{{{nothing}}}}"))).await,
        client.post(&post, call(&format!("{url}{{{{card_number}}}}"), all)).await,
        client.post(&post, call(&format!("{url}{CANARY}"), CANARY)).await,
        client.post(&post, call(&format!("https://{CANARY}.invalid/"), all)).await,
        client.post(&post, with_extra).await,
        client.post(&format!("{post}&rules={CANARY}"), call(&url, all)).await,
        client.post(&post.replace("post?", "get?"), call(&format!("{url}{CANARY}"), all)).await,
        client.post("/v1/rule/preview", rule("mask", "card_number")).await,
        client.post("/v1/rule/preview", rule("stringify", "*")).await,
        client.post("/v1/rule/preview", rule("encode", "card_number")).await,
        client.post("/v1/rule/preview", rule("mask", "cvv")).await,
        client.post(&format!("/v1/rule?id={CANARY}"), rule("noop", "a")).await,
        client.post("/v1/rule?id=canary", rule(CANARY, CANARY)).await,
        client.get(&format!("/v1/rule?id={CANARY}")).await,
    ]
}

/// Places where no card belongs, and somebody puts one.
async fn stray_calls(client: &Client) -> Vec<Answer> {
    let mut answers = Vec::new();
    for target in ["/health/live", "/health/ready", "/openapi.json", "/docs", "/", "/v1/vault/update"] {
        let call = Call::new("GET", &format!("{target}?number={CANARY}&cvv={CODE}"));
        let call = call.header("x-note", CANARY).header("user-agent", CANARY).header("origin", CANARY);
        answers.push(client.anonymous().send(call.body(whole().to_string())).await);
    }
    answers.push(
        client.send(Call::new("OPTIONS", &format!("/v1/capture/{CANARY}")).header("origin", CANARY)).await,
    );
    answers.push(client.send(Call::new("PATCH", &format!("/{CANARY}/{CODE}")).json(&whole())).await);
    answers
}
