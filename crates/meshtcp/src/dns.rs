//! The DNS server beside a proxy, by its flags.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proxy::Proxy;
use proxy::dns::Dns;

use crate::listen;
use crate::output::print;
use crate::takeover::Succession;

/// The port to which `meshtcp transparent-proxy` redirects DNS.
const PORT: u16 = 15053;
/// How often it is tried to take the place of a predecessor.
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

/// A server that runs for as long as this lives. Without the flag there is none.
pub(crate) struct Served(Option<Arc<Mutex<Option<Dns>>>>);

impl DnsFlags {
    /// Starts the server if it is asked for, and says where it is. A predecessor answers for as long as it is there: its place
    /// is taken when it goes.
    ///
    /// # Errors
    /// In words: an address cannot be bound.
    pub(crate) fn serve(
        &self,
        proxy: &Arc<Proxy>,
        succession: Option<&Succession>,
    ) -> Result<Served, String> {
        if !self.dns {
            return Ok(Served(None));
        }
        let Self { dns: _, mut dns_address, dns_servers } = self.clone();
        if dns_address.is_empty() {
            // queries over IPv6 are redirected to its loopback
            let has_ipv6 = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
            dns_address.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
            dns_address.extend(has_ipv6.then_some(SocketAddr::from((Ipv6Addr::LOCALHOST, PORT))));
        }
        let proxy = Arc::clone(proxy);
        let start = move || Dns::start(&proxy, &dns_address, &dns_servers);
        let words = |error: std::io::Error| {
            format!("DNS cannot be served on {error}\n  help: choose another address with --dns-address")
        };
        let place = Arc::new(Mutex::new(None));
        match start() {
            Ok(dns) => put(&place, dns),
            Err(error) if succession.is_some_and(Succession::has_predecessor) => {
                print(&format!("dns: waiting for the process before this one ({error})\n"));
                let waiting = Arc::downgrade(&place);
                let wait = move || {
                    while let Some(place) = waiting.upgrade() {
                        match start() {
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
    /// Answers no more: somebody else does.
    pub(crate) fn stop(&mut self) {
        self.0 = None;
    }
}

fn put(place: &Mutex<Option<Dns>>, dns: Dns) {
    let addresses: Vec<String> = dns.addresses().iter().map(ToString::to_string).collect();
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(dns);
    print(&format!("dns: {}\n", addresses.join(", ")));
}
