//! What the root key wrapped: counted by version, listed in stretches, replaced by compare-and-set. The list of
//! places is compared with the schema.

use std::collections::BTreeSet;

use backend::crypto::hex;
use backend::model::{
    CallbackSecretRow, CardRequest, Company, FormSubmit, Invoice, Mode, PageResult, ProxyHost, ProxySend,
    RetrieveEndpoint, SaleKeyRow, WebhookSecretRow,
};
use backend::storage::{CaptureSubmission, Wrap, WrapPlace};

use crate::engines::{Db, NOW};
use crate::schema::binary_columns;
use crate::shop::Shop;
use crate::{gateway, invoices, proxies, requests};

on_both_engines! {
    every_place_counts_lists_and_replaces,
    places_are_walked_in_stretches,
    a_newer_version_is_left_alone,
    what_changed_meanwhile_stays,
    both_pairs_of_a_key_are_apart,
    a_fact_is_replaced_by_compare_and_set,
}

/// A wrap by a version of the root key.
fn by(version: u32, text: u8) -> Vec<u8> {
    [version.to_be_bytes().as_slice(), &[text; 30]].concat()
}

/// A merchant of whom each place holds one wrap by version 1.
async fn wrapped_once(db: &Db) -> Shop {
    let shop = Shop::open(db, "a").await;
    let mut t = db.begin().await;
    let mut cvv_key = shop.cvv_key(7);
    cvv_key.wrapped = by(1, 5);
    t.add_cvv_key(cvv_key).await.unwrap();
    let mut endpoint = shop.endpoint("e");
    endpoint.webhook = Some(by(1, 6));
    t.add_endpoint(endpoint).await.unwrap();
    let plain = shop.endpoint("without a webhook");
    t.add_endpoint(plain.clone()).await.unwrap();
    t.add_result(result(&shop, "hash")).await.unwrap();
    let mut event = shop.event("e");
    event.sealed = by(1, 8);
    t.add_event(event).await.unwrap();
    let secret = WebhookSecretRow {
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        sealed: by(1, 2),
        created_at: NOW,
    };
    t.add_webhook_secret(secret).await.unwrap();
    let request = CardRequest { sealed: by(1, 1), ..requests::request(&shop, "code") };
    t.add_request(request).await.unwrap();
    t.add_company(Company { sealed: by(1, 10), ..gateway::company(&shop, "133") }).await.unwrap();
    t.add_retrieval(RetrieveEndpoint { wrapped: by(1, 4), ..shop.retrieval("r") }).await.unwrap();
    t.add_invoice(Invoice { sealed: by(1, 4), ..invoices::invoice(&shop, "o1") }).await.unwrap();
    let callback = CallbackSecretRow {
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        sealed: by(1, 5),
        created_at: NOW,
    };
    t.add_callback_secret(callback).await.unwrap();
    t.add_sale_key(SaleKeyRow { wrapped_private: by(1, 6), ..invoices::sale_key("one") }).await.unwrap();
    t.put_proxy_host(ProxyHost { sealed: by(1, 10), ..proxies::host(&shop, "a.example") }).await.unwrap();
    let send = ProxySend { sealed: by(1, 11), result: by(1, 12), ..proxies::send(&shop) };
    t.add_send(send).await.unwrap();
    t.commit().await.unwrap();
    let once = FormSubmit {
        id_hash: "submit".to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        sealed: by(1, 3),
        expires_at: NOW,
    };
    let capture = CaptureSubmission { once: Some(once), event: None, ..shop.capture(&plain, "token") };
    db.capture(capture).await.unwrap().unwrap();
    // The key and its pair were stored with other bytes.
    for place in [WrapPlace::Custody, WrapPlace::TokenKey, WrapPlace::Private, WrapPlace::Psk] {
        let mut t = db.begin().await;
        let stretch = t.list_wraps(place, u32::MAX, String::new(), 10).await.unwrap().unwrap();
        let fresh = stretch.old.into_iter().map(|wrap| (wrap, by(1, 9))).collect();
        assert_eq!(t.replace_wraps(place, fresh).await.unwrap(), 1);
        t.commit().await.unwrap();
    }
    shop
}

fn result(shop: &Shop, id_hash: &str) -> PageResult {
    PageResult {
        id_hash: id_hash.to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        sealed: by(1, 7),
        was_read: false,
        expires_at: NOW,
    }
}

async fn list(db: &Db, place: WrapPlace, version: u32) -> Vec<Wrap> {
    let stretch = db.read().await.list_wraps(place, version, String::new(), 100).await.unwrap();
    stretch.map(|stretch| stretch.old).unwrap_or_default()
}

async fn every_place_counts_lists_and_replaces(db: Db) {
    let shop = wrapped_once(&db).await;
    for place in WrapPlace::ALL {
        assert_eq!(db.read().await.count_wraps(place).await.unwrap(), [(1, 1)], "{place:?}");
        assert!(list(&db, place, 1).await.is_empty(), "{place:?}");
        let old = list(&db, place, 2).await;
        let owner = (old[0].merchant.as_str(), old[0].mode.as_str());
        let nobodys = matches!(place, WrapPlace::CvvKey | WrapPlace::SaleKey);
        let expected = if nobodys { ("", "") } else { (shop.merchant.as_str(), "test") };
        assert_eq!((old.len(), owner), (1, expected), "{place:?}");

        let mut t = db.begin().await;
        let fresh: Vec<_> = old.into_iter().map(|wrap| (wrap, by(2, 1))).collect();
        assert_eq!(t.replace_wraps(place, fresh.clone()).await.unwrap(), 1, "{place:?}");
        t.commit().await.unwrap();
        assert_eq!(db.read().await.count_wraps(place).await.unwrap(), [(2, 1)], "{place:?}");
        assert!(list(&db, place, 2).await.is_empty(), "{place:?}");
    }
}

