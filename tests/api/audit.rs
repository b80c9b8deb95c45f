//! The audit log's chains: what a change behind the server's back looks like to `audit::verify`.

use std::sync::Arc;

use backend::audit::{self, AuditError, AuditKeys, Broken, Fault, KeptHead, Report, Sealer};
use backend::core::{Actor, Core};
use backend::crypto::binding::Binding;
use backend::crypto::entropy::SeededEntropy;
use backend::crypto::root::{Digests, LocalRootKey};
use backend::crypto::{hex, unhex};
use backend::model::{Head, Mode, Outcome};
use backend::root_key;
use backend::storage::Page;
use backend::storage::postgres::PostgresStore;

use crate::app::{ALL, NUMBER, TestApp, card};

on_both_engines! {
    an_untouched_log_holds,
    a_changed_column_is_found,
    a_missing_entry_is_found,
    a_missing_tail_is_found,
    a_log_that_is_gone_is_found,
    swapped_entries_are_found,
    swapped_seals_are_found,
    an_added_entry_is_found,
    an_entry_that_was_kept_from_its_seal_is_found,
    waiting_entries_are_checked_too,
    a_changed_end_stays_a_break,
    a_log_that_was_set_back_is_found_by_a_kept_head,
    a_kept_head_proves_growth,
    another_root_key_finds_nothing_right,
    a_rotation_of_the_root_key_changes_nothing,
    entries_from_before_are_chained_once,
    sealers_of_several_nodes_share_the_work,
    a_long_log_is_checked_page_by_page,
    captures_are_sealed,
}

/// Entries of the first merchant, with these names of objects; answers their identities.
async fn write(app: &TestApp, objects: &[&str]) -> Vec<String> {
    let core = &app.app.core;
    let actor = Actor {
        merchant: Some(app.id.clone()),
        mode: Some(Mode::Live),
        name: "operator".to_owned(),
        address: "192.0.2.7".to_owned(),
    };
    let mut ids = Vec::new();
    for object in objects {
        let entry = core.entry(&actor, "card.read", object, Outcome::Done);
        ids.push(entry.id.to_string());
        core.store.record(entry).await.unwrap();
    }
    ids
}

/// Five entries in two seals, behind the one seal of the merchant's making.
async fn sealed(app: &TestApp) -> Vec<String> {
    seal(app).await;
    let mut ids = write(app, &["a", "b", "c"]).await;
    seal(app).await;
    ids.extend(write(app, &["d", "e"]).await);
    seal(app).await;
    ids
}

async fn seal(app: &TestApp) -> usize {
    Sealer::new(app.app.core.clone()).seal_waiting().await.unwrap()
}

async fn verify(core: &Core, only: Option<&str>, since: Option<KeptHead>) -> Result<Report, AuditError> {
    audit::verify(core, only, since, &mut |_| ()).await
}

/// The first break of the whole log, which the merchant's own check finds too.
async fn broken(app: &TestApp) -> Broken {
    let core = &app.app.core;
    let broken = verify(core, None, None).await.unwrap().broken.expect("a break is found");
    let alone = verify(core, Some(app.id.as_str()), None).await.unwrap().broken;
    assert_eq!(alone.as_ref(), Some(&broken));
    broken
}

async fn holds(app: &TestApp) -> Report {
    let report = verify(&app.app.core, None, None).await.unwrap();
    assert_eq!(report.broken, None);
    report
}

/// The whole log's break, the merchant's entry and its place.
fn entry(app: &TestApp, fault: Fault, seal: Option<i64>, place: Option<i64>, id: &str) -> Broken {
    Broken { fault, chain: app.id.to_string(), seal, place, entry: Some(id.to_owned()) }
}

fn at_seal(app: &TestApp, fault: Fault, seal: i64, place: Option<i64>) -> Broken {
    Broken { fault, chain: app.id.to_string(), seal: Some(seal), place, entry: None }
}

