//! Readers of all other policies of the targetRef generation: their target, their destinations, and their confs.

use serde_json::Value;

use crate::draft::fields::Fields;
use crate::draft::findings::{Findings, Note, NoteSort};
use crate::draft::kinds::{Body, Context};
use crate::draft::policy::ref_rules::{self, Place};
use crate::draft::policy::written_ref::WrittenRef;
use crate::draft::policy::{mesh_tls, passthrough, permission};
use crate::kind::Kind;
use crate::policy::{
    Conf, InboundRule, Policy, PolicyItem, TypedConf, Written, format_duration, parse_duration,
};
use crate::reference::{RefKind, TargetRef};
use crate::resource::Spec;
use crate::violation::FieldPath;

/// Fields of confs that are durations, in any policy. They are kept as the reference writes them (`102s` is
/// `1m42s`), so that equal confs are equal trees.
const DURATIONS: [&str; 17] = [
    "baseEjectionTime",
    "baseInterval",
    "connectionTimeout",
    "idleTimeout",
    "initialJitter",
    "interval",
    "intervalJitter",
    "maxConnectionDuration",
    "maxInterval",
    "maxStreamDuration",
    "noTrafficInterval",
    "perTryTimeout",
    "refreshInterval",
    "requestHeadersTimeout",
    "requestTimeout",
    "streamIdleTimeout",
    "timeout",
];

/// Reads a policy of any kind.
pub(crate) fn policy(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let profile = context.profile;
    let known = profile.known_kinds();
    let place = Place { kinds: &known, takes_listener_tags: true, is_inbound: true };
    let spec = &mut body.spec;
    let about_peers = matches!(context.kind, Kind::MeshTrafficPermission | Kind::MeshTLS);
    let (top_kinds, from_kinds): (&[RefKind], &[RefKind]) = match context.kind {
        Kind::MeshTrafficPermission => (profile.permission_targets(), &permission::CLIENTS),
        Kind::MeshTLS => (profile.mesh_tls_targets(), &[RefKind::Mesh]),
        _ => (&known, &known),
    };
    let is_inbound = !about_peers || permission::is_about_inbounds(spec);
    let top_place = Place { kinds: top_kinds, is_inbound, ..place };
    let from_place = Place { kinds: from_kinds, ..place };
    let mut top = spec.object("targetRef");
    let written = WrittenRef::read(&mut top, profile);
    if top.is_present() {
        ref_rules::check(&written, &top, top_place, profile);
        if let Some(warning) = written.ref_kind().and_then(|kind| profile.deprecation(kind)) {
            top.warn("kind", warning, None);
        }
    }
    let of = |list: Vec<Fields<'_>>, place: Place<'_>| {
        list.into_iter().filter_map(|fields| item(fields, context, place)).collect()
    };
    let top_kind = written.ref_kind();
    let policy = Policy {
        kind: context.kind,
        target: written.target(),
        to: of(spec.items("to"), place),
        from: of(spec.items("from"), from_place),
        rules: spec.items("rules").into_iter().map(|fields| rule(fields, context)).collect(),
        default: spec.has("default").then(|| {
            let said = match context.kind {
                Kind::MeshPassthrough => TypedConf::Passthrough(passthrough::read(spec.object("default"))),
                _ => TypedConf::Unfelt,
            };
            Box::new(Conf::new(said, as_written(spec, "default")))
        }),
    };
    match context.kind {
        Kind::MeshTrafficPermission => permission::check(spec, profile),
        Kind::MeshTLS => mesh_tls::check(spec, top_kind),
        _ => {}
    }
    Spec::Policy(policy)
}

fn item(mut item: Fields<'_>, context: &Context<'_>, place: Place<'_>) -> Option<PolicyItem> {
    let mut fields = item.object("targetRef");
    let target = if fields.is_present() {
        let written = WrittenRef::read(&mut fields, context.profile);
        ref_rules::check(&written, &fields, place, context.profile);
        written.target()
    } else if matches!(context.kind, Kind::MeshTrafficPermission | Kind::MeshTLS) {
        item.violate("targetRef", "in body is required");
        None
    } else {
        // Only confs without a destination of their own may leave it out; then it is the mesh.
        Some(TargetRef::of_kind(RefKind::Mesh))
    };
    let said = super::conf::read(context.kind, &mut item, context.profile);
    let written = match item.has("default") {
        true => as_written(&mut item, "default"),
        false => Written::nothing(),
    };
    Some(PolicyItem { target: target?, conf: Conf::new(said, written), backend_refs: Vec::new() })
}

fn rule(mut fields: Fields<'_>, context: &Context<'_>) -> InboundRule {
    fields.know_the_rest();
    let said = super::conf::read(context.kind, &mut fields, context.profile);
    let conf = fields.has("default").then(|| Conf::new(said, as_written(&mut fields, "default")));
    let matches = match as_written(&mut fields, "matches").as_json() {
        Value::Array(matches) => matches.iter().cloned().map(Written::of).collect(),
        _ => Vec::new(),
    };
    InboundRule { matches, conf }
}

/// Reads a field as written, with its durations normalised.
fn as_written<'d>(fields: &mut Fields<'d>, name: &'d str) -> Written {
    let mut tree = fields.json(name);
    tidy(&mut tree, &fields.at(name), fields.findings());
    Written::of(tree)
}

/// Normalises durations, and notes invalid ones.
fn tidy(conf: &mut Value, path: &FieldPath, findings: &Findings<'_>) {
    match conf {
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                tidy(item, &path.index(at), findings);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let path = path.field(name);
                match member {
                    Value::String(text) if DURATIONS.contains(&name.as_str()) => match parse_duration(text) {
                        Some(duration) => *text = format_duration(duration),
                        None => findings.note(Note {
                            sort: NoteSort::Error,
                            path,
                            message: match text.strip_prefix('-').and_then(parse_duration) {
                                Some(_) => format!("must be greater than zero when defined: `{text}` is not"),
                                None => format!("`{text}` is no duration"),
                            },
                            help: Some("write a number and a unit, such as 500ms, 5s or 1h30m".into()),
                        }),
                    },
                    Value::Number(number) if DURATIONS.contains(&name.as_str()) => findings.note(Note {
                        sort: NoteSort::Error,
                        path,
                        message: format!("`{number}` is no duration: it has no unit"),
                        help: Some(format!("write {number}s for seconds, {number}ms for milliseconds")),
                    }),
                    member => tidy(member, &path, findings),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
