//! What every answer carries (security rules 13, 17 and 22).

use crate::app::{NUMBER, TestApp, card};
use crate::client::Call;

on_both_engines! {
    every_answer_is_inert_unless_it_is_a_page,
    no_answer_sets_a_cookie,
    forwarded_addresses_are_believed_from_listed_proxies_alone,
    health_is_told_to_everybody,
}

const TARGETS: [&str; 8] = [
    "/health/live",
    "/health/ready",
    "/openapi.json",
    "/v1/vault",
    "/v1/capture/none",
    "/v1/capture/iframe/pcd",
    "/v1/capture/result/none",
    "/docs",
];

async fn every_answer_is_inert_unless_it_is_a_page(app: TestApp) {
    for target in TARGETS {
        let answer = app.anonymous.get(target).await;
        let policy = answer.header("content-security-policy");
        if answer.header("content-type").starts_with("text/html") {
            assert!(policy.starts_with("default-src 'none'; "), "{target}: {policy}");
        } else {
            assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'; sandbox", "{target}");
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{target}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{target}");
        assert!(answer.header("cache-control").contains("no-store"), "{target}");
    }
}

async fn no_answer_sets_a_cookie(app: TestApp) {
    let endpoint = app.endpoint("").await;
    assert!(endpoint.capture(card(NUMBER)).await.headers.get("set-cookie").is_none());
    for target in TARGETS {
        assert!(app.merchant.get(target).await.headers.get("set-cookie").is_none(), "{target}");
    }
}

async fn forwarded_addresses_are_believed_from_listed_proxies_alone(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let call = endpoint.call("").header("x-forwarded-for", "203.0.113.9").json(&card(NUMBER));
    app.anonymous.at([10, 1, 2, 3]).send(call).await.ok();
    assert_eq!(app.audit().await.last().unwrap().address, "10.1.2.3");
}

async fn health_is_told_to_everybody(app: TestApp) {
    for target in ["/health/live", "/health/ready/"] {
        assert_eq!(app.anonymous.get(target).await.is(200).text(), "ok\n");
        assert_eq!(app.anonymous.send(Call::new("HEAD", target)).await.status, 200);
    }
}

mod on_sqlite {
    use super::{NUMBER, TestApp, card};

    #[tokio::test]
    async fn the_nearest_address_that_no_proxy_of_ours_has_counts() {
        let app = TestApp::on_sqlite_with(|settings| {
            settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        })
        .await;
        let endpoint = app.endpoint("").await;
        for (header, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
            ("198.51.100.1, garbage", "10.1.2.3"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
        ] {
            let call = endpoint.call("").header("x-forwarded-for", header).json(&card(NUMBER));
            app.anonymous.at([10, 1, 2, 3]).send(call).await.ok();
            assert_eq!(app.audit().await.last().unwrap().address, expected, "{header}");
        }
    }

    #[tokio::test]
    async fn where_proxies_do_the_tls_nobody_else_is_served() {
        let app = TestApp::on_sqlite_with(|settings| {
            settings.listen = "0.0.0.0:8080".parse().unwrap();
            settings.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        })
        .await;
        app.merchant.at([10, 1, 2, 3]).get("/v1/key").await.ok();
        app.merchant.at([127, 0, 0, 1]).get("/v1/key").await.ok();
        app.merchant.at([198, 51, 100, 7]).get("/v1/key").await.refused(403, "plain_http");
        app.anonymous.at([198, 51, 100, 7]).get("/health/live").await.is(200);
    }
}
