//! MeshTLS: versions and ciphers between proxies, as far as the reference refuses what is said (spec 07 §10).

use crate::draft::fields::Fields;
use crate::reference::RefKind;

const MODES: [&str; 2] = ["Strict", "Permissive"];
/// The versions of TLS, oldest first.
const VERSIONS: [&str; 5] = ["TLSAuto", "TLS10", "TLS11", "TLS12", "TLS13"];
const CIPHERS: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

/// Checks what stands below `spec`, besides references. `top` is the kind of the policy's own target.
pub(super) fn check(spec: &mut Fields<'_>, top: Option<RefKind>) {
    let (from, rules) = (spec.items("from"), spec.items("rules"));
    if !from.is_empty() && !rules.is_empty() {
        spec.violate_here("field 'from' must be empty when 'rules' is defined");
    }
    for mut item in from.into_iter().chain(rules) {
        item.know_the_rest();
        let mut conf = item.object("default");
        conf.know_the_rest();
        one_of(&mut conf, "mode", &MODES);
        if top.is_some_and(|top| top != RefKind::Mesh) {
            for name in ["tlsCiphers", "tlsVersion"] {
                if conf.has(name) {
                    conf.violate(
                        name,
                        format!("{name} can only be defined with top level targetRef kind: Mesh"),
                    );
                }
            }
            continue;
        }
        for (at, cipher) in conf.texts("tlsCiphers").iter().enumerate() {
            if !CIPHERS.contains(&cipher.as_str()) {
                conf.violate_at(conf.at("tlsCiphers").index(at), unknown(cipher, &CIPHERS));
            }
        }
        let mut version = conf.object("tlsVersion");
        version.know_the_rest();
        let (least, most) = (one_of(&mut version, "min", &VERSIONS), one_of(&mut version, "max", &VERSIONS));
        // the first is whatever the library takes
        if least.zip(most).is_some_and(|(least, most)| most > 0 && least > most) {
            version.violate("min", "min version must be lower than max");
        }
    }
}

/// Reads which of some words is said; says it where it is none of them.
fn one_of<'d>(fields: &mut Fields<'d>, name: &'d str, known: &[&str]) -> Option<usize> {
    let text = fields.text(name)?;
    let found = known.iter().position(|word| *word == text);
    if found.is_none() {
        fields.violate(name, unknown(&text, known));
    }
    found
}

fn unknown(text: &str, known: &[&str]) -> String {
    format!("\"{text}\" must be one of [\"{}\"]", known.join("\", \""))
}
