//! Selection and lookups as the specification words them: no index, no notable order of evaluation, one clause
//! after the other. Slow, and short enough to be compared with the text.

use meshtcp_plan::{Snapshot, mesh_id};
use model::policy::{Policy, PolicyItem};
use model::resource::{DISPLAY_NAME_LABEL, NAMESPACE_LABEL};
use model::topology::{Dataplane, InboundState, MeshGateway, ServicePort};
use model::{
    Kind, Labels, Origin, PolicyRole, Profile, ProxyKey, ProxyType, RefKind, Resource, ResourceId, Spec,
    Tags, TargetRef,
};
use serde_json::{Value, json};

/// Returns the policies that select a proxy: the main loop.
pub(crate) fn matched<'a>(snapshot: &'a Snapshot, proxy: &ProxyKey, kind: Kind) -> Vec<&'a Resource> {
    let found = snapshot.resources().iter().find(|resource| {
        resource.kind() == Kind::Dataplane
            && resource.meta().mesh == proxy.mesh
            && resource.meta().name == proxy.name
    });
    let resource = found.unwrap();
    let Spec::Dataplane(dataplane) = resource.spec() else { unreachable!() };
    let proxy = Proxy { snapshot, resource, dataplane, gateway: gateway(snapshot, resource, dataplane) };
    let policies = snapshot.resources().iter().map(AsRef::as_ref);
    policies
        .filter(|policy: &&Resource| policy.kind() == kind && policy.meta().mesh == resource.meta().mesh)
        .filter(|policy| !(snapshot.profile() >= Profile::V2_7 && policy.meta().is_shadow()))
        .filter(|policy| proxy.passes_filters(policy) && proxy.is_selected(policy, true))
        .collect()
}

struct Proxy<'a> {
    snapshot: &'a Snapshot,
    resource: &'a Resource,
    dataplane: &'a Dataplane,
    gateway: Option<(&'a Resource, &'a MeshGateway)>,
}

/// Returns the MeshGateway with the most matching tags; nothing here has a creation time, so the first name wins a
/// tie.
fn gateway<'a>(
    snapshot: &'a Snapshot,
    proxy: &Resource,
    dataplane: &Dataplane,
) -> Option<(&'a Resource, &'a MeshGateway)> {
    let profile = snapshot.profile();
    let tags = &dataplane.builtin_gateway()?.tags;
    let mut best = None;
    for resource in snapshot.resources() {
        let Spec::MeshGateway(gateway) = resource.spec() else { continue };
        let zone = resource.meta().zone();
        let elsewhere =
            resource.meta().origin() == Origin::Zone && !zone.is_empty() && zone != proxy.meta().zone();
        let is_known = (Profile::V2_6..=Profile::V2_14).contains(&profile);
        if !is_known || resource.meta().mesh != proxy.meta().mesh || (profile >= Profile::V2_9 && elsewhere) {
            continue;
        }
        for selector in gateway.selectors.iter().filter(|selector| selector.matches(tags)) {
            if best.is_none_or(|(most, _)| selector.len() > most) {
                best = Some((selector.len(), (resource.as_ref(), gateway)));
            }
        }
    }
    best.map(|(_, found)| found)
}

