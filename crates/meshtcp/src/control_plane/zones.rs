//! Zone of a control plane, by its flags.

use std::time::Duration;

use control::available_services::ServiceCountSettings;

use crate::{duration, names};

#[derive(Debug, clap::Args)]
pub(super) struct ZoneArgs {
    /// The zone that this control plane is in; default: there are no zones, and with --api-product Kuma it is `default`, as there
    #[arg(long, value_name = "ZONE", value_parser = names::zone)]
    pub(super) zone: Option<String>,
    /// How long after a change it is counted again what other zones may dial through the ingresses of this one, at least
    #[arg(long, default_value = "1s", value_parser = duration::parse, value_name = "TIME")]
    ingress_interval: Duration,
    /// Tell other zones only those tags of services whose keys begin so; may be repeated; default: all tags. Without one that
    /// `kuma.io/service` begins with nothing is offered
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    ingress_tags: Vec<String>,
}

impl ZoneArgs {
    /// Counting of the services that are offered to other zones.
    pub(super) fn counting(&self) -> ServiceCountSettings {
        ServiceCountSettings { interval: self.ingress_interval, tags: self.ingress_tags.clone() }
    }
}
