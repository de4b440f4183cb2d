use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::paths::{OutboundPath, ReportedPaths, TakenPath};
use crate::rollout::{Accepted, Rollouts};

fn accepted(revision: u64) -> Accepted {
    Accepted { revision: Revision::new(revision), at: Timestamp::UNIX_EPOCH, epoch: None }
}

/// Progress of revisions at a control plane whose proxies have run them all so many seconds later.
fn lived(revisions: &[u64], proxies: &[(&str, i64)]) -> Rollouts {
    let mut rollouts = Rollouts::default();
    for revision in revisions {
        rollouts.begin(accepted(*revision));
        for (name, second) in proxies {
            let proxy = ProxyId::dataplane("default", *name);
            rollouts.told(&proxy, Default::default());
            rollouts.live(&proxy, Timestamp::from_second(*second).unwrap());
        }
    }
    rollouts
}

fn replica(revision: u64, rollouts: &Rollouts) -> Replica {
    let rollouts = rollouts.all().collect();
    Replica { revision: Revision::new(revision), rollouts, ..Replica::new("cp-2".into()) }
}

#[test]
fn a_revision_is_live_when_the_proxies_of_all_control_planes_run_it() {
    let own = lived(&[1, 2], &[("web-1", 1), ("web-2", 3)]);
    let two = Revision::new(2);
    let alone = rollout(two, own.of(two), &[]).unwrap();
    assert_eq!((alone.concerned, alone.live, alone.is_done()), (2, 2, true));

    let other = replica(2, &lived(&[1, 2], &[("web-3", 9)]));
    let both = rollout(two, own.of(two), &[other]).unwrap();
    assert_eq!((both.concerned, both.live, both.is_done()), (3, 3, true));
    assert_eq!(both.live_after.all, Some(Duration::from_secs(9)), "the last of all");
}

#[test]
fn a_control_plane_that_is_behind_is_waited_for_by_name() {
    let own = lived(&[1, 2], &[("web-1", 1)]);
    let two = Revision::new(2);
    let behind = rollout(two, own.of(two), &[replica(1, &lived(&[1], &[("web-3", 9)]))]).unwrap();
    assert_eq!((behind.waits_for.as_slice(), behind.live), (["cp-2".to_owned()].as_slice(), 1));
    assert!(!behind.is_done() && !behind.is_over());
    // several that were applied at once are one
    let at_once = rollout(two, own.of(two), &[replica(3, &lived(&[1, 3], &[("web-3", 9)]))]).unwrap();
    assert_eq!((at_once.live, at_once.is_done()), (2, true));
    assert_eq!(rollout(Revision::new(3), None, &[]), None, "it is not taken over here");
}

#[test]
fn a_revision_of_another_life_of_the_store_is_another_state() {
    let of_life = |mut rollouts: Rollouts, epoch: &str| {
        rollouts.begin(Accepted { epoch: Some(epoch.into()), ..accepted(2) });
        rollouts
    };
    let two = Revision::new(2);
    let own = of_life(lived(&[1, 2, 3], &[("web-1", 1)]), "1/2");
    assert_eq!(own.all().count(), 1, "what was before is no history of it");
    let before = Replica { epoch: Some("1/1".into()), ..replica(3, &lived(&[2, 3], &[("web-3", 9)])) };
    let found = rollout(two, own.of(two), &[before]).unwrap();
    assert_eq!((found.waits_for.len(), found.live), (1, 0));
    let same = Replica { epoch: Some("1/2".into()), ..replica(2, &of_life(Rollouts::default(), "1/2")) };
    assert!(rollout(two, own.of(two), &[same]).unwrap().is_done());
}

#[test]
fn paths_travel_with_the_status_of_their_proxy_and_an_older_control_plane_says_none() {
    let outbound = |path, why: Option<&str>| OutboundPath {
        listener: "outbound:127.0.0.1:1".into(),
        path,
        why: why.map(str::to_owned),
    };
    let outbounds =
        vec![outbound(TakenPath::Kernel, None), outbound(TakenPath::Relay, Some("it is a gateway"))];
    let paths = ReportedPaths { at: Timestamp::UNIX_EPOCH, stale: true, outbounds, left_out: 3 };
    let status = ProxyStatus { paths: Some(Arc::new(paths)), ..ProxyStatus::default() };
    let account = AttachedProxy { status, ..AttachedProxy::default() };
    let note = serde_json::to_value(&account).unwrap();
    assert_eq!(serde_json::from_value::<AttachedProxy>(note.clone()).unwrap(), account);
    let mut older = note;
    older["status"].as_object_mut().unwrap().remove("paths").unwrap();
    assert_eq!(serde_json::from_value::<AttachedProxy>(older).unwrap().status.paths, None);
    let silent = serde_json::to_value(AttachedProxy::default()).unwrap();
    assert!(silent["status"].get("paths").is_none(), "what is not known is not written");
}
