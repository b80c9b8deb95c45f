//! Start-up: from settings to a running server, and down again. The one place that chooses engines and keys.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::assets::{Assets, AssetsError};
use crate::capture::facts::FactsCache;
use crate::config::Settings;
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::crypto::entropy::{Entropy, OsEntropy};
use crate::crypto::root::{HeldRootKey, LocalRootKey, Pkcs11RootKey};
use crate::gateways::Gateway;
use crate::gateways::described::{Described, DescriptionError};
use crate::gateways::sandbox::{SANDBOX, Sandbox};
use crate::http::{App, Proxies};
use crate::invoices::settle::InvoiceOwner;
use crate::model::{Clock, SystemClock};
use crate::notify::{FileMail, FileSms, Notifier, Sender, SmsGateway, Smtp};
use crate::operations::{Operations, Owner, Routes};
use crate::outbox::{Courier, WebhookCourier, Worker};
use crate::outgoing::{Allowed, Outgoing, OutgoingError};
use crate::proxy::{Proxy, ProxyCourier};
use crate::requests::courier::MessageCourier;
use crate::requests::events;
use crate::root_key::{self, RootKeyError};
use crate::storage::postgres::PostgresStore;
use crate::storage::sqlite::SqliteStore;
use crate::storage::{Store, StoreError};
use crate::transactions::TransactionOwner;
use crate::transactions::updater::{Schemes, SimulatedScheme, Updater};

/// The folder of messages that no server takes, within the data folder.
pub const MESSAGES: &str = "outbox";

/// Why nothing starts.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The data folder.
    #[error("the data folder {0} cannot be used: {1}")]
    DataDir(String, std::io::Error),
    /// The root key.
    #[error("{0}")]
    RootKey(#[from] CryptoError),
    /// There are cards, and no root key.
    #[error(
        "the database holds vault keys, but the root key file {0} is missing; without it no card can be opened"
    )]
    RootKeyMissing(String),
    /// The root key is another one than the database's.
    #[error(transparent)]
    RootKeyMisfit(#[from] RootKeyError),
    /// On PostgreSQL no root key is made by itself.
    #[error(
        "the root key file {0} is missing; make one with `cardamom root-key create` and give every node the same"
    )]
    RootKeyNeeded(String),
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A setting that turns out to be unusable.
    #[error("{0} is not usable; allowed: {1}")]
    Setting(&'static str, String),
    /// A file that describes a gateway.
    #[error(transparent)]
    Gateway(#[from] DescriptionError),
    /// The outgoing client.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// The embedded files.
    #[error(transparent)]
    Assets(#[from] AssetsError),
}

/// Opens storage and root key. With `create_root_key` an empty embedded database gets a new root key, so that a
/// first merchant can be made before the first start.
pub async fn core(settings: &Settings, create_root_key: bool) -> Result<Core, BootError> {
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::probe()?);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&settings.data_dir)
        .map_err(|error| BootError::DataDir(settings.data_dir.display().to_string(), error))?;
    let store: Arc<dyn Store> = match &settings.database_url {
        Some(url) => Arc::new(PostgresStore::connect(url).await?),
        None => Arc::new(SqliteStore::open(&settings.data_dir.join("cardamom.sqlite"))?),
    };
    let root = Arc::new(held(settings, &*store, &*entropy, create_root_key).await?);
    let digests = root_key::fit(&*store, &*root, &*entropy).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Ok(Core::new(store, root, digests, clock, entropy, settings.policy.clone()))
}

/// The server around a core.
pub fn app(settings: &Settings, core: Core) -> Result<App, BootError> {
    let assets = Assets::load()?;
    let asset = |name: &str| -> Result<frontend::Asset, AssetsError> {
        let entry = assets.entry(name)?;
        Ok(frontend::Asset { url: entry.url.clone(), integrity: entry.integrity.clone() })
    };
    let page_assets = frontend::Assets {
        glue: asset("frontend.js")?,
        wasm: asset("frontend_bg.wasm")?,
        page_js: asset("page.js")?,
        keypad: asset("keypad.js")?,
    };
    let networks = settings.allowed_networks.clone();
    let allowed = Allowed { networks: networks.clone(), plain_http: false };
    let callbacks = Arc::new(Outgoing::new(Allowed { networks, plain_http: settings.http_callbacks })?);
    let sandbox = Arc::new(Sandbox::new(core.clone(), &settings.public_url, settings.gateways.sandbox));
    let outgoing = Outgoing::new(allowed)?;
    let proxy = Arc::new(Proxy::new(outgoing.clone()));
    let mut couriers = couriers(settings, &core, &callbacks)?;
    couriers.push(Arc::new(ProxyCourier::new(core.clone(), Arc::clone(&proxy))));
    let worker = Arc::new(Worker::new(core.clone(), couriers));
    Ok(App {
        operations: Arc::new(operations(settings, &core, &sandbox)?),
        sandbox,
        updater: updater(&core),
        core,
        proxy,
        callbacks,
        worker,
        facts: FactsCache::default(),
        outgoing,
        assets,
        page_assets,
        public_url: settings.public_url.clone(),
        sms_token: settings.messages.sms.as_ref().map(|sms| sms.token.clone()),
        proxies: Proxies { networks: settings.trusted_proxies.clone(), only: settings.behind_proxies() },
    })
}

