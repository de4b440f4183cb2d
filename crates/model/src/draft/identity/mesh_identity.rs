//! MeshIdentity: the identities of workloads (spec 07 §12).

use std::time::Duration;

use serde_json::Value;

use super::template;
use crate::draft::kinds::whole;
use crate::draft::{Body, Context, Fields};
use crate::policy::parse_duration;
use crate::profile::Profile;
use crate::resource::Spec;
use crate::topology::{IdentityProvider, IdentityReadiness, MeshIdentity};

pub(super) const MUST_BE_DEFINED: &str = "must be defined";

/// Default connect timeout of a SPIRE agent.
const AGENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads and checks a MeshIdentity.
pub(crate) fn mesh_identity(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let readiness = readiness(&mut body.status);
    let spec = &mut body.spec;
    let mut id = part(spec, "spiffeID");
    let mut template = |name| {
        let text = id.text(name)?;
        if let Some(why) = template::broken_by(&text) {
            id.violate(name, format!("couldn't parse template: template: :1: {why}"));
        }
        Some(template::read(&text))
    };
    let (trust_domain, path) = (template("trustDomain"), template("path"));
    check_provider(spec, context.profile);
    let mut bundled = part(&mut part(spec, "provider"), "bundled");
    let creation = bundled.text("meshTrustCreation");
    if let Some(word) = creation.filter(|word| !["Enabled", "Disabled"].contains(&word.as_str())) {
        bundled
            .violate("meshTrustCreation", format!("\"{word}\" must be one of [\"Enabled\", \"Disabled\"]"));
    }
    let mut authority = part(&mut bundled, "ca");
    if authority.is_present() {
        for name in ["certificate", "privateKey"] {
            data_source(part(&mut authority, name));
        }
    }
    let mut parameters = part(&mut bundled, "certificateParameters");
    check_duration(&mut parameters, "expiry");
    let mut agent = part(&mut part(&mut part(spec, "provider"), "spire"), "agent");
    check_duration(&mut agent, "timeout");
    let provider = provider(part(spec, "provider"));
    let body = whole(body);
    let selects = body.pointer("/selector/dataplane/matchLabels").and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    Spec::MeshIdentity(MeshIdentity {
        // a label that is not text is on no proxy
        selects: selects.and_then(|labels| labels.iter().map(pair).collect()),
        trust_domain,
        path,
        provider,
        readiness,
    })
}

fn provider(mut provider: Fields<'_>) -> Option<IdentityProvider> {
    match provider.text("type")?.as_str() {
        "Bundled" => {
            let creation = part(&mut provider, "bundled").text("meshTrustCreation");
            Some(IdentityProvider::Bundled { creates_trust: creation.as_deref() != Some("Disabled") })
        }
        "Spire" => {
            let timeout = part(&mut part(&mut provider, "spire"), "agent").text("timeout");
            let timeout = timeout.and_then(|text| parse_duration(&text)).unwrap_or(AGENT_TIMEOUT);
            Some(IdentityProvider::Spire { timeout })
        }
        _ => Some(IdentityProvider::Extension),
    }
}

/// Checks the issuer: optional since 2.13, and since 2.14 it may be an extension.
fn check_provider(spec: &mut Fields<'_>, profile: Profile) {
    let mut provider = part(spec, "provider");
    if !provider.is_present() {
        if profile == Profile::V2_12 {
            spec.violate("provider", "in body is required");
        }
        return;
    }
    let known: &[&str] = match profile >= Profile::V2_14 {
        true => &["Bundled", "Spire", "Extension"],
        false => &["Bundled", "Spire"],
    };
    if !provider.text("type").is_some_and(|kind| known.contains(&kind.as_str())) {
        provider.violate("type", format!("in body should be one of [{}]", known.join(" ")));
    }
}

fn check_duration<'d>(fields: &mut Fields<'d>, name: &'d str) {
    if let Some(text) = fields.text(name).filter(|text| parse_duration(text).is_none()) {
        let help = "write a number and a unit, such as 500ms, 5s or 1h30m";
        fields.error(name, format!("`{text}` is no duration"), Some(help.into()));
    }
}

/// Reads the condition `Ready` of a status.
fn readiness(status: &mut Fields<'_>) -> Option<IdentityReadiness> {
    let mut conditions = status.items("conditions");
    conditions.iter_mut().for_each(Fields::know_the_rest);
    let mut ready = conditions.into_iter().find_map(|mut condition| {
        (condition.text("type").as_deref() == Some("Ready")).then_some(condition)
    })?;
    let (holds, reason) = (ready.text("status"), ready.text("reason"));
    Some(match (holds.as_deref(), reason.as_deref()) {
        (Some("True"), _) => IdentityReadiness::Ready,
        (_, Some("PartiallyReady")) => IdentityReadiness::PartiallyReady,
        _ => IdentityReadiness::Failed,
    })
}

/// Reads an object whose fields are checked here and stored elsewhere.
pub(super) fn part<'d>(fields: &mut Fields<'d>, name: &'d str) -> Fields<'d> {
    let mut part = fields.object(name);
    part.know_the_rest();
    part
}

/// Checks that a data source has the place that its type names.
fn data_source(mut source: Fields<'_>) {
    let (member, what) = match source.text("type").as_deref() {
        Some("File") => ("file", "path"),
        Some("Secret") => ("secretRef", "name"),
        Some("EnvVar") => ("envVar", "name"),
        Some("InsecureInline") => ("insecureInline", "value"),
        Some(_) | None => {
            source.violate("type", "in body should be one of [File Secret EnvVar InsecureInline]");
            return;
        }
    };
    if !source.has(member) {
        source.violate(member, MUST_BE_DEFINED);
        return;
    }
    let mut place = part(&mut source, member);
    if place.text(what).is_none() {
        place.violate(what, MUST_BE_DEFINED);
    }
}
