//! The file with the contexts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use control::whole;
use serde::{Deserialize, Serialize};

use super::DEFAULT_SERVER;
use crate::output;

/// All contexts, and which one counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one that counts where no other is asked for.
    #[serde(rename = "currentContext", default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// All of them, in the order in which they were added.
    #[serde(default)]
    pub(crate) contexts: Vec<Context>,
}

/// One control plane, and who we are there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Context {
    /// What it is called.
    pub(crate) name: String,
    /// The URL of its REST API.
    pub(crate) server: String,
    /// The mesh that is meant where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mesh: Option<String>,
    /// The token itself. A file is the better place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// The file with the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// The file with the certificates that the control plane's is signed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl Default for Context {
    /// The control plane of this host, which lets its own users in.
    fn default() -> Self {
        Self {
            name: "(none)".to_owned(),
            server: DEFAULT_SERVER.to_owned(),
            mesh: None,
            token: None,
            token_file: None,
            ca_file: None,
        }
    }
}

/// Where the file is: `$MESHTCP_CONFIG`, or `~/.config/meshtcp/config.yaml` (below `$XDG_CONFIG_HOME` where that is set).
///
/// # Errors
/// In words: nothing says where the home is.
pub(crate) fn place() -> Result<PathBuf, String> {
    let set =
        |name: &str| std::env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("MESHTCP_CONFIG") {
        return Ok(path);
    }
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    base.map(|base| base.join("meshtcp/config.yaml"))
        .ok_or_else(|| "neither MESHTCP_CONFIG nor HOME is set: nothing says where contexts are".to_owned())
}

impl Contexts {
    /// Reads the file; none at all has no contexts.
    ///
    /// # Errors
    /// In words: it is there and cannot be read, or is no such file.
    pub(crate) fn read() -> Result<Self, String> {
        let Ok(path) = place() else { return Ok(Self::default()) };
        let shown = path.display();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{shown} cannot be read: {error}")),
        };
        let (documents, problems) = model::draft::read_bytes(&shown.to_string(), &bytes);
        if let Some(problem) = problems.first() {
            return Err(problem.to_string());
        }
        let Some(document) = documents.first() else { return Ok(Self::default()) };
        serde_json::from_value(document.value().clone()).map_err(|error| {
            format!("{shown} is no file of contexts: {error}\n  help: `meshtcp config set NAME --server URL` writes one")
        })
    }

    /// Writes the file, for its owner alone: there may be tokens in it.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn write(&self) -> Result<PathBuf, String> {
        let path = place()?;
        let wrong = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
        let folder = path.parent().unwrap_or(Path::new("."));
        if !folder.as_os_str().is_empty() {
            fs::create_dir_all(folder).map_err(wrong)?;
        }
        let tree = serde_json::to_value(self).unwrap_or_default();
        whole::replace(&path, output::yaml(&tree).as_bytes()).map_err(wrong)?;
        Ok(path)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Context> {
        self.contexts.iter().find(|context| context.name == name)
    }
}
