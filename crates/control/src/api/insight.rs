//! Insights: counts and states of resources and proxies, computed on request.

use std::collections::{BTreeMap, BTreeSet};

use change::status::{Connection, ProxyStatus};
use model::reference::SERVICE_TAG;
use model::{Kind, Profile, ProxyKey};
use plan::ProxyId;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::collection::{Collection, Insight};
use super::operation::{Operation, Outcome};
use super::overview;
use super::refusal::Refusal;
use super::request::ApiRequest;
use crate::store::{Selection, Stored};

const TITLE: &str = "Could not retrieve resources";
const KUMA_DP: &str = "kuma-dp";
const ENVOY: &str = "envoy";

/// Returns the operations. Lists of insights are ordinary lists.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/global-insight", "Counts everything", "Object", |request| Box::pin(global(request))),
        Operation::get("/global-insights", "Counts resources, as older clients ask", "Object", |request| {
            Box::pin(async move {
                let all = All::read(&request).await?;
                Ok(Answer::json(json!({
                    "type": "GlobalInsights",
                    "creationTime": jiff::Timestamp::now().to_string(),
                    "resources": all.resources(None),
                })))
            })
        }),
    ]
}

/// Returns the items of a computed collection: of the mesh in the path, or of all meshes.
pub(super) async fn items(request: &ApiRequest, computed: Insight) -> Result<Vec<Value>, Refusal> {
    match computed {
        Insight::Dataplane => overview::dataplane_insights(request).await,
        Insight::Mesh => {
            let all = All::read(request).await?;
            Ok(all.of_kind(Kind::Mesh).map(|mesh| all.mesh(mesh)).collect())
        }
        // the newest profile has services as resources only
        Insight::Service if request.api().setup.rules.profile >= Profile::V3 => Ok(Vec::new()),
        Insight::Service => {
            let all = All::read(request).await?;
            let services = all.services();
            let wanted =
                services.into_iter().filter(|((mesh, _), _)| request.mesh().is_none_or(|it| it == mesh));
            let mut items: Vec<Value> = wanted
                .map(|((mesh, name), service)| service.show(&mesh, &name, all.zone.as_deref()))
                .collect();
            let outside = all.of_kind(Kind::ExternalService);
            items.extend(
                outside
                    .filter(|it| request.mesh().is_none_or(|mesh| it.key.mesh_or_empty() == mesh))
                    .map(outside_service),
            );
            items.sort_by_key(|item| (item["name"].to_string(), item["mesh"].to_string()));
            Ok(items)
        }
        Insight::Zone | Insight::ZoneIngress | Insight::ZoneEgress => Ok(Vec::new()),
    }
}

async fn global(request: ApiRequest) -> Outcome {
    let all = All::read(&request).await?;
    let services = all.services();
    let of = |sort: Option<&str>| {
        let mut count = Count::default();
        services
            .values()
            .filter(|it| sort.is_none_or(|sort| it.sort == sort))
            .for_each(|it| count.add(it.state()));
        count
    };
    let external = all.of_kind(Kind::ExternalService).count();
    let policies = all.items.iter().filter(|it| is_policy(it)).count();
    Ok(Answer::json(json!({
        "createdAt": jiff::Timestamp::now().to_string(),
        "meshes": { "total": all.of_kind(Kind::Mesh).count() },
        "policies": { "total": policies },
        "dataplanes": {
            "standard": all.proxies(None, Some(DataplaneKind::Standard)).show(),
            "gatewayBuiltin": all.proxies(None, Some(DataplaneKind::Builtin)).show(),
            "gatewayDelegated": all.proxies(None, Some(DataplaneKind::Delegated)).show(),
        },
        "services": {
            "internal": of(Some("internal")).show(),
            "external": { "total": external },
            "gatewayBuiltin": of(Some("gateway_builtin")).show(),
            "gatewayDelegated": of(Some("gateway_delegated")).show(),
        },
        "zones": {
            "controlPlanes": { "total": all.of_kind(Kind::Zone).count(), "online": 0 },
            "zoneEgresses": all.zone_proxies(Kind::ZoneEgress),
            "zoneIngresses": all.zone_proxies(Kind::ZoneIngress),
        },
        "resources": all.resources(None),
    })))
}

