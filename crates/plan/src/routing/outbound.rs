//! One dialled destination → one listener of the plan (spec 04 §4–§7).

use model::declared::Declared;
use model::reference::MESH_TAG;
use model::topology::Protocol;
use model::{ResourceId, Tags};

use super::facts::Facts;
use super::matched::{self, Common};
use super::owner::{Decision, Owners};
use super::service::Service;
use super::settings::{self, ListenerRules};
use super::split::{SplitContext, Splitter, on_unavailable};
use super::{considered, mirror, names};
use crate::dialled::{Dialled, DialledTarget};
use crate::plan::{
    Backend, BackendFate, Bind, ConnectionSettings, Considered, Destination, Direction, Listener,
    ListenerTls, Match, Naming, Owner, Route,
};
use crate::view::View;

/// Key of the mark of a real outbound since 2.14 (spec 04 §5.4).
const UNIFIED_NAME_MARK: &str = "kuma.io/unified-name";

/// Plans one outbound; `None`, with a warning: the dialled destination does not exist (spec 04 §2).
pub(super) fn plan(
    view: &View<'_>,
    facts: &Facts<'_>,
    owners: &Owners<'_, '_>,
    splitter: &mut Splitter<'_, '_>,
    dialled: Dialled,
) -> Option<Listener> {
    let Dialled { address, port, target, marked } = dialled;
    let known = match describe(view, facts, splitter, &target, marked) {
        Ok(known) => known,
        Err(why) => {
            splitter.warnings.push(format!("outbound {address}:{port} is not served: {why}").into());
            return None;
        }
    };
    let about = owners.about(&target, &known.destination_name);
    let for_all = Owners::for_all(about);
    let decision = owners.decide(&target, for_all, known.protocol, splitter);
    let unified = facts.unified && matches!(target, DialledTarget::Resource(_));
    let name = if unified { known.service.clone() } else { names::listener("outbound", &address, port) };
    let matched = match about.tcp.filter(|_| owners.tcp_decides(about, known.protocol)) {
        Some(merged) => {
            let identities =
                facts.mtls.as_ref().and_then(|mtls| mtls.uris.as_deref().ok()).unwrap_or_default();
            let common = Common { listener: &name, port, identities };
            matched::of_rules(&owners.rules.tcp_route, merged, common, &mut splitter.warnings)
        }
        None => Vec::new(),
    };
    let policy = decision.origin().map(|origin| origin.policy.clone());
    let reference_omits = decision.reference_omits && matched.is_empty();
    let considered = considered::of_outbound(owners, for_all, &decision, known.protocol);
    let route = route(view, decision, considered, splitter);
    let mut settings =
        connections(view, owners, &target, &known, &route.owner, &route.split, &name, splitter);
    settings.max_age = settings::by_route_or_mesh(view, policy.as_ref(), Declared::max_connection_age);
    settings.data_path = settings::data_path(view, port, policy.as_ref());
    let naming = Naming {
        unified,
        marks: known.marks,
        counts_kafka: known.protocol == Protocol::Kafka && facts.profile.has_kafka_filter(),
        omitted: reference_omits && !route.split.iter().any(|b| matches!(b.fate, BackendFate::Refused(_))),
    };
    let mut routes: Vec<(Match, Route)> = Vec::with_capacity(1 + matched.len());
    for matched in matched {
        let considered = about.tcp.map_or_else(Vec::new, |tcp| considered::by_match(tcp, matched.origin));
        let decision = Owners::by_match(&matched, splitter);
        routes.push((matched.claimed.clone(), self::route(view, decision, considered, splitter)));
    }
    routes.push((Match::EVERYTHING, route));
    Some(Listener {
        name,
        bind: Bind { address, port, captured: !facts.binds() },
        direction: Direction::Outbound(known.destination),
        service: known.service,
        protocol: known.protocol,
        accepts: ListenerTls::Plaintext,
        settings,
        routes: matched::in_order(routes),
        naming,
    })
}

/// Returns the route of connections after a decision.
fn route(
    view: &View<'_>,
    decision: Decision,
    considered: Vec<Considered>,
    splitter: &mut Splitter<'_, '_>,
) -> Route {
    let policy = decision.origin().map(|origin| origin.policy.clone());
    let unavailable = on_unavailable(view, policy.as_ref());
    let context = SplitContext {
        on_unavailable: unavailable.as_ref(),
        checks_protocols: decision.checks_protocols,
        gateway: None,
    };
    let Decision { owner, rule, sides, checks_protocols: _, refusal, reference_omits: _ } = decision;
    let split = splitter.split(sides, context);
    splitter.declare(&split, policy.as_ref());
    Route {
        owner,
        rule,
        session: None,
        settings: settings::of_split(view, policy.as_ref()),
        refusal: refusal.or_else(|| refusal_of(&split)),
        split,
        considered,
    }
}

