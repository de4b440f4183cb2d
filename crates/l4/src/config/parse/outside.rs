//! Parser of the message of TLS to a service outside the mesh, and of the secrets that it names, into an
//! [`OutsideTls`].

use xds::proto::l4;

use super::Parser;
use super::tls::Secrets;
use crate::config::{
    ClientCertificate, NamePattern, OutsideName, OutsidePeer, OutsideTerms, OutsideTls, TlsLimits,
    TlsVersion, Trust, TrustedAuthorities,
};

impl Parser<'_> {
    pub(super) fn outside_tls(&mut self, what: &str, tls: l4::OutsideTls, secrets: &Secrets) -> OutsideTls {
        let l4::OutsideTls {
            server_name,
            anybody,
            trust,
            anchors_pem,
            dns_names,
            addresses,
            min_version,
            max_version,
            certificate,
        } = tls;
        self.fits_a_hello(what, "outside_tls.server_name", &server_name);
        let mut names = self.outside_names(what, "outside_tls.dns_names", dns_names, OutsideName::Dns);
        names.extend(self.outside_names(what, "outside_tls.addresses", addresses, OutsideName::Address));
        let by = match (trust.is_empty(), anchors_pem.is_empty()) {
            (true, true) => TrustedAuthorities::Host(None),
            (true, false) => TrustedAuthorities::These(anchors_pem.into()),
            (false, _) => match secrets.trust(&trust).as_deref() {
                Some(Trust::OneBundle(pem)) => TrustedAuthorities::These(pem.clone()),
                Some(Trust::ByDomain(_)) | None => TrustedAuthorities::Missing,
            },
        };
        let peer = if anybody { OutsidePeer::Anybody } else { OutsidePeer::Certified { by, names } };
        let shows = match (certificate.is_empty(), secrets.identity(&certificate)) {
            (true, _) => ClientCertificate::Nothing,
            (false, Some(identity)) => ClientCertificate::Certificate(identity),
            (false, None) => ClientCertificate::Missing,
        };
        let min = self.tls_version(what, "outside_tls.min_version", min_version).unwrap_or(TlsVersion::Tls12);
        let max = self.tls_version(what, "outside_tls.max_version", max_version).unwrap_or(TlsVersion::Tls13);
        if min > max {
            self.problem(what, "outside_tls.min_version", "is newer than max_version");
        }
        let limits = TlsLimits { min, max, ..TlsLimits::default() };
        OutsideTls {
            server_name: (!server_name.is_empty()).then(|| server_name.into()),
            terms: OutsideTerms { shows, peer, limits },
        }
    }

    fn outside_names(
        &mut self,
        what: &str,
        field: &str,
        names: Vec<l4::NamePattern>,
        sort: fn(NamePattern) -> OutsideName,
    ) -> Vec<OutsideName> {
        let names = names.into_iter().enumerate();
        names
            .filter_map(|(index, name)| self.name_pattern(what, &format!("{field}[{index}]"), name))
            .map(sort)
            .collect()
    }
}
