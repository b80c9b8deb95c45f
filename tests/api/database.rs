//! A PostgreSQL database for each test, on the server that `CARDAMOM_TEST_DATABASE_URL` names.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::process::environment;

/// A database of its own.
pub struct Database {
    /// Its URL.
    pub url: String,
    name: String,
}

impl Database {
    /// Makes one that is empty.
    pub async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cardamom_api_{}_{number}", std::process::id());
        let server = server();
        connect(&server).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Self { url: url.into(), name }
    }

    /// The first column of what statements answer.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        column(&self.url, sql).await
    }

    /// Deletes it, with what is still connected to it. That of a failed test stays, to be looked at.
    pub async fn delete(self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        connect(&server()).await.batch_execute(&sql).await.unwrap();
    }

    /// Every row of every table.
    pub async fn dump(&self) -> Vec<u8> {
        dump(&self.url).await
    }
}

/// Every row of every table as text, bytes as PostgreSQL writes them and as they are.
pub async fn dump(url: &str) -> Vec<u8> {
    let client = connect(url).await;
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    let mut text = String::new();
    for table in values(&client, tables).await {
        for row in values(&client, &format!("SELECT t::text FROM \"{table}\" t")).await {
            writeln!(text, "{table} {row}").unwrap();
        }
    }
    let mut bytes = text.clone().into_bytes();
    for hex in text.split("\\x").skip(1) {
        bytes.extend(unhex(hex.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or_default()));
        bytes.push(b'\n');
    }
    bytes
}

/// The first column of what statements answer.
pub async fn column(url: &str, sql: &str) -> Vec<String> {
    values(&connect(url).await, sql).await
}

/// Runs statements on a database.
pub async fn execute(url: &str, sql: &str) {
    connect(url).await.batch_execute(sql).await.unwrap();
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn values(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let rows = client.simple_query(sql).await.unwrap();
    let first = |message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    rows.into_iter().filter_map(first).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn server() -> String {
    environment("CARDAMOM_TEST_DATABASE_URL").unwrap_or_else(|| {
        panic!("set CARDAMOM_TEST_DATABASE_URL to a PostgreSQL server on which databases may be created")
    })
}