/// Returns the programs that make up a proxy, with their versions.
fn programs(connection: Option<&Connection>) -> Vec<(&str, String)> {
    let unknown = || "unknown".to_owned();
    // the versions of a proxy that is not attached are unknown
    let Some(connection) = connection else { return vec![(KUMA_DP, unknown()), (ENVOY, unknown())] };
    let agent = connection.agent.as_str();
    let (program, version) = agent.split_once(' ').unwrap_or((agent, "unknown"));
    let started_by = connection.kuma_dp.clone().map(|version| (KUMA_DP, version));
    started_by.into_iter().chain([(program, version.to_owned())]).collect()
}

fn is_policy(item: &Stored) -> bool {
    Collection::Kept(item.key.kind).is_of_policies()
}

/// Consistent view of everything at one moment.
struct All {
    items: Vec<Stored>,
    /// Zone of this control plane; `None`: it is in no zone.
    zone: Option<String>,
    statuses: BTreeMap<ProxyId, ProxyStatus>,
    /// mTLS backend of each proxy's certificate.
    backends: BTreeMap<ProxyKey, String>,
}

/// Sort of proxy that a Dataplane is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DataplaneKind {
    Standard,
    Builtin,
    Delegated,
}

impl DataplaneKind {
    fn of(document: &Value) -> Self {
        match &document["networking"]["gateway"] {
            Value::Object(gateway) if gateway.get("type").and_then(Value::as_str) == Some("BUILTIN") => {
                DataplaneKind::Builtin
            }
            Value::Object(_) => DataplaneKind::Delegated,
            _ => DataplaneKind::Standard,
        }
    }

    fn of_service(self) -> &'static str {
        match self {
            DataplaneKind::Standard => "internal",
            DataplaneKind::Builtin => "gateway_builtin",
            DataplaneKind::Delegated => "gateway_delegated",
        }
    }
}

/// State of a proxy or service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Online,
    Degraded,
    Offline,
}

#[derive(Default)]
struct Count {
    online: usize,
    degraded: usize,
    offline: usize,
}

impl Count {
    fn add(&mut self, state: State) {
        match state {
            State::Online => self.online += 1,
            State::Degraded => self.degraded += 1,
            State::Offline => self.offline += 1,
        }
    }

    fn show(&self) -> Value {
        let Self { online, degraded, offline } = self;
        json!({ "total": online + degraded + offline, "online": online, "offline": offline, "partiallyDegraded": degraded })
    }
}

struct Service {
    sort: &'static str,
    proxies: Count,
    /// Number of its proxies with a certificate, by mTLS backend.
    backends: BTreeMap<String, usize>,
}

impl Service {
    fn new(sort: &'static str) -> Self {
        Self { sort, proxies: Count::default(), backends: BTreeMap::new() }
    }
}

impl Service {
    fn state(&self) -> State {
        let Count { online, degraded, offline } = &self.proxies;
        match () {
            () if *online > 0 && degraded + offline == 0 => State::Online,
            () if online + degraded > 0 => State::Degraded,
            () => State::Offline,
        }
    }

    fn show(&self, mesh: &str, name: &str, zone: Option<&str>) -> Value {
        let status = match self.state() {
            State::Online => "online",
            State::Degraded => "partially_degraded",
            State::Offline => "offline",
        };
        let Count { online, degraded, offline } = &self.proxies;
        let mut shown = json!({
            "type": "ServiceInsight",
            "mesh": mesh,
            "name": name,
            "creationTime": "0001-01-01T00:00:00Z",
            "modificationTime": "0001-01-01T00:00:00Z",
            "serviceType": self.sort,
            "status": status,
            "dataplanes": { "total": online + degraded + offline, "online": online + degraded, "offline": offline },
        });
        if !self.backends.is_empty() {
            shown["issuedBackends"] = json!(self.backends);
        }
        // the name in Kuma's DNS of a service by tag, and its zones
        if let Some(zone) = zone {
            shown["addressPort"] = json!(format!("{name}.mesh:80"));
            shown["zones"] = json!([zone]);
        }
        shown
    }
}

