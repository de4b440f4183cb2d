//! Limits on faults of others in a proxy: clients that vanish, ends that finish, names that move.

use std::time::Duration;

use l4::config::Keepalive;
use proxy::Options;

use crate::duration;

/// How long faults of others may last.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Patience {
    /// How long a client may be silent before it is asked whether it is still there, six times within a minute; 0s: never
    #[arg(long, default_value = "60s", value_parser = duration::parse, value_name = "TIME")]
    client_keepalive: Duration,
    /// How long a client may leave bytes unacknowledged, or not read, before its connection is ended; 0s: as the system has it,
    /// which is about 15 minutes for a client that has vanished, and for ever for one that only does not read
    #[arg(long, default_value = "0s", value_parser = duration::parse, value_name = "TIME")]
    client_user_timeout: Duration,
    /// How long nothing may come from one end of a connection after the other has finished; 0s: for ever
    #[arg(long, default_value = "15m", value_parser = duration::parse, value_name = "TIME")]
    half_closed_timeout: Duration,
    /// How long the addresses behind a host name are used before it is looked up again, at least 1s
    #[arg(long, default_value = "5s", value_parser = duration::parse, value_name = "TIME")]
    dns_refresh: Duration,
}

impl Patience {
    /// Adds these limits to the options of a proxy.
    pub(crate) fn within(self, options: Options) -> Options {
        let Self { client_keepalive, client_user_timeout, half_closed_timeout, dns_refresh } = self;
        let limit = |time: Duration| Some(time).filter(|time| !time.is_zero());
        let usual = options.client_keepalive;
        let idle = limit(client_keepalive);
        Options {
            client_keepalive: usual.filter(|_| idle.is_some()).map(|usual| Keepalive { idle, ..usual }),
            client_user_timeout: limit(client_user_timeout),
            half_closed_timeout: limit(half_closed_timeout),
            name_refresh: dns_refresh,
            ..options
        }
    }
}
