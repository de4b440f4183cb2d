//! Source of the control plane's resources: files that people edit, or a store.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use control::jobs;
use control::run::WakeEvent;
use control::sources::{Feeder, FolderSource, Source, StoreSource, Watch};
use control::store::{MeteredStore, Store, StoreMetrics};
use tokio::runtime::Runtime;

use super::first_start;
use crate::source::{self, Rules};
use crate::store::{StoreChoice, StoreParser};

/// Files and folders, or a store.
#[derive(Debug, clap::Args)]
#[group(skip)] // its name is taken by the arguments that it is part of
pub(super) struct Args {
    /// Files and folders of resources, which are followed as people edit them; of a folder everything below it that ends
    /// in .yaml, .yml or .json. Without any: the resources of --store
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Where resources are kept: file:PATH, folder:PATH, postgres://USER:PASSWORD@HOST/DATABASE or memory. Default: file:
    /// with /var/lib/meshtcp/store.redb, or ~/.local/state/meshtcp/store.redb for all but root
    #[arg(
        long,
        value_name = "STORE",
        env = StoreChoice::VARIABLE,
        hide_env_values = true,
        value_parser = StoreParser
    )]
    pub(super) store: Option<StoreChoice>,
    #[command(flatten)]
    pub(super) rules: Rules,
}

/// Opened source that is not followed yet.
pub(super) enum Resources {
    Files(Box<FolderSource>, String),
    Store(Arc<dyn Store>, Rules, &'static str),
}

/// Guard that follows the source until it is dropped.
pub(super) struct Following {
    _files: Option<Watch>,
}

impl Args {
    /// Checks that the flags fit together.
    ///
    /// # Errors
    /// Reason in words, with what to do.
    pub(super) fn make_sense(&self) -> Result<(), String> {
        if let Some(scheme) = self.paths.iter().find_map(|path| StoreChoice::scheme_of(path)) {
            return Err(format!("a PATH begins with `{scheme}`, which is a store: write --store {scheme}…"));
        }
        if self.paths.is_empty() || self.store.is_none() {
            return Ok(());
        }
        let by_flag = std::env::args().any(|word| word == "--store" || word.starts_with("--store="));
        let why = if std::env::var_os(StoreChoice::VARIABLE).is_some() && !by_flag {
            format!("--store, which {} in the environment says", StoreChoice::VARIABLE)
        } else {
            "--store".to_owned()
        };
        Err(format!(
            "PATH cannot be used with {why}: resources come from files or from a store\n  help: leave one of them away{}",
            if by_flag { String::new() } else { format!(", e.g. with `env -u {}`", StoreChoice::VARIABLE) }
        ))
    }

    /// Choice of the store; `None`: the resources are files.
    ///
    /// # Errors
    /// Reason in words: no store is chosen, and there is no default.
    fn store(&self) -> Result<Option<StoreChoice>, String> {
        match &self.store {
            _ if !self.paths.is_empty() => Ok(None),
            Some(store) => Ok(Some(store.clone())),
            None => StoreChoice::default_place().map(Some),
        }
    }

    /// Default file for the addresses of host names; `None`: they are not kept.
    pub(super) fn host_addresses(&self) -> Option<PathBuf> {
        StoreChoice::host_addresses(self.store().ok()?.as_ref())
    }
}

impl Resources {
    pub(super) async fn open(arguments: &Args, metrics: &StoreMetrics) -> Result<Self, String> {
        let Args { paths, store: _, rules } = arguments;
        let Some(choice) = arguments.store()? else {
            let source = source::Source::of(paths.clone(), rules.clone());
            let store = source.open().map_err(|error| error.to_string())?;
            return Ok(Resources::Files(Box::new(store), source.in_words()));
        };
        let store = MeteredStore::new(choice.open().await?, metrics.clone());
        Ok(Resources::Store(Arc::new(store), rules.clone(), choice.kind()))
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Resources::Files(_, words) => words.clone(),
            Resources::Store(store, ..) => store.describe(),
        }
    }

    /// Type of the source, in one word.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Resources::Files(..) => "files",
            Resources::Store(_, _, kind) => kind,
        }
    }

    /// Store; `None`: the resources are files, which only people change.
    pub(super) fn store(&self) -> Option<&Arc<dyn Store>> {
        match self {
            Resources::Files(..) => None,
            Resources::Store(store, ..) => Some(store),
        }
    }

    /// Sends an event for every change. A new store gets its initial content.
    pub(super) fn follow(
        self,
        runtime: &Runtime,
        zone: Option<&str>,
        events: Sender<WakeEvent<()>>,
    ) -> (Box<dyn Source>, Following) {
        let wake = move || {
            // fails only when the process is leaving
            let _ = events.send(WakeEvent::Look);
        };
        match self {
            Resources::Files(files, _) => {
                let watch = files.watch(wake);
                (files, Following { _files: Some(watch) })
            }
            Resources::Store(store, rules, _) => {
                let (leads, kept) = (store.leads(), Arc::clone(&store));
                let zone = zone.map(str::to_owned);
                let job = move || first_start::prepare(Arc::clone(&kept), zone.clone());
                runtime.spawn(jobs::once(leads, job));
                let (source, feeder): (StoreSource, Feeder) = StoreSource::new(store, rules.options());
                // ends with the runtime, or when the follower is dropped
                runtime.spawn(feeder.run(wake));
                (Box::new(source), Following { _files: None })
            }
        }
    }
}
