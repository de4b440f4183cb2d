//! Rules for names, labels and meshes of resources (spec 02 §3.3 and §3.4).

use crate::draft::envelope::{Envelope, Format};
use crate::draft::kept::Kept;
use crate::kind::Scope;
use crate::profile::{NameRule, Profile};
use crate::reference::MESH_TAG;
use crate::resource::ORIGIN_LABEL;
use crate::violation::{FieldPath, Violation};

const PLAIN: &str =
    "invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_' symbols.";
const MESH_DOTTED: &str =
    "invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_', '.' symbols.";
const REFERENCE_DOTTED: &str =
    "invalid characters: must consist of lower case alphanumeric characters, '-', '.' and '_'.";
const SUBDOMAIN: &str = "invalid characters. A lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character";
/// Message for a name that is not an RFC 1035 label; in the words of Kubernetes.
pub(crate) const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
    alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
    validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and \
    end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

impl NameRule {
    /// Returns the violation of this rule by a name. The empty name passes all rules but the last two.
    pub(crate) fn broken_by(self, name: &str) -> Option<&'static str> {
        let all = |extra: &str| {
            name.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase() || extra.contains(c))
        };
        let (holds, message) = match self {
            NameRule::Any => (true, ""),
            NameRule::Plain => (all("-_"), PLAIN),
            NameRule::MeshDotted => (all("-_."), MESH_DOTTED),
            NameRule::ReferenceDotted => (all("-_."), REFERENCE_DOTTED),
            NameRule::Subdomain => (name.split('.').all(is_dns_label), SUBDOMAIN),
            NameRule::Label => (
                is_dns_label(name) && !name.starts_with(|c: char| c.is_ascii_digit()) && name.len() <= 63,
                LABEL,
            ),
        };
        (!holds).then_some(message)
    }
}

/// Returns `true` if text is lowercase letters, digits and inner dashes.
fn is_dns_label(text: &str) -> bool {
    let ends = !text.starts_with('-') && !text.ends_with('-') && !text.is_empty();
    ends && text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase() || c == '-')
}

/// Returns `true` if a violation is about letters of a name that are not allowed: the name is wrong, not its
/// presence.
pub(crate) fn is_about_letters(violation: &Violation) -> bool {
    violation.message.starts_with("invalid characters") || violation.message == LABEL
}

/// Returns the name that was probably meant, in letters that every rule allows; `None`: nothing is left of it.
pub(crate) fn near(name: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' };
    let near: String = name.chars().map(plain).collect();
    let near = near.trim_matches('-');
    (!near.is_empty()).then(|| near.to_owned())
}

/// Checks the rules of the envelope that need no control plane, in the order of the reference.
pub(crate) fn check(envelope: &Envelope<'_>, profile: Profile) -> Kept<Violation> {
    let mut broken = Kept::default();
    let meta = &envelope.meta;
    // in either format, the namespace is not part of the name that the rules are about
    let written = match envelope.format {
        Format::Kubernetes => envelope.written_name.as_str(),
        Format::Universal => meta.name_without_namespace(),
    };
    if profile.limits_resource_names() && written.len() > 253 {
        broken.push(at("name", "value length must less or equal 253"));
    }
    if profile.validates_labels() {
        check_labels(envelope, profile, &mut broken);
    }
    match written {
        "" => broken.push(at("name", "cannot be empty")),
        name => {
            broken.extend(profile.resource_name_rule().broken_by(name).map(|message| at("name", message)))
        }
    }
    if envelope.kind.scope() == Scope::Mesh {
        match meta.mesh.as_str() {
            "" => broken.push(at("mesh", "cannot be empty")),
            mesh => {
                broken.extend(profile.mesh_name_rule().broken_by(mesh).map(|message| at("mesh", message)))
            }
        }
    }
    broken
}

fn at(field: &str, message: impl Into<String>) -> Violation {
    Violation::new(FieldPath::root().field(field), message)
}

