//! Arbitrary resources, and the properties of every proxy's plan.

mod maker;

use std::sync::Arc;

use dialect::envoy::{EnvoyOptions, SplitLayout};
use l4::{Config, ProxyName};
use model::draft::{self, Document, Options};
use model::{Kind, Profile, ProxyKey, Resource};
use plan::{Context, Snapshot, shares};

use crate::choices::Choices;
use maker::Maker;

/// Makes resources from the bytes, with names from tiny alphabets so that they collide, plans every proxy, and lowers
/// each plan to every dialect.
///
/// For any resources: their order does not matter; no share goes to a weight of 0 or to a cluster that does not exist;
/// our own proxy accepts its configuration; and Envoy's messages can be encoded. Resources that were not validated may
/// break all that, but nothing panics.
pub fn plan(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let profile = Profile::ALL[choices.below(Profile::ALL.len())];
    let unchecked = choices.once_in(8);
    let options = Options { profile, ..Options::default() };
    let mut resources = Vec::new();
    while !choices.is_over() && resources.len() < 40 {
        let document = Document::from_value("fuzz", Maker::new(&mut choices, profile).resource());
        let parsed = match unchecked {
            true => draft::parse_unchecked(&document, profile),
            false => draft::parse(&document, &options),
        };
        resources.extend(parsed.resource.map(Arc::new));
    }
    judge(profile, &resources, !unchecked);
}

/// Plans every proxy of the resources; for `valid` ones all properties must hold.
fn judge(profile: Profile, resources: &[Arc<Resource>], valid: bool) {
    let snapshot = Snapshot::new(resources.iter().cloned(), Context::new(profile));
    let reversed = Snapshot::new(resources.iter().rev().cloned(), Context::new(profile));
    for resource in snapshot.resources().iter().filter(|resource| resource.kind() == Kind::Dataplane) {
        let key = ProxyKey { mesh: resource.meta().mesh.clone(), name: resource.meta().name.clone() };
        let Some(plan) = plan::plan(&snapshot, &key.clone().into()) else {
            panic!("{key} has a Dataplane and no plan")
        };
        assert_eq!(
            Some(&plan),
            plan::plan(&reversed, &key.clone().into()).as_ref(),
            "the order of arrival does not matter"
        );
        check_splits(&plan);
        let told = dialect::l4::lower(&plan).to_resource_set();
        let config = Config::parse(&[(ProxyName::from(key.to_string().as_str()), &told)]);
        if let (Err(problems), true) = (config, valid) {
            panic!("our own proxy refuses what it is told: {problems}");
        }
        for split in [SplitLayout::Clusters, SplitLayout::Endpoints] {
            let told = dialect::envoy::lower(&plan, &EnvoyOptions { split, ..EnvoyOptions::default() });
            if let Err(error) = told.to_resource_set() {
                panic!("Envoy's messages cannot be encoded: {error}");
            }
        }
    }
}

fn check_splits(plan: &plan::Plan) {
    let routes = plan.listeners.iter().flat_map(|listener| listener.routes());
    for split in routes.map(|route| &route.split) {
        let shares = shares(split);
        let sum: f64 = shares.iter().sum();
        assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-9, "shares add up to {sum}: {split:?}");
        for (backend, share) in split.iter().zip(shares) {
            assert!(share == 0.0 || backend.weight > 0, "a weight of 0 has a share: {backend:?}");
            assert!(share >= 0.0, "{backend:?}");
            if let Some(cluster) = backend.cluster() {
                assert!(plan.clusters.contains_key(cluster), "{cluster} is routed to and not there");
            }
        }
    }
}