/// Calls to gateways: the gateways by name, what routes to them, and what files their results.
fn operations(settings: &Settings, core: &Core, sandbox: &Arc<Sandbox>) -> Result<Operations, BootError> {
    let simulator: Arc<dyn Gateway> = Arc::<Sandbox>::clone(sandbox);
    let mut gateways: BTreeMap<_, _> = [(SANDBOX.to_owned(), simulator)].into();
    let allowed = Allowed { networks: settings.allowed_networks.clone(), plain_http: false };
    let outgoing = Arc::new(Outgoing::new(allowed)?);
    for (name, file) in &settings.gateways.described {
        let gateway = Described::open(file, Arc::clone(&outgoing), Arc::clone(&core.entropy))?;
        gateways.insert(name.clone(), Arc::new(gateway));
    }
    let routes = Routes::new(settings.gateways.services.clone());
    let public_url = settings.public_url.clone();
    let owners: Vec<Arc<dyn Owner>> = vec![Arc::new(TransactionOwner), Arc::new(InvoiceOwner { public_url })];
    Ok(Operations::new(core.clone(), gateways, routes, owners))
}

/// The account updater. Live cards have no scheme to be asked yet.
pub fn updater(core: &Core) -> Updater {
    let test = Arc::new(SimulatedScheme { clock: Arc::clone(&core.clock) });
    Updater::new(core.clone(), Schemes { test, live: None })
}

/// Who takes outgoing events to their receivers, one for each channel.
fn couriers(
    settings: &Settings,
    core: &Core,
    callbacks: &Arc<Outgoing>,
) -> Result<Vec<Arc<dyn Courier>>, BootError> {
    let mail = MessageCourier::new(events::MAIL, core.clone(), mail(settings)?);
    let sms = MessageCourier::new(events::SMS, core.clone(), sms(settings, callbacks)?);
    let webhooks = WebhookCourier::new(core.clone(), Arc::clone(callbacks));
    Ok(vec![Arc::new(webhooks), Arc::new(mail), Arc::new(sms)])
}

/// E-mails leave by the mail server that was set, or into the folder of messages.
fn mail(settings: &Settings) -> Result<Arc<dyn Notifier>, BootError> {
    let sender = Sender { mailbox: settings.messages.mail_from.clone() };
    Ok(match &settings.messages.smtp_url {
        None => Arc::new(FileMail { folder: settings.data_dir.join(MESSAGES), sender }),
        Some(url) => {
            Arc::new(Smtp::new(url, sender).map_err(|usable| BootError::Setting("smtp_url", usable))?)
        }
    })
}

/// Text messages leave by the provider that was set, or into the folder of messages.
fn sms(settings: &Settings, outgoing: &Arc<Outgoing>) -> Result<Arc<dyn Notifier>, BootError> {
    let Some(sms) = &settings.messages.sms else {
        return Ok(Arc::new(FileSms { folder: settings.data_dir.join(MESSAGES) }));
    };
    let reports = settings.public_url.join("/api/cardrequest/report/");
    let reports = reports.map_err(|_| BootError::Setting("public_url", "an absolute address".to_owned()))?;
    let gateway = SmsGateway::new(
        Arc::clone(outgoing),
        &sms.url,
        (&sms.account, &sms.token),
        &sms.from,
        reports.to_string(),
    );
    Ok(Arc::new(gateway.map_err(|usable| BootError::Setting("sms_url", usable))?))
}

/// Where the demo shop listens: another site than the card pages (security rule 13).
pub fn demo_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8081))
}

/// The root key that the settings name: of the environment, a file, a module, or of two of them.
async fn held(
    settings: &Settings,
    store: &dyn Store,
    entropy: &dyn Entropy,
    create: bool,
) -> Result<HeldRootKey, BootError> {
    let module = settings.pkcs11.as_ref().map(|token| Pkcs11RootKey::open(token.clone())).transpose()?;
    let file = &settings.root_key_file;
    match &settings.root_key {
        Some(text) => return Ok(HeldRootKey::new(Some(LocalRootKey::from_env_value(text)?), module)?),
        None if file.exists() => {}
        None if module.is_some() => return Ok(HeldRootKey::new(None, module)?),
        None => make_root_key(settings, store, entropy, create).await?,
    }
    Ok(HeldRootKey::of_file(file.clone(), module)?)
}

/// Made only with the embedded database, and only while it is empty (security rule 6).
async fn make_root_key(
    settings: &Settings,
    store: &dyn Store,
    entropy: &dyn Entropy,
    create: bool,
) -> Result<(), BootError> {
    let path: &Path = &settings.root_key_file;
    let name = path.display().to_string();
    let mut transaction = store.read().await?;
    if transaction.has_vault_keys().await? || transaction.fact(root_key::CHECK).await?.is_some() {
        return Err(BootError::RootKeyMissing(name));
    }
    if settings.database_url.is_some() || !create {
        return Err(BootError::RootKeyNeeded(name));
    }
    LocalRootKey::generate(entropy).write_new_file(path)?;
    tracing::warn!(
        file = name,
        "made a root key: keep a copy apart from the database; who loses it loses every card"
    );
    Ok(())
}