/// Returns the insight of a service outside the mesh, whose state is unknown.
fn outside_service(service: &Stored) -> Value {
    let name = service.document["tags"][SERVICE_TAG].as_str().unwrap_or(&service.key.name);
    json!({
        "type": "ServiceInsight",
        "mesh": service.key.mesh,
        "name": name,
        "creationTime": service.created.to_string(),
        "modificationTime": service.modified.to_string(),
        "serviceType": "external",
        "status": "not_available",
        "dataplanes": {},
        "addressPort": service.document["networking"]["address"],
    })
}

impl All {
    async fn read(request: &ApiRequest) -> Result<Self, Refusal> {
        let inner = request.api();
        let listing = inner.store.list(&Selection::default()).await;
        let listing = listing.map_err(|error| Refusal::of_store(TITLE, &error))?;
        let zone = inner.setup.rules.zone.as_deref().map(str::to_owned);
        let backends = overview::backends(inner);
        Ok(Self { items: listing.items, zone, statuses: inner.plane.statuses(), backends })
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Stored> {
        self.items.iter().filter(move |it| it.key.kind == kind)
    }

    fn state(&self, dataplane: &Stored) -> State {
        let key = ProxyId::dataplane(dataplane.key.mesh_or_empty(), dataplane.key.name.as_str());
        let online = self.statuses.get(&key).is_some_and(|status| status.connection.is_some());
        let inbounds = dataplane.document["networking"]["inbound"].as_array();
        let is_ready = |inbound: &Value| {
            !matches!(inbound["state"].as_str(), Some("NotReady")) && inbound["health"]["ready"] != false
        };
        match online {
            false => State::Offline,
            true if inbounds.into_iter().flatten().all(is_ready) => State::Online,
            true => State::Degraded,
        }
    }

    /// Returns the mTLS backend that signed the certificate of a proxy; `None`: it has no certificate.
    fn backend(&self, dataplane: &Stored) -> Option<&str> {
        let key = ProxyKey::new(dataplane.key.mesh_or_empty(), dataplane.key.name.as_str());
        self.backends.get(&key).map(String::as_str)
    }

    /// Returns the states of the proxies with certificates in a mesh, by mTLS backend: by the one that issued, and by
    /// the ones that they accept.
    fn mtls(&self, mesh: &str) -> Value {
        let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
        for dataplane in self.of_kind(Kind::Dataplane).filter(|it| it.key.mesh_or_empty() == mesh) {
            if let Some(backend) = self.backend(dataplane) {
                counts.entry(backend).or_default().add(self.state(dataplane));
            }
        }
        let counts: Value =
            counts.iter().map(|(backend, count)| ((*backend).to_owned(), count.show())).collect();
        json!({ "issuedBackends": counts, "supportedBackends": counts })
    }

    fn proxies(&self, mesh: Option<&str>, sort: Option<DataplaneKind>) -> Count {
        let mut count = Count::default();
        self.of_kind(Kind::Dataplane)
            .filter(|it| mesh.is_none_or(|mesh| it.key.mesh.as_deref() == Some(mesh)))
            .filter(|it| sort.is_none_or(|sort| DataplaneKind::of(&it.document) == sort))
            .for_each(|it| count.add(self.state(it)));
        count
    }

    /// Returns the number of zone proxies of a kind, and how many of them are attached.
    fn zone_proxies(&self, kind: Kind) -> Value {
        let is_online = |stored: &&Stored| {
            let status = ProxyId::of(&stored.key).and_then(|proxy| self.statuses.get(&proxy));
            status.is_some_and(|status| status.connection.is_some())
        };
        let online = self.of_kind(kind).filter(is_online).count();
        json!({ "total": self.of_kind(kind).count(), "online": online })
    }

    fn gateways(&self, mesh: &str) -> Count {
        let mut count = Count::default();
        self.of_kind(Kind::Dataplane)
            .filter(|it| {
                it.key.mesh.as_deref() == Some(mesh)
                    && DataplaneKind::of(&it.document) != DataplaneKind::Standard
            })
            .for_each(|it| count.add(self.state(it)));
        count
    }

    /// Returns the number of resources of each kind: in one mesh; or in all, together with the HostnameGenerators.
    fn resources(&self, mesh: Option<&str>) -> Value {
        let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
        for item in self.items.iter().filter(|it| match mesh {
            Some(mesh) => it.key.mesh.as_deref() == Some(mesh),
            None => it.key.mesh.is_some() || it.key.kind == Kind::HostnameGenerator,
        }) {
            *totals.entry(item.key.kind.as_str()).or_default() += 1;
        }
        totals.into_iter().map(|(kind, total)| (kind.to_owned(), json!({ "total": total }))).collect()
    }

    /// Returns the services that tags name, by mesh and name.
    fn services(&self) -> BTreeMap<(String, String), Service> {
        let mut services: BTreeMap<(String, String), Service> = BTreeMap::new();
        for dataplane in self.of_kind(Kind::Dataplane) {
            let networking = &dataplane.document["networking"];
            let inbounds = networking["inbound"].as_array().into_iter().flatten();
            let sets = inbounds.map(|it| &it["tags"]).chain(std::iter::once(&networking["gateway"]["tags"]));
            let names: BTreeSet<&str> = sets.filter_map(|tags| tags[SERVICE_TAG].as_str()).collect();
            for name in names {
                let key = (dataplane.key.mesh_or_empty().to_owned(), name.to_owned());
                let sort = DataplaneKind::of(&dataplane.document).of_service();
                let service = services.entry(key).or_insert_with(|| Service::new(sort));
                service.proxies.add(self.state(dataplane));
                if let Some(backend) = self.backend(dataplane) {
                    *service.backends.entry(backend.to_owned()).or_default() += 1;
                }
            }
        }
        services
    }

    fn mesh(&self, mesh: &Stored) -> Value {
        let name = mesh.key.name.as_str();
        let inside = || self.items.iter().filter(|it| it.key.mesh.as_deref() == Some(name));
        let mut policies: BTreeMap<&str, usize> = BTreeMap::new();
        for policy in inside().filter(|it| is_policy(it)) {
            *policies.entry(policy.key.kind.as_str()).or_default() += 1;
        }
        let policies: Map<String, Value> =
            policies.into_iter().map(|(kind, total)| (kind.to_owned(), json!({ "total": total }))).collect();
        let internal = self.services().keys().filter(|(mesh, _)| mesh == name).count();
        let external = inside().filter(|it| it.key.kind == Kind::ExternalService).count();
        let mut versions: BTreeMap<(&str, String), Count> = BTreeMap::new();
        for dataplane in inside().filter(|it| it.key.kind == Kind::Dataplane) {
            let key = ProxyId::dataplane(name, dataplane.key.name.as_str());
            let connection = self.statuses.get(&key).and_then(|status| status.connection.as_ref());
            for program in programs(connection) {
                versions.entry(program).or_default().add(self.state(dataplane));
            }
        }
        let of = |wanted: &str| -> Map<String, Value> {
            let found = versions.iter().filter(|((program, _), _)| *program == wanted);
            found.map(|((_, version), count)| (version.clone(), count.show())).collect()
        };
        json!({
            "type": "MeshInsight",
            "name": name,
            "creationTime": mesh.created.to_string(),
            "modificationTime": mesh.modified.to_string(),
            "lastSync": jiff::Timestamp::now().to_string(),
            "dataplanes": self.proxies(Some(name), None).show(),
            "dataplanesByType": {
                "standard": self.proxies(Some(name), Some(DataplaneKind::Standard)).show(),
                "gateway": self.gateways(name).show(),
                "gatewayBuiltin": self.proxies(Some(name), Some(DataplaneKind::Builtin)).show(),
                "gatewayDelegated": self.proxies(Some(name), Some(DataplaneKind::Delegated)).show(),
            },
            "policies": policies,
            "resources": self.resources(Some(name)),
            "services": { "total": internal + external, "internal": internal, "external": external },
            "dpVersions": {
                "kumaDp": of(KUMA_DP),
                "envoy": of(ENVOY),
                "meshtcp": of("meshtcp"),
            },
            "mTLS": self.mtls(name),
        })
    }
}
