//! Certificate of a TLS peer of a proxy, and the authorities that an operator configures.

use std::collections::BTreeMap;

use l4::config::{NamePattern, Trust};
use tls::PeerRule;

/// Judges bytes as the certificate of a peer, and parses them as authorities. An accepted peer has an expected name, of
/// a domain whose authority signed it.
pub fn certificate(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let authorities = PeerRule::new(&Trust::OneBundle(text.as_ref().into()), &[], |_| {});
    let names = [NamePattern::Prefix("spiffe://default/".into())];
    let nobody = Trust::ByDomain(BTreeMap::from([("default".into(), "".into())]));
    for rule in [PeerRule::new(&nobody, &names, |_| {}), authorities].into_iter().flatten() {
        let _ = rule.judge(&[]);
        let _ = rule.judge(&[bytes.to_vec(), bytes.to_vec()]);
    }
    if let Ok(rule) = PeerRule::new(&nobody, &names, |_| {}) {
        assert!(
            rule.judge(&[bytes.to_vec()]).is_err(),
            "no authority vouches for anybody, and somebody is believed"
        );
    }
    if let Ok(rule) = PeerRule::new(&Trust::OneBundle("".into()), &names, |_| {})
        && let Ok(peer) = rule.judge(&[bytes.to_vec()])
    {
        assert!(peer.uris.iter().any(|uri| uri.starts_with("spiffe://default/")), "{peer:?}");
    }
}
