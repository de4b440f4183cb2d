//! The SPIRE agent beside the proxy: following it, and its state for `/status` and `/metrics`.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

use ::proxy::spire::{self, Agent};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use serde_json::{Value, json};
use tokio::sync::watch;
use xds::Foreign;

use super::follower::Follower;
use crate::output::complain;

/// Agent at a socket, followed as long as the process lives.
#[derive(Debug)]
pub(super) struct AtSocket {
    socket: PathBuf,
    agent: watch::Sender<Agent>,
}

impl AtSocket {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, agent: watch::Sender::default() }
    }

    /// Follows the agent for as long as it is polled, and hands its secrets to the follower of the control plane.
    pub(super) async fn heed(&self, follower: &RefCell<Follower>) {
        let lost = |why: &str| {
            let (socket, why) = (self.socket.display(), Foreign::message(&why));
            complain(&format!(
                "warning: the SPIRE agent at {socket} is not heard: {why}; what it said last stays in use\n"
            ));
        };
        spire::follow(&self.socket, &self.agent, |secrets| follower.borrow_mut().take(secrets), lost).await;
    }

    /// Handle for pages and metrics.
    pub(super) fn shown(&self) -> Shown {
        Shown { socket: self.socket.clone(), agent: self.agent.subscribe() }
    }
}

/// State of the agent, for pages and metrics.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    socket: PathBuf,
    agent: watch::Receiver<Agent>,
}

impl Shown {
    /// State as JSON.
    pub(super) fn report(&self) -> Value {
        let Agent { connected, answers, ids, lost } = self.agent.borrow().clone();
        let socket: &Path = &self.socket;
        json!({ "socket": socket.display().to_string(), "connected": connected, "answers": answers, "ids": ids, "error": lost })
    }
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Agent { connected, answers, ids: _, lost: _ } = self.agent.borrow().clone();
        let connected = ConstGauge::new(i64::from(connected));
        let help =
            "Whether the SPIRE agent is heard that says who the proxy is; 0: what it said last stays in use";
        let kind = connected.metric_type();
        connected.encode(encoder.encode_descriptor("meshtcp_spire_agent_connected", help, None, kind)?)?;
        let answers = ConstCounter::new(answers);
        let help = "How often the SPIRE agent has said who the proxy is and whom to believe";
        let kind = answers.metric_type();
        answers.encode(encoder.encode_descriptor("meshtcp_spire_agent_answers", help, None, kind)?)
    }
}
