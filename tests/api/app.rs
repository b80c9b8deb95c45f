//! One line gives a test the server, its database, its clock and clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use backend::access::company::CompanyCredentials;
use backend::access::merchants::{self, Credentials, NewMerchant};
use backend::boot;
use backend::config::Settings;
use backend::config::gateways::Gateways;
use backend::config::messages::Messages;
use backend::core::{Actor, Core, Policy};
use backend::crypto::Key32;
use backend::crypto::entropy::{Entropy, SeededEntropy};
use backend::crypto::root::{HeldRootKey, LocalRootKey};
use backend::http::{self, App};
use backend::model::{
    AuditEntry, Card, Clock, MerchantId, Mode, OutboxEvent, Scope, Scopes, Timestamp, VaultKey,
};
use backend::root_key;
use backend::storage::postgres::PostgresStore;
use backend::storage::sqlite::SqliteStore;
use backend::storage::{Page, Store};
use backend::sweep;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::Layer as _;
use tower_http::normalize_path::NormalizePathLayer;

use crate::client::{Answer, Call, Client};
use crate::database::{self, Database};

/// A Visa test number, a Mastercard one, an American Express one.
pub const NUMBER: &str = "4111111111111111";
pub const OTHER_NUMBER: &str = "5555555555554444";
pub const AMEX: &str = "378282246310005";
/// The time at which tests begin: 2027-01-15T08:00:00Z.
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// A whole list.
pub const ALL: Page = Page { after: None, limit: 1000 };
/// A passphrase for keys of the tests.
pub const PASSPHRASE: &str = "a-long-passphrase-of-the-tests";

/// A server in this process with a merchant.
pub struct TestApp {
    /// The server's parts.
    pub app: Arc<App>,
    /// Its clock.
    pub clock: Arc<TestClock>,
    /// The live credentials of the first merchant.
    pub merchant: Client,
    /// Its test credentials.
    pub test_mode: Client,
    /// The first merchant's account of the invoice interface, for both modes.
    pub account: Client,
    /// What callbacks of live and of test invoices are signed with.
    pub callback_secrets: [String; 2],
    /// Nobody.
    pub anonymous: Client,
    /// What the first merchant's gateway transactions are called with, in test mode.
    pub company: CompanyCredentials,
    /// The first merchant.
    pub id: MerchantId,
    /// The file of the root key.
    pub root_key_file: PathBuf,
    /// Its folder.
    pub keys: TempDir,
    /// Where files such as messages are written.
    pub data_dir: PathBuf,
    /// Its database, where that is PostgreSQL.
    pub database_url: Option<String>,
    folder: Option<TempDir>,
    _data: TempDir,
}

