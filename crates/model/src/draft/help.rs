//! Help for violations: the reference says what is wrong, an operator also wants to know what is right.

use serde_json::Value;

use crate::draft::{Document, names, nearest, scalar};
use crate::profile::Profile;
use crate::reference::RefKind;
use crate::resource::PolicyRole;
use crate::violation::{Step, Violation};

/// Returns help for a violation in a route or another policy; absent: the message says enough.
pub(crate) fn help(document: &Document, violation: &Violation, profile: Profile) -> Option<String> {
    let message = violation.message.as_str();
    let field = violation.path.steps().last();
    if names::is_about_letters(violation) {
        let written = written(document, violation)?;
        return match is_template(written) {
            true => Some(
                "it looks like a template: fill it in first, with envsubst, helm template or the like".into(),
            ),
            false => names::near(written).map(|name| format!("write `{name}`")),
        };
    }
    if let Some(Step::Field(name)) = field
        && name == "kind"
        && (message.contains("is not supported") || message.contains("should be one of"))
    {
        return kind_help(document, violation, profile);
    }
    if message.ends_with("must be of type string: \"number\"")
        || message.ends_with("of type string: \"boolean\"")
    {
        return Some("put it in quotes".into());
    }
    if message.ends_with("must be of type integer: \"string\"") {
        return written(document, violation).and_then(scalar::number_help);
    }
    let missing =
        message == "in body is required" || message == "must be defined" || message.contains("at least 1");
    if let (Some(Step::Field(name)), true) = (field, missing) {
        return missing_help(name, profile).map(str::to_owned);
    }
    let hints = [
        (
            "at most 1 items",
            "one rule takes all: put its backends together, or choose profile 2.14+ for rules with `matches`",
        ),
        ("using name with kind Mesh", "leave `name` out: a policy is for its own mesh"),
        ("name or labels must be set", "add `name:`, or `labels:` to select by labels"),
        ("either labels or name", "keep the name, or the labels"),
        ("can only be used with inbound policies", "leave it out: a route is about outbounds"),
        ("sectionName should not be combined", "name the service instead, or leave `sectionName` out"),
        ("with kind MeshMultiZoneService", "add `port:` with the number of its port"),
        ("have at least one element", "leave `proxyTypes` out for both sorts of proxies"),
        (
            "not be set with kind MeshService",
            "to choose among the endpoints of a service use kind MeshServiceSubset",
        ),
        ("greater than or equal to 0", "write 0 to send nothing there"),
    ];
    hints.into_iter().find(|(words, _)| message.contains(words)).map(|(_, hint)| hint.to_owned())
}

/// Returns `true` if a text has a template placeholder, as many tools write them.
fn is_template(text: &str) -> bool {
    ["${", "$(", "{{", "<%"].iter().any(|begin| text.contains(begin))
}

fn missing_help(field: &str, profile: Profile) -> Option<&'static str> {
    Some(match field {
        "rules" => {
            "add `rules: [{default: {backendRefs: […]}}]`, or `rules: []` to route to the destination itself"
        }
        "default" => "add `default: {backendRefs: […]}`",
        "backendRefs" => "list at least one backend, such as `{kind: MeshService, name: …}`",
        "to" => "list a destination, or leave `to` out",
        "kind" if profile == Profile::V3 => "add `kind: Mesh`, `kind: Dataplane` or the kind of a service",
        "kind" => "add `kind:`, such as `kind: MeshService`",
        "targetRef" => "add `targetRef: {kind: …}`",
        _ => return None,
    })
}

/// Returns the text that a violation is about, if it is text.
fn written<'d>(document: &'d Document, violation: &Violation) -> Option<&'d str> {
    let written = violation.path.steps().iter().try_fold(document.value(), |value, step| match step {
        Step::Field(name) | Step::Key(name) => value.get(name),
        Step::Index(index) => value.get(index),
    });
    written.and_then(Value::as_str)
}

/// Names the kinds that are allowed there, or the profiles that allow this one.
fn kind_help(document: &Document, violation: &Violation, profile: Profile) -> Option<String> {
    let written = written(document, violation)?;
    let allowed = |profile: Profile| allowed(document, violation, profile);
    let here = allowed(profile).unwrap_or_default();
    let kind = RefKind::from_text(written);
    let knowing: Vec<Profile> = Profile::ALL
        .into_iter()
        .filter(|profile| {
            kind.is_some_and(|kind| allowed(*profile).is_some_and(|kinds| kinds.contains(&kind)))
        })
        .collect();
    let names = here.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
    if knowing.contains(&profile) {
        return Some(format!("only a policy of the system namespace may be for a {written}"));
    }
    if let ([first, ..], [.., last]) = (knowing.as_slice(), knowing.as_slice()) {
        return Some(format!(
            "profiles {first} to {last} allow it there; {profile} allows {}",
            names.join(", ")
        ));
    }
    Some(match nearest::help(written, names.iter().copied()) {
        Some(guess) => guess,
        None if names.is_empty() => return None,
        None => format!("allowed there: {}", names.join(", ")),
    })
}

/// Returns the kinds that a profile allows at the place of a violation.
fn allowed(document: &Document, violation: &Violation, profile: Profile) -> Option<&'static [RefKind]> {
    let is_at = |name: &str| violation.path.steps().iter().any(|step| *step == Step::Field(name.into()));
    if !is_at("spec") || is_at("from") {
        return None;
    }
    let top =
        document.value().pointer("/spec/targetRef/kind").and_then(Value::as_str).and_then(RefKind::from_text);
    let at_top = profile.top_kinds(PolicyRole::System);
    match (is_at("backendRefs"), is_at("to")) {
        (true, _) => Some(profile.backend_kinds()),
        // Kinds below a top that is itself refused are not worth help.
        (false, true) if top.is_some_and(|top| !at_top.contains(&top)) => None,
        (false, true) => Some(profile.to_kinds(top)),
        (false, false) => Some(at_top),
    }
}
