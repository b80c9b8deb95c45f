//! `cardamom operation …` beside a running server, whose gateway cannot be reached and cannot be asked.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::text;
use crate::invoices::{GOOD, card, sell_by};
use crate::process::{Server, folder, path, run};

/// Settings with a gateway that a file describes; `change` makes something of the file.
fn settings(data: &TempDir, change: impl FnOnce(String) -> String) -> String {
    let file = |name: &str| data.path().join(name);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateways/adyen.toml");
    let text = std::fs::read_to_string(example).unwrap();
    // Nothing may be called on this machine, so that no answer comes.
    let text = text.replace("https://checkout-test.adyen.com/v71/", "https://127.0.0.1:1/");
    std::fs::write(file("gateway.toml"), change(text)).unwrap();
    std::fs::write(file("adyen.key"), "s3cret\n").unwrap();
    std::fs::set_permissions(file("adyen.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let described = file("gateway.toml").display().to_string();
    let gateway = format!("[gateways.main]\nkind = \"http\"\nfile = \"{described}\"\n");
    let settings = file("cardamom.toml");
    std::fs::write(&settings, format!("{gateway}[services]\npayment_card_usd_hpp = \"main\"\n")).unwrap();
    settings.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_operation_that_nobody_can_ask_about_is_settled_beside_a_running_server() {
    let data = folder();
    let config = ("CARDAMOM_CONFIG".to_owned(), settings(&data, |text| text));
    let mut server = Server::start_with(data, None, &[], vec![config]).await;
    let made = server.new_merchant(&["Shop"]).await;
    let account = server.anonymous().with_basic(&text(&made["account_id"]), &text(&made["account_key"]));
    let invoice = json!({ "data": { "type": "payment-invoices", "attributes": {
        "reference_id": "o1", "currency": "USD", "amount": 10.5, "service": "payment_card_usd_hpp",
    } } });
    let invoice = account.post("/payment-invoices", invoice).await.is(201).json()["data"].clone();
    let token = text(&invoice["attributes"]["flow_data"]["metadata"]["token"]);
    sell_by(&server.anonymous(), &token, card(GOOD)).await.is(201);

    let listed = server.beside(&["operation", "list", "--json"]).await;
    assert!(listed.success, "{}", listed.err);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let one = &listed[0];
    let told = ["state", "kind", "amount", "gateway", "outlook", "for"].map(|name| text(&one[name]));
    assert_eq!(told, ["sent", "sale", "10.50", "main", "by_hand", "invoice"]);
    let id = text(&one["id"]);
    let shown = server.beside(&["operation", "list", "--merchant", "Shop"]).await;
    assert!(shown.out.contains(&id) && shown.out.contains("to be settled by hand"), "{}", shown.out);
    let nobody = server.beside(&["operation", "list", "--merchant", "Nobody"]).await;
    assert!(!nobody.success && nobody.err.contains("no merchant of this name"), "{}", nobody.err);

    for (arguments, told) in [
        (vec!["approved"], "--reference"),
        (vec!["approved", "--reference", "4111111111111111"], "no card number"),
        (vec!["approved", "--reference", "A1"], "may still be under way"),
        (vec!["declined", "--resolution", "no_reason"], "--resolution has to be one of"),
    ] {
        let refused = server.beside(&[&["operation", "settle", &id], &arguments[..]].concat()).await;
        assert!(!refused.success && refused.err.contains(told), "{told}: {}", refused.err);
    }
    let settle = ["operation", "settle", &id, "approved", "--reference", "A1", "--force"];
    let settled = server.beside(&settle).await;
    assert!(settled.success && settled.out.contains("is approved"), "{}{}", settled.out, settled.err);
    let target = format!("/payment-invoices/{}", text(&invoice["id"]));
    assert_eq!(account.get(&target).await.ok()["data"]["attributes"]["status"], "processed");
    let again = server.beside(&settle).await;
    assert!(!again.success && again.err.contains("has ended already: approved"), "{}", again.err);
    assert_eq!(server.beside(&["operation", "list"]).await.out, "No operation is open.\n");
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn a_gateway_that_asks_for_the_payer_and_cannot_go_on_is_refused_at_start() {
    let data = folder();
    let config = settings(&data, |text| {
        let (before, rest) = text.split_once("[calls.complete]").unwrap();
        let (_, behind) = rest.split_once("[calls.capture]").unwrap();
        format!("{before}[calls.capture]{behind}")
    });
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", path(&data), "--config", &config];
    let ended = run(&serve, &[]).await;
    assert!(!ended.success);
    assert!(
        ended.err.contains("gateway.toml: answers.payment.challenged: calls.complete is missing"),
        "{}",
        ended.err
    );
}