/// How many entries the merchant's log had before the tests' own.
async fn first(app: &TestApp) -> i64 {
    i64::try_from(app.audit().await.len()).unwrap()
}

async fn an_untouched_log_holds(app: TestApp) {
    assert_eq!(holds(&app).await.sealed, 0);
    let waiting = holds(&app).await.waiting;
    assert!(waiting > 0);
    app.anonymous.with_basic("nobody", "wrong").get("/v1/key?user=managed").await.is(401);
    sealed(&app).await;
    write(&app, &["waits"]).await;
    let report = holds(&app).await;
    assert_eq!((report.logs, report.sealed, report.waiting), (2, waiting + 6, 1));
    let alone = verify(&app.app.core, Some(app.id.as_str()), None).await.unwrap();
    assert_eq!((alone.logs, alone.sealed, alone.waiting), (1, waiting + 5, 1));
    let unknown = verify(&app.app.core, Some("mer_none"), None).await;
    assert!(matches!(unknown, Err(AuditError::UnknownLog(name)) if name == "mer_none"));
}

async fn a_changed_column_is_found(app: TestApp) {
    let before = first(&app).await;
    let ids = sealed(&app).await;
    let at = app.audit().await.iter().find(|found| found.id.as_str() == ids[3]).unwrap().at.millis();
    for (column, old, new) in [
        ("mode", "'live'".to_owned(), "'test'"),
        ("mode", "'live'".to_owned(), "'LIVE'"),
        ("at", at.to_string(), "1"),
        ("actor", "'operator'".to_owned(), "'somebody'"),
        ("action", "'card.read'".to_owned(), "'card.list'"),
        ("object", "'d'".to_owned(), "''"),
        ("outcome", "'done'".to_owned(), "'refused'"),
        ("outcome", "'done'".to_owned(), "'DONE'"),
        ("address", "'192.0.2.7'".to_owned(), "'192.0.2.8'"),
    ] {
        app.sql(&format!("UPDATE audit_entry SET {column} = {new} WHERE id = '{}'", ids[3])).await;
        let expected = entry(&app, Fault::EntryChanged, Some(3), Some(before + 4), &ids[3]);
        assert_eq!(broken(&app).await, expected, "{column}");
        app.sql(&format!("UPDATE audit_entry SET {column} = {old} WHERE id = '{}'", ids[3])).await;
    }
    holds(&app).await;
    app.sql(&format!("UPDATE audit_entry SET mac = NULL WHERE id = '{}'", ids[1])).await;
    let expected = entry(&app, Fault::EntryChanged, Some(2), Some(before + 2), &ids[1]);
    assert_eq!(broken(&app).await, expected);
}

async fn a_missing_entry_is_found(app: TestApp) {
    let before = first(&app).await;
    let ids = sealed(&app).await;
    app.sql(&format!("DELETE FROM audit_entry WHERE id = '{}'", ids[1])).await;
    let expected = entry(&app, Fault::EntryMissing, Some(2), Some(before + 2), &ids[1]);
    assert_eq!(broken(&app).await, expected);
    // Its name taken out of the seal, too.
    let sql = format!(
        "UPDATE audit_seal SET members = '{} {}' WHERE number = 2 AND chain = '{}'",
        ids[0], ids[2], app.id
    );
    app.sql(&sql).await;
    let expected = entry(&app, Fault::SealChanged, Some(2), Some(before + 1), &ids[0]);
    assert_eq!(broken(&app).await, expected);
}

