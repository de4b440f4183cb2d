//! Token check of attaching proxies: each needs a token that is valid for it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use model::topology::{Dataplane, Template, TemplatePiece};
use model::{ProxyKey, Resource, Spec};
use plan::{ProxyId, Snapshot, best_identity};
use tonic::Status;
use tonic::codegen::http::HeaderMap;

use crate::identity::{Bearer, TokenError, Tokens};

/// Label with the workload of a proxy.
const WORKLOAD_LABEL: &str = "kuma.io/workload";

/// Gate that admits proxies with a dataplane token that is valid for them. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct TokenGate {
    tokens: Tokens,
    /// Current Dataplanes, for tokens that are bound to tags.
    known: Arc<ArcSwapOption<Snapshot>>,
}

impl TokenGate {
    /// Creates a gate that verifies tokens with these keys.
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens, known: Arc::default() }
    }

    /// Keeps the keys for verification up to date, without end, so that they are at hand when the store is away.
    pub async fn follow_keys(self) {
        self.tokens.follow().await;
    }

    /// Takes over the current Dataplanes.
    pub fn follow(&self, snapshot: Arc<Snapshot>) {
        self.known.store(Some(snapshot));
    }

    /// Verifies the token of a stream, and returns its bearer. The token is the value of `authorization`, with or
    /// without `Bearer` in front.
    pub(super) async fn bearer(&self, headers: &HeaderMap) -> Result<Bearer, Status> {
        let value = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = value
            .ok_or_else(|| Status::unauthenticated("no token was brought in the metadata `authorization`"))?;
        let token = token
            .split_once(' ')
            .filter(|(word, _)| word.eq_ignore_ascii_case("bearer"))
            .map_or(token, |(_, it)| it);
        self.tokens.proxy(token.trim()).await.map_err(|error| match error {
            TokenError::Store(error) => {
                tracing::error!(%error, "a token cannot be verified");
                Status::unavailable("the token cannot be verified now: try again")
            }
            other => Status::unauthenticated(other.to_string()),
        })
    }

    /// Checks that a token is valid for a proxy that brings its Dataplane along: for that Dataplane, and for a stored
    /// one of the same name.
    pub(super) fn admits_with(
        &self,
        bearer: &Bearer,
        proxy: &ProxyId,
        brought: &Resource,
    ) -> Result<(), Status> {
        let known = self.known.load();
        is_for(bearer, proxy, Some(brought), known.as_deref())?;
        let stored = known.as_ref().and_then(|known| of_proxy(known, proxy));
        stored.map_or(Ok(()), |stored| is_for(bearer, proxy, Some(stored), known.as_deref()))
    }

    /// Checks that a token is valid for a proxy.
    pub(super) fn admits(&self, bearer: &Bearer, proxy: &ProxyId) -> Result<(), Status> {
        let known = self.known.load();
        let found = known.as_ref().and_then(|known| of_proxy(known, proxy));
        is_for(bearer, proxy, found, known.as_deref())
    }
}

/// Returns the resource of a proxy.
fn of_proxy<'a>(known: &'a Snapshot, proxy: &ProxyId) -> Option<&'a Resource> {
    known.named(proxy.kind(), proxy.mesh(), proxy.name().as_str())
}

/// Checks that a token is valid for a proxy; `found`: its resource, if there is one.
fn is_for(
    bearer: &Bearer,
    proxy: &ProxyId,
    found: Option<&Resource>,
    known: Option<&Snapshot>,
) -> Result<(), Status> {
    match proxy.as_dataplane() {
        Some(key) => is_for_dataplane(bearer, key, found, known),
        None => is_for_zone(bearer, proxy, found, known),
    }
}

/// Checks that a zone token is valid for a proxy: it is for the proxies of one zone, of the sorts in its scope (spec 07
/// §14.2). A control plane without a zone takes the zone from the resource of the proxy.
fn is_for_zone(
    bearer: &Bearer,
    proxy: &ProxyId,
    found: Option<&Resource>,
    known: Option<&Snapshot>,
) -> Result<(), Status> {
    let Bearer::Zone { zone, scope } = bearer else {
        return Err(Status::permission_denied("this is no zone token"));
    };
    let denied = |why: String| Err(Status::permission_denied(format!("the token is not for {proxy}: {why}")));
    let sort = proxy.sort();
    if !scope.iter().any(|it| it == sort) {
        return denied(format!(
            "token cannot be used to authenticate zone entity ({sort} is out of token's scope: {})",
            scope.join(", ")
        ));
    }
    let said = found.map(|found| match found.spec() {
        Spec::ZoneIngress(ingress) => ingress.zone.as_str(),
        Spec::ZoneEgress(egress) => egress.zone.as_str(),
        _ => "",
    });
    let own = known.and_then(|known| known.context().zone.as_deref());
    let of = own.or(said).unwrap_or_default();
    if !of.is_empty() && of != zone {
        return denied(format!("zone from requestor: {of} is different than in token: {zone}"));
    }
    Ok(())
}

