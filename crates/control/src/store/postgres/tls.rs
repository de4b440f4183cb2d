//! Plaintext or TLS, as an address asks for it: with the parameters of libpq, `?sslmode=verify-full&sslrootcert=FILE`.

use std::borrow::Cow;
use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;
use trust::Trust;

use crate::plain_file;

/// Transport to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Plaintext: on this host, or over a trusted network.
    Plaintext,
    /// TLS, with a database whose certificate has its name, and is in a file or signed by one that is.
    Verified(PathBuf),
}

impl Transport {
    /// Splits the TLS parameters off an address; returns them with the rest.
    ///
    /// # Errors
    /// In words, without the address: it may contain a password.
    pub(super) fn of(address: &str) -> Result<(Self, String), String> {
        let (place, query) = address.split_once('?').unwrap_or((address, ""));
        let (mut mode, mut file, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(decoded(value)?),
                Some(("sslrootcert", value)) => file = Some(PathBuf::from(decoded(value)?.as_ref())),
                Some(_) | None => rest.push(pair),
            }
        }
        let way = match (mode.as_deref(), file) {
            // a server that offers TLS to clients which do not insist on it protects nobody from a man in the middle
            (Some("disable" | "allow" | "prefer"), _) | (None, None) => Self::Plaintext,
            (Some("require" | "verify-full") | None, Some(file)) => Self::Verified(file),
            (Some(mode @ ("require" | "verify-full")), None) => {
                return Err(format!(
                    "sslmode={mode} needs sslrootcert=FILE too, the certificates in PEM that the database's must be signed \
                     by; Debian has the public ones in /etc/ssl/certs/ca-certificates.crt"
                ));
            }
            (Some(other), _) => {
                return Err(format!(
                    "sslmode={other} is not known here: write disable, require or verify-full"
                ));
            }
        };
        let rest = if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) };
        Ok((way, rest))
    }

    /// Returns the TLS connector; in plaintext it is not used.
    ///
    /// # Errors
    /// In words: the file cannot be read, or contains no certificate.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, String> {
        let client = match self {
            Self::Plaintext => trusting_nobody(),
            Self::Verified(file) => trusted(file)?.client(&[]),
        };
        Ok(MakeRustlsConnect::new(client.map_err(|error| error.to_string())?))
    }
}

fn decoded(value: &str) -> Result<Cow<'_, str>, String> {
    percent_decode_str(value).decode_utf8().map_err(|_| "what it says of TLS is no text".to_owned())
}

fn trusting_nobody() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn trusted(file: &Path) -> Result<Trust, String> {
    let within = |why: &dyn std::fmt::Display| format!("sslrootcert={}: {why}", file.display());
    let pem =
        plain_file::read_named(file).map_err(|error| within(&format_args!("it cannot be read: {error}")))?;
    Trust::from_pem(&pem).map_err(|error| within(&error))
}

/// Returns `true` if a connection failed because the peer is not trusted: trying again does not help.
pub(super) fn is_distrust(error: &tokio_postgres::Error) -> bool {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.any(|cause| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_the_database_is_reached() {
        let verified = |file: &str| Transport::Verified(file.into());
        for (address, way, rest) in [
            ("postgres://u@h/d", Transport::Plaintext, "postgres://u@h/d"),
            ("postgres://u@h/d?sslmode=prefer", Transport::Plaintext, "postgres://u@h/d"),
            ("postgres://h/d?sslmode=disable&sslrootcert=/ca", Transport::Plaintext, "postgres://h/d"),
            ("postgres://h/d?sslmode=require&sslrootcert=/ca", verified("/ca"), "postgres://h/d"),
            ("postgres://h/d?sslrootcert=%2Fetc%2Fa%20b.pem", verified("/etc/a b.pem"), "postgres://h/d"),
            (
                "postgres://h/d?connect_timeout=3&sslmode=verify-full&application_name=x&sslrootcert=ca.pem",
                verified("ca.pem"),
                "postgres://h/d?connect_timeout=3&application_name=x",
            ),
        ] {
            assert_eq!(Transport::of(address), Ok((way, rest.to_owned())), "{address}");
        }
    }

    #[test]
    fn what_would_not_be_verified_is_refused() {
        for (query, why) in [
            ("sslmode=require", "needs sslrootcert"),
            ("sslmode=verify-full", "needs sslrootcert"),
            ("sslmode=verify-ca&sslrootcert=/ca", "sslmode=verify-ca is not known"),
            ("sslmode=Require&sslrootcert=/ca", "sslmode=Require is not known"),
            ("sslrootcert=%FF", "no text"),
        ] {
            let error = Transport::of(&format!("postgres://u:hunter2@h/d?{query}")).unwrap_err();
            assert!(error.contains(why) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let error = || Transport::Verified(file.clone()).connector().err().unwrap();
        assert!(error().contains("cannot be read"), "{}", error());
        std::fs::write(&file, "nothing").unwrap();
        assert!(error().contains("no certificate"), "{}", error());
    }
}