async fn a_missing_tail_is_found(app: TestApp) {
    let before = first(&app).await;
    let ids = sealed(&app).await;
    let chain = app.id.as_str();
    app.sql(&format!("DELETE FROM audit_entry WHERE id IN ('{}', '{}')", ids[3], ids[4])).await;
    let expected = entry(&app, Fault::EntryMissing, Some(3), Some(before + 4), &ids[3]);
    assert_eq!(broken(&app).await, expected);
    app.sql(&format!("DELETE FROM audit_seal WHERE chain = '{chain}' AND number = 3")).await;
    assert_eq!(broken(&app).await, at_seal(&app, Fault::SealMissing, 3, Some(before + 4)));
    // The end that fits what is left: its digest cannot be made.
    let total = before + 3;
    app.sql(&format!(
        "UPDATE audit_head SET number = 2, total = {total},
             link = (SELECT link FROM audit_seal WHERE chain = '{chain}' AND number = 2) WHERE chain = '{chain}'"
    ))
    .await;
    let expected = Broken { seal: None, ..at_seal(&app, Fault::HeadChanged, 0, None) };
    assert_eq!(broken(&app).await, expected);
    app.sql(&format!("DELETE FROM audit_head WHERE chain = '{chain}'")).await;
    assert_eq!(broken(&app).await, Broken { fault: Fault::HeadMissing, ..expected });
}

async fn a_log_that_is_gone_is_found(app: TestApp) {
    sealed(&app).await;
    let chain = app.id.as_str();
    for (table, column) in [("audit_entry", "merchant_id"), ("audit_seal", "chain"), ("audit_head", "chain")]
    {
        app.sql(&format!("DELETE FROM {table} WHERE {column} = '{chain}'")).await;
    }
    let found = verify(&app.app.core, None, None).await.unwrap().broken;
    assert_eq!(found, Some(at_seal(&app, Fault::SealMissing, 1, None)));
    // And where another one was begun in its place.
    write(&app, &["new"]).await;
    seal(&app).await;
    let found = verify(&app.app.core, None, None).await.unwrap().broken;
    assert_eq!(found, Some(at_seal(&app, Fault::SealChanged, 1, None)));
    app.sql("DELETE FROM audit_head; DELETE FROM audit_seal; DELETE FROM audit_entry").await;
    let found = verify(&app.app.core, None, None).await.unwrap().broken.unwrap();
    assert_eq!((found.fault, found.chain.as_str()), (Fault::HeadMissing, Head::ALL));
}

async fn swapped_entries_are_found(app: TestApp) {
    let before = first(&app).await;
    let ids = sealed(&app).await;
    for (from, to) in [(ids[0].as_str(), "x"), (&ids[2], &ids[0]), ("x", &ids[2])] {
        app.sql(&format!("UPDATE audit_entry SET id = '{to}' WHERE id = '{from}'")).await;
    }
    let expected = entry(&app, Fault::EntryMoved, Some(2), Some(before + 1), &ids[0]);
    assert_eq!(broken(&app).await, expected);
}

async fn swapped_seals_are_found(app: TestApp) {
    let before = first(&app).await;
    let ids = sealed(&app).await;
    let chain = app.id.as_str();
    for (from, to) in [(2, 99), (3, 2), (99, 3)] {
        let sql = format!("UPDATE audit_seal SET number = {to} WHERE number = {from} AND chain = '{chain}'");
        app.sql(&sql).await;
    }
    let expected = entry(&app, Fault::SealChanged, Some(2), Some(before + 1), &ids[3]);
    assert_eq!(broken(&app).await, expected);
}

/// Writes a copy of an entry under another identity.
async fn forge(app: &TestApp, id: &str) -> String {
    let forged = format!("{}ZZ", &id[..id.len() - 2]);
    app.sql(&format!(
        "INSERT INTO audit_entry (merchant_id, id, mode, at, actor, action, object, outcome, address, mac)
         SELECT merchant_id, '{forged}', mode, at, actor, action, object, outcome, address, mac
         FROM audit_entry WHERE id = '{id}'"
    ))
    .await;
    forged
}

