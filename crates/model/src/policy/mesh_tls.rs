//! MeshTLS: modes, versions and ciphers between proxies (spec 07 §10).

use super::merge::{replaced, said};
use crate::topology::MtlsMode;

said! {
    /// Conf of a MeshTLS: the mode of inbounds, and the versions and ciphers of every connection in the mesh.
    MeshTlsConf {
        /// TLS mode: plaintext accepted or not.
        mode: MtlsMode,
        /// Versions of TLS.
        versions: TlsVersionsConf,
        /// Ciphers of TLS 1.2 and before.
        ciphers: Vec<TlsCipher>,
    }
}

said! {
    /// Range of TLS versions.
    TlsVersionsConf {
        /// Minimum version.
        min: TlsVersion,
        /// Maximum version.
        max: TlsVersion,
    }
}

/// Version of TLS, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// Default of the TLS library.
    Auto,
    /// TLS 1.0.
    V1_0,
    /// TLS 1.1.
    V1_1,
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// Cipher of TLS 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names are the ciphers
pub enum TlsCipher {
    EcdheEcdsaAes128GcmSha256,
    EcdheEcdsaAes256GcmSha384,
    EcdheEcdsaChacha20Poly1305,
    EcdheRsaAes128GcmSha256,
    EcdheRsaAes256GcmSha384,
    EcdheRsaChacha20Poly1305,
}

replaced!(MtlsMode, TlsVersion);

crate::words! {
    /// Name of the version in a policy; versions are in their order, the oldest first.
    TlsVersion { Auto: "TLSAuto", V1_0: "TLS10", V1_1: "TLS11", V1_2: "TLS12", V1_3: "TLS13" }
    /// Name of the cipher in OpenSSL, as in a policy; ciphers are in the order in which messages list them.
    TlsCipher {
        EcdheEcdsaAes128GcmSha256: "ECDHE-ECDSA-AES128-GCM-SHA256",
        EcdheEcdsaAes256GcmSha384: "ECDHE-ECDSA-AES256-GCM-SHA384",
        EcdheEcdsaChacha20Poly1305: "ECDHE-ECDSA-CHACHA20-POLY1305",
        EcdheRsaAes128GcmSha256: "ECDHE-RSA-AES128-GCM-SHA256",
        EcdheRsaAes256GcmSha384: "ECDHE-RSA-AES256-GCM-SHA384",
        EcdheRsaChacha20Poly1305: "ECDHE-RSA-CHACHA20-POLY1305",
    }
}
