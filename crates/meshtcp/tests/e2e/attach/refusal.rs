//! Policy that makes Envoy refuse: reported in Envoy's words, and the previous configuration stays in force.

use super::envoy::Protocol::{self, Delta, StateOfTheWorld};
use super::village::{route, service};
use super::{Kind, Layout, attached};
use crate::connection::reaches;
use crate::program::eventually;

/// Access log with a format that only Envoy can judge.
const NONSENSE: &str = "type: MeshAccessLog
mesh: default
name: nonsense
spec:
  targetRef: { kind: Mesh }
  to:
    - targetRef: { kind: Mesh }
      default:
        backends:
          - type: File
            file: { path: /dev/null, format: { type: Plain, plain: '%NO_SUCH_COMMAND%' } }
";

fn refusal_is_told(protocol: Protocol, layout: Layout) {
    let (village, control_plane, _envoy) = attached(Kind::Envoy(protocol, layout), "web-1");
    control_plane.roll_out(|| village.save("route.yaml", &route(&[service("next", 1)])));
    reaches(village.outbound, &["next"]);
    let before = control_plane.proxy("web-1")["runs"].as_u64().unwrap();
    village.save("log.yaml", NONSENSE);
    eventually("Envoy refuses", || {
        control_plane.status()["rollout"]["refused"].as_array().is_some_and(|refused| !refused.is_empty())
    });
    let status = control_plane.status();
    let refused = &status["rollout"]["refused"][0];
    assert_eq!(refused["proxy"], "default/web-1");
    let words = refused["reasons"][0].as_str().unwrap();
    assert!(words.contains("NO_SUCH_COMMAND"), "{words}");
    assert_eq!(control_plane.proxy("web-1")["runs"].as_u64().unwrap(), before);
    let routes = status["routes"].as_array().unwrap();
    let canary = routes.iter().find(|route| route["policy"] == "MeshTCPRoute default/canary").unwrap();
    let at = canary["proxies"].as_array().unwrap().iter().find(|at| at["proxy"] == "default/web-1").unwrap();
    assert_eq!(at["reach"], "refused");
    assert!(at["refusals"][0].as_str().unwrap().contains("NO_SUCH_COMMAND"), "{at:#}");
    control_plane.program.awaits_text(0, "MeshTCPRoute default/canary is not live at default/web-1");
    reaches(village.outbound, &["next"]);

    // a good policy in its place is accepted, and with it the route that came in between
    village.save("route.yaml", &route(&[service("ledger", 1)]));
    village.remove("log.yaml");
    eventually("Envoy runs everything", || control_plane.proxy("web-1")["inSync"] == true);
    reaches(village.outbound, &["v1", "v2"]);
    assert_eq!(control_plane.proxy("web-1")["refusals"].as_array().map(Vec::len), Some(0));
}

#[test]
fn in_delta() {
    refusal_is_told(Delta, Layout::Endpoints);
}

#[test]
fn in_state_of_the_world() {
    refusal_is_told(StateOfTheWorld, Layout::Clusters);
}
