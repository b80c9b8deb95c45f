//! The command line: merchants, settings, root keys, TLS, start and end.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::app::{NUMBER, card, text};
use crate::database::Database;
use crate::process::{Ended, Server, folder, free_port, path, run};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A run has to fail, and to say these things.
#[track_caller]
fn fails_with(ended: &Ended, parts: &[&str]) {
    assert!(!ended.success && ended.out.is_empty(), "{}", ended.out);
    for part in parts {
        assert!(ended.err.contains(part), "{part} in {}", ended.err);
    }
}

#[tokio::test]
async fn a_merchant_is_made_beside_a_running_server_and_may_call_at_once() {
    let mut server = Server::start(folder(), None, &[]).await;
    let made = server.new_merchant(&["Shop"]).await;
    let company = ["company_hashcode", "company_id", "company_mid_id", "company_pass"];
    let root = [
        &["account_id", "account_key", "api_key", "callback_secret_live", "callback_secret_test"],
        &company[..],
        &["live_company", "merchant", "password", "test", "user", "webhook_secret"],
    ];
    assert_eq!(keys(&made), root.concat());
    let test = [&["api_key"], &company[..], &["password", "user", "webhook_secret"]];
    assert_eq!(keys(&made["test"]), test.concat());
    assert_eq!(keys(&made["live_company"]), company);
    // Gateway transactions begin in test mode, on the sandbox.
    assert!(
        company
            .iter()
            .all(|name| made[*name] == made["test"][*name] && made[*name] != made["live_company"][*name])
    );
    for (name, lengths) in [("company_pass", 10..=30), ("company_hashcode", 1..=30)] {
        let value = text(&made[name]);
        assert!(lengths.contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
    for credentials in [&made, &made["test"]] {
        let basic =
            server.anonymous().with_basic(&text(&credentials["user"]), &text(&credentials["password"]));
        assert_eq!(basic.get("/v1/key").await.ok(), json!(["managed"]));
        let bearer = format!("Bearer {}", text(&credentials["api_key"]));
        assert_eq!(
            server.anonymous().with_authorization(&bearer).get("/v1/key").await.ok(),
            json!(["managed"])
        );
    }
    let again = run(&["merchant", "create", "Shop", "--data-dir", path(&server.data)], &[]).await;
    fails_with(&again, &["a merchant of this name exists"]);
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn a_merchant_can_be_read_by_a_person() {
    let data = folder();
    let made = run(&["merchant", "create", "Shop", "--data-dir", path(&data)], &[]).await;
    assert!(made.success, "{}", made.err);
    for part in ["Merchant Shop (", "live", "test", "user", "password", "api_key", "shown this once"] {
        assert!(made.out.contains(part), "{part} in {}", made.out);
    }
    let unnamed = run(&["merchant", "create", " ", "--data-dir", path(&data)], &[]).await;
    fails_with(&unnamed, &["1 to 100 printable characters"]);
}

#[tokio::test]
async fn hosts_are_allowed_listed_and_forbidden() {
    let data = folder();
    let run_on =
        async |arguments: &[&str]| run(&[arguments, &["--data-dir", path(&data)]].concat(), &[]).await;
    assert!(run_on(&["merchant", "create", "Shop"]).await.success);
    let allowed = run_on(&["merchant", "allow-host", "Shop", "Acquirer.example"]).await;
    assert_eq!(allowed.out, "Cards of Shop may be sent to acquirer.example.\n");
    assert!(run_on(&["merchant", "allow-host", "Shop", "b.example:8443", "--test"]).await.success);
    let listed = run_on(&["merchant", "hosts", "Shop"]).await;
    assert_eq!(listed.out, "live  acquirer.example\ntest  acquirer.example\ntest  b.example:8443\n");
    assert!(run_on(&["merchant", "forbid-host", "Shop", "acquirer.example", "--live"]).await.success);
    let listed = run_on(&["merchant", "hosts", "Shop"]).await;
    assert_eq!(listed.out, "test  acquirer.example\ntest  b.example:8443\n");

    let again = run_on(&["merchant", "forbid-host", "Shop", "none.example"]).await;
    fails_with(&again, &["was not allowed"]);
    fails_with(&run_on(&["merchant", "allow-host", "None", "a.example"]).await, &["no merchant"]);
    fails_with(&run_on(&["merchant", "allow-host", "Shop", "https://a.example"]).await, &["is no host"]);
    let missing = run_on(&["merchant", "allow-host", "Shop", "a.example", "--ca", "/none.pem"]).await;
    fails_with(&missing, &["/none.pem", "cannot be read"]);
    let wrong = data.path().join("wrong.pem");
    std::fs::write(&wrong, "no certificate").unwrap();
    let wrong =
        run_on(&["merchant", "allow-host", "Shop", "a.example", "--ca", wrong.to_str().unwrap()]).await;
    fails_with(&wrong, &["no certificate"]);
}

#[tokio::test]
async fn a_wrong_setting_is_told_with_its_origin_value_and_what_is_allowed() {
    let data = folder();
    let new = data.path().join("new");
    let file = data.path().join("cardamom.toml");
    std::fs::write(&file, "listen = \"here\"\n").unwrap();
    let (file, new) = (file.to_str().unwrap(), new.to_str().unwrap());
    let serve = ["serve", "--data-dir", new, "--config", file];
    let allowed = "allowed: an address and a port, such as 127.0.0.1:8080";
    let ended = run(&serve, &[]).await;
    fails_with(&ended, &[&format!("file {file}: listen = \"here\" is not usable"), allowed]);
    let ended = run(&serve, &[("CARDAMOM_LISTEN", "there")]).await;
    fails_with(&ended, &["environment variable CARDAMOM_LISTEN: listen = \"there\"", allowed]);
    let ended = run(&[&serve[..], &["--listen", "nowhere"]].concat(), &[("CARDAMOM_LISTEN", "there")]).await;
    fails_with(&ended, &["flag --listen: listen = \"nowhere\"", allowed]);
    assert!(!std::path::Path::new(new).exists(), "nothing starts half");
}

#[tokio::test]
async fn every_setting_says_what_it_allows() {
    for (variable, value, allowed) in [
        ("CARDAMOM_DATABASE_URL", "mysql://localhost/x", "postgres://"),
        ("CARDAMOM_PUBLIC_URL", "cards", "an absolute address"),
        ("CARDAMOM_TRUSTED_PROXY", "10.0.0.0/99", "networks such as 10.0.0.0/8"),
        ("CARDAMOM_LIMITS", "some", "on or off"),
        ("CARDAMOM_MAX_USES", "-1", "a whole number"),
        ("CARDAMOM_MAX_CONNECTIONS", "0", "a whole number above 0"),
        ("CARDAMOM_CVV_LIFE", "P2D", "a duration up to 24 hours"),
        ("CARDAMOM_LOG", "loud", "error, warn, info, debug"),
        ("CARDAMOM_TLS_CERT", "a.pem", "a PEM file"),
    ] {
        let data = folder();
        let ended = run(&["serve", "--data-dir", path(&data)], &[(variable, value)]).await;
        fails_with(&ended, &["is not usable; allowed: ", allowed]);
    }
}

#[tokio::test]
async fn an_unknown_setting_of_the_file_is_named() {
    let data = folder();
    let file = data.path().join("cardamom.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n").unwrap();
    let ended = run(&["serve", "--config", file.to_str().unwrap(), "--data-dir", path(&data)], &[]).await;
    fails_with(&ended, &["lisen", "one of listen, "]);
}

#[tokio::test]
async fn secrets_are_not_shown_by_configuration_errors() {
    let data = folder();
    let url = [("CARDAMOM_DATABASE_URL", "mysql://user:hidden-word@localhost/x")];
    let ended = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", path(&data)], &url).await;
    fails_with(&ended, &["database_url", "(secret)"]);
    let ended_key = run(
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", path(&data)],
        &[("CARDAMOM_ROOT_KEY", "hidden-word")],
    )
    .await;
    assert!(!ended_key.success);
    assert!(
        !ended.err.contains("hidden-word") && !ended_key.err.contains("hidden-word"),
        "{}",
        ended_key.err
    );
}

#[tokio::test]
async fn listening_to_the_world_needs_protection() {
    let data = folder();
    let ended = run(&["serve", "--data-dir", path(&data), "--listen", "0.0.0.0:0"], &[]).await;
    fails_with(&ended, &["listen = \"0.0.0.0:0\"", "--tls-cert", "--trusted-proxy", "--insecure-http"]);
    let listen = format!("0.0.0.0:{}", free_port());
    let open = ["--listen", &listen, "--insecure-http", "--public-url", "https://cards.example"];
    assert!(Server::start(data, None, &open).await.stop().await.0.success());
}

#[tokio::test]
async fn the_public_address_is_https_or_this_machine() {
    let data = folder();
    let ended = run(&["serve", "--data-dir", path(&data), "--public-url", "http://cards.example"], &[]).await;
    fails_with(
        &ended,
        &["public_url = \"http://cards.example\"", "an https address, or an http one on loopback"],
    );
}

#[tokio::test]
async fn a_missing_root_key_is_not_replaced() {
    let mut server = Server::start(folder(), None, &[]).await;
    server.new_merchant(&["Shop"]).await;
    assert!(server.stop().await.0.success());
    std::fs::remove_file(server.data.path().join("root.key")).unwrap();
    let ended = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", path(&server.data)], &[]).await;
    fails_with(&ended, &["root.key is missing", "without it no card can be opened"]);
    assert!(!server.data.path().join("root.key").exists());
}

#[tokio::test]
async fn another_root_key_is_refused() {
    let mut server = Server::start(folder(), None, &[]).await;
    assert!(server.stop().await.0.success());
    let other = server.data.path().join("other.key");
    let other = other.to_str().unwrap();
    assert!(run(&["root-key", "create", "--root-key-file", other], &[]).await.success);
    let ended = run(
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", path(&server.data), "--root-key-file", other],
        &[],
    )
    .await;
    fails_with(&ended, &["not the one that this database was made with"]);
}

#[tokio::test]
async fn a_root_key_is_made_once_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = folder();
    let create = ["root-key", "create", "--data-dir", path(&data)];
    let made = run(&create, &[]).await;
    assert!(made.success && made.out.contains("who loses it loses every card"), "{}", made.err);
    let file = data.path().join("root.key");
    let before = std::fs::read(&file).unwrap();
    assert!(!run(&create, &[]).await.success);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    fails_with(
        &run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", path(&data)], &[]).await,
        &["may be read by others"],
    );
}

#[tokio::test]
async fn no_root_key_is_made_on_postgres() {
    let (data, database) = (folder(), Database::create().await);
    let ended = run(
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", path(&data), "--database-url", &database.url],
        &[],
    )
    .await;
    fails_with(&ended, &["root.key is missing", "cardamom root-key create"]);
    assert!(!data.path().join("root.key").exists());
    database.delete().await;
}

#[tokio::test]
async fn cards_are_there_after_a_restart() {
    let mut server = Server::start(folder(), None, &[]).await;
    let made = server.new_merchant(&["Shop"]).await;
    let login =
        |server: &Server| server.anonymous().with_basic(&text(&made["user"]), &text(&made["password"]));
    let token = text(&login(&server).post("/v1/vault?user=managed", card(NUMBER)).await.ok()["token"]);
    assert!(server.stop().await.0.success());
    let mut again = Server::start(server.data, None, &[]).await;
    let target = format!("/v1/vault?user=managed&token={token}");
    assert_eq!(login(&again).get(&target).await.ok(), card(NUMBER));
    assert!(again.stop().await.0.success());
}

#[tokio::test]
async fn a_server_ends_within_five_seconds_whatever_its_clients_do() {
    let mut server = Server::start(folder(), None, &[]).await;
    let mut stalled = TcpStream::connect(server.address).await.unwrap();
    stalled
        .write_all(b"POST /v1/capture/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        .await
        .unwrap();
    server.anonymous().get("/health/live").await.is(200);
    let (status, log) = server.stop().await;
    assert!(status.success() && log.contains("ended"), "{log}");
}

#[tokio::test]
async fn the_document_is_printed_as_it_is_served() {
    let mut server = Server::start(folder(), None, &[]).await;
    let printed = run(&["openapi"], &[]).await;
    assert_eq!(printed.out, server.anonymous().get("/openapi.json").await.text());
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn a_certificate_serves_tls() {
    let data = folder();
    let (certificate, key) = (data.path().join("cert.pem"), data.path().join("key.pem"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-out", certificate, "-keyout", key]).args(subject).args(curve);
    let made = make.output().await.expect("openssl is needed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let missing = ["serve", "--data-dir", path(&data), "--tls-cert", "/none.pem", "--tls-key", key];
    fails_with(&run(&missing, &[]).await, &["/none.pem", "cannot be used"]);
    let (certificate, key) = (certificate.to_owned(), key.to_owned());
    let mut server = Server::start(data, None, &["--tls-cert", &certificate, "--tls-key", &key]).await;
    let code = "import requests, sys; print(requests.get(sys.argv[1], verify=sys.argv[2]).text)";
    let address = format!("https://{}/health/live", server.address);
    let answer = Command::new("python3").args(["-c", code, &address, &certificate]).output().await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout).trim(),
        "ok",
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    assert!(server.stop().await.0.success());
}

#[tokio::test]
async fn accounts_are_made_and_keys_of_sales_rotated_beside_a_running_server() {
    let mut server = Server::start(folder(), None, &[]).await;
    server.new_merchant(&["Shop"]).await;
    fails_with(
        &server.beside(&["merchant", "account", "Nobody"]).await,
        &["there is no merchant of this name"],
    );
    let made = server.beside(&["merchant", "account", "Shop", "--json"]).await;
    assert!(made.success, "{}", made.err);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let account = server.anonymous().with_basic(&text(&made["account_id"]), &text(&made["account_key"]));
    assert_eq!(account.get("/payment-invoices").await.ok()["data"], json!([]));
    let keys = async || server.anonymous().get("/.well-known/jwks.json").await.ok()["keys"].clone();
    assert_eq!(keys().await, json!([]));
    for count in [2, 3] {
        let rotated = server.beside(&["sale-key", "rotate"]).await;
        assert!(rotated.success, "{}", rotated.err);
        let newest = keys().await[count - 1]["kid"].clone();
        assert!(rotated.out.contains(&text(&newest)));
    }
    assert!(server.stop().await.0.success());
}
