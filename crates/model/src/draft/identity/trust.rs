//! MeshTrust: the authorities of a trust domain (spec 07 §13).

use super::mesh_identity::{MUST_BE_DEFINED, part};
use crate::draft::kinds::whole;
use crate::draft::{Body, Context};
use crate::policy::parse_base64;
use crate::resource::Spec;
use crate::topology::MeshTrust;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// First byte of a structure in DER.
const SEQUENCE: u8 = 0x30;

/// Reads and checks a MeshTrust.
pub(crate) fn mesh_trust(body: &mut Body<'_>, _: &Context<'_>) -> Spec {
    let spec = &mut body.spec;
    let bundles = spec.items("caBundles");
    if bundles.is_empty() {
        spec.violate("caBundles", "must not be empty");
    }
    let mut certificates = Vec::new();
    for mut bundle in bundles {
        bundle.know_the_rest();
        if bundle.text("type").as_deref() != Some("Pem") {
            bundle.violate("type", "in body should be one of [Pem]");
        }
        let mut pem = part(&mut bundle, "pem");
        let value = pem.text("value");
        if !pem.is_present() {
            bundle.violate("pem", MUST_BE_DEFINED);
        } else if !value.as_deref().is_some_and(is_certificate) {
            pem.violate("value", "provided certificate has incorrect format");
        }
        certificates.extend(value.map(Into::into));
    }
    let domain = spec.text("trustDomain");
    match &domain {
        None => spec.violate("trustDomain", "trustDomain needs to be defined"),
        Some(domain) if domain.len() > 253 => {
            spec.violate("trustDomain", "must not be longer than 253 characters");
        }
        Some(_) => {}
    }
    whole(body);
    Spec::MeshTrust(MeshTrust { domain: domain.unwrap_or_default(), bundles: certificates })
}

/// Returns `true` if a text contains a certificate in PEM. Its content is not checked.
fn is_certificate(text: &str) -> bool {
    let Some((_, from)) = text.split_once(BEGIN) else { return false };
    let Some((inside, _)) = from.split_once(END) else { return false };
    let inside: String = inside.split_whitespace().collect();
    parse_base64(&inside).is_some_and(|der| der.first() == Some(&SEQUENCE))
}