async fn an_added_entry_is_found(app: TestApp) {
    let before = first(&app).await;
    let ids = sealed(&app).await;
    let forged = forge(&app, &ids[1]).await;
    assert_eq!(broken(&app).await, entry(&app, Fault::EntryAdded, None, None, &forged));
    // Offered to the sealer, it gets into the chain, and is found there.
    let waits = format!(
        "INSERT INTO audit_waiting (first_id, chain, entries) VALUES ('{forged}', '{}', '{forged}')",
        app.id
    );
    app.sql(&waits).await;
    assert_eq!(broken(&app).await, entry(&app, Fault::EntryChanged, None, None, &forged));
    assert_eq!(seal(&app).await, 1);
    assert_eq!(broken(&app).await, entry(&app, Fault::EntryChanged, Some(4), Some(before + 6), &forged));
}

async fn an_entry_that_was_kept_from_its_seal_is_found(app: TestApp) {
    sealed(&app).await;
    let id = write(&app, &["hidden"]).await.remove(0);
    app.sql("DELETE FROM audit_waiting").await;
    assert_eq!(broken(&app).await, entry(&app, Fault::EntryAdded, None, None, &id));
}

async fn waiting_entries_are_checked_too(app: TestApp) {
    sealed(&app).await;
    let ids = write(&app, &["x", "y"]).await;
    app.sql(&format!("UPDATE audit_entry SET object = 'z' WHERE id = '{}'", ids[0])).await;
    assert_eq!(broken(&app).await, entry(&app, Fault::EntryChanged, None, None, &ids[0]));
    app.sql(&format!("DELETE FROM audit_entry WHERE id = '{}'", ids[0])).await;
    assert_eq!(broken(&app).await, entry(&app, Fault::EntryMissing, None, None, &ids[0]));
    // Sealing hides nothing.
    seal(&app).await;
    assert_eq!(broken(&app).await.fault, Fault::EntryMissing);
}

async fn a_changed_end_stays_a_break(app: TestApp) {
    sealed(&app).await;
    let chain = app.id.as_str();
    app.sql(&format!("UPDATE audit_head SET total = total - 1 WHERE chain = '{chain}'")).await;
    write(&app, &["later"]).await;
    assert_eq!(seal(&app).await, 1);
    assert_eq!(broken(&app).await, at_seal(&app, Fault::Torn, 4, None));
    app.sql("DELETE FROM audit_head WHERE chain = '*'").await;
    write(&app, &["later still"]).await;
    assert_eq!(seal(&app).await, 1);
    assert_eq!(broken(&app).await, at_seal(&app, Fault::Torn, 5, None));
}

async fn a_log_that_was_set_back_is_found_by_a_kept_head(app: TestApp) {
    seal(&app).await;
    write(&app, &["a", "b"]).await;
    let mut sealer = Sealer::new(app.app.core.clone());
    sealer.seal_waiting().await.unwrap();
    app.sql("CREATE TABLE kept AS SELECT * FROM audit_head").await;
    let ids = write(&app, &["c"]).await;
    sealer.seal_waiting().await.unwrap();
    let kept = [Head::ALL, app.id.as_str()];
    let kept = [
        audit::head(&app.app.core, kept[0]).await.unwrap(),
        audit::head(&app.app.core, kept[1]).await.unwrap(),
    ];
    app.sql(&format!(
        "DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM kept; DELETE FROM audit_entry WHERE id = '{}';
         DELETE FROM audit_seal WHERE number > (SELECT number FROM kept k WHERE k.chain = audit_seal.chain)",
        ids[0]
    ))
    .await;
    // Nothing in the database tells: it is a state that was there once.
    holds(&app).await;
    for kept in kept {
        let found = verify(&app.app.core, None, Some(kept.clone())).await.unwrap().broken.unwrap();
        assert_eq!((found.fault, found.chain), (Fault::Shrunk, kept.chain.clone()));
        write(&app, &["instead"]).await;
    }
    // A server that runs meanwhile remembers, too.
    sealer.seal_waiting().await.unwrap();
    let found = verify(&app.app.core, None, None).await.unwrap().broken.unwrap();
    assert_eq!((found.fault, found.chain.as_str()), (Fault::Torn, Head::ALL));
}

