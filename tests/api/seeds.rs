//! The seed's walk-through, run by the programs that its samples are written for. The samples in `seeds/` are
//! as they were published but for base URL, credentials, token and secret.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::app::{NUMBER, card, text};
use crate::client::Client;
use crate::process::{self, Server, folder};

const LOCK_ENDPOINT: &str = include_str!("seeds/lock_endpoint.py");
const SEND_UPDATE: &str = include_str!("seeds/send_update.js");
const HOSTED_FORM: &str = include_str!("seeds/hosted_form.py");
const PASSPHRASE: &str = "ALongAndVerySecretPassphraseThatIsSuperSecure";

#[tokio::test]
async fn the_samples_run_unchanged_on_sqlite() {
    process::on_sqlite(the_samples_run_unchanged).await;
}

#[tokio::test]
async fn the_samples_run_unchanged_on_postgres() {
    process::on_postgres(the_samples_run_unchanged).await;
}

async fn the_samples_run_unchanged(mut server: Server) {
    let made = server.new_merchant(&["Shop", "--cvv-read"]).await;
    let (user, password) = (text(&made["user"]), text(&made["password"]));
    let merchant = server.anonymous().with_basic(&user, &password);
    let base = format!("http://{}", server.address);
    let own = |sample: &str| {
        sample.replace("@BASE@", &base).replace("@USER@", &user).replace("@PASSWORD@", &password)
    };
    let token = store_card(&merchant).await;

    let endpoint = printed(&run("python3", &own(LOCK_ENDPOINT).replace("@TOKEN@", &token)).await);
    assert_eq!(endpoint["lockdown_info"], json!({ "token": token, "reference": "my-reference" }));
    let (id, secret) = (text(&endpoint["unique_id"]), text(&endpoint["secret"]));
    assert_eq!(endpoint["url"], format!("/v1/capture/{id}"));

    let sent = run("node", &own(SEND_UPDATE).replace("@ENDPOINT@", &id).replace("@SECRET@", &secret)).await;
    for part in ["user: 'test-user'", &format!("token: '{token}'"), "reference: 'my-reference'"] {
        assert!(sent.contains(part), "{part} in {sent}");
    }
    let mut updated = card(NUMBER);
    updated["card_expiry"] = "06-2025".into();
    updated["cvv"] = "145".into();
    assert_eq!(read_card(&merchant, &token).await, updated, "code and expiry changed, and nothing else");

    let form = printed(&run("python3", &own(HOSTED_FORM)).await);
    assert_eq!(form["type"], "pcd");
    let link = text(&form["link"]);
    assert_eq!(link, format!("{}/v1/capture/iframe/{}", server.address, text(&form["id"])));
    let page = link.split_once('/').unwrap().1;
    let page = server.anonymous().get(&format!("/{page}?unique_id={id}&secret={secret}")).await;
    assert!(page.is(200).text().contains("cc-csc") && !page.text().contains("cc-exp"));
    assert!(server.stop().await.0.success());
    if let Some(database) = server.database {
        database.delete().await;
    }
}

async fn store_card(merchant: &Client) -> String {
    merchant.post("/v1/key", json!({ "user": "test-user", "passphrase": PASSPHRASE })).await.ok();
    let target = format!("/v1/vault?user=test-user&passphrase={PASSPHRASE}&reference=my-reference");
    text(&merchant.post(&target, card(NUMBER)).await.ok()["token"])
}

async fn read_card(merchant: &Client, token: &str) -> Value {
    let target =
        format!("/v1/vault?user=test-user&passphrase={PASSPHRASE}&token={token}&reference=my-reference");
    merchant.get(&target).await.ok()
}

/// Runs a sample; answers what it printed.
async fn run(program: &str, sample: &str) -> String {
    let folder = folder();
    let file = folder.path().join("sample");
    std::fs::write(&file, sample).unwrap();
    let ended = Command::new(program).arg(&file).output().await;
    let ended = ended.unwrap_or_else(|error| panic!("{program} is needed for the samples: {error}"));
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{program} (Python needs the package requests): {errors}");
    String::from_utf8(ended.stdout).unwrap()
}

/// The JSON that the Python samples print after the status.
fn printed(output: &str) -> Value {
    let (status, body) = output.split_once('\n').unwrap();
    assert_eq!(status, "<Response [200]>", "{body}");
    serde_json::from_str(body).unwrap()
}
