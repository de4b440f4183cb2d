//! What one change costs to plan: `cargo bench -p meshtcp-control --bench recompile [-- CALLERS…]`.
//!
//! It stands for the moment after somebody saves a resource: the new state is indexed, the proxies that it touches are
//! planned again and said in the words of our own proxy. The mesh is that of the fan-out: 100 services, 200 policies.
//! What is told is the CPU time of the one thread that plans, the least of several runs: other load on the machine
//! hardly shows in it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails is no measurement")]

#[path = "../examples/fanout/mesh.rs"]
mod mesh;

use mesh::{Change, Mesh, compiler, proxy};

/// How often each change is made; the least is told.
const TIMES: usize = 5;

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![100, 1000, 10_000] } else { sizes };
    println!("| proxies | change | planned again | CPU |");
    println!("|---:|---|---:|---:|");
    sizes.into_iter().for_each(measure);
}

fn measure(callers: usize) {
    let mut mesh = Mesh::new(callers);
    let (mut state, from_scratch) = timed(|| compiler().plan_all(mesh.resources()));
    assert!(state.proxies.contains_key(&proxy(0)), "the mesh is planned");
    println!("| {callers} | everything from scratch | {} | {from_scratch:.1} ms |", state.planned);
    type Numbered = fn(usize) -> Change;
    let changes: [(&str, Numbered); 4] = [
        ("a weight that concerns all", Change::WeightOfAll),
        ("a weight that concerns 1 %", Change::WeightOfATeam),
        ("an endpoint more of one service", Change::Endpoint),
        ("a proxy more, whom nobody dials", Change::Caller),
    ];
    for (what, change) in changes {
        let mut least = f64::INFINITY;
        for time in 0..TIMES {
            mesh.make(change(11 + time));
            let (next, took) = timed(|| compiler().plan_again(&state, mesh.resources()));
            state = next;
            least = least.min(took);
        }
        println!("| {callers} | {what} | {} | {least:.1} ms |", state.planned);
    }
}

/// What work gives, and the CPU time of this thread that it took, in milliseconds.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = thread_cpu();
    let done = work();
    (done, thread_cpu() - before)
}

fn thread_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e6
}
