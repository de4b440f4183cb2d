//! Selection of a proxy, its inbounds and listeners by a top-level targetRef (spec 03 §2.3, §2.4).

use model::policy::Policy;
use model::reference::SERVICE_TAG;
use model::resource::DISPLAY_NAME_LABEL;
use model::topology::{GatewayListener, InboundState};
use model::{Kind, Labels, ProxyType, RefKind, Resource, Tags, TargetRef};

use crate::matching::policy_of;
use crate::merge::named;
use crate::rules::{InboundKey, ListenerKey};
use crate::view::View;

/// Parts of a proxy that a policy selects. The proxy is selected if any part of it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) inbounds: Vec<InboundKey>,
    pub(crate) listeners: Vec<ListenerKey>,
    /// `true`: the proxy is a delegated gateway, which has neither inbounds nor listeners.
    pub(crate) delegated: bool,
}

impl Selection {
    pub(crate) fn is_empty(&self) -> bool {
        self.inbounds.is_empty() && self.listeners.is_empty() && !self.delegated
    }
}

/// Inbound, or listener of a zone proxy, as selection sees it.
pub(crate) struct SelectableInbound<'a> {
    pub(crate) key: InboundKey,
    name: Option<&'a str>,
    tags: Option<&'a Tags>,
}

impl<'a> View<'a> {
    /// Returns the parts of the proxy that the policy selects; an error, in words, if that cannot be determined.
    pub(crate) fn select(&self, resource: &Resource, policy: &Policy) -> Result<Selection, String> {
        if !self.is_reached_by(resource) {
            return Ok(Selection::default());
        }
        self.select_by_target(resource, policy, None)
    }

    /// `via`: the policy that refers to this route, if any: routes may not refer on.
    fn select_by_target(
        &self,
        resource: &Resource,
        policy: &Policy,
        via: Option<&Resource>,
    ) -> Result<Selection, String> {
        let mesh = TargetRef::of_kind(RefKind::Mesh);
        let target = policy.target.as_ref().unwrap_or(&mesh);
        if !self.profile().selects_proxies_by(target.kind) {
            return Err(format!("unsupported targetRef kind '{}'", target.kind));
        }
        let service = || Tags::from_iter([(SERVICE_TAG, target.name.as_deref().unwrap_or_default())]);
        Ok(match target.kind {
            RefKind::Mesh => self.proxies_of(target, |view| view.everything()),
            RefKind::MeshSubset => self.proxies_of(target, |view| view.with_tags(&target.tags)),
            RefKind::MeshService => self.with_tags(&service()),
            RefKind::MeshServiceSubset => self.with_tags(&service().merged(&target.tags)),
            RefKind::MeshGateway => self.of_gateway(resource, target),
            RefKind::Dataplane => self.of_dataplane(resource, target),
            RefKind::MeshHTTPRoute if via.is_none() => {
                let route = self.http_route(resource, target)?;
                let policy = policy_of(route).ok_or("not a route")?;
                self.select_by_target(route, policy, Some(resource))?
            }
            RefKind::MeshExternalService | RefKind::MeshMultiZoneService | RefKind::MeshHTTPRoute => {
                return Err(format!("unsupported targetRef kind '{}'", target.kind));
            }
        })
    }

    fn proxies_of(&self, target: &TargetRef, select: impl FnOnce(&Self) -> Selection) -> Selection {
        let own = match self.dataplane().gateway {
            Some(_) => ProxyType::Gateway,
            None => ProxyType::Sidecar,
        };
        let wanted = target.proxy_types.as_ref().filter(|types| !types.is_empty());
        match wanted.filter(|_| self.profile().knows_proxy_types()) {
            Some(types) if !types.contains(&own) => Selection::default(),
            _ => select(self),
        }
    }

    fn everything(&self) -> Selection {
        Selection {
            inbounds: self.inbounds().map(|inbound| inbound.key).collect(),
            listeners: self.listeners().map(|(key, _)| key).collect(),
            delegated: self.is_selectable_delegated_gateway(),
        }
    }

    fn with_tags(&self, selector: &Tags) -> Selection {
        let gateway = self.dataplane().delegated_gateway().filter(|_| self.is_selectable_delegated_gateway());
        let inbounds = self.inbounds().filter(|i| i.tags.is_some_and(|tags| selector.matches(tags)));
        let listeners = self.listeners().filter(|(_, l)| selector.matches(&self.merged_listener_tags(l)));
        Selection {
            inbounds: inbounds.map(|inbound| inbound.key).collect(),
            listeners: listeners.map(|(key, _)| key).collect(),
            delegated: gateway.is_some_and(|gateway| selector.matches(&gateway.tags)),
        }
    }

    fn of_gateway(&self, policy: &Resource, target: &TargetRef) -> Selection {
        let Some((gateway, _)) = self.gateway() else { return Selection::default() };
        let is_meant = gateway.meta().mesh == policy.meta().mesh
            && target.name.as_deref() == Some(gateway.meta().display_name());
        if !is_meant {
            return Selection::default();
        }
        let tags = |listener: &GatewayListener| match self.profile().selects_merged_listener_tags() {
            true => self.merged_listener_tags(listener),
            false => listener.tags.clone(),
        };
        let listeners = self.listeners().filter(|(_, listener)| target.tags.matches(&tags(listener)));
        Selection { listeners: listeners.map(|(key, _)| key).collect(), ..Selection::default() }
    }

