//! Both engines have the same tables, with the same columns, told by their own catalogues.

use std::collections::BTreeSet;

use backend::storage::postgres::{self, PostgresStore};
use backend::storage::sqlite::{self, SqliteStore};

use crate::engines::{Database, connect};

/// A column: table, name, whether it can be missing, and the kind of its values.
type Column = (String, String, bool, String);

#[tokio::test]
async fn both_schemas_are_the_same() {
    let (sqlite, postgres) = (of_sqlite(), of_postgres().await);
    assert!(sqlite.len() > 100);
    assert_eq!(sqlite.difference(&postgres).collect::<Vec<_>>(), Vec::<&Column>::new());
    assert_eq!(postgres.difference(&sqlite).collect::<Vec<_>>(), Vec::<&Column>::new());
}

#[test]
fn both_engines_have_the_same_migrations() {
    let numbers =
        |migrations: &[(i64, &str)]| migrations.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(numbers(sqlite::MIGRATIONS), numbers(postgres::MIGRATIONS));
}

/// The columns that hold bytes: table and name.
pub fn binary_columns() -> BTreeSet<(String, String)> {
    let bytes = of_sqlite().into_iter().filter(|(.., kind)| kind == "bytea");
    bytes.map(|(table, column, ..)| (table, column)).collect()
}

fn of_sqlite() -> BTreeSet<Column> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cardamom.db");
    drop(SqliteStore::open(&path).unwrap());
    let file = rusqlite::Connection::open(path).unwrap();
    // A primary key's columns are never missing: the tables have no row ids.
    let sql = "SELECT m.name, c.name, c.\"notnull\" = 0 AND c.pk = 0, c.type
               FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'";
    let mut statement = file.prepare(sql).unwrap();
    let columns = statement.query_map([], |row| {
        let kind = match row.get::<_, String>(3)?.as_str() {
            "BLOB" => "bytea".to_owned(),
            other => other.to_lowercase(),
        };
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, kind))
    });
    columns.unwrap().map(Result::unwrap).collect()
}

async fn of_postgres() -> BTreeSet<Column> {
    let database = Database::create().await;
    drop(PostgresStore::connect(&database.url).await.unwrap());
    let client = connect(&database.url).await;
    // SQLite counts its migrations in the file's header.
    let sql = "SELECT table_name::TEXT, column_name::TEXT, is_nullable = 'YES', data_type::TEXT
               FROM information_schema.columns
               WHERE table_schema = 'public' AND table_name <> 'schema_migration'";
    let rows = client.query(sql, &[]).await.unwrap();
    let columns = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect();
    drop(client);
    database.delete().await;
    columns
}
