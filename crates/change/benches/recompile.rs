//! Benchmark of planning one change: `cargo bench -p meshtcp-change --bench recompile [-- CALLERS…]`.
//!
//! It measures the moment after a resource was saved: the new state is indexed, and the affected proxies are planned
//! again and encoded for our own proxy. The mesh is that of the fan-out: 100 services, 200 policies. The result is the
//! CPU time of all planning threads and the elapsed time, each the least of several runs: other load on the machine
//! hardly shows in the CPU time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails is no measurement")]

extern crate meshtcp_change as change;

#[path = "../../control/examples/fanout/mesh.rs"]
mod mesh;

use std::time::Instant;

use mesh::{Change, Mesh, compiler, proxy};

/// Number of runs of each change; the least time is reported.
const TIMES: usize = 5;

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![100, 1000, 10_000] } else { sizes };
    println!("| proxies | change | planned again | CPU | CPU of one | time |");
    println!("|---:|---|---:|---:|---:|---:|");
    sizes.into_iter().for_each(measure);
}

fn measure(callers: usize) {
    let mut mesh = Mesh::new(callers);
    let (mut state, from_scratch) = timed(|| compiler().compile(&mesh.ledger()));
    assert!(state.proxies.contains_key(&proxy(0)), "the mesh is planned");
    row(callers, "everything from scratch", state.planned, from_scratch);
    type Numbered = fn(usize) -> Change;
    let changes: [(&str, Numbered); 4] = [
        ("a weight that concerns all", Change::WeightOfAll),
        ("a weight that concerns 1 %", Change::WeightOfATeam),
        ("an endpoint more of one service", Change::Endpoint),
        ("a proxy more, whom nobody dials", Change::Caller),
    ];
    for (what, change) in changes {
        let mut least = Took { cpu: f64::INFINITY, time: f64::INFINITY };
        for time in 0..TIMES {
            mesh.make(change(11 + time));
            let (next, took) = timed(|| compiler().recompile(&state, &mesh.ledger()));
            state = next;
            least = Took { cpu: least.cpu.min(took.cpu), time: least.time.min(took.time) };
        }
        row(callers, what, state.planned, least);
    }
}

/// Duration of some work, in milliseconds.
#[derive(Clone, Copy)]
struct Took {
    cpu: f64,
    time: f64,
}

fn row(callers: usize, what: &str, planned: usize, Took { cpu, time }: Took) {
    let of_one = cpu / planned.max(1) as f64;
    println!("| {callers} | {what} | {planned} | {cpu:.1} ms | {of_one:.2} ms | {time:.1} ms |");
}

/// Result of some work, and its duration.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (cpu_before, before) = (cpu(), Instant::now());
    let done = work();
    (done, Took { cpu: cpu() - cpu_before, time: before.elapsed().as_secs_f64() * 1e3 })
}

/// CPU time of this process so far, in milliseconds.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
