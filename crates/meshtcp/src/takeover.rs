//! `--takeover PATH`: handover of the listening sockets from the running process to its successor.

mod seat;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use ::proxy::Proxy;
use ::proxy::dns::DnsSockets;
use ::proxy::takeover::{Handover, Sockets, Takeover};
use control::guard::caught;

use crate::output::{complain, print};

pub(crate) use seat::Seat;

/// The flag, for every command that carries connections.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flag {
    /// Take the listening sockets over from the process that waits at this Unix socket, and wait there for the next one
    #[arg(long, value_name = "PATH", env = "MESHTCP_TAKEOVER")]
    takeover: Option<PathBuf>,
}

/// Process between its predecessor and its successor.
pub(crate) struct Succession {
    path: PathBuf,
    before: Option<Takeover>,
    held_back: bool,
}

impl Succession {
    /// Asks the process that waits at the path for its sockets, and gives them to the proxy. `None`: without the flag.
    ///
    /// # Errors
    /// Reason in words: the path is unusable, or the process there does not hand over.
    pub(crate) fn begin(flag: &Flag, proxy: &Proxy) -> Result<Option<Self>, String> {
        let Some(path) = flag.takeover.clone() else { return Ok(None) };
        let words = |error: std::io::Error| {
            let path = path.display();
            match error.kind() {
                std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::UnexpectedEof => format!(
                    "--takeover {path}: whoever waited there has just been taken over by another process\n  help: is it started \
                     twice? started again, this one takes over from the other"
                ),
                _ => format!("--takeover {path}: {error}"),
            }
        };
        let mut before = Takeover::ask(&path).map_err(words)?;
        if let Some(takeover) = &mut before {
            let listeners = std::mem::take(&mut takeover.sockets.listeners);
            print(&format!("taking over {} listeners\n", listeners.len()));
            proxy.inherit(listeners);
        }
        Ok(Some(Self { path, before, held_back: false }))
    }

    /// Returns `true` if there is a predecessor.
    pub(crate) fn has_predecessor(&self) -> bool {
        self.before.is_some()
    }

    /// Reports, once, why the predecessor goes on.
    pub(crate) fn hold_back(&mut self, unclaimed: &[SocketAddr]) {
        if !std::mem::replace(&mut self.held_back, true) {
            let unclaimed: Vec<String> = unclaimed.iter().map(SocketAddr::to_string).collect();
            complain(&format!(
                "warning: not taking over yet: the process before this one listens on {}, and nothing here does, \
                 perhaps because of the errors above\n",
                unclaimed.join(", ")
            ));
        }
    }

    /// Admin server's socket, if the predecessor's server listens on the same address.
    fn admin(&mut self, address: SocketAddr) -> Option<std::net::TcpListener> {
        let others = &mut self.before.as_mut()?.sockets.others;
        others.remove(&admin_name(address)).map(Into::into)
    }

    /// Source of the sockets at which the predecessor answers DNS at an address, if it does; `None`: there is no
    /// predecessor.
    pub(crate) fn dns(&mut self) -> Option<impl FnMut(SocketAddr) -> Option<DnsSockets>> {
        let others = &mut self.before.as_mut()?.sockets.others;
        Some(move |address: SocketAddr| {
            let [udp, tcp] = dns_names(address).map(|name| others.remove(&name));
            Some(DnsSockets { address, udp: udp?.into(), tcp: tcp?.into() })
        })
    }

    /// Tells the predecessor that this process carries connections now, and waits at the path for a successor. Once a
    /// successor has taken over, including the `seat`, `stop` is called.
    pub(crate) fn complete(self, proxy: &Arc<Proxy>, seat: Seat, stop: impl FnOnce() + Send + 'static) {
        let Self { path, before, held_back: _ } = self;
        seat.begin();
        if let Some(before) = before {
            for address in proxy.disinherit() {
                print(&format!("nobody listens on {address} any more: no listener here wants it\n"));
            }
            match before.finish() {
                Ok(()) => print("taken over: the process before this one accepts no more\n"),
                Err(error) => {
                    complain(&format!("warning: the process before this one does not answer: {error}\n"));
                }
            }
        }
        let handover = match Handover::bind(&path) {
            Ok(handover) => handover,
            Err(error) => {
                let path = path.display();
                return complain(&format!("warning: nobody can take over from here: {path}: {error}\n"));
            }
        };
        let proxy = Arc::clone(proxy);
        let lent = seat.clone();
        let lend = move || Sockets { listeners: proxy.lend(), others: others(&lent) };
        let stop = move || {
            // also for a successor that has left already
            seat.give_up();
            stop();
        };
        let wait = move || {
            let served = caught("takeover", || handover.serve(lend, stop));
            let failed = || Err(std::io::Error::other("it panicked"));
            if let Err(error) = served.unwrap_or_else(failed) {
                complain(&format!("warning: nobody can take over any more: {error}\n"));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("takeover".into()).spawn(wait) {
            complain(&format!("warning: nobody can take over from here: {error}\n"));
        }
    }
}

/// Sockets for a successor besides listeners, by name.
fn others(seat: &Seat) -> BTreeMap<String, OwnedFd> {
    let admin = seat.admin().map(|(address, socket)| (admin_name(address), socket.into()));
    let dns = seat.dns().into_iter().flat_map(|DnsSockets { address, udp, tcp }| {
        let [of_udp, of_tcp] = dns_names(address);
        [(of_udp, OwnedFd::from(udp)), (of_tcp, OwnedFd::from(tcp))]
    });
    dns.chain(admin).collect()
}

fn dns_names(address: SocketAddr) -> [String; 2] {
    ["udp", "tcp"].map(|sort| format!("dns-{sort} {address}"))
}

fn admin_name(address: SocketAddr) -> String {
    format!("admin {address}")
}
