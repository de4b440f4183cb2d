//! Reported changes match the changed configuration of proxies, byte for byte, in every dialect: for any two states of
//! a mesh.

#![allow(clippy::unwrap_used, reason = "a case that cannot be read is a failed test")]

#[path = "../../dialect/tests/laws/documents.rs"]
mod documents;

use std::collections::BTreeMap;
use std::sync::Arc;

use dialect::envoy::{EnvoyOptions, SplitLayout};
use meshtcp_change::compile::{Compiler, PlanScope, ProxyChange, changes};
use meshtcp_change::preview::{OpenConnections, State, preview};
use meshtcp_change::{Entry, Ledger};
use model::Profile;
use model::draft::{parse_unchecked, read};
use plan::{Context, ProxyId, Snapshot, plan};
use proptest::prelude::*;
use xds::{Family, ResourceSet};

use documents::documents;

/// Configuration of proxies, encoded anew from their plans.
type Bytes = BTreeMap<ProxyId, (ResourceSet, ResourceSet)>;

fn ledger(documents: &[String], profile: Profile) -> Ledger {
    let (documents, problems) = read("mesh.yaml", &documents.join("---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    let entry = |document| {
        let resource = parse_unchecked(&document, profile).resource.map(Arc::new)?;
        Some(Arc::new(Entry { document, resource }))
    };
    documents.into_iter().filter_map(entry).collect()
}

fn bytes(ledger: &Ledger, profile: Profile, envoy: &EnvoyOptions) -> Bytes {
    let snapshot = Snapshot::new(ledger.resources().cloned(), Context::new(profile));
    let told = |proxy: ProxyId| {
        let plan = plan(&snapshot, &proxy).unwrap();
        let l4 = dialect::l4::lower(&plan).to_resource_set();
        (proxy, (l4, dialect::envoy::lower(&plan, envoy).to_resource_set().unwrap()))
    };
    snapshot.proxies().map(ProxyId::from).chain(snapshot.zone_proxies()).map(told).collect()
}

/// Proxies whose configuration differs, and the only dialect in which it does.
fn differ(before: &Bytes, after: &Bytes) -> BTreeMap<ProxyId, Option<Family>> {
    let mut differ = BTreeMap::new();
    for (key, (l4, envoy)) in after {
        let only = match before.get(key).map(|(old_l4, old_envoy)| (old_l4 == l4, old_envoy == envoy)) {
            Some((true, true)) => continue,
            Some((true, false)) => Some(Family::Envoy),
            Some((false, true)) => Some(Family::L4),
            Some((false, false)) | None => None,
        };
        differ.insert(key.clone(), only);
    }
    differ.extend(before.keys().filter(|key| !after.contains_key(key)).map(|key| (key.clone(), None)));
    differ
}

/// A mesh, and the same after an edit: a few documents are removed, and a few others added.
fn edited() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let drawn = |bits: u64, at: usize| bits >> (at % 64) & 7 == 7;
    (documents(), documents(), any::<u64>()).prop_map(move |(before, others, bits)| {
        let stay = before.iter().enumerate().filter(|(at, _)| !drawn(bits, *at));
        let come = others.iter().enumerate().filter(|(at, _)| drawn(bits, at + 29));
        let after = stay.chain(come).map(|(_, document)| document.clone()).collect();
        (before, after)
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(Profile::ALL.to_vec())
}

fn layout() -> impl Strategy<Value = EnvoyOptions> {
    let layout = prop::sample::select(vec![SplitLayout::Endpoints, SplitLayout::Clusters]);
    layout.prop_map(|split| EnvoyOptions { split, ..EnvoyOptions::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_preview_is_empty_exactly_when_no_byte_differs_for_any_proxy_in_any_dialect(
        (before, after) in edited(),
        profile in profile(),
        envoy in layout(),
    ) {
        let (before, after) = (ledger(&before, profile), ledger(&after, profile));
        let wanted = differ(&bytes(&before, profile, &envoy), &bytes(&after, profile, &envoy));
        let context = Context::new(profile);
        let (before, after) = (State::of(before, &context, envoy), State::of(after, &context, envoy));
        let foretold = preview(&before, &after, &OpenConnections::new());
        let foretold: BTreeMap<ProxyId, Option<Family>> =
            foretold.proxies.into_iter().map(|proxy| (proxy.proxy, proxy.only_for)).collect();
        prop_assert_eq!(foretold, wanted);
        prop_assert!(preview(&after, &after, &OpenConnections::new()).proxies.is_empty());
    }

    #[test]
    fn a_proxy_whose_dialect_is_known_has_changes_exactly_when_a_byte_of_it_differs(
        (before, after) in edited(),
        profile in profile(),
        envoy in layout(),
    ) {
        let (before, after) = (ledger(&before, profile), ledger(&after, profile));
        let (old, new) = (bytes(&before, profile, &envoy), bytes(&after, profile, &envoy));
        let compiler = Compiler { context: Context::new(profile), scope: PlanScope::everything(), envoy };
        let before = compiler.compile(&before);
        let after = compiler.recompile(&before, &after);
        for family in [Family::L4, Family::Envoy] {
            let of_family = |(key, (l4, envoy)): (&ProxyId, &(ResourceSet, ResourceSet))| {
                let set = if family == Family::L4 { l4 } else { envoy };
                (key.clone(), set.clone())
            };
            let old: BTreeMap<_, _> = old.iter().map(of_family).collect();
            let new: BTreeMap<_, _> = new.iter().map(of_family).collect();
            let wanted: Vec<&ProxyId> =
                old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).collect();
            let told = changes(&before, &after, |_| Some(family));
            for key in old.keys().chain(new.keys()) {
                let is_told = told.iter().any(|ProxyChange { proxy, .. }| proxy == key);
                prop_assert_eq!(is_told, wanted.contains(&key), "{} {:?}", key, family);
            }
            prop_assert_eq!(before.tells_the_same(&after, family), wanted.is_empty());
        }
    }
}
