//! Versions and ciphers of TLS between proxies of a mesh.

use model::policy::{TlsCipher, TlsVersion};
use serde::Serialize;

use super::sourced::settings;
use super::{PolicyOrigin, Sourced, words};

settings! {
    /// Versions and ciphers of TLS between proxies of a mesh; each value with the policy that set it.
    TlsParams {
        /// Minimum TLS version; absent: the data plane's default.
        min: Option<Sourced<TlsVersion>>, "least TLS version", words::tls_version;
        /// Maximum TLS version; absent: the data plane's default.
        max: Option<Sourced<TlsVersion>>, "greatest TLS version", words::tls_version;
        /// Ciphers of TLS 1.2 and before, in order of preference; absent: the data plane's defaults.
        ciphers: Option<Sourced<Vec<TlsCipher>>>, "TLS ciphers", words::tls_ciphers;
    }
}

impl TlsParams {
    /// Returns `true` if no value is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