/// Checks that a dataplane token is valid for a proxy: all its claims must hold; absent claims do not restrict it (spec
/// 07 §14.1). A proxy that is identified by its workload needs a token for that workload.
fn is_for_dataplane(
    bearer: &Bearer,
    proxy: &ProxyKey,
    dataplane: Option<&Resource>,
    known: Option<&Snapshot>,
) -> Result<(), Status> {
    let Bearer::Dataplane { name, mesh, tags, kind, workload } = bearer else {
        return Err(Status::permission_denied("this is no dataplane token"));
    };
    let denied = |why: String| Err(Status::permission_denied(format!("the token is not for {proxy}: {why}")));
    if *mesh != proxy.mesh.as_str() {
        return denied(format!(
            "proxy mesh from requestor: {} is different than in token: {mesh}",
            proxy.mesh.as_str()
        ));
    }
    if !name.is_empty() && *name != proxy.name.as_str() {
        return denied(format!(
            "proxy name from requestor: {} is different than in token: {name}",
            proxy.name.as_str()
        ));
    }
    if !matches!(kind.as_str(), "" | "dataplane") {
        return denied(format!("it is for a proxy of type {kind}"));
    }
    let found = dataplane.map(|found| (found, found.spec()));
    let Some((resource, Spec::Dataplane(dataplane))) = found else {
        if tags.is_empty() && workload.is_empty() {
            return Ok(());
        }
        // the Dataplane may still come: until then its tags are unknown
        return Err(Status::unavailable(format!(
            "there is no Dataplane {proxy} yet, and the token is bound to its tags"
        )));
    };
    let own = resource.meta().labels.get(WORKLOAD_LABEL);
    match (own, workload.as_str()) {
        (None, "") => {}
        (Some(own), "") if known.is_some_and(|known| is_identified_by_workload(known, resource)) => {
            return denied(format!(
                "dataplane with \"{WORKLOAD_LABEL}\" label \"{own}\" derives its identity from the workload, so it requires a \
                 workload-bound token"
            ));
        }
        (Some(_), "") => {}
        (None, _) => return denied("dataplane has no workload label required by the token".into()),
        (Some(own), wanted) if own != wanted => {
            return denied(format!(
                "dataplane workload \"{own}\" is not allowed with this token. Allowed workload in token is \"{wanted}\""
            ));
        }
        (Some(_), _) => {}
    }
    // in profile 3 a Dataplane has labels instead of tags
    let by_labels = known.is_some_and(|known| !known.profile().tags_name_services());
    for (tag, allowed) in tags {
        let values = match by_labels {
            true => resource.meta().labels.get(tag).into_iter().collect(),
            false => values_of(dataplane, tag),
        };
        if values.is_empty() {
            return denied(format!("dataplane has no tag \"{tag}\" required by the token"));
        }
        if let Some(other) = values.into_iter().find(|value| !allowed.iter().any(|it| it == value)) {
            return denied(format!(
                "dataplane contains tag \"{tag}\" with value \"{other}\" which is not allowed with this token. Allowed values \
                 in token are \"{}\"",
                allowed.join(", ")
            ));
        }
    }
    Ok(())
}

/// Returns `true` if the MeshIdentity of a Dataplane derives the identity from the workload.
fn is_identified_by_workload(known: &Snapshot, dataplane: &Resource) -> bool {
    let Some((_, identity)) = best_identity(known, dataplane) else { return false };
    match &identity.path {
        Some(Template(pieces)) => pieces.contains(&TemplatePiece::Workload),
        None => known.profile().has_workload_labels() && dataplane.meta().namespace().is_empty(),
    }
}

