//! Tests that documents which the API accepts come into force, can be read and written again, and can be moved to
//! another store; and that documents which cannot come into force are refused, in the same words by every validator.

mod maker;

use std::sync::Arc;
use std::time::Instant;

use change::compile::{Compiler, PlanScope};
use change::preview::universal;
use change::{Content, Options};
use dialect::envoy::EnvoyOptions;
use maker::Maker;
use meshtcp_control::api::Setup;
use meshtcp_control::sources::{OfferOutcome, Source as _, SourceState, StoreSource};
use meshtcp_control::store::Selection;
use meshtcp_control::yaml;
use model::{Kind, Problem, Profile, ResourceKey, Severity};
use plan::Context;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::client::{Reply, send};
use crate::server::{Server, trusting};

const LONGEST_MESH: &str = "m234567890.m234567890.m234567890.m234567890.m234567890.m234567890.m234567890";

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_is_in_force_and_comes_back(
        bytes in proptest::collection::vec(any::<u8>(), 1500),
        profile in select(Profile::ALL.to_vec()),
        zone in select(vec![None, Some("east"), Some("eu-west.1")]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(judge(Maker::new(&bytes, profile).documents(), profile, zone));
    }
}

async fn judge(documents: Vec<Value>, profile: Profile, zone: Option<&str>) {
    let rules = Options { profile, zone: zone.map(Into::into), ..Options::default() };
    let server = Server::start(Setup { rules: rules.clone(), ..trusting() }).await;
    for mesh in ["default", "other.mesh", LONGEST_MESH] {
        send(
            server.address,
            &format!("PUT /meshes/{mesh}"),
            &format!("{{\"type\": \"Mesh\", \"name\": \"{mesh}\"}}"),
        )
        .await;
    }
    let meshes: Vec<String> = names_of(&server, Kind::Mesh).await;
    for document in documents {
        offered(&server, &document, &rules, &meshes).await;
    }
    everything_is_in_force(&server, profile).await;
    everything_comes_back(&server, &rules).await;
}

/// Offers a document to all validators, and checks that they agree.
async fn offered(server: &Server, document: &Value, rules: &Options, meshes: &[String]) {
    // as `validate` and `up` read it, without a zone
    let by_file =
        Content::read("file.json", document.to_string().as_bytes(), &Options { zone: None, ..rules.clone() });
    let wrong: Vec<&Problem> = by_file.problems.iter().filter(|it| it.severity == Severity::Error).collect();
    let preview = send(server.address, "POST /_preview", &document.to_string()).await;
    if preview.status == 404 {
        // for a mesh that does not exist; a put is answered the same
        let sent = universal(document, &by_file.entries[0].resource);
        let key = ResourceKey::of_document(&sent).unwrap();
        assert!(key.mesh.as_ref().is_some_and(|mesh| !meshes.contains(mesh)), "{document:#}");
        let reply = send(server.address, &format!("PUT {}", path(&key)), &sent.to_string()).await;
        assert_eq!((reply.status, &reply.json()["title"]), (404, &preview.json()["title"]));
        return;
    }
    assert_eq!(preview.status == 200, wrong.is_empty(), "{document:#}: {wrong:?}: {}", preview.body);
    if !wrong.is_empty() {
        let said = reasons(&preview);
        assert_eq!(said.len(), wrong.len(), "{}", preview.body);
        assert!(
            wrong.iter().zip(&said).all(|(it, said)| said.contains(&it.violation.message)),
            "{wrong:?}: {said:?}"
        );
    }
    // as `apply` sends it
    let (sent, key) = match by_file.entries.first() {
        Some(entry) => {
            let sent = universal(document, &entry.resource);
            let key = ResourceKey::of_document(&sent).unwrap();
            (sent, key)
        }
        // the client refuses such a manifest before it is sent
        None if document.get("apiVersion").is_some() => return,
        None => (document.clone(), ResourceKey::of_document(document).unwrap()),
    };
    if key.mesh.as_ref().is_some_and(|mesh| !meshes.contains(mesh)) {
        return;
    }
    let reply = send(server.address, &format!("PUT {}", path(&key)), &sent.to_string()).await;
    // not a rule about documents, but about the one that is stored
    if reasons(&reply).iter().any(|reason| reason.starts_with("cannot be changed or removed")) {
        return;
    }
    assert_eq!(matches!(reply.status, 200 | 201), wrong.is_empty(), "{sent:#}: {wrong:?}: {}", reply.body);
    if !wrong.is_empty() {
        let said = reasons(&reply);
        assert!(
            wrong.iter().zip(&said).all(|(it, said)| said.contains(&it.violation.message)),
            "{wrong:?}: {said:?}"
        );
    }
}

