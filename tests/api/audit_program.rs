//! `cardamom audit …` beside servers that seal, end and crash.

use serde_json::{Value, json};

use crate::app::{NUMBER, card, text};
use crate::database;
use crate::process::{Ended, Server, folder, on_postgres, on_sqlite, path, run};

/// Changes the server's database behind its back.
async fn sql(server: &Server, sql: &str) {
    if let Some(database) = &server.database {
        return database::execute(&database.url, sql).await;
    }
    let file = server.data.path().join("cardamom.sqlite");
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

async fn verify(server: &Server, more: &[&str]) -> (Value, Ended) {
    let ended = server.beside(&[&["audit", "verify", "--json"], more].concat()).await;
    (serde_json::from_str(&ended.out).unwrap_or_default(), ended)
}

async fn is_sound(server: &Server) -> Value {
    let (report, ended) = verify(server, &[]).await;
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
    assert_eq!((&report["holds"], &report["broken"]), (&json!(true), &Value::Null));
    assert!(ended.err.contains("checking the audit log") && ended.err.contains("entries checked"));
    report
}

/// Asks until the running server has sealed everything.
async fn until_sealed(server: &Server) -> Value {
    let asking = async {
        loop {
            let report = is_sound(server).await;
            if report["waiting"] == 0 {
                return report;
            }
        }
    };
    let limit = std::time::Duration::from_mins(1);
    tokio::time::timeout(limit, asking).await.expect("the server seals its log")
}

async fn is_checked_beside_a_server(mut server: Server) {
    let merchant = text(&server.new_merchant(&["Shop"]).await["merchant"]);
    until_sealed(&server).await;
    assert!(server.stop().await.0.success());
    let head = server.beside(&["audit", "head"]).await;
    assert!(head.success && head.out.starts_with("cardamom-audit-1:all:"), "{}", head.err);
    let own = server.beside(&["audit", "head", "--merchant", &merchant]).await;
    assert!(own.out.starts_with(&format!("cardamom-audit-1:{merchant}:")), "{}", own.err);
    for (more, value) in [(vec![], &head.out), (vec!["--merchant", &merchant], &own.out)] {
        let (report, _) = verify(&server, &[&more[..], &["--since-head", value.trim()]].concat()).await;
        assert_eq!((&report["holds"], report["head"].as_str()), (&json!(true), Some(value.trim())));
    }
    for (more, told) in [
        (vec!["--since-head", "nothing"], "no head of this installation"),
        (vec!["--merchant", "mer_none"], "no audit log of mer_none"),
        (vec!["--merchant", &merchant, "--since-head", head.out.trim()], "of another log: all"),
    ] {
        let (_, ended) = verify(&server, &more).await;
        assert_eq!(ended.code, Some(2));
        assert!(ended.err.contains(told), "{}", ended.err);
    }
    let unknown = server.beside(&["audit", "head", "--merchant", "mer_none"]).await;
    assert!(!unknown.success && unknown.err.contains("no audit log of mer_none"), "{}", unknown.err);

    sql(&server, "UPDATE audit_entry SET address = '192.0.2.9' WHERE action = 'merchant.create'").await;
    let (report, ended) = verify(&server, &[]).await;
    assert_eq!((ended.code, &report["broken"]["what"]), (Some(1), &json!("entry_changed")));
    let plain = server.beside(&["audit", "verify"]).await;
    assert_eq!(plain.code, Some(1));
    assert!(plain.out.contains(&text(&report["broken"]["entry"])), "{}", plain.out);
    if let Some(database) = server.database {
        database.delete().await;
    }
}

#[tokio::test]
async fn the_log_is_checked_beside_a_server_on_sqlite() {
    on_sqlite(is_checked_beside_a_server).await;
}

#[tokio::test]
async fn the_log_is_checked_beside_a_server_on_postgres() {
    on_postgres(is_checked_beside_a_server).await;
}

/// Entries that were committed and not sealed when the power went are sealed by the next start.
async fn survives_a_crash(server: Server) {
    let made = server.new_merchant(&["Shop"]).await;
    let client = server.anonymous().with_basic(&text(&made["user"]), &text(&made["password"]));
    client.post("/v1/vault?user=managed", card(NUMBER)).await.ok();
    let (data, database, variables) = server.kill().await;
    let left = run_beside(&data, &variables, &["merchant", "create", "Second"]).await;
    assert!(left.success, "{}", left.err);
    let mut again = Server::start_with(data, database, &[], variables).await;
    let report = until_sealed(&again).await;
    assert!(report["sealed"].as_u64().unwrap() >= 3);
    assert!(again.stop().await.0.success());
    if let Some(database) = again.database {
        database.delete().await;
    }
}

async fn run_beside(data: &tempfile::TempDir, variables: &[(String, String)], arguments: &[&str]) -> Ended {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    run(&[arguments, &["--data-dir", path(data)]].concat(), &variables).await
}

#[tokio::test]
async fn a_crash_before_the_seal_loses_nothing_on_sqlite() {
    on_sqlite(survives_a_crash).await;
}

#[tokio::test]
async fn a_crash_before_the_seal_loses_nothing_on_postgres() {
    on_postgres(survives_a_crash).await;
}

#[tokio::test]
async fn another_root_key_is_refused() {
    let mut server = Server::start(folder(), None, &[]).await;
    assert!(server.stop().await.0.success());
    let key = server.data.path().join("root.key");
    std::fs::rename(&key, server.data.path().join("kept")).unwrap();
    let missing = server.beside(&["audit", "verify"]).await;
    assert_eq!(missing.code, Some(2));
    let other = folder();
    assert!(run(&["root-key", "create", "--data-dir", path(&other)], &[]).await.success);
    std::fs::copy(other.path().join("root.key"), &key).unwrap();
    let ended = server.beside(&["audit", "verify"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("not the one that this database was made with"), "{}", ended.err);
}