/// Known facts about the dialled destination.
struct Known {
    destination: Destination,
    destination_name: String,
    /// Name in logs and statistics: the service tag, the destination name, or the KRI.
    service: String,
    marks: Tags,
    protocol: Protocol,
}

fn describe(
    view: &View<'_>,
    facts: &Facts<'_>,
    splitter: &mut Splitter<'_, '_>,
    target: &DialledTarget,
    marked: Option<String>,
) -> Result<Known, String> {
    match target {
        DialledTarget::Tags(tags) => {
            let service = tags.service().unwrap_or_default().to_owned();
            let mesh = tags.get(MESH_TAG).map(str::to_owned);
            let mut marks = tags.clone();
            marks.remove(MESH_TAG);
            Ok(Known {
                destination: Destination::Tags(tags.clone()),
                protocol: splitter.clusters.protocol_of_tag(&service, mesh.as_deref()),
                destination_name: service.clone(),
                service,
                marks,
            })
        }
        DialledTarget::Resource(id) => {
            let service = Service::find(view, id).map_err(|why| why.to_string())?;
            let first_scheme = facts.profile.has_first_destination_names();
            let name = names::destination(id, service.port, first_scheme);
            Ok(Known {
                destination: Destination::Resource { id: id.clone(), name: name.clone() },
                protocol: service.protocol,
                service: if facts.unified { id.to_string() } else { name.clone() },
                destination_name: name,
                marks: marks(facts, id, marked),
            })
        }
    }
}

fn marks(facts: &Facts<'_>, id: &ResourceId, section: Option<String>) -> Tags {
    let marked = ResourceId { section: section.unwrap_or_else(|| id.section.clone()), ..id.clone() };
    let unified = facts.profile.marks_unified_names().then(|| (UNIFIED_NAME_MARK, marked.to_string()));
    unified.into_iter().collect()
}

#[expect(clippy::too_many_arguments, reason = "each is another side of one outbound")]
fn connections(
    view: &View<'_>,
    owners: &Owners<'_, '_>,
    target: &DialledTarget,
    known: &Known,
    owner: &Owner,
    split: &[Backend],
    name: &str,
    splitter: &mut Splitter<'_, '_>,
) -> ConnectionSettings {
    let rules = owners.rules;
    let said = match target {
        DialledTarget::Tags(_) => {
            let service = known.destination_name.as_str();
            ListenerRules {
                timeout: rules.timeout.for_service(service),
                retry: rules.retry.for_service(service),
                access_log: rules.access_log.for_service(service),
            }
        }
        DialledTarget::Resource(id) => ListenerRules {
            timeout: rules.timeout.for_destination(id, &known.destination_name),
            retry: rules.retry.for_destination(id, &known.destination_name),
            access_log: rules.access_log.for_destination(id, &known.destination_name),
        },
    };
    let mut connections = settings::of_listener(view.reader(), said, name, &mut splitter.warnings);
    let mirror = match target {
        DialledTarget::Tags(_) => rules.mirror.for_service(&known.destination_name),
        DialledTarget::Resource(id) => rules.mirror.for_destination(id, &known.destination_name),
    };
    connections.mirror = mirror::of_listener(splitter, mirror, None);
    if let (
        DialledTarget::Tags(tags),
        Owner::TrafficRoute(_) | Owner::ImpliedTrafficRoute | Owner::NoTrafficRoute,
    ) = (target, owner)
    {
        owners.legacy.fill_in(tags, &mut connections);
        for cluster in split.iter().filter_map(Backend::cluster) {
            if let Some(cluster) = splitter.clusters.get_mut(cluster) {
                owners.legacy.fill_in_cluster(tags, cluster);
            }
        }
    }
    connections
}

/// Returns the reason why connections are refused, if no backend accepts any.
fn refusal_of(split: &[Backend]) -> Option<String> {
    if split.iter().any(|backend| !matches!(backend.fate, BackendFate::Spilled(_))) {
        return None;
    }
    let reasons: Vec<String> = split
        .iter()
        .filter_map(|backend| match &backend.fate {
            BackendFate::Spilled(why) => Some(format!("{}: {why}", backend.reference)),
            BackendFate::Routed { .. } | BackendFate::Refused(_) => None,
        })
        .collect();
    let reasons = if reasons.is_empty() { "there is none".to_owned() } else { reasons.join("; ") };
    Some(format!("no backend can take connections ({reasons})"))
}
