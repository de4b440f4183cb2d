//! File with the contexts.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use control::{plain_file, whole};
use serde::{Deserialize, Serialize};

use super::DEFAULT_SERVER;
use crate::output;

/// All contexts, and the current one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Contexts {
    /// Name of the context that is used by default; `None`: none is.
    #[serde(rename = "currentContext", default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// Contexts in the order in which they were added.
    #[serde(default)]
    pub(crate) contexts: Vec<Context>,
}

/// Control plane, and the identity used there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Context {
    /// Name of the context.
    pub(crate) name: String,
    /// URL of its REST API.
    pub(crate) server: String,
    /// Default mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mesh: Option<String>,
    /// Token itself. A file is the better place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// File with the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the authorities, one of which signed the control plane's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl Default for Context {
    /// Returns a context for the control plane of this host, which lets its own users in.
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

/// Path of the file: `$MESHTCP_CONFIG`, or `~/.config/meshtcp/config.yaml` (below `$XDG_CONFIG_HOME` if that is set).
///
/// # Errors
/// Reason in words: the home directory is unknown.
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
    /// Reads the file; a missing file has no contexts.
    ///
    /// # Errors
    /// Reason in words: it exists and cannot be read, or is no contexts file.
    pub(crate) fn read() -> Result<Self, String> {
        let Ok(path) = place() else { return Ok(Self::default()) };
        let shown = path.display();
        let bytes = match plain_file::read_named(&path) {
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

    /// Writes the file, readable by its owner only: there may be tokens in it.
    ///
    /// # Errors
    /// Reason in words.
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