    fn of_dataplane(&self, policy: &Resource, target: &TargetRef) -> Selection {
        if self.gateway().is_some() || !self.is_dataplane(policy, target) {
            return Selection::default();
        }
        let section = target.section_name.as_deref();
        let inbounds = self.inbounds().filter(|inbound| section.is_none_or(|s| inbound.is_called(s)));
        Selection {
            inbounds: inbounds.map(|inbound| inbound.key).collect(),
            listeners: Vec::new(),
            delegated: section.is_none()
                && self.is_selectable_delegated_gateway()
                && self.profile().dataplane_selects_delegated_gateways(),
        }
    }

    fn is_dataplane(&self, policy: &Resource, target: &TargetRef) -> bool {
        let TargetRef { kind: _, name, namespace, labels, tags: _, section_name: _, proxy_types: _ } = target;
        let by_labels_only = self.profile().refers_by_labels_only();
        match (name, labels) {
            (Some(_), _) if !by_labels_only => {
                named(Kind::Dataplane, target, &policy.id()) == self.resource().id()
            }
            (_, Some(labels)) => self.has_labels(labels),
            (_, None) => by_labels_only || namespace.is_none(),
        }
    }

    /// Returns `true` if the Dataplane has the labels. In profile 3 the label for the display name is compared with
    /// the display name, which every resource has.
    fn has_labels(&self, labels: &Labels) -> bool {
        let meta = self.resource().meta();
        labels.iter().all(|(key, want)| {
            let is_name = key == DISPLAY_NAME_LABEL && self.profile().refers_by_labels_only();
            if is_name { meta.display_name() == want } else { meta.labels.get(key) == Some(want) }
        })
    }

    /// Returns the MeshHTTPRoute that a policy refers to at its top: by display name in the policy's mesh.
    fn http_route(&self, policy: &Resource, target: &TargetRef) -> Result<&'a Resource, String> {
        let name = target.name.as_deref().unwrap_or_default();
        let mut routes = self.of_kind(Kind::MeshHTTPRoute).iter().map(AsRef::as_ref);
        routes
            .find(|route: &&Resource| {
                route.meta().mesh == policy.meta().mesh && route.meta().display_name() == name
            })
            .ok_or_else(|| format!("couldn't resolve MeshHTTPRoute targetRef with name '{name}'"))
    }

    fn is_selectable_delegated_gateway(&self) -> bool {
        self.dataplane().delegated_gateway().is_some() && self.profile().selects_delegated_gateways()
    }

    /// Inbounds that take part in selection, and the listeners of a zone proxy.
    pub(crate) fn inbounds(&self) -> impl Iterator<Item = SelectableInbound<'a>> + use<'a> {
        let dataplane = self.dataplane();
        let ignored_too = self.profile().selects_by_ignored_inbounds();
        let key = |address: &Option<String>, port| InboundKey {
            address: address.as_ref().unwrap_or(&dataplane.address).clone(),
            port,
        };
        let takes_part = move |state| ignored_too || state != InboundState::Ignored;
        let inbounds = dataplane.inbound.iter().filter(move |i| takes_part(i.state));
        let listeners = dataplane.listeners.iter().filter(move |l| takes_part(l.state));
        inbounds
            .map(move |inbound| SelectableInbound {
                key: key(&inbound.address, inbound.port),
                name: inbound.name.as_deref(),
                tags: Some(&inbound.tags),
            })
            .chain(listeners.map(move |listener| SelectableInbound {
                key: key(&listener.address, listener.port),
                name: listener.name.as_deref(),
                tags: None,
            }))
    }

    /// Listeners of the MeshGateway that the proxy serves.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = (ListenerKey, &'a GatewayListener)> + use<'a> {
        let address = &self.dataplane().address;
        let listeners = self.gateway().map(|(_, gateway)| gateway.listeners.as_slice()).unwrap_or_default();
        listeners.iter().map(move |listener| {
            let hostname = Some(&listener.hostname).filter(|h| !h.is_empty()).map_or("*", String::as_str);
            let key =
                ListenerKey { address: address.clone(), port: listener.port, hostname: hostname.to_owned() };
            (key, listener)
        })
    }

    /// Tags of the gateway dataplane, of the MeshGateway and of the listener; later ones win.
    pub(crate) fn merged_listener_tags(&self, listener: &GatewayListener) -> Tags {
        let of_dataplane = self.dataplane().builtin_gateway().map(|gateway| gateway.tags.clone());
        let of_gateway = self.gateway().map(|(_, gateway)| &gateway.tags);
        let tags = of_dataplane.unwrap_or_default();
        of_gateway.map_or(tags.clone(), |over| tags.merged(over)).merged(&listener.tags)
    }
}

impl SelectableInbound<'_> {
    /// Returns `true` if a section refers to it: by its name, or by its port if it has no name.
    fn is_called(&self, section: &str) -> bool {
        self.name.map_or_else(|| self.key.port.to_string() == section, |name| name == section)
    }
}
