//! Advice about a certificate that was rejected.

use std::error::Error as Cause;
use std::io;

use rustls::{CertificateError, Error};

/// Finds the rejection of a certificate among the causes of an error, also inside an `io::Error`; `None`: the error has
/// another cause.
pub fn distrust<'a>(error: &'a (dyn Cause + 'static)) -> Option<&'a CertificateError> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(Error::InvalidCertificate(refused)) = cause.downcast_ref() {
            return Some(refused);
        }
        // the inner error of an `io::Error` is not its source, but in its place
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

/// Advice for a client whose server's certificate was rejected.
pub fn help(refused: &CertificateError) -> &'static str {
    match refused {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name: dial a name or address that stands in it, or give it one that has this one"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it, or look at the clock of this host"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: look at the clock of this host, or at the certificate"
        }
        _ => {
            "its certificate is not among those that are trusted, nor signed by one of them: name it, or who signed it, with --ca-file"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_certificate_is_found_among_causes() {
        let refused = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, refused));
        assert_eq!(distrust(&wrapped), Some(&CertificateError::UnknownIssuer));
        assert!(help(&CertificateError::UnknownIssuer).contains("--ca-file"));
        assert_eq!(distrust(&io::Error::other("away")), None);
        assert_eq!(distrust(&Error::HandshakeNotComplete), None);
    }
}
