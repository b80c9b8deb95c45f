//! TLS to PostgreSQL: the certificate and the name in it are checked, always. The test server has a certificate
//! for `localhost` of an authority of its own, `CARDAMOM_TEST_DATABASE_CA`.

use backend::storage::Store as _;
use backend::storage::postgres::PostgresStore;
use url::Url;

use crate::engines::{Database, connect};

/// The database's URL with this host and these parameters.
fn reached(database: &Database, host: &str, parameters: &str) -> String {
    let mut url = Url::parse(&database.url).unwrap();
    url.set_host(Some(host)).unwrap();
    url.set_query(Some(parameters));
    url.into()
}

#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test has no configuration but its environment"
)]
fn authority() -> String {
    std::env::var("CARDAMOM_TEST_DATABASE_CA")
        .expect("CARDAMOM_TEST_DATABASE_CA names the test authority's certificate")
}

#[tokio::test]
async fn a_connection_is_encrypted() {
    let database = Database::create().await;
    let url = reached(&database, "localhost", &format!("sslmode=require&sslrootcert={}", authority()));
    let store = PostgresStore::connect(&url).await.unwrap();
    let open = store.begin().await.unwrap();
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'cardamom' AND datname = current_database()";
    let encrypted: Option<bool> = connect(&database.url).await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(encrypted, Some(true));
    drop(open);
    database.delete().await;
}

#[tokio::test]
async fn a_strange_authority_is_refused() {
    let database = Database::create().await;
    let refused =
        PostgresStore::connect(&reached(&database, "localhost", "sslmode=require")).await.err().unwrap();
    assert!(refused.to_string().contains("cannot connect"), "{refused}");
    database.delete().await;
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let database = Database::create().await;
    let url = reached(&database, "127.0.0.1", &format!("sslmode=require&sslrootcert={}", authority()));
    let refused = PostgresStore::connect(&url).await.err().unwrap();
    assert!(refused.to_string().contains("cannot connect"), "{refused}");
    database.delete().await;
}
