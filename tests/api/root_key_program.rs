//! Root keys as an operator handles them: commands beside a running server, a file or a hardware module
//! (SoftHSM2), restarts and crashes.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::app::{NUMBER, OTHER_NUMBER, card, text};
use crate::client::Client;
use crate::database::Database;
use crate::process::{Server, folder, path, run};

/// How many records a version still wraps, told by the command.
async fn records(server: &Server, version: u64) -> Option<u64> {
    let status = server.beside(&["root-key", "status", "--json"]).await;
    assert!(status.success, "{}", status.err);
    let versions: Value = serde_json::from_str(&status.out).unwrap();
    let found = versions.as_array().unwrap().iter().find(|status| status["version"] == version);
    found.map(|status| status["records"].as_u64().unwrap())
}

/// Asks until the running server has moved everything away from a version.
async fn until_moved(server: &Server, version: u64) {
    let asking = async { while records(server, version).await != Some(0) {} };
    let limit = std::time::Duration::from_mins(1);
    tokio::time::timeout(limit, asking).await.expect("the server moves its records");
}

async fn store(client: &Client, number: &str) -> String {
    text(&client.post("/v1/vault?user=managed", card(number)).await.ok()["token"])
}

async fn opens(client: &Client, token: &str, number: &str) {
    let target = format!("/v1/vault?user=managed&token={token}");
    assert_eq!(client.get(&target).await.ok()["card_number"], number);
}

/// The credentials of a client on a server that was started again.
fn login(server: &Server, made: &Value) -> Client {
    server.anonymous().with_basic(&text(&made["user"]), &text(&made["password"]))
}

/// A rotation beside a running server, up to a restart with the new version alone.
async fn rotates(mut server: Server) {
    let made = server.new_merchant(&["Shop"]).await;
    let client = login(&server, &made);
    let old = store(&client, NUMBER).await;
    assert!(records(&server, 1).await.unwrap() > 0);
    let early = server.beside(&["root-key", "forget", "1"]).await;
    assert!(!early.success && early.err.contains("version 1 wraps; rotate first"), "{}", early.err);

    let rotated = server.beside(&["root-key", "rotate"]).await;
    assert!(rotated.success && rotated.out.contains("version 2"), "{}{}", rotated.out, rotated.err);
    let new = store(&client, OTHER_NUMBER).await;
    until_moved(&server, 1).await;
    let forgotten = server.beside(&["root-key", "forget", "1"]).await;
    assert!(forgotten.success && forgotten.out.contains("Forgot version 1"), "{}", forgotten.err);
    assert_eq!(records(&server, 1).await, None);
    opens(&client, &old, NUMBER).await;

    assert!(server.stop().await.0.success());
    let mut again = Server::start_with(server.data, server.database, &[], server.variables).await;
    let client = login(&again, &made);
    opens(&client, &old, NUMBER).await;
    opens(&client, &new, OTHER_NUMBER).await;
    assert_eq!(store(&client, NUMBER).await, old);
    assert!(again.stop().await.0.success());
    if let Some(database) = again.database {
        database.delete().await;
    }
}

#[tokio::test]
async fn a_file_rotates_beside_a_server_on_sqlite() {
    rotates(Server::start(folder(), None, &[]).await).await;
}

#[tokio::test]
async fn a_file_rotates_beside_a_server_on_postgres() {
    let (data, database) = (folder(), Database::create().await);
    assert!(run(&["root-key", "create", "--data-dir", path(&data)], &[]).await.success);
    rotates(Server::start(data, Some(database), &[]).await).await;
}

#[tokio::test]
async fn a_killed_server_goes_on_where_it_was() {
    let server = Server::start(folder(), None, &[]).await;
    let made = server.new_merchant(&["Shop"]).await;
    let client = login(&server, &made);
    let token = store(&client, NUMBER).await;
    let webhook = json!({ "webhook": { "url": "https://shop.example/hook" } });
    for number in 0..300 {
        client.post(&format!("/v1/capture?user=managed&unique_id=e{number}"), webhook.clone()).await.ok();
    }
    let before = records(&server, 1).await.unwrap();
    assert!(server.beside(&["root-key", "rotate"]).await.success);
    // Killed once it has begun, wherever it is then.
    while records(&server, 2).await == Some(0) {}
    let (data, database, variables) = server.kill().await;
    let again = Server::start_with(data, database, &[], variables).await;
    until_moved(&again, 1).await;
    // The rotation itself wrapped nothing new but what was there.
    assert_eq!(records(&again, 2).await, Some(before));
    opens(&login(&again, &made), &token, NUMBER).await;
}

