//! Who may attach: proxies with a token that is for them.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use model::topology::Dataplane;
use model::{ProxyKey, Resource, Spec};
use plan::Snapshot;
use tonic::Status;
use tonic::codegen::http::HeaderMap;

use crate::identity::{Bearer, TokenError, Tokens};

/// The label that names the workload of a proxy.
const WORKLOAD_LABEL: &str = "kuma.io/workload";

/// Lets in proxies with a dataplane token that is for them. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct TokenGate {
    tokens: Tokens,
    /// The Dataplanes that there are, for tokens that are bound to tags.
    known: Arc<ArcSwapOption<Snapshot>>,
}

impl TokenGate {
    /// A gate that believes these tokens.
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens, known: Arc::default() }
    }

    /// Keeps what tokens are verified with ready for when the store is away, for ever.
    pub async fn follow_keys(self) {
        self.tokens.follow().await;
    }

    /// Takes note of the Dataplanes that there are now.
    pub fn follow(&self, snapshot: Arc<Snapshot>) {
        self.known.store(Some(snapshot));
    }

    /// Whom the token of a stream is for. It stands in `authorization` as it is; `Bearer` in front is fine too.
    pub(super) async fn bearer(&self, headers: &HeaderMap) -> Result<Bearer, Status> {
        let value = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = value
            .ok_or_else(|| Status::unauthenticated("no token was brought in the metadata `authorization`"))?;
        let token = token
            .split_once(' ')
            .filter(|(word, _)| word.eq_ignore_ascii_case("bearer"))
            .map_or(token, |(_, it)| it);
        self.tokens.dataplane(token.trim()).await.map_err(|error| match error {
            TokenError::Store(error) => {
                tracing::error!(%error, "a token cannot be verified");
                Status::unavailable("the token cannot be verified now: try again")
            }
            other => Status::unauthenticated(other.to_string()),
        })
    }

    /// Whether a token is for a proxy that brings its Dataplane along: it has to be for that one, and for one of the name that
    /// is there already.
    pub(super) fn admits_with(
        &self,
        bearer: &Bearer,
        proxy: &ProxyKey,
        brought: &Resource,
    ) -> Result<(), Status> {
        is_for(bearer, proxy, Some(brought))?;
        let known = self.known.load();
        let stored = known.as_ref().and_then(|snapshot| {
            snapshot.named(model::Kind::Dataplane, proxy.mesh.as_str(), proxy.name.as_str())
        });
        stored.map_or(Ok(()), |stored| is_for(bearer, proxy, Some(stored)))
    }

    /// Whether a token is for a proxy.
    pub(super) fn admits(&self, bearer: &Bearer, proxy: &ProxyKey) -> Result<(), Status> {
        let known = self.known.load();
        let dataplane = known.as_ref().and_then(|snapshot| {
            snapshot.named(model::Kind::Dataplane, proxy.mesh.as_str(), proxy.name.as_str())
        });
        is_for(bearer, proxy, dataplane)
    }
}

/// What a token says must be true of the proxy; what it does not say may be anything.
fn is_for(bearer: &Bearer, proxy: &ProxyKey, dataplane: Option<&Resource>) -> Result<(), Status> {
    let Bearer::Dataplane { name, mesh, tags, kind, workload } = bearer else {
        return Err(Status::permission_denied("this is no dataplane token"));
    };
    let denied = |why: String| Err(Status::permission_denied(format!("the token is not for {proxy}: {why}")));
    if *mesh != proxy.mesh.as_str() {
        return denied(format!("it is for the mesh `{mesh}`"));
    }
    if !name.is_empty() && *name != proxy.name.as_str() {
        return denied(format!("it is for the proxy `{name}`"));
    }
    if !matches!(kind.as_str(), "" | "dataplane") {
        return denied(format!("it is for a proxy of type {kind}"));
    }
    if tags.is_empty() && workload.is_empty() {
        return Ok(());
    }
    let Some((meta, Spec::Dataplane(dataplane))) = dataplane.map(|found| (found.meta(), found.spec())) else {
        // it may come: until then nobody can say whether it has the tags
        return Err(Status::unavailable(format!(
            "there is no Dataplane {proxy} yet, and the token is bound to its tags"
        )));
    };
    if !workload.is_empty() && meta.labels.get(WORKLOAD_LABEL) != Some(workload) {
        return denied(format!("it is for the workload `{workload}`"));
    }
    for (tag, allowed) in tags {
        let values = values_of(dataplane, tag);
        if values.is_empty() {
            return denied(format!("it has no tag {tag}"));
        }
        if let Some(other) = values.into_iter().find(|value| !allowed.iter().any(|it| it == value)) {
            return denied(format!("its tag {tag} may not be `{other}`, only {}", allowed.join(" or ")));
        }
    }
    Ok(())
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

    fn dataplane() -> Resource {
        let text = "type: Dataplane\nmesh: shop\nname: web-1\nnetworking:\n  address: 10.0.0.1\n  inbound:\n  \
            - {port: 1, tags: {kuma.io/service: web, version: v1}}\n  - {port: 2, tags: {kuma.io/service: admin}}\n";
        parse(&read("x", text).0[0], &Options::default()).resource.unwrap()
    }

    #[test]
    fn a_token_is_for_the_proxies_that_it_says() {
        let (web, dataplane) = (ProxyKey::new("shop", "web-1"), dataplane());
        let code = |bearer: Bearer, proxy: &ProxyKey, dataplane| {
            is_for(&bearer, proxy, dataplane).map_err(|it| it.code())
        };
        let known = Some(&dataplane);
        assert_eq!(code(token("", &[]), &web, None), Ok(()));
        assert_eq!(code(token("web-1", &[]), &web, None), Ok(()));
        assert_eq!(code(token("web-2", &[]), &web, known), Err(Code::PermissionDenied));
        assert_eq!(code(token("", &[]), &ProxyKey::new("other", "web-1"), None), Err(Code::PermissionDenied));
        let both: &[&str] = &["web", "admin"];
        assert_eq!(code(token("", &[("kuma.io/service", both)]), &web, known), Ok(()));
        assert_eq!(code(token("", &[("kuma.io/service", both)]), &web, None), Err(Code::Unavailable));
        assert_eq!(
            code(token("", &[("kuma.io/service", &["web"])]), &web, known),
            Err(Code::PermissionDenied)
        );
        assert_eq!(code(token("", &[("version", &["v1"])]), &web, known), Ok(()));
        assert_eq!(code(token("", &[("region", &["eu"])]), &web, known), Err(Code::PermissionDenied));
        let user = Bearer::User { name: "jo".into(), groups: vec![] };
        assert_eq!(code(user, &web, known), Err(Code::PermissionDenied));
    }
}
