//! `/v1/capture`: capture endpoints, and new cards through them. Locked endpoints are in `locked`.

use serde_json::json;

use crate::app::{Endpoint, NUMBER, OTHER_NUMBER, TestApp, card, text};
use crate::client::Call;

on_both_engines! {
    an_endpoint_is_answered_as_in_the_seed,
    a_capture_answers_user_token_and_reference_alone,
    the_reference_of_the_query_counts_only_without_one_of_the_endpoint,
    an_endpoint_lives_as_long_as_it_was_asked_for,
    endless_endpoints_are_off_unless_the_operator_wants_them,
    a_ttl_that_is_none_is_refused,
    a_unique_id_is_taken_on_the_whole_server,
    a_deleted_name_is_free_at_once,
    an_endpoint_is_shown_without_its_secret,
    endpoints_are_listed_page_by_page,
    metadata_is_answered_where_the_endpoint_says_so,
    a_webhook_becomes_an_event_with_each_capture,
    json_is_read_under_any_content_type,
    both_secret_headers_work_and_a_slash_at_the_end,
    any_site_may_send_a_capture_from_a_browser,
    a_capture_onto_a_stored_card_changes_code_and_expiry_alone,
    the_passphrase_may_stand_in_the_body,
    captures_at_the_same_time_are_all_stored,
}

async fn an_endpoint_is_answered_as_in_the_seed(app: TestApp) {
    let token = app.card().await;
    let target = format!("/v1/capture?user=managed&ttl=PT10M&token={token}&reference=r1");
    let made = app.merchant.post(&target, json!({})).await.ok();
    let (id, secret) = (text(&made["unique_id"]), text(&made["secret"]));
    assert_eq!(
        made,
        json!({
            "url": format!("/v1/capture/{id}"), "unique_id": id, "secret": secret,
            "expires_at": "2027-01-15T08:10:00Z", "lockdown_info": { "token": token, "reference": "r1" },
        })
    );
    assert!((21..=22).contains(&id.len()) && secret.len() == 64, "as long as those of the seed");
    let open = app.merchant.send(Call::new("POST", "/v1/capture/?user=managed")).await.ok();
    assert!(open.get("lockdown_info").is_none());
    assert_eq!(open["expires_at"], "2027-01-16T08:00:00Z", "24 hours where nothing else is said");
}

async fn a_capture_answers_user_token_and_reference_alone(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let captured = endpoint.capture(card(NUMBER)).await;
    let token = text(&captured.ok()["token"]);
    assert_eq!(captured.ok(), json!({ "user": "managed", "token": token, "reference": endpoint.id }));
    assert_eq!(app.read(&token, &endpoint.id).await, card(NUMBER));
}

async fn the_reference_of_the_query_counts_only_without_one_of_the_endpoint(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let captured = app.anonymous.send(endpoint.call("?reference=order-7").json(&card(NUMBER))).await.ok();
    assert_eq!(captured["reference"], "order-7");
    let fixed = app.endpoint("&reference=mine").await;
    let captured = app.anonymous.send(fixed.call("?reference=order-7").json(&card(NUMBER))).await.ok();
    assert_eq!(captured["reference"], "mine");
}

async fn an_endpoint_lives_as_long_as_it_was_asked_for(app: TestApp) {
    for (ttl, end) in [
        ("PT30M", "2027-01-15T08:30:00Z"),
        ("P1DT2H", "2027-01-16T10:00:00Z"),
        ("45m", "2027-01-15T08:45:00Z"),
        ("24h60m60s", "2027-01-16T09:01:00Z"),
        ("1h", "2027-01-15T09:00:00Z"),
    ] {
        assert_eq!(app.endpoint(&format!("&ttl={ttl}")).await.created["expires_at"], end, "{ttl}");
    }
}

async fn endless_endpoints_are_off_unless_the_operator_wants_them(app: TestApp) {
    for ttl in ["0", "0s", "P0T", "P0T0", "PT0S"] {
        let refused = app.merchant.post(&format!("/v1/capture?user=managed&ttl={ttl}"), json!({})).await;
        refused.refused(400, "invalid").at("/ttl", "endless");
    }
}

