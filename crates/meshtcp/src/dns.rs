//! DNS server beside a proxy, and its flags.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proxy::Proxy;
use proxy::dns::{Dns, DnsSockets};

use crate::listen;
use crate::output::{complain, print};

/// Port to which `meshtcp transparent-proxy` redirects DNS.
const PORT: u16 = 15053;
/// Interval between attempts to take the place of a predecessor.
const RETRY: Duration = Duration::from_millis(50);

/// Whether and how a proxy answers DNS.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DnsFlags {
    /// Answer DNS: the host names of the mesh with virtual IPs, everything else as the host's own servers do
    #[arg(long, help_heading = "Names")]
    dns: bool,
    /// Where DNS is answered, over UDP and TCP; may be repeated. Default: port 15053 of 127.0.0.1, and of ::1 where there is IPv6
    #[arg(
        long,
        value_name = "ADDR",
        value_parser = listen::address,
        value_delimiter = ',',
        env = "MESHTCP_DNS_ADDRESS",
        help_heading = "Names"
    )]
    dns_address: Vec<SocketAddr>,
    /// The file that names the host's own DNS servers, up to three; it is read again when it changes
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/resolv.conf",
        env = "MESHTCP_DNS_SERVERS",
        help_heading = "Names"
    )]
    dns_servers: PathBuf,
}

/// DNS server that runs until it is stopped; all clones share it. `None`: the flag is absent.
#[derive(Clone)]
pub(crate) struct Served(Option<Arc<Mutex<Place>>>);

/// Process that answers queries.
enum Place {
    /// The predecessor, until this process carries its connections.
    Before(Box<dyn FnOnce() -> io::Result<Dns> + Send>),
    /// The predecessor, whose place is taken when it exits.
    Taken,
    /// This process.
    Here(Dns),
    /// Another process, from now on.
    Over,
}

impl DnsFlags {
    /// Starts the server if the flag is given, and prints its addresses. A predecessor answers as long as it runs, at
    /// the same sockets if it hands them over; otherwise its place is taken when it exits. `predecessor` returns its
    /// sockets at an address; `None`: there is no predecessor.
    ///
    /// # Errors
    /// Reason in words: an address cannot be bound.
    pub(crate) fn serve(
        &self,
        proxy: &Arc<Proxy>,
        mut predecessor: Option<impl FnMut(SocketAddr) -> Option<DnsSockets>>,
    ) -> Result<Served, String> {
        if !self.dns {
            return Ok(Served(None));
        }
        let Self { dns: _, mut dns_address, dns_servers } = self.clone();
        if dns_address.is_empty() {
            // queries over IPv6 are redirected to the IPv6 loopback address
            let has_ipv6 = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
            dns_address.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
            dns_address.extend(has_ipv6.then_some(SocketAddr::from((Ipv6Addr::LOCALHOST, PORT))));
        }
        let has_predecessor = predecessor.is_some();
        let inherited: Vec<DnsSockets> =
            dns_address.iter().filter_map(|address| predecessor.as_mut()?(*address)).collect();
        let proxy = Arc::clone(proxy);
        let start = move |sockets| Dns::start(&proxy, sockets, &dns_servers);
        if inherited.len() == dns_address.len() {
            let begin = Place::Before(Box::new(move || start(inherited)));
            return Ok(Served(Some(Arc::new(Mutex::new(begin)))));
        }
        drop(inherited);
        let words = |error: io::Error| {
            format!("DNS cannot be served on {error}\n  help: choose another address with --dns-address")
        };
        let bind = move || {
            let sockets = dns_address.iter().map(|address| DnsSockets::bind(*address));
            start(sockets.collect::<io::Result<Vec<_>>>()?)
        };
        let place = Arc::new(Mutex::new(Place::Taken));
        match bind() {
            Ok(dns) => put(&place, dns),
            Err(error) if has_predecessor => {
                print(&format!("dns: waiting for the process before this one ({error})\n"));
                let waiting = Arc::downgrade(&place);
                let wait = move || {
                    while let Some(place) = waiting.upgrade()
                        && !matches!(*lock(&place), Place::Over)
                    {
                        match bind() {
                            Ok(dns) => return put(&place, dns),
                            Err(_) => std::thread::sleep(RETRY),
                        }
                    }
                };
                std::thread::Builder::new().name("dns-waits".into()).spawn(wait).map_err(words)?;
            }
            Err(error) => return Err(words(error)),
        }
        Ok(Served(Some(place)))
    }
}

impl Served {
    /// Starts answering beside the predecessor, which stops soon: this process carries its connections now.
    pub(crate) fn begin(&self) {
        let Some(place) = &self.0 else { return };
        let before = std::mem::replace(&mut *lock(place), Place::Taken);
        match before {
            Place::Before(start) => match start() {
                Ok(dns) => put(place, dns),
                Err(error) => complain(&format!("error: DNS is not served any more: {error}\n")),
            },
            other => *lock(place) = other,
        }
    }

    /// Sockets, for a successor.
    pub(crate) fn lent(&self) -> Vec<DnsSockets> {
        let Some(place) = &self.0 else { return Vec::new() };
        match &*lock(place) {
            Place::Here(dns) => dns.sockets().iter().filter_map(|it| it.try_clone().ok()).collect(),
            Place::Before(_) | Place::Taken | Place::Over => Vec::new(),
        }
    }

    /// Stops answering: another process does from now on.
    pub(crate) fn stop(&self) {
        if let Some(place) = &self.0 {
            *lock(place) = Place::Over;
        }
    }
}

fn lock(place: &Mutex<Place>) -> MutexGuard<'_, Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(place: &Mutex<Place>, dns: Dns) {
    let addresses: Vec<String> = dns.sockets().iter().map(|it| it.address.to_string()).collect();
    *lock(place) = Place::Here(dns);
    print(&format!("dns: {}\n", addresses.join(", ")));
}