impl Proxy<'_> {
    fn profile(&self) -> Profile {
        self.snapshot.profile()
    }

    fn passes_filters(&self, policy: &Resource) -> bool {
        if self.profile() < Profile::V2_9 {
            return true;
        }
        let (role, meta) = (policy.meta().role(), policy.meta());
        if role != PolicyRole::Producer {
            let of = self.gateway.map_or(self.resource.meta(), |(gateway, _)| gateway.meta());
            let bound =
                of.origin() == Origin::Zone && meta.origin() == Origin::Zone && !meta.zone().is_empty();
            if bound && !of.zone().is_empty() && of.zone() != meta.zone() {
                return false;
            }
        }
        let own = role == PolicyRole::Consumer || role == PolicyRole::WorkloadOwner;
        !own || (!meta.namespace().is_empty() && meta.namespace() == self.resource.meta().namespace())
    }

    /// Returns `true` if any inbound or listener is selected, or the delegated flag set.
    fn is_selected(&self, resource: &Resource, may_refer: bool) -> bool {
        let Spec::Policy(policy) = resource.spec() else { return false };
        let mesh = TargetRef::of_kind(RefKind::Mesh);
        let target = policy.target.as_ref().unwrap_or(&mesh);
        let name = target.name.clone().unwrap_or_default();
        let service = Tags::from_iter([(model::reference::SERVICE_TAG, name.as_str())]);
        let old = self.profile() <= Profile::V2_14;
        match target.kind {
            RefKind::Mesh => self.has_proxy_type(target) && self.any_tags(|_| true),
            RefKind::MeshSubset if old => {
                self.has_proxy_type(target) && self.any_tags(|t| target.tags.matches(t))
            }
            RefKind::MeshService if old => self.any_tags(|tags| service.matches(tags)),
            RefKind::MeshServiceSubset if old => {
                let selector = service.merged(&target.tags);
                self.any_tags(|tags| selector.matches(tags))
            }
            RefKind::MeshGateway if old => self.gateway.is_some_and(|(gateway, _)| {
                let is_meant =
                    gateway.meta().mesh == resource.meta().mesh && gateway.meta().display_name() == name;
                is_meant && target.name.is_some() && self.any_listener(|tags| target.tags.matches(tags))
            }),
            RefKind::Dataplane if self.profile() >= Profile::V2_10 => self.is_dataplane(resource, target),
            RefKind::MeshHTTPRoute if old && may_refer => {
                let routes =
                    self.snapshot.resources().iter().filter(|route| route.kind() == Kind::MeshHTTPRoute);
                let mut meant = routes.filter(|route| {
                    route.meta().mesh == resource.meta().mesh && route.meta().display_name() == name
                });
                meant.next().is_some_and(|route| self.is_selected(route, false))
            }
            _ => false,
        }
    }

    fn has_proxy_type(&self, target: &TargetRef) -> bool {
        let own = if self.dataplane.gateway.is_some() { ProxyType::Gateway } else { ProxyType::Sidecar };
        let knows = (Profile::V2_6..=Profile::V2_14).contains(&self.profile());
        let types = target.proxy_types.clone().unwrap_or_default();
        !knows || types.is_empty() || types.contains(&own)
    }

    /// Returns `true` if the tags of any inbound that takes part, of any listener (merged), or of the delegated
    /// gateway are selected.
    fn any_tags(&self, selects: impl Fn(&Tags) -> bool) -> bool {
        let delegated = self.dataplane.delegated_gateway().filter(|_| self.profile() >= Profile::V2_6);
        self.inbounds().any(|inbound| selects(&inbound.tags))
            || self.any_listener(&selects)
            || delegated.is_some_and(|gateway| selects(&gateway.tags))
    }

    fn any_listener(&self, selects: impl Fn(&Tags) -> bool) -> bool {
        let Some((_, gateway)) = self.gateway else { return false };
        let of_dataplane = &self.dataplane.gateway.as_ref().unwrap().tags;
        gateway.listeners.iter().any(|l| selects(&of_dataplane.merged(&gateway.tags).merged(&l.tags)))
    }

    fn inbounds(&self) -> impl Iterator<Item = &model::topology::Inbound> {
        let ignored_too = self.profile() >= Profile::V2_9 && self.profile() != Profile::V2_10;
        self.dataplane.inbound.iter().filter(move |i| ignored_too || i.state != InboundState::Ignored)
    }

    fn is_dataplane(&self, policy: &Resource, target: &TargetRef) -> bool {
        if self.gateway.is_some() {
            return false;
        }
        let v3 = self.profile() == Profile::V3;
        let meta = self.resource.meta();
        let by_labels = |labels: &Labels| {
            labels.iter().all(|(key, value)| match key {
                DISPLAY_NAME_LABEL if v3 => meta.display_name() == value,
                key => meta.labels.get(key) == Some(value),
            })
        };
        let is_meant = match (&target.name, &target.labels) {
            (Some(name), _) if !v3 => {
                meta.mesh == policy.meta().mesh
                    && meta.display_name() == name
                    && meta.zone() == policy.meta().zone()
                    && meta.namespace() == target.namespace.as_deref().unwrap_or(policy.meta().namespace())
            }
            (_, Some(labels)) => by_labels(labels),
            (_, None) => v3 || target.namespace.is_none(),
        };
        let section = target.section_name.as_deref();
        let is_section = |inbound: &model::topology::Inbound| {
            let own = inbound.name.clone().unwrap_or_else(|| inbound.port.to_string());
            section.is_none_or(|section| section == own)
        };
        let delegated = self.profile() >= Profile::V2_12 && self.dataplane.delegated_gateway().is_some();
        is_meant && (self.inbounds().any(is_section) || (delegated && section.is_none()))
    }
}

