//! MeshIdentity: who workloads are (spec 07 §12).

use std::time::Duration;

use serde_json::Value;

use super::template;
use crate::draft::kinds::whole;
use crate::draft::{Body, Context, Fields};
use crate::policy::parse_duration;
use crate::resource::Spec;
use crate::topology::{IdentityProvider, IdentityReadiness, MeshIdentity};

pub(super) const MUST_BE_DEFINED: &str = "must be defined";

/// How long connecting to a SPIRE agent may take where nobody says.
const AGENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads and checks a MeshIdentity.
pub(crate) fn mesh_identity(body: &mut Body<'_>, _: &Context<'_>) -> Spec {
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
    let provider = provider(part(spec, "provider"));
    let body = whole(body);
    let selects = body.pointer("/selector/dataplane/matchLabels").and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    Spec::MeshIdentity(MeshIdentity {
        // a label that is no text is on no proxy
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

/// The condition `Ready` of a status.
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

/// An object whose fields are looked at here and kept elsewhere.
pub(super) fn part<'d>(fields: &mut Fields<'d>, name: &'d str) -> Fields<'d> {
    let mut part = fields.object(name);
    part.know_the_rest();
    part
}

/// Checks that what a data source says it is from is there.
fn data_source(mut source: Fields<'_>) {
    let member = match source.text("type").as_deref() {
        Some("File") => "file",
        Some("Secret") => "secretRef",
        Some("EnvVar") => "envVar",
        Some("InsecureInline") => "insecureInline",
        Some(_) | None => return,
    };
    if !source.has(member) {
        source.violate(member, MUST_BE_DEFINED);
    }
}