/// A clock that a test moves. By itself it goes on a millisecond with each look, so that what happens later has a
/// later time.
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Lets time pass.
    pub fn pass(&self, seconds: u64) {
        self.0.fetch_add(i64::try_from(seconds).unwrap() * 1000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// A capture endpoint and its secret.
#[derive(Clone)]
pub struct Endpoint {
    client: Client,
    /// The name in its address.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The whole answer to its creation.
    pub created: Value,
}

/// Runs a test on PostgreSQL.
pub async fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(TestApp) -> F) {
    on_postgres_with(|_| (), test).await;
}

/// The same with settings of the operator.
pub async fn on_postgres_with<F: Future<Output = ()>>(
    change: impl FnOnce(&mut Settings),
    test: impl FnOnce(TestApp) -> F,
) {
    let database = Database::create().await;
    let store = Arc::new(PostgresStore::connect(&database.url).await.unwrap());
    let app = TestApp::over(store, None, change).await;
    Box::pin(test(TestApp { database_url: Some(database.url.clone()), ..app })).await;
    database.delete().await;
}

impl TestApp {
    /// On a fresh SQLite file.
    pub async fn on_sqlite() -> Self {
        Self::on_sqlite_with(|_| ()).await
    }

    /// The same with settings of the operator.
    pub async fn on_sqlite_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("cardamom.sqlite")).unwrap());
        Self::over(store, Some(folder), change).await
    }

    async fn over(
        store: Arc<dyn Store>,
        folder: Option<TempDir>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut settings = settings();
        settings.data_dir = data.path().to_owned();
        change(&mut settings);
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let clock = Arc::new(TestClock(AtomicI64::new(NOW.millis())));
        let keys = tempfile::tempdir().unwrap();
        let root_key_file = keys.path().join("root.key");
        LocalRootKey::generate(&*entropy).write_new_file(&root_key_file).unwrap();
        let core = node(store, &root_key_file, Arc::clone(&clock), entropy, settings.policy.clone()).await;
        let made = merchants::create(&core, "Shop", Scopes::usual()).await.unwrap();
        let app = Arc::new(boot::app(&settings, core).unwrap());
        let router = NormalizePathLayer::trim_trailing_slash().layer(http::router(Arc::clone(&app)));
        let anonymous = Client::of_router(router);
        let (merchant, test_mode) = (login(&anonymous, &made.live), login(&anonymous, &made.test));
        let account = account(&anonymous, &made);
        let callback_secrets = [&made.account.callback_secret_live, &made.account.callback_secret_test];
        Self {
            app,
            clock,
            merchant,
            test_mode,
            account,
            callback_secrets: callback_secrets.map(|secret| secret.to_string()),
            anonymous,
            company: made.test.company,
            id: made.id,
            root_key_file,
            keys,
            data_dir: settings.data_dir,
            database_url: None,
            folder,
            _data: data,
        }
    }

    /// Another node on the same database, with a root key file of its own.
    pub async fn second_node(&self, root_key_file: &Path) -> Client {
        let app = self.second_app(root_key_file).await;
        self.merchant.through(NormalizePathLayer::trim_trailing_slash().layer(http::router(app)))
    }

    /// The parts of another node on the same database.
    pub async fn second_app(&self, root_key_file: &Path) -> Arc<App> {
        let store = Arc::clone(&self.app.core.store);
        let entropy = Arc::new(SeededEntropy::new(2));
        let policy = self.app.core.policy.clone();
        let core = node(store, root_key_file, Arc::clone(&self.clock), entropy, policy).await;
        Arc::new(boot::app(&settings(), core).unwrap())
    }

    /// Another node on the same database that has parts of its own.
    pub fn node_with(&self, change: impl FnOnce(&mut App)) -> Client {
        let mut app = boot::app(&settings(), self.app.core.clone()).unwrap();
        change(&mut app);
        self.account.through(NormalizePathLayer::trim_trailing_slash().layer(http::router(Arc::new(app))))
    }

    /// The first merchant's client of another node on the same database that has parts of its own.
    pub fn merchant_at(&self, change: impl FnOnce(&mut App)) -> Client {
        let mut app = boot::app(&settings(), self.app.core.clone()).unwrap();
        change(&mut app);
        self.merchant.through(NormalizePathLayer::trim_trailing_slash().layer(http::router(Arc::new(app))))
    }

    /// Another merchant.
    pub async fn other_merchant(&self) -> Client {
        login(&self.anonymous, &self.new_merchant("Other", Scopes::usual()).await.live)
    }

    /// A merchant whose credentials may read security codes.
    pub async fn code_reader(&self) -> Client {
        let scopes = Scopes::usual().with(Scope::CvvRead);
        login(&self.anonymous, &self.new_merchant("Code reader", scopes).await.live)
    }

    /// A merchant with these scopes.
    pub async fn with_scopes(&self, scopes: &[Scope]) -> Client {
        static MADE: AtomicU64 = AtomicU64::new(1);
        let name = format!("Limited {}", MADE.fetch_add(1, Ordering::Relaxed));
        login(&self.anonymous, &self.new_merchant(&name, Scopes::of(scopes)).await.live)
    }

    /// A merchant with its credentials in clear.
    pub async fn new_merchant(&self, name: &str, scopes: Scopes) -> NewMerchant {
        merchants::create(&self.app.core, name, scopes).await.unwrap()
    }

    /// A vault key `shop` with `PASSPHRASE`.
    pub async fn key(&self) {
        self.merchant.post("/v1/key", json!({ "user": "shop", "passphrase": PASSPHRASE })).await.ok();
    }

    /// A card of `NUMBER` under the managed key; answers its token.
    pub async fn card(&self) -> String {
        let card = json!({ "card_number": NUMBER, "card_holder": "Ada King", "card_expiry": "06-2031" });
        text(&self.merchant.post("/v1/vault?user=managed&reference=r1", card).await.ok()["token"])
    }

    /// An endpoint of the managed key; `query` begins with `&` or is empty.
    pub async fn endpoint(&self, query: &str) -> Endpoint {
        Endpoint::create(&self.merchant, query).await
    }

    /// An endpoint locked to the card of `card()`, and that card's token.
    pub async fn locked(&self) -> (Endpoint, String) {
        let token = self.card().await;
        (self.endpoint(&format!("&token={token}&reference=r1")).await, token)
    }

    /// The stored object of a card under the managed key.
    pub async fn read(&self, token: &str, reference: &str) -> Value {
        let target = format!("/v1/vault?user=managed&token={token}&reference={reference}");
        self.merchant.get(&target).await.ok()
    }

    /// The sweeper's work at the clock's time.
    pub async fn sweep(&self) {
        sweep::once(&self.app).await.unwrap();
    }

    /// Delivers what is due until nothing is; answers how many attempts were made.
    pub async fn deliver(&self) -> usize {
        let mut attempts = 0;
        loop {
            match self.app.worker.step().await.unwrap() {
                0 => return attempts,
                more => attempts += more,
            }
        }
    }

    /// The audit log of the first merchant.
    pub async fn audit(&self) -> Vec<AuditEntry> {
        self.app.core.store.read().await.unwrap().list_audit(self.id.clone(), ALL).await.unwrap()
    }

    /// The outgoing events of the first merchant.
    pub async fn events(&self) -> Vec<OutboxEvent> {
        self.app.core.store.read().await.unwrap().list_events(self.id.clone(), Mode::Live, ALL).await.unwrap()
    }

    /// A vault key of the first merchant as it is stored.
    pub async fn stored_key(&self, name: &str) -> VaultKey {
        let mut transaction = self.app.core.store.read().await.unwrap();
        transaction.find_key(self.id.clone(), Mode::Live, name.to_owned()).await.unwrap().unwrap()
    }

    /// The custody key of a vault key of the first merchant.
    pub async fn custody(&self, name: &str, passphrase: &str) -> Key32 {
        let (core, key) = (&self.app.core, self.stored_key(name).await);
        let actor = Actor {
            merchant: Some(self.id.clone()),
            mode: Some(Mode::Live),
            name: "test".to_owned(),
            address: String::new(),
        };
        core.keyring.custody(core, &key, passphrase, &actor).await.unwrap()
    }

    /// The cards of a vault key as they are stored.
    pub async fn stored_cards(&self, key: &str) -> Vec<Card> {
        let key = self.stored_key(key).await.id;
        self.app.core.store.read().await.unwrap().list_cards(self.id.clone(), key, ALL).await.unwrap()
    }

    /// Runs statements behind the server's back, on either engine.
    pub async fn sql(&self, sql: &str) {
        match &self.database_url {
            Some(url) => database::execute(url, sql).await,
            None => rusqlite::Connection::open(self.file()).unwrap().execute_batch(sql).unwrap(),
        }
    }

    /// The first column of what a query answers, which is of texts, on either engine.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        if let Some(url) = &self.database_url {
            return database::column(url, sql).await;
        }
        let file = rusqlite::Connection::open(self.file()).unwrap();
        let mut statement = file.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Everything that the database keeps, on either engine.
    pub async fn everything_kept(&self) -> Vec<u8> {
        match &self.database_url {
            Some(url) => database::dump(url).await,
            None => self.bytes_on_disk(),
        }
    }

    /// All bytes of the SQLite file, its log and its index.
    pub fn bytes_on_disk(&self) -> Vec<u8> {
        let folder = self.folder.as_ref().expect("a test on SQLite").path();
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.flat_map(|file| std::fs::read(file).unwrap()).collect()
    }

    /// The SQLite file.
    pub fn file(&self) -> PathBuf {
        self.folder.as_ref().expect("a test on SQLite").path().join("cardamom.sqlite")
    }
}

