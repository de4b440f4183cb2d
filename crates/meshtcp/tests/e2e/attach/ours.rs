//! `meshtcp proxy` at a control plane.

use super::ControlPlane;
use crate::program::{Program, meshtcp};

/// Running proxy of our own; dropping it ends it.
pub(super) struct Ours {
    _program: Program,
}

impl Ours {
    pub(super) fn start(proxy: &str, control_plane: &ControlPlane) -> Self {
        let arguments = ["proxy", "--proxy", proxy, "--control-plane", &control_plane.xds, "--workers", "2"];
        Self { _program: Program::start(meshtcp(arguments)) }
    }
}
