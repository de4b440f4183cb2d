//! Proxies that attach to `meshtcp control-plane`: a real Envoy, in both protocols and both layouts, and our own.
//!
//! One table of scenarios drives all of them: see [`scenarios`].

mod change;
mod control_plane;
pub(crate) mod envoy;
mod failover;
mod fixed;
mod foreign;
mod identity;
mod keep;
mod matches;
mod ours;
mod refusal;
mod restart;
mod scenarios;
mod strangers;
mod succession;
mod tls;
mod village;

use control_plane::ControlPlane;
use envoy::{Envoy, Protocol};
use ours::Ours;
use village::Village;

/// Layout in which Envoy is told splits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Endpoints,
    Clusters,
}

impl Layout {
    fn as_str(self) -> &'static str {
        match self {
            Layout::Endpoints => "endpoints",
            Layout::Clusters => "clusters",
        }
    }
}

/// Kinds of proxies; each scenario runs for each of them.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Envoy(Protocol, Layout),
    Ours,
}

impl Kind {
    /// Layout of splits for Envoy; irrelevant to our own proxy.
    fn layout(self) -> Layout {
        match self {
            Kind::Envoy(_, layout) => layout,
            Kind::Ours => Layout::Endpoints,
        }
    }
}

/// Running proxy of either kind.
enum Attached {
    Envoy(Envoy),
    /// Held until the end of the test.
    Ours(#[expect(dead_code, reason = "ended when dropped")] Ours),
}

impl Attached {
    /// Starts a proxy, and waits until the control plane reports that it runs everything it should.
    fn start(kind: Kind, proxy: &str, control_plane: &ControlPlane) -> Self {
        let attached = match kind {
            Kind::Envoy(protocol, _) => Attached::Envoy(Envoy::start(proxy, control_plane, protocol)),
            Kind::Ours => Attached::Ours(Ours::start(proxy, control_plane)),
        };
        control_plane.is_in_sync(proxy);
        attached
    }

    /// Panics if the proxy refused anything, by its own count.
    fn refused_nothing(&self) {
        if let Attached::Envoy(envoy) = self {
            assert_eq!(envoy.stat("update_rejected"), 0, "{}", envoy.log());
            assert_eq!(envoy.stat("init_fetch_timeout"), 0, "a cluster waited in vain for its endpoints");
        }
    }
}

/// Starts a village, its control plane and one attached proxy.
fn attached(kind: Kind, proxy: &str) -> (Village, ControlPlane, Attached) {
    let village = Village::new();
    let control_plane = ControlPlane::start(&village, kind.layout());
    let proxy = Attached::start(kind, proxy, &control_plane);
    (village, control_plane, proxy)
}
