//! Reader of MeshTLS: versions and ciphers between proxies, as far as the reference checks them (spec 07 §10).

use serde_json::Value;

use crate::draft::fields::Fields;
use crate::policy::{MeshTlsConf, TlsCipher, TlsVersion, TlsVersionsConf};
use crate::reference::RefKind;
use crate::topology::MtlsMode;

const MODES: [(&str, MtlsMode); 2] = [("Strict", MtlsMode::Strict), ("Permissive", MtlsMode::Permissive)];

/// Reads the fields of `default`, without remarks: [`check`] reports what is wrong with them.
pub(super) fn read(mut conf: Fields<'_>) -> MeshTlsConf {
    conf.know_the_rest();
    let mode = conf.value("mode").and_then(Value::as_str);
    let mode = MODES.iter().find(|(word, _)| Some(*word) == mode).map(|(_, mode)| *mode);
    let version = |written: &Value| {
        TlsVersion::ALL.into_iter().find(|version| written.as_str() == Some(version.as_str()))
    };
    let versions = conf
        .value("tlsVersion")
        .map(|versions| TlsVersionsConf { min: version(&versions["min"]), max: version(&versions["max"]) });
    let cipher =
        |written: &Value| TlsCipher::ALL.into_iter().find(|cipher| written.as_str() == Some(cipher.as_str()));
    let ciphers = conf.value("tlsCiphers").and_then(Value::as_array);
    MeshTlsConf { mode, versions, ciphers: ciphers.map(|list| list.iter().filter_map(cipher).collect()) }
}

/// Checks the fields of `spec`, besides references. `top` is the kind of the policy's own target.
pub(super) fn check(spec: &mut Fields<'_>, top: Option<RefKind>) {
    let (from, rules) = (spec.items("from"), spec.items("rules"));
    if !from.is_empty() && !rules.is_empty() {
        spec.violate_here("field 'from' must be empty when 'rules' is defined");
    }
    let versions = TlsVersion::WORDS;
    let ciphers = TlsCipher::WORDS;
    for mut item in from.into_iter().chain(rules) {
        item.know_the_rest();
        let mut conf = item.object("default");
        conf.know_the_rest();
        one_of(&mut conf, "mode", &MODES.map(|(word, _)| word));
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
            if !ciphers.contains(&cipher.as_str()) {
                conf.violate_at(conf.at("tlsCiphers").index(at), unknown(cipher, &ciphers));
            }
        }
        let mut version = conf.object("tlsVersion");
        version.know_the_rest();
        let (least, most) = (one_of(&mut version, "min", &versions), one_of(&mut version, "max", &versions));
        // the first is the library's default
        if least.zip(most).is_some_and(|(least, most)| most > 0 && least > most) {
            version.violate("min", "min version must be lower than max");
        }
    }
}

/// Reads one of some words; reports any other.
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