#[tokio::test]
async fn a_prepared_version_waits_until_it_is_brought_into_use() {
    let server = Server::start(folder(), None, &[]).await;
    server.new_merchant(&["Shop"]).await;
    let prepare = ["root-key", "rotate", "--prepare"];
    assert!(server.beside(&prepare).await.success);
    let twice = server.beside(&prepare).await;
    assert!(!twice.success && twice.err.contains("version 2 is prepared already"), "{}", twice.err);
    assert_eq!(records(&server, 2).await, Some(0));
    let status = server.beside(&["root-key", "status"]).await.out;
    let rows: Vec<Vec<&str>> = status.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows[1][..2].to_vec(), rows[2].clone()), (vec!["1", "wraps"], vec!["2", "opens", "0"]));
    assert!(server.beside(&["root-key", "rotate"]).await.out.contains("version 2"));
    until_moved(&server, 1).await;
}

#[tokio::test]
async fn an_environment_value_is_not_rotated_but_may_have_versions() {
    let data = folder();
    assert!(run(&["root-key", "create", "--data-dir", path(&data)], &[]).await.success);
    let file = std::fs::read_to_string(data.path().join("root.key")).unwrap();
    std::fs::remove_file(data.path().join("root.key")).unwrap();
    let variables = |value: &str| vec![("CARDAMOM_ROOT_KEY".to_owned(), value.to_owned())];
    let mut server = Server::start_with(data, None, &[], variables(&file)).await;
    let made = server.new_merchant(&["Shop"]).await;
    let token = store(&login(&server, &made), NUMBER).await;
    let refused = server.beside(&["root-key", "rotate"]).await;
    assert!(!refused.success && refused.err.contains("CARDAMOM_ROOT_KEY"), "{}", refused.err);
    assert!(server.stop().await.0.success());

    let first = file.lines().find(|line| line.starts_with("1 ")).unwrap();
    let both = format!("{first};2 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let mut server = Server::start_with(server.data, None, &[], variables(&both)).await;
    until_moved(&server, 1).await;
    assert!(
        server.beside(&["root-key", "forget", "1"]).await.out.contains("take it out of CARDAMOM_ROOT_KEY")
    );
    assert!(server.stop().await.0.success());
    let second = both.split(';').nth(1).unwrap();
    let server = Server::start_with(server.data, None, &[], variables(second)).await;
    opens(&login(&server, &made), &token, NUMBER).await;
    let old = run(&["serve", "--data-dir", path(&server.data)], &[("CARDAMOM_ROOT_KEY", first)]).await;
    assert!(!old.success && old.err.contains("version 2 of the root key is not at hand"), "{}", old.err);
}

/// A software module with a fresh token, and the variables that lead to it.
async fn softhsm(folder: &TempDir) -> Vec<(String, String)> {
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let (configuration, pin) = (folder.path().join("softhsm2.conf"), folder.path().join("pin"));
    std::fs::write(&configuration, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
    std::fs::write(&pin, "481516\n").unwrap();
    std::fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let make = ["--init-token", "--free", "--label", "cards", "--pin", "481516", "--so-pin", "2342"];
    let made = Command::new("softhsm2-util").args(make).env("SOFTHSM2_CONF", &configuration).output().await;
    let made = made.expect("softhsm2 is needed: ./dev test installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    [
        ("SOFTHSM2_CONF", text(&configuration)),
        ("CARDAMOM_PKCS11_MODULE", "/usr/lib/softhsm/libsofthsm2.so".to_owned()),
        ("CARDAMOM_PKCS11_TOKEN", "cards".to_owned()),
        ("CARDAMOM_PKCS11_PIN_FILE", text(&pin)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn borrowed(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[tokio::test]
async fn a_module_holds_the_root_key_and_rotates() {
    let (data, keys) = (folder(), folder());
    let variables = softhsm(&keys).await;
    let create = ["root-key", "create", "--data-dir", path(&data)];
    let serve = run(&["serve", "--data-dir", path(&data)], &borrowed(&variables)).await;
    assert!(!serve.success && serve.err.contains("cardamom root-key create"), "{}", serve.err);
    let made = run(&create, &borrowed(&variables)).await;
    assert!(made.success && made.out.contains("version 1 in the module"), "{}", made.err);
    let twice = run(&create, &borrowed(&variables)).await;
    assert!(!twice.success && twice.err.contains("root-key rotate"), "{}", twice.err);
    let server = Server::start_with(data, None, &[], variables).await;
    assert!(!server.data.path().join("root.key").exists());
    rotates(server).await;
}

#[tokio::test]
async fn a_module_takes_over_from_a_file() {
    let keys = folder();
    let mut server = Server::start(folder(), None, &[]).await;
    let made = server.new_merchant(&["Shop"]).await;
    let token = store(&login(&server, &made), NUMBER).await;
    assert!(server.stop().await.0.success());
    let variables = softhsm(&keys).await;
    let mut server = Server::start_with(server.data, None, &[], variables).await;
    let rotated = server.beside(&["root-key", "rotate"]).await;
    assert!(rotated.success && rotated.out.contains("version 2 in the module"), "{}", rotated.err);
    until_moved(&server, 1).await;
    let last = server.beside(&["root-key", "forget", "1"]).await;
    assert!(!last.success && last.err.contains("wraps nothing and is the only one"), "{}", last.err);
    assert!(server.stop().await.0.success());
    std::fs::remove_file(server.data.path().join("root.key")).unwrap();
    let server = Server::start_with(server.data, None, &[], server.variables).await;
    opens(&login(&server, &made), &token, NUMBER).await;
}

#[tokio::test]
async fn a_module_out_of_reach_is_told_and_used_again_when_it_is_back() {
    let (data, keys) = (folder(), folder());
    let variables = softhsm(&keys).await;
    assert!(run(&["root-key", "create", "--data-dir", path(&data)], &borrowed(&variables)).await.success);
    let server = Server::start_with(data, None, &[], variables).await;
    let made = server.new_merchant(&["Shop"]).await;
    let client = login(&server, &made);
    let token = store(&client, NUMBER).await;
    let (tokens, away) = (keys.path().join("tokens"), keys.path().join("away"));
    std::fs::rename(&tokens, &away).unwrap();
    server.anonymous().get("/health/ready").await.is(503);
    client.post("/v1/key", json!({ "user": "shop" })).await.refused(503, "root_key");
    std::fs::rename(&away, &tokens).unwrap();
    server.anonymous().get("/health/ready").await.is(200);
    client.post("/v1/key", json!({ "user": "shop" })).await.ok();
    opens(&client, &token, NUMBER).await;
}

#[tokio::test]
async fn a_module_that_cannot_be_used_is_told_without_its_pin() {
    let (data, keys) = (folder(), folder());
    let mut variables = softhsm(&keys).await;
    let pin = variables.pop().unwrap();
    let create = ["root-key", "create", "--data-dir", path(&data)];
    for (extra, expected) in [
        (vec![], "pkcs11_pin_file"),
        (vec![("CARDAMOM_PKCS11_PIN", "111111")], "PinIncorrect"),
        (vec![("CARDAMOM_PKCS11_PIN", "111111"), ("CARDAMOM_PKCS11_SLOT", "many")], "the number of a slot"),
        (vec![("CARDAMOM_PKCS11_PIN", "111111"), ("CARDAMOM_PKCS11_TOKEN", "none")], "TokenNotPresent"),
        (vec![("CARDAMOM_PKCS11_PIN", "111111"), ("CARDAMOM_PKCS11_MODULE", "/none.so")], "none.so"),
        (
            vec![("CARDAMOM_PKCS11_PIN", "111111"), ("CARDAMOM_PKCS11_MODULE", "")],
            "only beside pkcs11_module",
        ),
    ] {
        let mut all = borrowed(&variables);
        all.retain(|(name, _)| !extra.iter().any(|(other, _)| other == name));
        all.extend(extra);
        let ended = run(&create, &all).await;
        assert!(!ended.success && ended.err.contains(expected), "{expected} in {}", ended.err);
        assert!(!ended.err.contains("111111"), "{}", ended.err);
    }
    std::fs::set_permissions(&pin.1, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    variables.push(pin);
    let ended = run(&create, &borrowed(&variables)).await;
    assert!(!ended.success && ended.err.contains("only its owner may read"), "{}", ended.err);
}