fn items<'a>(policies: &[&'a Resource]) -> Vec<(&'a Resource, &'a Policy, &'a PolicyItem)> {
    let mut all = Vec::new();
    for resource in policies {
        let Spec::Policy(policy) = resource.spec() else { continue };
        all.extend(policy.to.iter().map(|item| (*resource, policy, item)));
    }
    all
}

/// Returns the conf of an item as written, or for one without a rule a route to its destination.
fn conf((_, _, item): &(&Resource, &Policy, &PolicyItem)) -> Value {
    if !item.backend_refs.is_empty() {
        return json!(item.conf);
    }
    let TargetRef { kind, name, namespace, labels, tags: _, section_name, proxy_types: _ } = &item.target;
    let mut reference = json!({ "kind": kind.as_str(), "weight": 1 });
    for (key, value) in
        [("name", json!(name)), ("namespace", json!(namespace)), ("sectionName", json!(section_name))]
    {
        if !value.is_null() {
            reference[key] = value;
        }
    }
    if let Some(labels) = labels {
        reference["labels"] = json!(labels);
    }
    json!({ "default": { "backendRefs": [reference] } })
}

fn is_for_route((_, policy, _): &(&Resource, &Policy, &PolicyItem)) -> bool {
    policy.target.as_ref().is_some_and(|target| target.kind == RefKind::MeshHTTPRoute)
}

/// Returns `true` if some item cannot be expressed in tags, and the profile cannot leave it to rules about
/// resources.
pub(crate) fn breaks_tag_rules(snapshot: &Snapshot, policies: &[&Resource]) -> bool {
    snapshot.profile() <= Profile::V2_8
        && items(policies)
            .iter()
            .any(|entry| !is_for_route(entry) && entry.2.target.kind == RefKind::MeshMultiZoneService)
}

/// Returns the last item for this service, or for everything; of route confs the last list is used.
pub(crate) fn for_service(snapshot: &Snapshot, policies: &[&Resource], service: &str) -> Option<Value> {
    if snapshot.profile() == Profile::V3 || breaks_tag_rules(snapshot, policies) {
        return None;
    }
    let is_about = |entry: &&(&Resource, &Policy, &PolicyItem)| {
        let target = &entry.2.target;
        let named = target.name.as_deref().unwrap_or_default() == service;
        !is_for_route(entry)
            && (target.kind == RefKind::Mesh || (target.kind == RefKind::MeshService && named))
    };
    items(policies).iter().rfind(is_about).map(conf)
}

