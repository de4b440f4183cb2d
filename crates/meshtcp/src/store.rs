//! Choice of the store on the command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use control::store::{EmbeddedStore, MemoryStore, PlainStore, PostgresStore, Store, StoreError};

/// File name of the store in the folder of the service.
const FILE: &str = "store.redb";
/// File name of the stored addresses of host names.
const ADDRESSES: &str = "host-addresses";

/// Store of a control plane.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoreChoice {
    /// Single file on disk.
    File(PathBuf),
    /// Folder of plain files.
    Folder(PathBuf),
    /// Database, by its address, which may contain a password.
    Postgres(String),
    /// Memory of the process only.
    Memory,
}

impl FromStr for StoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(StoreChoice::File(path.into())),
            Some(("folder", path)) if !path.is_empty() => Ok(StoreChoice::Folder(path.into())),
            Some(("postgres" | "postgresql", _)) => Ok(StoreChoice::Postgres(text.into())),
            None if text == "memory" => Ok(StoreChoice::Memory),
            Some(_) | None => {
                Err("write file:PATH, folder:PATH, postgres://USER@HOST/DATABASE or memory".into())
            }
        }
    }
}

impl fmt::Debug for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreChoice::File(path) => write!(f, "file:{}", path.display()),
            StoreChoice::Folder(path) => write!(f, "folder:{}", path.display()),
            StoreChoice::Postgres(_) => f.write_str("postgres:"),
            StoreChoice::Memory => f.write_str("memory"),
        }
    }
}

/// Parser of a store on a command line. Errors do not repeat the text: it may contain a password.
#[derive(Clone, Debug)]
pub(crate) struct StoreParser;

impl TypedValueParser for StoreParser {
    type Value = StoreChoice;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<StoreChoice, clap::Error> {
        let parsed = value.to_str().ok_or_else(|| "it is no text".to_owned()).and_then(str::parse);
        parsed.map_err(|why: String| {
            let flag = arg.and_then(clap::Arg::get_long).unwrap_or("store");
            let message = format!("invalid value for '--{flag} <STORE>': {why}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Folder that the service manager created for the state of this process; `None`: it created none.
fn folder_of_service() -> Option<PathBuf> {
    // several folders are separated by colons
    Some(variable("STATE_DIRECTORY")?.to_str()?.split(':').next()?.into())
}

impl StoreChoice {
    /// Environment variable for the store, used without a flag.
    pub(crate) const VARIABLE: &str = "MESHTCP_STORE";

    /// Scheme at the beginning of a path that is meant as a store; `None`: it has none.
    pub(crate) fn scheme_of(path: &Path) -> Option<&'static str> {
        let text = path.to_str()?;
        ["postgres:", "postgresql:", "file:", "folder:"].into_iter().find(|scheme| text.starts_with(scheme))
    }

    /// Default store of a control plane: in the folder that the service manager created for it, or in the usual folder
    /// for state.
    pub(crate) fn default_place() -> Result<Self, String> {
        let folder = match folder_of_service() {
            Some(folder) => folder,
            None if rustix::process::geteuid().is_root() => Path::new("/var/lib/meshtcp").into(),
            None => match (variable("XDG_STATE_HOME"), variable("HOME")) {
                (Some(state), _) => Path::new(&state).join("meshtcp"),
                (None, Some(home)) => Path::new(&home).join(".local/state/meshtcp"),
                (None, None) => return Err("there is no HOME to keep resources in: say --store".into()),
            },
        };
        Ok(StoreChoice::File(folder.join(FILE)))
    }

    /// Default file for the addresses of host names: beside a store that is one file, or in the folder that the service
    /// manager created; `None`: they are not kept. `store` is `None` without a store.
    pub(crate) fn host_addresses(store: Option<&Self>) -> Option<PathBuf> {
        match store {
            Some(StoreChoice::File(path)) => Some(path.with_extension(ADDRESSES)),
            Some(StoreChoice::Memory) => None,
            Some(StoreChoice::Folder(_) | StoreChoice::Postgres(_)) | None => {
                Some(folder_of_service()?.join(ADDRESSES))
            }
        }
    }

    /// Type of the store, in one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            StoreChoice::File(_) => "file",
            StoreChoice::Folder(_) => "folder",
            StoreChoice::Postgres(_) => "postgres",
            StoreChoice::Memory => "memory",
        }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// Reason in words: the store is unusable. A database that is only unreachable is no error here.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, String> {
        let words = |error: StoreError| error.to_string();
        Ok(match self {
            StoreChoice::File(path) => Arc::new(EmbeddedStore::open(path).await.map_err(words)?),
            StoreChoice::Folder(path) => Arc::new(PlainStore::open(path).await.map_err(words)?),
            StoreChoice::Postgres(address) => Arc::new(PostgresStore::open(address).await.map_err(words)?),
            StoreChoice::Memory => Arc::new(MemoryStore::default()),
        })
    }
}