impl Endpoint {
    /// Makes one of the managed key.
    pub async fn create(client: &Client, query: &str) -> Self {
        Self::of(client, &client.post(&format!("/v1/capture?user=managed{query}"), json!({})).await.ok())
    }

    /// The endpoint of a creation's answer.
    pub fn of(client: &Client, created: &Value) -> Self {
        let (id, secret) = (text(&created["unique_id"]), text(&created["secret"]));
        Self { client: client.anonymous(), id, secret, created: created.clone() }
    }

    /// A capture's call, without a body.
    pub fn call(&self, query: &str) -> Call {
        Call::new("POST", &format!("/v1/capture/{}{query}", self.id)).header("x-capture-secret", &self.secret)
    }

    /// A capture.
    pub async fn capture(&self, body: Value) -> Answer {
        self.client.send(self.call("").json(&body)).await
    }

    /// A capture from another address.
    pub async fn capture_from(&self, address: [u8; 4], body: Value) -> Answer {
        self.client.at(address).send(self.call("").json(&body)).await
    }
}

/// Lets what waits in this process wait so much less, without a wait: the clock of its timers goes on at once.
pub async fn let_pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

/// The text of a JSON text.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A whole card.
pub fn card(number: &str) -> Value {
    json!({ "card_number": number, "card_holder": "Ada King", "card_expiry": "06-2031" })
}

/// A node: reads the root key of a file and refuses one that is not the database's.
async fn node(
    store: Arc<dyn Store>,
    root_key_file: &Path,
    clock: Arc<TestClock>,
    entropy: Arc<dyn Entropy>,
    policy: Policy,
) -> Core {
    let root = HeldRootKey::of_file(root_key_file.to_owned(), None).unwrap();
    let digests = root_key::fit(&*store, &root, &*entropy).await.unwrap();
    Core::new(store, Arc::new(root), digests, clock, entropy, policy)
}

fn login(client: &Client, credentials: &Credentials) -> Client {
    client.with_basic(&credentials.user, &credentials.password)
}

/// A merchant's account of the invoice interface.
pub fn account(client: &Client, made: &NewMerchant) -> Client {
    client.with_basic(made.account.id.as_str(), &made.account.key)
}

fn settings() -> Settings {
    Settings {
        listen: "127.0.0.1:8080".parse().unwrap(),
        max_connections: 100,
        data_dir: PathBuf::new(),
        database_url: None,
        public_url: "https://cards.example".parse().unwrap(),
        tls: None,
        insecure_http: false,
        trusted_proxies: Vec::new(),
        allowed_networks: Vec::new(),
        http_callbacks: false,
        messages: Messages {
            mail_from: "Cards <cards@cards.example>".parse().unwrap(),
            smtp_url: None,
            sms: None,
        },
        gateways: Gateways::default(),
        root_key_file: PathBuf::new(),
        root_key: None,
        pkcs11: None,
        demo: false,
        policy: Policy::default(),
        log: "info".parse().unwrap(),
    }
}
