//! Workers that are pinned to CPUs, and accept the connections of clients there.

use std::collections::BTreeMap;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;

use crate::backend::serve;
use crate::connection::{Connection, reaches};
use crate::program::{Up, eventually};
use crate::town::Town;

const WORKERS: u64 = 2;
/// Connections of a pool.
const POOL: usize = 64;
/// Connections that are too few to be handed over, with the inbound that each of them has in the same process.
const FEW: usize = 3;

/// CPUs that this thread may use.
fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Moves this thread, and what it starts from now on, to a CPU.
fn stay_on(cpu: usize) {
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).unwrap();
}

fn start(town: &Town) -> Up {
    let up = Up::start(&[&town.path(), "--pin-workers"]);
    up.is_ready();
    serve(town.applications[0], "v1");
    serve(town.applications[1], "v2");
    reaches(town.outbound, &["v1", "v2"]);
    up
}

/// Live connections by the index of their worker, inbounds included: the ids of a worker are its index, and so on in steps
/// of the number of workers.
fn by_worker(up: &Up) -> BTreeMap<u64, usize> {
    let listed = up.json("/connections");
    let mut found = BTreeMap::new();
    for connection in listed.as_array().unwrap() {
        *found.entry(connection["id"].as_u64().unwrap() % WORKERS).or_default() += 1;
    }
    found
}

#[test]
fn connections_arrive_by_cpu_and_a_pool_does_not_pile_up() {
    let town = Town::new();
    town.route(&[("v1", 1), ("v2", 1)]);
    let up = start(&town);
    let pinned = up.json("/status")["pinnedWorkers"].clone();
    let Some(cpus) = pinned["cpus"].as_array() else {
        let why = pinned["why"].as_str().unwrap();
        assert_eq!(
            up.program.printed().matches("warning: --pin-workers does nothing here").count(),
            1,
            "{why}"
        );
        return eprintln!("not tested: {why}");
    };
    let cpus: Vec<usize> = cpus.iter().map(|cpu| cpu.as_u64().unwrap() as usize).collect();
    assert_eq!(cpus.len() as u64, WORKERS);

    eventually("nobody is connected", || by_worker(&up).is_empty());
    for (worker, cpu) in (0..).zip(cpus) {
        stay_on(cpu);
        let mut pool: Vec<Connection> = (0..FEW).map(|_| Connection::open(town.outbound).unwrap()).collect();
        assert_eq!(by_worker(&up), BTreeMap::from([(worker, 2 * FEW)]), "a few are carried where they came");
        pool.extend((FEW..POOL).map(|_| Connection::open(town.outbound).unwrap()));
        let found = by_worker(&up);
        assert_eq!(found.values().sum::<usize>(), 2 * POOL);
        // a quarter above the mean, and what a worker did not know yet of another that was in the middle of a turn
        assert!(found.values().all(|count| *count <= POOL + POOL / 4 + 8), "{found:?}");
        pool.iter_mut().for_each(Connection::echo);
        pool.into_iter().for_each(Connection::close);
        eventually("all have ended", || by_worker(&up).is_empty());
    }
    let (_, metrics) = up.ask("/metrics");
    let handed = metrics.lines().find_map(|line| line.strip_prefix("meshtcp_connections_handed_over_total "));
    assert!(handed.unwrap().parse::<u64>().unwrap() > 0);
}

#[test]
fn changes_and_a_drain_lose_no_connection_that_is_handed_over() {
    let town = Town::new();
    town.route(&[("v1", 1), ("v2", 1)]);
    let mut up = start(&town);
    stay_on(allowed()[0]);
    let mut pool = Vec::new();
    for round in 0..8 {
        town.route(&[("v1", round + 1), ("v2", 1)]);
        pool.extend((0..12).map(|_| Connection::open(town.outbound).unwrap()));
    }
    pool.iter_mut().for_each(Connection::echo);
    up.program.signal(rustix::process::Signal::TERM);
    pool.iter_mut().for_each(Connection::echo);
    pool.into_iter().for_each(Connection::close);
    assert_eq!(up.program.ends(), 0, "{}", up.program.printed());
}

#[test]
fn where_there_is_one_cpu_it_says_so_once_and_goes_on() {
    stay_on(allowed()[0]);
    let town = Town::new();
    town.route(&[("v1", 1), ("v2", 1)]);
    let up = start(&town);
    let why = "this process may run on one CPU only";
    let pinned = up.json("/status")["pinnedWorkers"].clone();
    assert_eq!((&pinned["cpus"], pinned["why"].as_str()), (&Value::Null, Some(why)));
    let printed = up.program.printed();
    let warnings: Vec<&str> = printed.lines().filter(|line| line.contains("--pin-workers")).collect();
    assert!(matches!(warnings[..], [one] if one.contains(why)), "{printed}");
}