async fn a_ttl_that_is_none_is_refused(app: TestApp) {
    for ttl in ["soon", "-PT10M", "-5m", "P400D", "99999999999999999999h", "10", "PT", "P1M"] {
        let refused = app.merchant.post(&format!("/v1/capture?user=managed&ttl={ttl}"), json!({})).await;
        refused.refused(400, "invalid").at("/ttl", "duration");
    }
}

async fn a_unique_id_is_taken_on_the_whole_server(app: TestApp) {
    let target = "/v1/capture?user=managed&unique_id=shop-1";
    assert_eq!(app.merchant.post(target, json!({})).await.ok()["url"], "/v1/capture/shop-1");
    app.merchant.post(target, json!({})).await.refused(409, "id_taken");
    app.other_merchant().await.post(target, json!({})).await.refused(409, "id_taken");
    for (id, code) in
        [("iframe", "reserved"), ("result", "reserved"), ("a%20b", "characters"), ("a/b", "characters")]
    {
        let target = format!("/v1/capture?user=managed&unique_id={id}");
        app.merchant.post(&target, json!({})).await.refused(400, "invalid").at("/unique_id", code);
    }
}

async fn a_deleted_name_is_free_at_once(app: TestApp) {
    let old = app.endpoint("&unique_id=shop-1").await;
    old.capture(card(NUMBER)).await.ok();
    assert_eq!(app.merchant.delete("/v1/capture/shop-1/").await.ok(), json!({ "deleted": true }));
    old.capture(card(NUMBER)).await.refused(404, "not_found");
    app.merchant.delete("/v1/capture/shop-1").await.refused(404, "not_found");
    let new = Endpoint::create(&app.other_merchant().await, "&unique_id=shop-1").await;
    old.capture(card(NUMBER)).await.refused(404, "not_found");
    new.capture(card(NUMBER)).await.ok();
}

async fn an_endpoint_is_shown_without_its_secret(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    endpoint.capture(json!({ "cvv": "737" })).await.ok();
    let shown = app.merchant.get(&format!("/v1/capture/{}/", endpoint.id)).await.ok();
    assert_eq!(
        shown,
        json!({
            "url": format!("/v1/capture/{}", endpoint.id), "unique_id": endpoint.id, "user": "managed",
            "expires_at": "2027-01-16T08:00:00Z", "created_at": "2027-01-15T08:00:00Z", "uses": 1, "max_uses": 100,
            "disabled": false, "lockdown_info": { "token": token, "reference": "r1" },
        })
    );
    let listed = app.merchant.get("/v1/capture").await;
    assert_eq!(listed.ok(), json!([shown]));
}

async fn endpoints_are_listed_page_by_page(app: TestApp) {
    for id in ["one", "two", "three"] {
        app.endpoint(&format!("&unique_id={id}")).await;
    }
    let first = app.merchant.get("/v1/capture?limit=2").await;
    let names = |list: serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|endpoint| text(&endpoint["unique_id"])).collect()
    };
    assert_eq!(names(first.ok()), ["one", "two"]);
    let next = first.header("x-pcivault-next-token");
    let second = app.merchant.get(&format!("/v1/capture?limit=2&next_token={next}")).await;
    assert_eq!((names(second.ok()), second.header("x-pcivault-next-token")), (vec!["three".into()], ""));
    app.merchant.get("/v1/capture?limit=0").await.refused(400, "invalid").at("/limit", "range");
}

async fn metadata_is_answered_where_the_endpoint_says_so(app: TestApp) {
    let endpoint = app.endpoint("&return_card_metadata=true").await;
    let captured = endpoint.capture(card(NUMBER)).await;
    assert_eq!(captured.ok()["card_metadata"]["last_four"], "1111");
    assert!(!captured.text().contains(NUMBER));
}