/// Returns the last item, in the order of importance, that is about a service's port or something around it: of the
/// rule for the port, or else of the rule for the service, or else of the rule for the mesh.
pub(crate) fn for_resource(snapshot: &Snapshot, policies: &[&Resource], id: &ResourceId) -> Option<Value> {
    let profile = snapshot.profile();
    if profile < Profile::V2_9 {
        return None;
    }
    let mut entries: Vec<_> = items(policies).into_iter().filter(|entry| !is_for_route(entry)).collect();
    entries.sort_by_key(|(resource, policy, item)| {
        let top = policy.target.as_ref();
        let kind = top.map_or(RefKind::Mesh, |t| t.kind);
        let dataplane = top.filter(|t| t.kind == RefKind::Dataplane && profile >= Profile::V2_10);
        let port = item.target.kind == RefKind::MeshService && item.target.section_name.is_some();
        (
            profile.specificity(kind),
            dataplane.map(|t| (t.name.is_some(), t.section_name.is_some())),
            resource.meta().origin(),
            resource.meta().role(),
            profile.specificity(item.target.kind),
            port,
            std::cmp::Reverse(resource.meta().display_name().to_owned()),
        )
    });
    let resolved: Vec<(usize, ResourceId)> = entries
        .iter()
        .enumerate()
        .flat_map(|(at, (resource, _, item))| {
            resolve(snapshot, resource, &item.target).into_iter().map(move |id| (at, id))
        })
        .collect();
    let keys = [id.clone(), id.with_section(""), mesh_id(&id.mesh)];
    let key = keys.iter().find(|key| resolved.iter().any(|(_, id)| id == *key))?;
    let around = [key.clone(), key.with_section(""), mesh_id(&id.mesh)];
    let is_about = |(_, found): &&(usize, ResourceId)| around.contains(found);
    resolved.iter().filter(is_about).map(|(at, _)| *at).max().map(|at| conf(&entries[at]))
}

fn resolve(snapshot: &Snapshot, policy: &Resource, target: &TargetRef) -> Vec<ResourceId> {
    let profile = snapshot.profile();
    let v3 = profile == Profile::V3;
    let mesh = policy.meta().mesh.as_str();
    let all = || snapshot.resources().iter().filter(|r| r.meta().mesh == mesh).map(AsRef::as_ref);
    if target.kind == RefKind::Mesh {
        let exists = snapshot.resources().iter().any(|r| r.kind() == Kind::Mesh && r.meta().name == mesh);
        return if exists { vec![mesh_id(mesh)] } else { Vec::new() };
    }
    let kind = target.kind.resource_kind().unwrap();
    let labels = target.labels.clone().filter(|labels| !labels.is_empty());
    let name = target.name.clone().unwrap_or_default();
    let parts: Vec<&str> = name.split('_').collect();
    let is_compatible = !v3 && target.kind == RefKind::MeshService && target.section_name.is_none();
    let compatible = match parts[..] {
        [name, namespace, _] if is_compatible => Some((name, namespace, None)),
        [name, namespace, _, port] if is_compatible => {
            port.parse().ok().map(|port| (name, namespace, Some(port)))
        }
        _ => None,
    };
    let (found, number): (Vec<&Resource>, Option<u32>) = match (labels, compatible) {
        (Some(labels), _) => {
            (all().filter(|r| r.kind() == kind && labels.matches(&r.meta().labels)).collect(), None)
        }
        (None, _) if v3 => return Vec::new(),
        (None, Some((name, namespace, number))) => {
            let labels = Labels::from_iter([(DISPLAY_NAME_LABEL, name), (NAMESPACE_LABEL, namespace)]);
            (all().filter(|r| r.kind() == kind && labels.matches(&r.meta().labels)).collect(), number)
        }
        (None, None) => {
            let namespace = target.namespace.as_deref().unwrap_or(policy.meta().namespace());
            let mut named = all().filter(|r| {
                r.kind() == kind
                    && r.meta().display_name() == name
                    && r.meta().zone() == policy.meta().zone()
                    && r.meta().namespace() == namespace
            });
            (named.next().into_iter().collect(), None)
        }
    };
    let with_section = |resource: &Resource| {
        let ports: &[ServicePort] = match resource.spec() {
            Spec::MeshService(service) => &service.ports,
            Spec::MeshMultiZoneService(service) => &service.ports,
            _ => return Some(resource.id()),
        };
        let section = match (&target.section_name, number) {
            (Some(section), _) if profile == Profile::V2_9 => section.clone(),
            (Some(section), _) => {
                let found = ports.iter().find(|port| port.effective_name() == *section);
                found?.effective_name()
            }
            (None, Some(number)) => {
                let found = ports.iter().find(|port| port.port == number);
                match profile {
                    Profile::V2_9 => found.and_then(|port| port.name.clone()).unwrap_or_default(),
                    _ => found?.effective_name(),
                }
            }
            (None, None) => String::new(),
        };
        Some(resource.id().with_section(section))
    };
    found.into_iter().filter_map(with_section).collect()
}
