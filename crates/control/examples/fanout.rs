//! How long one change of a weight takes to reach every proxy of a control plane, and what it costs.
//!
//! ```sh
//! cargo run --release -p meshtcp-control --example fanout -- [CLIENTS [OUTBOUNDS]]      # default: 1000 50
//! ```
//!
//! Clients (delta, each on a connection of its own) run in this process, the discovery server in a child process, whose
//! CPU time and memory are read from `/proc`. Every proxy has its own set of OUTBOUNDS listeners, routes, clusters and
//! lists of ten endpoints; the change is one weight in one route, and is made five times.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails is no measurement")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshtcp_control::discovery::{DiscoveryMetrics, DiscoveryServer, Publisher, Statuses, serve};
use model::ProxyKey;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint as Remote;
use tonic_prost::ProstCodec;
use xds::proto::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node};
use xds::proto::l4::{Backend, Cluster, Endpoint, Endpoints, Listener, Route};
use xds::{Family, Mirror, ResourceSet, TypeUrl};

const METHOD: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const CHANGES: u32 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| arguments.get(index).map_or(default, |text| text.parse().unwrap());
    if arguments.first().is_some_and(|first| first == "--server") {
        tokio::runtime::Runtime::new().unwrap().block_on(server(number(1, 0), number(2, 0)));
    } else {
        tokio::runtime::Runtime::new().unwrap().block_on(clients(number(0, 1000), number(1, 50)));
    }
}

fn proxy(index: usize) -> ProxyKey {
    ProxyKey::new("default", format!("web-{index}").as_str())
}

fn set(proxy: usize, outbounds: usize, weight: u32) -> ResourceSet {
    let mut set = ResourceSet::default();
    for outbound in 0..outbounds {
        let cluster = format!("service-{outbound}_svc_6379");
        let name = format!("outbound:127.0.0.1:{}", 10_000 + outbound);
        let endpoints = (0..10).map(|n| Endpoint {
            address: format!("10.0.{outbound}.{n}"),
            port: 6379,
            ..Default::default()
        });
        let backend = |weight| Backend {
            reference: cluster.clone(),
            weight,
            cluster: cluster.clone(),
            ..Default::default()
        };
        let backends = vec![backend(if outbound == 0 { weight } else { 1 }), backend(100)];
        set.insert_message(
            cluster.as_str(),
            &Cluster { name: cluster.clone(), connect_timeout_ms: 5000, ..Default::default() },
        );
        set.insert_message(
            cluster.as_str(),
            &Endpoints { cluster: cluster.clone(), endpoints: endpoints.collect() },
        );
        set.insert_message(name.as_str(), &Route { name: name.clone(), backends, ..Default::default() });
        set.insert_message(
            name.as_str(),
            &Listener {
                name: name.clone(),
                address: "127.0.0.1".into(),
                port: 10_000 + u32::try_from(outbound).unwrap(),
                destination: format!("proxy {proxy}"),
                route: name.clone(),
                ..Default::default()
            },
        );
    }
    set
}

/// Publishes a weight for each line on standard input; answers each with the bytes sent so far.
async fn server(clients: usize, outbounds: usize) {
    let publisher = Arc::new(Publisher::default());
    let metrics = DiscoveryMetrics::default();
    let server =
        DiscoveryServer::new("fanout", publisher.clone(), Arc::new(Statuses::default()), metrics.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, server, CancellationToken::new(), Duration::ZERO));
    tokio::task::spawn_blocking(move || {
        for line in std::io::stdin().lines() {
            let weight: u32 = line.unwrap().parse().unwrap();
            if weight > 0 {
                for index in 0..clients {
                    publisher.publish(&proxy(index), Family::L4, Arc::new(set(index, outbounds, weight)));
                }
            }
            let types = [
                TypeUrl::of::<Cluster>(),
                TypeUrl::of::<Endpoints>(),
                TypeUrl::of::<Route>(),
                TypeUrl::of::<Listener>(),
            ];
            println!("{}", types.iter().map(|type_url| metrics.bytes_of(type_url)).sum::<u64>());
        }
    })
    .await
    .unwrap();
}

async fn clients(clients: usize, outbounds: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--server", &clients.to_string(), &outbounds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let mut commands = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let address: SocketAddr = answers.next().unwrap().unwrap().parse().unwrap();
    let mut publish = move |weight: u32| -> u64 {
        writeln!(commands, "{weight}").unwrap();
        answers.next().unwrap().unwrap().parse().unwrap()
    };

    publish(1);
    let (seen, mut sightings) = mpsc::unbounded_channel();
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for index in 0..clients {
        running.spawn(client(index, address, seen.clone()));
    }
    for _ in 0..clients {
        sightings.recv().await.unwrap();
    }
    let attached = begun.elapsed();
    let (resident, bytes) = (memory(pid), publish(0));
    println!("| clients | outbounds each | event | 50 % | 99 % | 100 % | CPU | memory | bytes sent |");
    println!("|---|---|---|---|---|---|---|---|---|");
    println!(
        "| {clients} | {outbounds} | attach | | | {attached:.1?} | {:.2?} | {resident} MiB | {bytes} |",
        cpu(pid)
    );

    for change in 0..CHANGES {
        let (cpu_before, bytes_before) = (cpu(pid), publish(0));
        let begun = Instant::now();
        // The server answers when all is published; clients see it while that goes on.
        publish(change + 2);
        let mut delays = Vec::new();
        for _ in 0..clients {
            let (weight, at): (u32, Instant) = sightings.recv().await.unwrap();
            assert_eq!(weight, change + 2);
            delays.push(at - begun);
        }
        delays.sort();
        let part = |percent: usize| delays[(clients * percent).div_ceil(100) - 1];
        println!(
            "| {clients} | {outbounds} | change {} | {:.1?} | {:.1?} | {:.1?} | {:.2?} | {} MiB | {} |",
            change + 1,
            part(50),
            part(99),
            part(100),
            cpu(pid) - cpu_before,
            memory(pid),
            publish(0) - bytes_before
        );
    }
    running.abort_all();
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Follows the server, and tells each new weight with the time it came.
async fn client(index: usize, address: SocketAddr, seen: mpsc::UnboundedSender<(u32, Instant)>) {
    let channel = Remote::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let (requests, queue) = mpsc::channel(16);
    let mut mirror = Mirror::new(Node { id: proxy(index).node_id(), ..Node::default() });
    mirror.connect();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
    let method = PathAndQuery::from_static(METHOD);
    let opening = grpc.streaming(Request::new(ReceiverStream::new(queue)), method, codec);
    while let Some(request) = mirror.poll_request() {
        requests.send(request).await.unwrap();
    }
    let mut responses = opening.await.unwrap().into_inner();
    let start = Instant::now();
    while let Some(response) = responses.next().await {
        mirror.on_response(response.unwrap(), start.elapsed());
        mirror.offer(start.elapsed(), |set| {
            if let Some(route) = set.get(&TypeUrl::of::<Route>(), "outbound:127.0.0.1:10000") {
                let route = Route::decode(&route.body[..]).unwrap();
                seen.send((route.backends[0].weight, Instant::now())).unwrap();
            }
            Ok(())
        });
        while let Some(request) = mirror.poll_request() {
            requests.send(request).await.unwrap();
        }
    }
}

/// The CPU time of a process so far, in user and kernel.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // USER_HZ is 100 on every Linux that there is.
    Duration::from_millis(ticks * 10)
}

/// The resident memory of a process in MiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
