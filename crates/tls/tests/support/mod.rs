//! Two sessions connected in memory.
#![allow(dead_code, reason = "each test program uses some of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use l4::config::{Identity, NamePattern, TlsLimits, TlsTerms, Trust};
use meshtcp_tls::{Failure, Purpose, Session, TlsContext};
mod authority;

pub(crate) use authority::Authority;

pub(crate) fn terms(
    identity: &Identity,
    trust: &Trust,
    names: &[NamePattern],
    limits: &TlsLimits,
) -> TlsTerms {
    TlsTerms {
        identity: Some(Arc::new(identity.clone())),
        trust: Some(Arc::new(trust.clone())),
        names: names.to_vec(),
        limits: limits.clone(),
    }
}

pub(crate) fn server(identity: &Identity, trust: &Trust, names: &[NamePattern]) -> TlsContext {
    TlsContext::new(&Purpose::Accept, &terms(identity, trust, names, &TlsLimits::default())).unwrap()
}

pub(crate) fn client(identity: &Identity, trust: &Trust, names: &[NamePattern]) -> TlsContext {
    let purpose = Purpose::Connect(vec!["kuma".into()]);
    TlsContext::new(&purpose, &terms(identity, trust, names, &TlsLimits::default())).unwrap()
}

/// Two sessions, and the bytes between them.
pub(crate) struct Pair {
    pub(crate) client: Session,
    pub(crate) server: Session,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// Number of bytes that arrive at a time.
    piece: usize,
}

/// Sides of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Pair {
    pub(crate) fn new(client: &TlsContext, server: &TlsContext, name: Option<&str>, piece: usize) -> Self {
        Self {
            client: Session::connect(client, name).unwrap(),
            server: Session::accept(server).unwrap(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            piece,
        }
    }

    /// Runs the handshake; returns the failure of either side, the server's first.
    pub(crate) fn shake(&mut self) -> Result<(), (Side, Failure)> {
        let failed = |from| move |failure| (from, failure);
        let (mut client_done, mut server_done) = (false, false);
        client_done |= self.client.handshake(&[], &mut self.to_server).map_err(failed(Side::Client))?.done;
        let mut last = None;
        while !(client_done && server_done) {
            let before = (self.to_server.len(), self.to_client.len(), client_done, server_done);
            if !server_done {
                let piece = self.piece.min(self.to_server.len());
                let progress = self
                    .server
                    .handshake(&self.to_server[..piece], &mut self.to_client)
                    .map_err(failed(Side::Server))?;
                self.to_server.drain(..progress.taken);
                server_done = progress.done;
            }
            if !client_done {
                let piece = self.piece.min(self.to_client.len());
                let progress = self
                    .client
                    .handshake(&self.to_client[..piece], &mut self.to_server)
                    .map_err(failed(Side::Client))?;
                self.to_client.drain(..progress.taken);
                client_done = progress.done;
            }
            let now = (self.to_server.len(), self.to_client.len(), client_done, server_done);
            assert!(last.replace(before) != Some(now) || before != now, "nothing moves");
        }
        Ok(())
    }

    /// Seals on one side, opens on the other, in pieces; returns the opened bytes, and `true` at the end.
    pub(crate) fn carry(&mut self, from: Side, plain: &[u8]) -> Result<(Vec<u8>, bool), Failure> {
        let (sender, wire) = match from {
            Side::Client => (&mut self.client, &mut self.to_server),
            Side::Server => (&mut self.server, &mut self.to_client),
        };
        sender.seal(plain, wire)?;
        self.arrive(from)
    }

    /// Ends one direction.
    pub(crate) fn end(&mut self, from: Side) -> Result<(Vec<u8>, bool), Failure> {
        match from {
            Side::Client => self.client.end(&mut self.to_server),
            Side::Server => self.server.end(&mut self.to_client),
        }
        self.arrive(from)
    }

    /// Opens the bytes in transit.
    pub(crate) fn arrive(&mut self, from: Side) -> Result<(Vec<u8>, bool), Failure> {
        let (receiver, wire, back) = match from {
            Side::Client => (&mut self.server, &mut self.to_server, &mut self.to_client),
            Side::Server => (&mut self.client, &mut self.to_client, &mut self.to_server),
        };
        let wire = std::mem::take(wire);
        let (mut all, mut ended) = (Vec::new(), false);
        let mut plain = vec![0; self.piece + (18 << 10)];
        for piece in wire.chunks(self.piece) {
            let opened = receiver.open(piece, &mut plain, back)?;
            all.extend_from_slice(&plain[..opened.bytes]);
            ended = opened.ended;
        }
        Ok((all, ended))
    }

    /// Bytes in transit.
    pub(crate) fn wire(&mut self, from: Side) -> &mut Vec<u8> {
        match from {
            Side::Client => &mut self.to_server,
            Side::Server => &mut self.to_client,
        }
    }
}