fn check_labels(envelope: &Envelope<'_>, profile: Profile, broken: &mut Kept<Violation>) {
    let meta = &envelope.meta;
    let labels = FieldPath::root().field("labels");
    let mut add = |key: &str, message: String| broken.push(Violation::new(labels.key(key), message));
    if let Some(origin) = meta.labels.get(ORIGIN_LABEL).filter(|origin| !matches!(*origin, "global" | "zone"))
    {
        add(ORIGIN_LABEL, format!("unknown resource origin \"{origin}\""));
    }
    let mesh = meta.labels.get(MESH_TAG).filter(|mesh| *mesh != meta.mesh.as_str());
    if profile.computes_mesh_label() && mesh.is_some() && envelope.kind.scope() == Scope::Mesh {
        add(MESH_TAG, "kuma.io/mesh label must not differ from mesh set on resource".into());
    }
    for (key, value) in meta.labels.iter() {
        if let Some(message) = qualified_name(key) {
            add(key, message);
        }
        if let Some(message) = label_value(value) {
            add(key, message);
        }
    }
}

/// Message of the reference for a text that is not a lowercase RFC 1123 subdomain.
const NO_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
    must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Returns the reason why a text is not a server name; `None`: it is one.
pub(crate) fn no_server_name(text: &str) -> Option<&'static str> {
    (text.len() > 253 || !text.split('.').all(is_dns_label)).then_some(NO_SUBDOMAIN)
}

/// Returns `true` if a text is a host name: labels of lower-case letters, digits and inner dashes, with dots
/// between.
pub fn is_host_name(text: &str) -> bool {
    no_server_name(text).is_none()
}

fn qualified_name(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        None => (None, key),
        Some((prefix, name)) if !name.contains('/') => (Some(prefix), name),
        Some(_) => {
            return Some(format!(
                "a qualified name {QUALIFIED_NAME} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
    };
    match prefix {
        Some("") => return Some("prefix part must be non-empty".into()),
        Some(prefix) if !prefix.split('.').all(is_dns_label) => {
            return Some(format!("prefix part {NO_SUBDOMAIN}"));
        }
        Some(_) | None => {}
    }
    match name {
        "" => Some("name part must be non-empty".into()),
        name if name.len() > 63 => Some("name part must be no more than 63 characters".into()),
        name => (!is_label_text(name)).then(|| format!("name part {QUALIFIED_NAME}")),
    }
}

fn label_value(value: &str) -> Option<String> {
    match value {
        "" => None,
        value if value.len() > 63 => Some("must be no more than 63 characters".into()),
        value => (!is_label_text(value)).then(|| LABEL_VALUE.into()),
    }
}

/// Returns `true` if text may be the value of a label: names may be longer.
pub fn is_label_value(text: &str) -> bool {
    label_value(text).is_none()
}

fn is_label_text(text: &str) -> bool {
    let ends = |end: Option<char>| end.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_by_the_rule_of_the_profile() {
        assert_eq!(NameRule::Plain.broken_by("a_b-1"), None);
        assert_eq!(NameRule::Plain.broken_by("a.b"), Some(PLAIN));
        assert_eq!(NameRule::Subdomain.broken_by("a.b-1"), None);
        assert_eq!(NameRule::Subdomain.broken_by("a_b"), Some(SUBDOMAIN));
        assert_eq!(NameRule::Subdomain.broken_by("a.-b"), Some(SUBDOMAIN));
        assert_eq!(NameRule::Label.broken_by("1a"), Some(LABEL));
        assert_eq!(NameRule::ReferenceDotted.broken_by("Ledger"), Some(REFERENCE_DOTTED));
        assert_eq!(qualified_name("kuma.io/effect"), None);
        assert!(qualified_name("Kuma.io/effect").is_some() && qualified_name("a/b/c").is_some());
        assert!(label_value("").is_none() && label_value("-a").is_some());
    }
}
