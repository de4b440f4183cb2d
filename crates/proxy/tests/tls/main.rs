//! TLS over real sockets: the clients that are accepted and refused, and the bytes that arrive.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../../tls/tests/support/authority.rs"]
mod authority;
mod proof;
mod relaying;
mod renewal;
#[path = "../support/mod.rs"]
mod support;
mod told;
#[path = "../support/wire.rs"]
mod wire;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use ::l4::Ending;
use meshtcp_proxy::Proxy;

use crate::authority::Authority;
use crate::support::{Server, counters, free_address, proxy};
use crate::wire::{inbound, outbound};

const WEB: &str = "spiffe://default/web";

const REDIS: &str = "spiffe://default/redis";

const SNI: &str = "redis{mesh=default}";

/// Application behind an inbound that terminates TLS, and an outbound that originates it.
struct Line {
    ca: Authority,
    app: Server,
    inbound: Proxy,
    at: SocketAddr,
    _outbound: Proxy,
    door: SocketAddr,
}

impl Line {
    fn to(app: Server) -> Self {
        let ca = Authority::new();
        let (at, door) = (free_address(), free_address());
        let inbound = proxy(&inbound(at, app.address, &ca.workload(&[REDIS]), &ca.pem, false));
        let outbound = proxy(&outbound(door, at, &ca.workload(&[WEB]), &ca.pem, REDIS, SNI));
        Self { ca, app, inbound, at, _outbound: outbound, door }
    }

    fn ended(&self, ending: Ending) -> u64 {
        counters(&self.inbound).ended.get(&ending).copied().unwrap_or_default()
    }
}

fn talk(stream: &mut TcpStream, words: &[u8]) {
    stream.write_all(words).unwrap();
    let mut answer = vec![0; words.len()];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer == words);
}
