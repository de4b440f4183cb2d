//! Messages with TLS, and a peer that speaks it over a socket.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use ::l4::config::{Identity, TlsLimits, TlsTerms, Trust};
use tls::{Purpose, Session, SessionFacts, TlsContext};
use xds::proto::l4;

use crate::support::{Mesh, dial};

fn secrets(identity: &Identity, authorities: &str) -> Vec<l4::Secret> {
    let certificate =
        l4::Certificate { chain_pem: identity.chain.to_string(), key_pem: identity.key.to_string() };
    let trust = l4::Trust { anchors_pem: authorities.into(), domains: Vec::new() };
    vec![
        l4::Secret { name: "own".into(), certificate: Some(certificate), trust: None },
        l4::Secret { name: "ca".into(), certificate: None, trust: Some(trust) },
    ]
}

fn terms(names: l4::NamePattern) -> Option<l4::TlsTerms> {
    Some(l4::TlsTerms {
        certificate: "own".into(),
        trust: "ca".into(),
        names: vec![names],
        ..Default::default()
    })
}

/// Listener that terminates TLS of mesh `default` before an application.
pub(crate) fn inbound(
    at: SocketAddr,
    app: SocketAddr,
    identity: &Identity,
    authorities: &str,
    permissive: bool,
) -> Mesh {
    let mut mesh = Mesh::new(at).backend("app", 1, &[app]);
    let names = l4::NamePattern { prefix: "spiffe://default/".into(), ..Default::default() };
    mesh.listener.tls = Some(l4::ServerTls { permissive, terms: terms(names) });
    mesh.secrets = secrets(identity, authorities);
    mesh
}

/// Listener for plaintext, whose only endpoint needs TLS and must have a name.
pub(crate) fn outbound(
    at: SocketAddr,
    to: SocketAddr,
    identity: &Identity,
    authorities: &str,
    name: &str,
    server_name: &str,
) -> Mesh {
    let mut mesh = Mesh::new(at).backend("redis", 1, &[to]);
    let names = l4::NamePattern { exact: name.into(), ..Default::default() };
    mesh.clusters[0].0.tls = Some(l4::ClientTls {
        server_name: server_name.into(),
        protocols: vec!["kuma".into()],
        terms: terms(names),
        zones: Vec::new(),
    });
    mesh.secrets = secrets(identity, authorities);
    mesh
}

/// Blocking TLS client over a socket.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    session: Session,
}

impl Peer {
    fn context(identity: &Identity, authorities: &str, protocols: &[&str]) -> TlsContext {
        let terms = TlsTerms {
            identity: Some(Arc::new(identity.clone())),
            trust: Some(Arc::new(Trust::OneBundle(authorities.into()))),
            names: Vec::new(),
            limits: TlsLimits::default(),
        };
        TlsContext::new(&Purpose::Connect(protocols.iter().map(|it| (*it).into()).collect()), &terms).unwrap()
    }

    /// Returns the first bytes of a client.
    pub(crate) fn hello(identity: &Identity, authorities: &str, name: &str, protocols: &[&str]) -> Vec<u8> {
        let context = Self::context(identity, authorities, protocols);
        let mut hello = Vec::new();
        Session::connect(&context, Some(name)).unwrap().handshake(&[], &mut hello).unwrap();
        hello
    }

    /// Does a handshake as a client of the mesh.
    pub(crate) fn connect(
        to: SocketAddr,
        identity: &Identity,
        authorities: &str,
        name: &str,
    ) -> io::Result<Self> {
        let context = Self::context(identity, authorities, &["kuma"]);
        let mut session = Session::connect(&context, Some(name)).unwrap();
        let mut stream = dial(to);
        let (mut out, mut chunk, mut incoming) = (Vec::new(), [0; 4096], Vec::new());
        loop {
            let progress = session.handshake(&incoming, &mut out).map_err(io::Error::other)?;
            incoming.drain(..progress.taken);
            stream.write_all(&out)?;
            out.clear();
            if progress.done {
                assert!(incoming.is_empty(), "a server that speaks first is read by `talk`");
                return Ok(Self { stream, session });
            }
            match stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                bytes => incoming.extend_from_slice(&chunk[..bytes]),
            }
        }
    }

    /// Proven identity of the server.
    pub(crate) fn server(&self) -> tls::PeerIdentity {
        let SessionFacts { peer, .. } = self.session.facts().unwrap();
        peer
    }

    pub(crate) fn send(&mut self, words: &[u8]) -> io::Result<()> {
        let mut out = Vec::new();
        self.session.seal(words, &mut out).map_err(io::Error::other)?;
        self.stream.write_all(&out)
    }

    /// Sends the first `bytes` bytes of a record.
    pub(crate) fn send_part(&mut self, words: &[u8], bytes: usize) -> io::Result<()> {
        let mut out = Vec::new();
        self.session.seal(words, &mut out).map_err(io::Error::other)?;
        self.stream.write_all(&out[..bytes])
    }

    /// Sends, and reads what comes next.
    pub(crate) fn talk(&mut self, words: &[u8]) -> io::Result<Vec<u8>> {
        if !words.is_empty() {
            self.send(words)?;
        }
        let (mut chunk, mut plain, mut out) = ([0; 4096], vec![0; 32 << 10], Vec::new());
        loop {
            let bytes = self.stream.read(&mut chunk)?;
            if bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let opened =
                self.session.open(&chunk[..bytes], &mut plain, &mut out).map_err(io::Error::other)?;
            if opened.bytes > 0 {
                return Ok(plain[..opened.bytes].to_vec());
            }
            if opened.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