fn values_of<'a>(dataplane: &'a Dataplane, tag: &str) -> Vec<&'a str> {
    let gateway = dataplane.gateway.iter().map(|gateway| &gateway.tags);
    dataplane
        .inbound
        .iter()
        .map(|inbound| &inbound.tags)
        .chain(gateway)
        .filter_map(|tags| tags.get(tag))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::draft::{Options, parse, read};
    use tonic::Code;

    use super::*;

    fn token(name: &str, tags: &[(&str, &[&str])]) -> Bearer {
        let tags = tags
            .iter()
            .map(|(key, values)| (key.to_string(), values.iter().map(|it| it.to_string()).collect()));
        let tags: BTreeMap<_, _> = tags.collect();
        Bearer::Dataplane {
            name: name.into(),
            mesh: "shop".into(),
            tags,
            kind: "".into(),
            workload: "".into(),
        }
    }

    fn resource(text: &str) -> Resource {
        parse(&read("x", text).0[0], &Options::default()).resource.unwrap()
    }

    fn dataplane() -> Resource {
        let text = "type: Dataplane\nmesh: shop\nname: web-1\nnetworking:\n  address: 10.0.0.1\n  inbound:\n  \
            - {port: 1, tags: {kuma.io/service: web, version: v1}}\n  - {port: 2, tags: {kuma.io/service: admin}}\n";
        resource(text)
    }

    #[test]
    fn a_token_is_for_the_proxies_that_it_says() {
        let (web, dataplane) = (ProxyId::dataplane("shop", "web-1"), dataplane());
        let code = |bearer: Bearer, proxy: &ProxyId, dataplane| {
            is_for(&bearer, proxy, dataplane, None).map_err(|it| it.code())
        };
        let known = Some(&dataplane);
        assert_eq!(code(token("", &[]), &web, None), Ok(()));
        assert_eq!(code(token("web-1", &[]), &web, None), Ok(()));
        assert_eq!(code(token("web-2", &[]), &web, known), Err(Code::PermissionDenied));
        assert_eq!(
            code(token("", &[]), &ProxyId::dataplane("other", "web-1"), None),
            Err(Code::PermissionDenied)
        );
        let both: &[&str] = &["web", "admin"];
        assert_eq!(code(token("", &[("kuma.io/service", both)]), &web, known), Ok(()));
        assert_eq!(code(token("", &[("kuma.io/service", both)]), &web, None), Err(Code::Unavailable));
        assert_eq!(
            code(token("", &[("kuma.io/service", &["web"])]), &web, known),
            Err(Code::PermissionDenied)
        );
        assert_eq!(code(token("", &[("version", &["v1"])]), &web, known), Ok(()));
        assert_eq!(code(token("", &[("region", &["eu"])]), &web, known), Err(Code::PermissionDenied));
        let denied = |bearer: &Bearer, dataplane: &Resource, known: Option<&Snapshot>| {
            is_for(bearer, &web, Some(dataplane), known).map_err(|it| it.message().to_owned()).unwrap_err()
        };
        let wrong = denied(&token("", &[("version", &["v2"])]), &dataplane, None);
        assert!(wrong.ends_with("Allowed values in token are \"v2\""), "{wrong}");
        let bound = |to: &str| Bearer::Dataplane {
            name: "".into(),
            mesh: "shop".into(),
            tags: BTreeMap::new(),
            kind: "".into(),
            workload: to.into(),
        };
        assert!(denied(&bound("pay"), &dataplane, None).ends_with("no workload label required by the token"));
        let labelled = resource(
            "type: Dataplane\nmesh: shop\nname: web-1\nlabels: {kuma.io/workload: web}\nnetworking:\n  \
            address: 10.0.0.1\n  inbound: [{port: 1, tags: {kuma.io/service: web}}]\n",
        );
        assert!(denied(&bound("pay"), &labelled, None).contains("workload \"web\" is not allowed"));
        let identity = resource(
            "type: MeshIdentity\nmesh: shop\nname: id\nspec:\n  selector: {dataplane: {matchLabels: {}}}\n  \
            spiffeID: {path: \"/w/{{ .Workload }}\"}\n  provider: {type: Bundled, bundled: {autogenerate: {enabled: true}}}\n",
        );
        let by_workload = Snapshot::new([identity], plan::Context::default());
        assert!(
            denied(&bound(""), &labelled, Some(&by_workload)).contains("requires a workload-bound token")
        );
        assert!(is_for(&bound("web"), &web, Some(&labelled), Some(&by_workload)).is_ok());
        let user = Bearer::User { name: "jo".into(), groups: vec![] };
        assert_eq!(code(user, &web, known), Err(Code::PermissionDenied));
    }

    #[test]
    fn a_zone_token_is_for_the_sorts_and_the_zone_that_it_says() {
        let of = |zone: &str, scope: &[&str]| Bearer::Zone {
            zone: zone.into(),
            scope: scope.iter().map(|it| (*it).to_owned()).collect(),
        };
        let ingress = ProxyId::ZoneIngress("zi-1".into());
        let of_east =
            resource("type: ZoneIngress\nname: zi-1\nzone: east\nnetworking: {address: 10.0.0.1, port: 1}\n");
        let context = plan::Context { zone: Some("west".into()), ..plan::Context::default() };
        let west = Snapshot::new(Vec::<Resource>::new(), context);
        let denied = |bearer: Bearer, found, known| {
            is_for(&bearer, &ingress, found, known).map_err(|it| it.message().to_owned()).unwrap_err()
        };
        assert!(is_for(&of("west", &["egress", "ingress"]), &ingress, None, Some(&west)).is_ok());
        assert!(denied(of("west", &["cp"]), None, Some(&west)).contains("out of token's scope: cp"));
        assert!(denied(of("east", &["ingress"]), Some(&of_east), Some(&west)).contains("west is different"));
        // without a zone of its own the control plane asks the resource
        assert!(is_for(&of("east", &["ingress"]), &ingress, Some(&of_east), None).is_ok());
        assert!(denied(of("west", &["ingress"]), Some(&of_east), None).contains("east is different"));
        let dataplane = token("", &[]);
        assert_eq!(denied(dataplane, None, Some(&west)), "this is no zone token");
        let web = ProxyId::dataplane("shop", "web-1");
        assert!(is_for(&of("west", &["ingress"]), &web, None, Some(&west)).is_err());
    }
}
