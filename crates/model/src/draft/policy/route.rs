//! Readers of MeshTCPRoute and MeshHTTPRoute: destinations and their backends (spec 01 §2 and §9, 02 §4).

use crate::draft::fields::Fields;
use crate::draft::kinds::{Body, Context};
use crate::draft::policy::ref_rules::{self, Place};
use crate::draft::policy::written_ref::{PORT, WrittenRef, knows};
use crate::draft::policy::{connection_match, route_conf};
use crate::kind::Kind;
use crate::policy::{ConnectionMatch, Policy, PolicyItem};
use crate::profile::Profile;
use crate::reference::{RefKind, TargetRef};
use crate::resource::Spec;

/// Reads a MeshTCPRoute.
pub(crate) fn tcp(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    read(body, context, tcp_rule, "rules: [{default: {backendRefs: […]}}]")
}

/// Reads a MeshHTTPRoute. Matches and filters are kept, but not interpreted: only their presence matters to TCP.
pub(crate) fn http(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    read(body, context, http_rule, "rules: [{matches: […], default: {backendRefs: […]}}]")
}

fn read(body: &mut Body<'_>, context: &Context<'_>, rule: ReadRule, shape: &str) -> Spec {
    let spec = &mut body.spec;
    let (top_kind, target) = top(spec, context);
    let to =
        spec.items("to").into_iter().filter_map(|item| destination(item, context, top_kind, rule, shape));
    let to = to.collect();
    Spec::Policy(Policy {
        kind: context.kind,
        target,
        to,
        from: Vec::new(),
        rules: Vec::new(),
        default: None,
    })
}

/// Reads and checks `spec.targetRef`: returns the kind that decides about the kinds in `to`, and the reference.
fn top(spec: &mut Fields<'_>, context: &Context<'_>) -> (Option<RefKind>, Option<TargetRef>) {
    let profile = context.profile;
    let mut fields = spec.object("targetRef");
    let written = WrittenRef::read(&mut fields, profile);
    let kind = written.ref_kind();
    if fields.is_present() || profile.requires_top_target() {
        let kinds = profile.top_kinds(context.meta.role());
        let place = Place { kinds, takes_listener_tags: true, is_inbound: false };
        ref_rules::check(&written, &fields, place, profile);
        if let Some(warning) = kind.and_then(|kind| profile.deprecation(kind)) {
            fields.warn("kind", warning, None);
        }
    }
    (kind, written.target())
}

fn destination(
    mut item: Fields<'_>,
    context: &Context<'_>,
    top: Option<RefKind>,
    rule: ReadRule,
    shape: &str,
) -> Option<PolicyItem> {
    let profile = context.profile;
    let mut fields = item.object("targetRef");
    let written_ref = WrittenRef::read(&mut fields, profile);
    let kinds = profile.to_kinds(top);
    ref_rules::check(
        &written_ref,
        &fields,
        Place { kinds, takes_listener_tags: true, is_inbound: false },
        profile,
    );
    misplaced(&mut item, &["default", "backendRefs"], "belongs into a rule, not directly under `to`", shape);
    if context.kind == Kind::MeshHTTPRoute {
        item.texts("hostnames");
    }
    let matches = item.list("rules", |mut fields| rule(&mut fields, profile));
    if context.kind == Kind::MeshTCPRoute {
        connection_match::check_rules(&item, &matches, profile);
    }
    let written = route_conf::tidied(&mut item, profile);
    let target = written_ref.target()?;
    Some(route_conf::item(context.kind, target, written, matches))
}

/// Refuses fields at a level too high, and shows where they belong: the reference would drop them silently.
fn misplaced(fields: &mut Fields<'_>, names: &[&'static str], message: &str, shape: &str) {
    for name in names.iter().filter(|name| fields.has(name)).collect::<Vec<_>>() {
        fields.known(&[name]);
        fields.error(name, format!("`{name}` {message}"), Some(format!("write `{shape}`")));
    }
}

/// Reader of a rule, which returns its matches; none: it is for all connections.
type ReadRule = fn(&mut Fields<'_>, Profile) -> Vec<ConnectionMatch>;

fn tcp_rule(rule: &mut Fields<'_>, profile: Profile) -> Vec<ConnectionMatch> {
    let matches = connection_match::read(rule, profile);
    misplaced(rule, &["backendRefs"], "belongs into `default`", "default: {backendRefs: […]}");
    let mut default = rule.object("default");
    let refs = default.items("backendRefs");
    if refs.is_empty() && profile.validates_empty_backend_refs() {
        default.violate("backendRefs", "must be defined");
    }
    refs.into_iter().for_each(|fields| backend_ref(fields, profile));
    matches
}

fn http_rule(rule: &mut Fields<'_>, profile: Profile) -> Vec<ConnectionMatch> {
    rule.known(&["matches"]);
    misplaced(rule, &["backendRefs"], "belongs into `default`", "default: {backendRefs: […]}");
    let mut default = rule.object("default");
    default.known(&["filters"]);
    default.items("backendRefs").into_iter().for_each(|fields| backend_ref(fields, profile));
    Vec::new()
}

/// Checks a backendRef.
pub(super) fn backend_ref(mut fields: Fields<'_>, profile: Profile) {
    let written = WrittenRef::read(&mut fields, profile);
    let weight = fields.number::<u64>("weight");
    let port = knows(&mut fields, PORT, profile).then(|| fields.number::<u32>("port")).flatten();
    let place = Place { kinds: profile.backend_kinds(), takes_listener_tags: true, is_inbound: false };
    ref_rules::check(&written, &fields, place, profile);
    let is_multizone = written.ref_kind() == Some(RefKind::MeshMultiZoneService);
    if is_multizone && port.is_none() && profile.requires_multizone_port() {
        fields.violate("port", "must be defined with kind MeshMultiZoneService");
    }
    if weight.is_some_and(|weight| weight > u64::from(u32::MAX)) && profile.limits_weights() {
        fields.violate("weight", "must be in inclusive range [0, 4294967295]");
    }
}
