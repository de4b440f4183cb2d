//! What is asked.

use std::path::PathBuf;

use model::{Kind, Profile, ProxyKey};
use serde::Deserialize;
use serde_json::Value;

/// One request.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: String,
    /// What to compute.
    pub(crate) check: String,
    #[serde(deserialize_with = "profile")]
    pub(crate) profile: Profile,
    /// The file with the resources.
    pub(crate) input: PathBuf,
    /// Arguments of the check.
    #[serde(default)]
    pub(crate) params: Value,
}

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The product does not do this.
    Unsupported(String),
    /// It does, and something is wrong.
    Error(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Failure::Error(why)
    }
}

impl Request {
    /// Reads a line.
    pub(crate) fn read(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map_err(|error| format!("not a request: {error}"))
    }

    /// The id of a line that is no request otherwise.
    pub(crate) fn id_of(line: &str) -> Value {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        value.get("id").cloned().unwrap_or_default()
    }

    /// The kind of policy that is asked about.
    pub(crate) fn policy_kind(&self) -> Result<Kind, Failure> {
        let text = self.params["policyType"].as_str().unwrap_or_default();
        Kind::from_text(text).ok_or_else(|| Failure::Unsupported(format!("policies of kind `{text}`")))
    }

    /// The proxy that is asked about.
    pub(crate) fn proxy(&self) -> ProxyKey {
        let text = |key: &str| self.params["dataplane"][key].as_str().unwrap_or_default();
        ProxyKey::new(text("mesh"), text("name"))
    }

    /// Names of policies, in the order in which they matched.
    pub(crate) fn matched_policies(&self) -> Vec<&str> {
        let names = self.params["matchedPolicies"].as_array();
        names.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

fn profile<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Profile, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}
