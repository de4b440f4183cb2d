//! The end of a connection: sockets, counters, log line.

use std::os::fd::OwnedFd;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use l4::ending::{Ending, Side};
use rustix::net::sockopt::set_socket_linger;

use super::Worker;
use super::connection::{Connection, Stage};
use crate::log::Record;

impl Worker {
    /// Ends a connection. Unless both ends ended in order they are reset, so that neither takes a part for the whole.
    pub(super) fn finish(&mut self, slot: u32, ending: Ending, why: &str) {
        let Some(mut connection) = self.slots.remove(slot) else { return };
        if !matches!(ending, Ending::ClientClosed | Ending::BackendClosed) {
            reset(&connection.client);
            if let Some(backend) = &connection.backend {
                reset(backend);
            }
        }
        for direction in &mut connection.directions {
            self.kit.reclaim(direction);
        }
        let duration = self.now.since(connection.opened);
        count(&connection, ending, duration);
        if self.log.wants(&connection.live.outputs) {
            self.record(&connection, ending, duration, why);
        }
    }

    fn record(&mut self, connection: &Connection, ending: Ending, duration: Duration, why: &str) {
        let now = Timestamp::now();
        let started =
            SignedDuration::try_from(duration).ok().and_then(|duration| now.checked_sub(duration).ok());
        let record = Record {
            started: started.unwrap_or(now),
            id: connection.id,
            listener: &connection.live.listener,
            generation: connection.generation,
            client: connection.peer,
            server_name: connection.server_name.as_deref(),
            route: connection.route(),
            first_backend: connection.chosen_first(),
            backend: connection.chosen(),
            endpoint: connection.forward.map(|forward| forward.endpoint.address),
            draw: connection.deciding_draw(),
            attempts: connection.attempts,
            bytes: [connection.directions[0].moved, connection.directions[1].moved],
            connect_time: connection.connect_time,
            duration,
            ending,
            why,
        };
        self.log.write(&record, &connection.live.outputs);
    }
}

fn count(connection: &Connection, ending: Ending, duration: Duration) {
    let counters = &connection.live.counters;
    counters.active.subtract(1);
    counters.ended[ending as usize].add(1);
    counters.duration_milliseconds.add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    let forwarded = connection.forward.map(|forward| (forward.route, Some(forward.backend)));
    let Some((route, Some(backend))) = forwarded.or(connection.refused_on) else { return };
    let Some(backend) = connection.live.backend(route, backend) else { return };
    backend.counters.ended[ending as usize].add(1);
    if connection.stage != Stage::Relaying {
        return;
    }
    backend.counters.durations.observe_life(duration);
    if let (Some(cluster), Some(forward)) = (&backend.cluster, connection.forward) {
        let (cell, endpoint) = (cluster.cell(), forward.endpoint.endpoint);
        let sent_something = connection.directions[Side::Backend as usize].moved > 0;
        match ending {
            Ending::BackendReset if !sent_something => cell.was_reset(endpoint),
            Ending::ClientClosed | Ending::BackendClosed => cell.went_well(endpoint),
            _ if sent_something => cell.went_well(endpoint),
            _ => {}
        }
    }
    backend.counters.active.subtract(1);
    if connection.outdated {
        backend.counters.outdated.subtract(1);
    }
    if ending.is_cut() {
        backend.counters.cut.add(1);
    }
    if matches!(ending, Ending::ClientReset | Ending::BackendReset) {
        backend.counters.resets.add(1);
    }
    if let Some(endpoint) = &connection.endpoint {
        endpoint.active.subtract(1);
        if matches!(ending, Ending::ClientReset | Ending::BackendReset) {
            endpoint.resets.add(1);
        }
    }
}

/// Makes closing a socket send a reset instead of an orderly end.
pub(super) fn reset(socket: &OwnedFd) {
    // a socket that is gone already needs no reset
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}