/// Reads the store as the compile loop does: nothing is held back, and every Dataplane has a plan that can be
/// expressed.
async fn everything_is_in_force(server: &Server, profile: Profile) {
    let (mut followed, feeder) =
        StoreSource::new(Arc::clone(&server.store), Options { profile, ..Options::default() });
    let fed = tokio::spawn(feeder.run(|| {}));
    let revision = server.store.revision().await.unwrap();
    while followed.revision() < Some(revision) {
        tokio::task::yield_now().await;
        followed.refresh(Instant::now());
    }
    let (context, envoy) = (Context::new(profile), EnvoyOptions::default());
    let compiler = Compiler { context, scope: PlanScope::everything(), envoy };
    let mut compiled = compiler.nothing();
    let settled = followed.settle(&mut |candidate| {
        compiled = compiler.compile(&candidate.ledger);
        Ok(())
    });
    assert_eq!(settled, OfferOutcome::Adopted, "nobody objects");
    fed.abort();
    let wrong: Vec<_> = followed.problems().into_iter().filter(|it| it.severity == Severity::Error).collect();
    assert_eq!(wrong, []);
    assert!(
        followed.states().iter().all(|(_, state)| *state == SourceState::Current),
        "{:?}",
        followed.states()
    );
    let stored = server.store.list(&Selection::of_kind(Kind::Dataplane)).await.unwrap().items.len();
    let of_dataplanes = compiled.proxies.keys().filter(|proxy| proxy.as_dataplane().is_some());
    assert_eq!(of_dataplanes.count(), stored);
    for proxy in compiled.proxies.values() {
        dialect::envoy::lower(&proxy.plan, &Default::default()).to_resource_set().unwrap();
    }
}

/// Everything that is stored is accepted again: by the same control plane as no change, and by an empty one.
async fn everything_comes_back(server: &Server, rules: &Options) {
    let other = Server::start(Setup { rules: rules.clone(), ..trusting() }).await;
    let mut stored = server.store.list(&Selection::default()).await.unwrap().items;
    stored.sort_by_key(|it| it.key.kind != Kind::Mesh);
    for it in &stored {
        let place = path(&it.key);
        let shown = send(server.address, &format!("GET {place}"), "").await;
        let again = yaml::read_one("shown.yaml", &yaml::document(&shown.json())).unwrap();
        let reply = send(server.address, &format!("PUT {place}"), &again.to_string()).await;
        assert_eq!(reply.status, 200, "{again:#}: {}", reply.body);
        assert_eq!(reply.header("etag"), shown.header("etag"), "{again:#}");

        let manifest = send(server.address, &format!("GET {place}?format=k8s"), "").await;
        let manifest = yaml::read_one("manifest.yaml", &yaml::document(&manifest.json())).unwrap();
        let read = Content::read("manifest.json", manifest.to_string().as_bytes(), rules);
        // a secret is a Secret of Kubernetes there, and no resource of the mesh
        assert!(read.is_good() || manifest["apiVersion"] == "v1", "{manifest:#}: {:?}", read.problems);

        let kept = yaml::read_one("backup.yaml", &yaml::exact(&it.document)).unwrap();
        assert_eq!(kept, it.document);
        let reply = send(other.address, &format!("PUT {place}"), &kept.to_string()).await;
        assert!(matches!(reply.status, 200 | 201), "{kept:#}: {}", reply.body);
        assert_eq!(other.store.get(&it.key).await.unwrap().unwrap().document, it.document);
    }
}

async fn names_of(server: &Server, kind: Kind) -> Vec<String> {
    let items = server.store.list(&Selection::of_kind(kind)).await.unwrap().items;
    items.into_iter().map(|it| it.key.name).collect()
}

fn path(key: &ResourceKey) -> String {
    match &key.mesh {
        Some(mesh) => format!("/meshes/{mesh}/{}/{}", key.kind.plural(), key.name),
        None => format!("/{}/{}", key.kind.plural(), key.name),
    }
}

/// Reasons in a refusal, field by field.
fn reasons(reply: &Reply) -> Vec<String> {
    let invalid = reply.json()["invalid_parameters"].as_array().cloned().unwrap_or_default();
    invalid.iter().map(|it| it["reason"].as_str().unwrap_or_default().to_owned()).collect()
}
