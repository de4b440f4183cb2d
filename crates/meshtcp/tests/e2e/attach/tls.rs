//! Envoy attaching over TLS: only to a control plane with a certificate by the right CA and for the right host.

use super::envoy::{Protocol, bootstrap};
use super::village::{route, service};
use super::{ControlPlane, Envoy, Village};
use crate::certificates::{Authority, Pair};
use crate::connection::reaches;
use crate::program::eventually;

fn start(village: &Village, Pair { certificate, key }: &Pair) -> ControlPlane {
    let flags = ["--xds", "127.0.0.1:0", "--xds-tls-cert", certificate, "--xds-tls-key", key];
    ControlPlane::start_with(village, &flags)
}

fn envoy(control_plane: &ControlPlane, protocol: Protocol, authority: &Authority) -> Envoy {
    let address = format!("https://{}", control_plane.xds);
    Envoy::start_from(&bootstrap("web-1", &address, protocol, &["--ca-file", &authority.file()]))
}

#[test]
fn envoy_attaches_over_tls() {
    let authority = Authority::new();
    let village = Village::new();
    let control_plane = start(&village, &authority.signs("127.0.0.1"));
    for protocol in [Protocol::Delta, Protocol::StateOfTheWorld] {
        let envoy = envoy(&control_plane, protocol, &authority);
        control_plane.is_in_sync("web-1");
        control_plane.roll_out(|| village.save("route.yaml", &route(&[service("next", 1)])));
        reaches(village.outbound, &["next"]);
        control_plane.roll_out(|| village.remove("route.yaml"));
        assert_eq!(envoy.stat("update_rejected"), 0, "{}", envoy.log());
    }
}

#[test]
fn envoy_does_not_believe_a_certificate_that_anybody_signed_or_that_is_for_another_host() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let village = Village::new();
    for (pair, counted) in [
        (theirs.signs("127.0.0.1"), "ssl.fail_verify_error"),
        (ours.signs("cp.example.com"), "ssl.fail_verify_san"),
    ] {
        let control_plane = start(&village, &pair);
        let envoy = envoy(&control_plane, Protocol::Delta, &ours);
        eventually(counted, || envoy.stat(counted) > 0);
        assert!(control_plane.proxy("web-1")["connection"].is_null(), "{:#}", control_plane.proxy("web-1"));
    }
}
