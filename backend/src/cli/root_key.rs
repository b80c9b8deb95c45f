//! `cardamom root-key …`

use std::os::unix::fs::DirBuilderExt as _;

use clap::Subcommand;
use serde_json::json;

use super::{CommandResult, print};
use crate::boot;
use crate::config::{Flags, Settings};
use crate::crypto::entropy::OsEntropy;
use crate::crypto::root::{LocalRootKey, Pkcs11RootKey, RootKey as _};
use crate::root_key::{self, VersionStatus};

#[derive(Subcommand)]
pub enum Command {
    /// Make a root key: a file, or a key in the hardware module where one is set. Refuses to touch an existing one.
    Create {
        #[command(flatten)]
        flags: Flags,
    },
    /// Add a version, which wraps from now on. A running server follows by itself and moves what is stored.
    Rotate {
        /// Add the version to the file without using it, so that every node can get the file first. The next
        /// rotation brings it into use.
        #[arg(long)]
        prepare: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Tell how many records each version wraps.
    Status {
        /// Print as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Take a version away, for ever. Refused while it wraps a record.
    Forget {
        /// The version.
        version: u32,
        #[command(flatten)]
        flags: Flags,
    },
}

pub async fn run(command: Command) -> CommandResult {
    match command {
        Command::Create { flags } => create(&Settings::load(flags)?),
        Command::Rotate { prepare, flags } => rotate(&Settings::load(flags)?, prepare).await,
        Command::Status { json, flags } => status(&Settings::load(flags)?, json).await,
        Command::Forget { version, flags } => forget(&Settings::load(flags)?, version).await,
    }
}

fn create(settings: &Settings) -> CommandResult {
    if let Some(module) = module(settings)? {
        if !module.versions().is_empty() {
            return Err(
                "the module holds a root key of this label; `cardamom root-key rotate` adds a version".into(),
            );
        }
        if settings.root_key.is_some() || settings.root_key_file.exists() {
            return Err(
                "there is a root key outside of the module; `cardamom root-key rotate` adds a version in it"
                    .into(),
            );
        }
        module.create_version(1)?;
        return print(
            "Made version 1 in the module. Back the module up as its maker says: who loses it loses every card.\n",
        );
    }
    let path = &settings.root_key_file;
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    LocalRootKey::generate(&OsEntropy::probe()?).write_new_file(path)?;
    print(&format!(
        "Made {}. Keep a copy apart from the database and its backups: who loses it loses every card.\n",
        path.display()
    ))
}

async fn rotate(settings: &Settings, prepare: bool) -> CommandResult {
    // Refuses a key that is not this database's.
    let core = boot::core(settings, false).await?;
    if let Some(module) = module(settings)? {
        if prepare {
            return Err("a version in a module needs no preparation: every node finds it there".into());
        }
        let next = core.root.versions().last().copied().unwrap_or_default() + 1;
        module.create_version(next)?;
        root_key::record(&core, "root_key.rotate", next).await?;
        return print(&format!(
            "Made version {next} in the module. Running servers find it by themselves.\n"
        ));
    }
    if settings.root_key.is_some() {
        return Err(
            "the root key comes from CARDAMOM_ROOT_KEY: add a version there, as docs/operations.md tells"
                .into(),
        );
    }
    let path = &settings.root_key_file;
    let (read, entropy) = (LocalRootKey::from_file(path)?, OsEntropy::probe()?);
    let prepared = read.prepared();
    let (rotated, action) = match (prepare, prepared.first()) {
        (true, Some(version)) => {
            return Err(format!(
                "version {version} is prepared already; `cardamom root-key rotate` brings it into use"
            )
            .into());
        }
        (true, None) => (read.with_new_version(&entropy, true)?, "root_key.prepare"),
        (false, Some(_)) => (read.activated(), "root_key.rotate"),
        (false, None) => (read.with_new_version(&entropy, false)?, "root_key.rotate"),
    };
    rotated.replace_file(path)?;
    let newest = rotated.versions().last().copied().unwrap_or_default();
    root_key::record(&core, action, newest).await?;
    let what = if prepare { "Prepared" } else { "Brought into use" };
    print(&format!(
        "{what} version {newest} in {}. Keep a copy of the file, and give it to every node.\n",
        path.display()
    ))
}

async fn status(settings: &Settings, as_json: bool) -> CommandResult {
    let core = boot::core(settings, false).await?;
    let versions = root_key::status(&core).await?;
    print(&if as_json { json_of(&versions) } else { table_of(&versions) })
}

async fn forget(settings: &Settings, version: u32) -> CommandResult {
    let core = boot::core(settings, false).await?;
    let versions = root_key::status(&core).await?;
    let known = versions.iter().find(|status| status.version == version && status.at_hand);
    let known = known.ok_or_else(|| format!("version {version} is not at hand"))?;
    if known.wraps {
        return Err(format!("version {version} wraps; rotate first").into());
    }
    if known.records > 0 {
        let told = format!(
            "version {version} still wraps {} records; a running server moves them to version {}",
            known.records,
            core.root.version()
        );
        return Err(told.into());
    }
    match module(settings)? {
        Some(module) if module.versions().contains(&version) => module.destroy_version(version)?,
        _ if settings.root_key.is_some() => {
            return print(&format!("Version {version} wraps nothing: take it out of CARDAMOM_ROOT_KEY.\n"));
        }
        _ => forget_in_file(settings, version)?,
    }
    root_key::record(&core, "root_key.forget", version).await?;
    print(&format!(
        "Forgot version {version}. Backups of the database from before the rotation need it: keep the copy that belongs to \
         them.\n"
    ))
}

fn forget_in_file(settings: &Settings, version: u32) -> CommandResult {
    let path = &settings.root_key_file;
    let file = LocalRootKey::from_file(path)?;
    if file.versions() == [version] {
        let path = path.display();
        let told =
            format!("version {version} wraps nothing and is the only one of {path}: move that file away");
        return Err(told.into());
    }
    Ok(file.without(version)?.replace_file(path)?)
}

fn module(settings: &Settings) -> Result<Option<Pkcs11RootKey>, Box<dyn std::error::Error>> {
    Ok(settings.pkcs11.as_ref().map(|token| Pkcs11RootKey::open(token.clone())).transpose()?)
}

fn table_of(versions: &[VersionStatus]) -> String {
    let row = |status: &VersionStatus| {
        let state = match (status.at_hand, status.wraps) {
            (_, true) => "wraps",
            (true, false) => "opens",
            (false, false) => "missing",
        };
        format!("{:<8} {state:<10} {}\n", status.version, status.records)
    };
    std::iter::once("version  state      records\n".to_owned()).chain(versions.iter().map(row)).collect()
}

fn json_of(versions: &[VersionStatus]) -> String {
    let version = |status: &VersionStatus| {
        json!({
            "version": status.version,
            "at_hand": status.at_hand,
            "wraps": status.wraps,
            "records": status.records,
        })
    };
    format!("{}\n", json!(versions.iter().map(version).collect::<Vec<_>>()))
}