async fn a_kept_head_proves_growth(app: TestApp) {
    sealed(&app).await;
    let core = &app.app.core;
    let all = audit::head(core, Head::ALL).await.unwrap();
    let own = audit::head(core, app.id.as_str()).await.unwrap();
    write(&app, &["more"]).await;
    seal(&app).await;
    for (only, since) in [(None, &all), (None, &own), (Some(app.id.as_str()), &own)] {
        assert_eq!(verify(core, only, Some(since.clone())).await.unwrap().broken, None);
    }
    let other = verify(core, Some(app.id.as_str()), Some(all)).await;
    assert!(matches!(other, Err(AuditError::OtherLog(name)) if name == "all"));
    // The chain that it was taken from was made anew by who has the root key.
    let link = hex(&own.link);
    let text = own.to_string().replace(&link, &"0".repeat(64));
    assert!(matches!(KeptHead::read(&core.audit, &text), Err(AuditError::KeptHead)));
    let head = Head { number: own.number, total: own.total, ..Head::start(app.id.as_str(), core.now()) };
    let rewritten = KeptHead::of(&core.audit, &head);
    let found = verify(core, None, Some(rewritten)).await.unwrap().broken.unwrap();
    assert_eq!((found.fault, found.seal), (Fault::Rewritten, Some(own.number)));
}

async fn another_root_key_finds_nothing_right(app: TestApp) {
    sealed(&app).await;
    let entropy = SeededEntropy::new(99);
    let root = LocalRootKey::generate(&entropy);
    let digests = Digests::open(&root, &Digests::generate(&root, &entropy).unwrap()).unwrap();
    let core = Core { audit: Arc::new(AuditKeys::of(&digests)), ..app.app.core.clone() };
    let found = verify(&core, Some(app.id.as_str()), None).await.unwrap().broken.unwrap();
    assert_eq!(found.fault, Fault::HeadChanged);
    assert!(matches!(audit::head(&core, Head::ALL).await, Err(AuditError::KeptHead)));
    holds(&app).await;
}

async fn a_rotation_of_the_root_key_changes_nothing(app: TestApp) {
    sealed(&app).await;
    let kept = audit::head(&app.app.core, Head::ALL).await.unwrap();
    let root = LocalRootKey::from_file(&app.root_key_file).unwrap();
    let root = root.with_new_version(&SeededEntropy::new(77), false).unwrap();
    root.replace_file(&app.root_key_file).unwrap();
    assert!(app.app.core.root.refresh().unwrap());
    root_key::rewrap(&app.app.core).await.unwrap();
    write(&app, &["after"]).await;
    seal(&app).await;
    root.without(1).unwrap().replace_file(&app.root_key_file).unwrap();
    let node = app.second_app(&app.root_key_file).await;
    let kept = KeptHead::read(&node.core.audit, &kept.to_string()).unwrap();
    assert_eq!(verify(&node.core, None, Some(kept)).await.unwrap().broken, None);
}

/// Makes the database look like one of a version that had no chains.
async fn forget_chains(app: &TestApp) {
    let core = &app.app.core;
    let binding = Binding {
        merchant: "",
        mode: "",
        record: "",
        kind: "root-digests",
        field: "",
        number: 0,
        key_version: 0,
    };
    let mut t = core.store.begin().await.unwrap();
    let stands = t.fact(root_key::DIGESTS).await.unwrap().unwrap();
    let key = core.root.unwrap(&binding, &unhex(&stands).unwrap()).unwrap();
    let older = core.root.wrap(&binding, &key[..32], &*core.entropy).unwrap();
    assert!(t.replace_fact(root_key::DIGESTS, stands, hex(&older)).await.unwrap());
    t.commit().await.unwrap();
    app.sql(
        "UPDATE audit_entry SET mac = NULL; DELETE FROM audit_waiting; DELETE FROM audit_seal;
         DELETE FROM audit_head",
    )
    .await;
}