async fn places_are_walked_in_stretches(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    for name in ["a", "b", "c", "d", "e"] {
        t.add_result(result(&shop, name)).await.unwrap();
    }
    t.commit().await.unwrap();
    let (mut after, mut seen) = (String::new(), Vec::new());
    while let Some(stretch) = db.read().await.list_wraps(WrapPlace::PageResult, 2, after, 2).await.unwrap() {
        seen.push(stretch.old.iter().map(|wrap| wrap.record.clone()).collect::<Vec<_>>().concat());
        after = stretch.end;
    }
    assert_eq!(seen, ["ab", "cd", "e"]);
}

async fn a_newer_version_is_left_alone(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    for (name, version) in [("old", 1), ("same", 258), ("newer", 259), ("much newer", 0x0100_0000)] {
        t.add_result(PageResult { sealed: by(version, 7), ..result(&shop, name) }).await.unwrap();
    }
    t.commit().await.unwrap();
    let old = list(&db, WrapPlace::PageResult, 258).await;
    assert_eq!(old.iter().map(|wrap| wrap.record.as_str()).collect::<Vec<_>>(), ["old"]);
    let counts = db.read().await.count_wraps(WrapPlace::PageResult).await.unwrap();
    assert_eq!(counts, [(1, 1), (258, 1), (259, 1), (0x0100_0000, 1)]);
}

async fn what_changed_meanwhile_stays(db: Db) {
    wrapped_once(&db).await;
    let old = list(&db, WrapPlace::TokenKey, 2).await.remove(0);
    for (fresh, replaced) in [(by(2, 1), 1), (by(2, 2), 0)] {
        let mut t = db.begin().await;
        let wraps = vec![(old.clone(), fresh)];
        assert_eq!(t.replace_wraps(WrapPlace::TokenKey, wraps).await.unwrap(), replaced);
        t.commit().await.unwrap();
    }
    assert_eq!(hex(&list(&db, WrapPlace::TokenKey, 3).await[0].wrapped), hex(&by(2, 1)));
}

async fn both_pairs_of_a_key_are_apart(db: Db) {
    let shop = wrapped_once(&db).await;
    let mut second = shop.pair(2);
    second.wrapped_psk = by(1, 4);
    let mut t = db.begin().await;
    t.add_pair(shop.merchant.clone(), second).await.unwrap();
    t.commit().await.unwrap();
    let old = list(&db, WrapPlace::Psk, 2).await;
    assert_eq!(old.iter().map(|wrap| wrap.number).collect::<Vec<_>>(), [1, 2]);
    let mut t = db.begin().await;
    let fresh =
        old.into_iter().map(|wrap| (wrap.clone(), by(2, u8::try_from(wrap.number).unwrap()))).collect();
    assert_eq!(t.replace_wraps(WrapPlace::Psk, fresh).await.unwrap(), 2);
    let pairs = t.pairs(shop.merchant.clone(), shop.key.clone()).await.unwrap();
    assert_eq!(
        pairs.iter().map(|pair| hex(&pair.wrapped_psk)).collect::<Vec<_>>(),
        [hex(&by(2, 1)), hex(&by(2, 2))]
    );
}

async fn a_fact_is_replaced_by_compare_and_set(db: Db) {
    let mut t = db.begin().await;
    t.add_fact("root", "one".to_owned()).await.unwrap();
    assert!(!t.replace_fact("root", "two".to_owned(), "three".to_owned()).await.unwrap());
    assert!(t.replace_fact("root", "one".to_owned(), "two".to_owned()).await.unwrap());
    assert_eq!(t.fact("root").await.unwrap().as_deref(), Some("two"));
}

/// A new column of bytes is either moved by a rotation of the root key, or stands here with a reason.
#[test]
fn every_column_of_bytes_is_a_place_or_is_not_wrapped_by_the_root_key() {
    let others = [
        ("api_key", "secret_hash"),           // SHA-256
        ("api_key", "salt"),                  // public
        ("idempotent_call", "fingerprint"),   // HMAC
        ("idempotent_call", "answer"),        // under the caller's own credential
        ("capture_endpoint", "secret_hash"),  // SHA-256
        ("vault_key", "salt"),                // public
        ("vault_key_pair", "public_half"),    // public
        ("card", "sealed"),                   // under a data key
        ("card_patch", "sealed"),             // under a data key
        ("card_cvv", "sealed"),               // under an hourly key
        ("card_request", "passcode_digest"),  // HMAC
        ("card_request", "ticket_hash"),      // SHA-256
        ("gateway_company", "pass_hash"),     // SHA-256
        ("gateway_token", "sealed"),          // under a data key
        ("gateway_transaction", "sealed"),    // under a data key
        ("operator_key", "secret_hash"),      // SHA-256
        ("retrieve_endpoint", "secret_hash"), // SHA-256
        ("invoice_account", "key_hash"),      // SHA-256
        ("proxy_send", "code"),               // under an hourly key
        ("audit_entry", "mac"),               // HMAC
        ("audit_seal", "link"),               // HMAC
        ("audit_head", "link"),               // HMAC
        ("audit_head", "mac"),                // HMAC
    ];
    let known: BTreeSet<(String, String)> = WrapPlace::ALL
        .into_iter()
        .map(WrapPlace::column)
        .chain(others)
        .map(|(table, column)| (table.to_owned(), column.to_owned()))
        .collect();
    assert_eq!(binary_columns(), known);
}
