//! Data plane by itself, before two backends at 90/10, for benchmarks.
//!
//! ```text
//! cargo run --release -p meshtcp-proxy --example l4 -- --listen 127.0.0.1:11190 \
//!     --backend 127.0.0.1:9001=90 --backend 127.0.0.1:9002=10 --threads 1 --log /tmp/connections.log
//! ```

use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use ::l4::config::LogSink;
use ::l4::{Config, ProxyName};
use meshtcp_proxy::{ConnectionLog, LineFormat, Options, Proxy};
use xds::ResourceSet;
use xds::proto::l4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut listen: SocketAddr = "127.0.0.1:11190".parse()?;
    let mut backends: Vec<(SocketAddr, u32)> = Vec::new();
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--listen" => listen = value.parse()?,
            "--threads" => options.threads = NonZeroUsize::new(value.parse()?),
            "--backend" => {
                let (address, weight) = value.split_once('=').ok_or("--backend ADDRESS=WEIGHT")?;
                backends.push((address.parse()?, weight.parse()?));
            }
            "--log" => {
                let sink = LogSink::File(value.into());
                options.connection_log = Some(ConnectionLog { sink, format: LineFormat::Text });
            }
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }

    let proxy = Proxy::start(options)?;
    let report = proxy.apply(Config::parse(&[(ProxyName::from("l4"), &resources(listen, &backends))])?);
    for failed in &report.failed {
        eprintln!("{failed}");
    }
    loop {
        std::thread::park();
    }
}

fn resources(listen: SocketAddr, backends: &[(SocketAddr, u32)]) -> ResourceSet {
    let mut set = ResourceSet::default();
    let name = format!("outbound:{listen}");
    let listener = l4::Listener {
        name: name.clone(),
        address: listen.ip().to_string(),
        port: listen.port().into(),
        destination: "benchmark".into(),
        route: name.clone(),
        ..Default::default()
    };
    set.insert_message(name.clone(), &listener);
    let mut route = l4::Route { name: name.clone(), ..Default::default() };
    for (address, weight) in backends {
        let cluster = address.to_string();
        let endpoint = l4::Endpoint {
            address: address.ip().to_string(),
            port: address.port().into(),
            ..Default::default()
        };
        set.insert_message(cluster.clone(), &l4::Cluster { name: cluster.clone(), ..Default::default() });
        let endpoints = l4::Endpoints { cluster: cluster.clone(), endpoints: vec![endpoint] };
        set.insert_message(cluster.clone(), &endpoints);
        let reference = format!("Backend {address}");
        route.backends.push(l4::Backend { reference, weight: *weight, cluster, ..Default::default() });
    }
    set.insert_message(name, &route);
    set
}