async fn a_webhook_becomes_an_event_with_each_capture(app: TestApp) {
    let webhook = json!({ "webhook": { "url": "https://shop.example/hook", "secret": "hook-secret" } });
    let created = app.merchant.post("/v1/capture?user=managed", webhook).await;
    assert!(!created.text().contains("hook-secret"));
    let created = created.ok();
    let call = Call::new("POST", created["url"].as_str().unwrap());
    let call = call.header("x-capture-secret", created["secret"].as_str().unwrap());
    app.anonymous.send(call.json(&card(NUMBER))).await.ok();
    let events = app.events().await;
    assert_eq!((events.len(), events[0].kind.as_str()), (1, "card.captured"));
    assert_eq!(events[0].subject, app.stored_cards("managed").await[0].id.as_str());
}

async fn json_is_read_under_any_content_type(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let body = card(NUMBER).to_string();
    for kind in ["application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "x/y"] {
        app.anonymous.send(endpoint.call("").header("content-type", kind).body(body.clone())).await.ok();
    }
    app.anonymous.send(endpoint.call("").body(body)).await.ok();
}

async fn both_secret_headers_work_and_a_slash_at_the_end(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let call = Call::new("POST", &format!("/v1/capture/{}/", endpoint.id));
    let call = call.header("X-PCIVault-Capture-Secret", &endpoint.secret).json(&card(NUMBER));
    let first = app.anonymous.send(call).await.ok();
    assert_eq!(endpoint.capture(card(NUMBER)).await.ok(), first);
}

async fn any_site_may_send_a_capture_from_a_browser(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let target = format!("/v1/capture/{}", endpoint.id);
    let asked = "x-pcivault-capture-secret,content-type";
    let preflight = Call::new("OPTIONS", &target)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", asked);
    let allowed = app.anonymous.send(preflight).await;
    assert_eq!(allowed.is(200).header("access-control-allow-origin"), "*");
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    for name in asked.split(',').chain(["x-capture-secret"]) {
        assert!(allowed.header("access-control-allow-headers").to_lowercase().contains(name), "{name}");
    }
    let call = endpoint.call("").header("origin", "https://shop.example").json(&card(NUMBER));
    assert_eq!(app.anonymous.send(call).await.is(200).header("access-control-allow-origin"), "*");
}

async fn a_capture_onto_a_stored_card_changes_code_and_expiry_alone(app: TestApp) {
    let token = app.card().await;
    let other = app.endpoint("&reference=r1").await;
    let again = json!({ "card_number": NUMBER, "card_holder": "Mallory", "expiry": "07/32", "cvv": "737", "note": "x" });
    assert_eq!(other.capture(again).await.ok()["token"], token);
    let mut expected = card(NUMBER);
    expected["card_expiry"] = "07-2032".into();
    assert_eq!(app.read(&token, "r1").await, expected);
    assert_eq!(app.stored_cards("managed").await[0].shown.holder, "A•• K•••");
    let actor = format!("endpoint:{}", other.created["unique_id"].as_str().unwrap());
    let audit = app.audit().await;
    let capture = audit.iter().find(|entry| entry.action == "capture.store").unwrap();
    assert!(capture.actor.starts_with("endpoint:") && capture.actor != actor);
}

async fn the_passphrase_may_stand_in_the_body(app: TestApp) {
    app.key().await;
    let body = json!({ "user": "shop", "passphrase": crate::app::PASSPHRASE });
    app.merchant.post("/v1/capture", body).await.ok();
    app.merchant.post("/v1/capture", json!({})).await.refused(400, "invalid").at("/user", "missing");
}

async fn captures_at_the_same_time_are_all_stored(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let captures: Vec<_> = [NUMBER, OTHER_NUMBER, NUMBER, "not a number", crate::app::AMEX]
        .into_iter()
        .map(|number| {
            let endpoint = endpoint.clone();
            tokio::spawn(async move { endpoint.capture(card(number)).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for capture in captures {
        statuses.push(capture.await.unwrap());
    }
    assert_eq!(statuses, [200, 200, 200, 400, 200]);
    assert_eq!(app.stored_cards("managed").await.len(), 3);
}
