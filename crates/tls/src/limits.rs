//! Limits on protocol versions and cipher suites, as policies of the library.
//!
//! The library accepts only named policies for both. The chosen one has as much as possible of the allowed set, and
//! nothing else. The cipher suites of TLS 1.3 are never limited: those that an operator names are of TLS 1.2.

use l4::config::{Cipher, TlsLimits, TlsVersion};

/// Named policy of the library.
struct Named {
    name: &'static str,
    /// Cipher suites of TLS 1.2; empty: TLS 1.2 is not spoken.
    suites: &'static [Cipher],
    tls13: bool,
}

const GCM: &[Cipher] = &[Cipher::EcdsaAes128, Cipher::EcdsaAes256, Cipher::RsaAes128, Cipher::RsaAes256];

/// Policies, the larger sets first.
const NAMED: [Named; 5] = [
    Named { name: "CloudFront-TLS-1-2-2021-no-sha1-no-pq", suites: &Cipher::ALL, tls13: true },
    Named { name: "AWS-CRT-SDK-TLSv1.2-2025", suites: GCM, tls13: true },
    Named { name: "TLS12_20261021_1", suites: &[Cipher::EcdsaAes256, Cipher::RsaAes128], tls13: true },
    Named { name: "CloudFront-TLS-1-3-2025-no-pq", suites: &[], tls13: true },
    Named { name: "ELBSecurityPolicy-FS-1-2-Res-2020-10", suites: GCM, tls13: false },
];

/// Name of the policy for these limits; `None`: there is none.
///
/// If no policy has the remaining suites of TLS 1.2, only TLS 1.3 is spoken, if allowed: less than is allowed, never
/// more.
pub(crate) fn named(TlsLimits { min, max, ciphers }: &TlsLimits) -> Option<&'static str> {
    let may = |version: TlsVersion| *min <= version && version <= *max;
    let allowed = |cipher: &Cipher| ciphers.is_empty() || ciphers.contains(cipher);
    let fits = |named: &&Named| {
        (named.suites.is_empty() || may(TlsVersion::Tls12))
            && (!named.tls13 || may(TlsVersion::Tls13))
            && named.suites.iter().all(allowed)
    };
    NAMED.iter().find(fits).map(|named| named.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(min: TlsVersion, max: TlsVersion, ciphers: &[Cipher]) -> Option<&'static str> {
        named(&TlsLimits { min, max, ciphers: ciphers.iter().copied().collect() })
    }

    #[test]
    fn the_library_knows_every_name() {
        for Named { name, .. } in &NAMED {
            assert!(s2n_tls::security::Policy::from_version(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn as_much_is_spoken_as_may_be_and_nothing_else() {
        use TlsVersion::{Tls12, Tls13};
        assert_eq!(named(&TlsLimits::default()), Some(NAMED[0].name));
        assert_eq!(of(Tls12, Tls13, GCM), Some(NAMED[1].name));
        let both = [Cipher::EcdsaAes256, Cipher::RsaAes128];
        assert_eq!(of(Tls12, Tls13, &both), Some(NAMED[2].name));
        assert_eq!(of(Tls13, Tls13, &[]), Some(NAMED[3].name));
        assert_eq!(of(Tls12, Tls12, &[]), Some(NAMED[4].name));
        for cipher in Cipher::ALL {
            assert_eq!(of(Tls12, Tls13, &[cipher]), Some(NAMED[3].name));
            assert_eq!(of(Tls12, Tls12, &[cipher]), None, "{}", cipher.as_str());
        }
    }
}