async fn entries_from_before_are_chained_once(app: TestApp) {
    let ids = write(&app, &["older"]).await;
    forget_chains(&app).await;
    assert!(matches!(verify(&app.app.core, None, None).await, Err(AuditError::NotYet)));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let server = tokio::spawn(Sealer::new(app.app.core.clone()).run(stopped));
    while verify(&app.app.core, None, None).await.is_err() {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    server.await.unwrap();
    seal(&app).await;
    let report = holds(&app).await;
    assert_eq!((report.sealed, report.waiting), (u64::try_from(app.audit().await.len()).unwrap(), 0));
    // From now on an entry without a digest was written by somebody else, whatever is done to the chains.
    let forged = forge(&app, &ids[0]).await;
    app.sql(&format!("UPDATE audit_entry SET mac = NULL WHERE id = '{forged}'")).await;
    audit::mark_older(&app.app.core).await.unwrap();
    assert_eq!(broken(&app).await, entry(&app, Fault::EntryAdded, None, None, &forged));
}

async fn sealers_of_several_nodes_share_the_work(app: TestApp) {
    let core = app.app.core.clone();
    let other = match &app.database_url {
        Some(url) => Core { store: Arc::new(PostgresStore::connect(url).await.unwrap()), ..core.clone() },
        None => core.clone(),
    };
    let writer = tokio::spawn(async move {
        for _ in 0..100 {
            write(&app, &["a", "b"]).await;
        }
        app
    });
    let sealing = [core, other].map(|core| {
        tokio::spawn(async move {
            let (mut sealer, mut sealed) = (Sealer::new(core), 0);
            while sealed < 50 {
                sealed += sealer.seal_waiting().await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    });
    let app = writer.await.unwrap();
    for sealing in sealing {
        // One that found nothing left to do gets what the other one leaves.
        while !sealing.is_finished() {
            write(&app, &["c"]).await;
        }
        sealing.await.unwrap();
    }
    seal(&app).await;
    let report = holds(&app).await;
    assert_eq!(report.waiting, 0);
    assert!(report.sealed >= 200);
}

async fn a_long_log_is_checked_page_by_page(app: TestApp) {
    let before = holds(&app).await.waiting;
    let core = &app.app.core;
    let actor = Actor {
        merchant: Some(app.id.clone()),
        mode: None,
        name: "operator".to_owned(),
        address: String::new(),
    };
    for _ in 0..5 {
        let mut t = core.store.begin().await.unwrap();
        for _ in 0..250 {
            t.add_audit(core.entry(&actor, "card.read", "", Outcome::Done)).await.unwrap();
        }
        t.commit().await.unwrap();
    }
    assert_eq!(u64::try_from(seal(&app).await).unwrap(), before + 1250);
    let mut told = Vec::new();
    let report = audit::verify(core, None, None, &mut |entries| told.push(entries)).await.unwrap();
    assert_eq!((report.broken, report.sealed), (None, before + 1250));
    assert!(told.len() > 1 && told.is_sorted());
    let page = Page { limit: 5000, ..ALL };
    let last =
        core.store.read().await.unwrap().list_audit(app.id.clone(), page).await.unwrap().pop().unwrap();
    app.sql(&format!("UPDATE audit_entry SET actor = 'x' WHERE id = '{}'", last.id)).await;
    let found = broken(&app).await;
    assert_eq!((found.fault, found.entry), (Fault::EntryChanged, Some(last.id.to_string())));
}

async fn captures_are_sealed(app: TestApp) {
    let endpoint = app.endpoint("").await;
    for number in [NUMBER, crate::app::OTHER_NUMBER, NUMBER] {
        endpoint.capture(card(number)).await.ok();
    }
    seal(&app).await;
    let report = holds(&app).await;
    assert_eq!((report.sealed, report.waiting), (u64::try_from(app.audit().await.len()).unwrap(), 0));
}
