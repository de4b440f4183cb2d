//! Connections that are decided in the kernel: real programs in it, in network namespaces and cgroups of their own.
//! Each scene is a file in `tests/kernel`; `stage.py` documents the functions that it may call.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

/// Returns `true` if the test can run: loading programs into the kernel requires root and cgroup v2.
fn may() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let may = rustix::process::geteuid().is_root() && mounts.contains(" - cgroup2 ");
    if !may {
        eprintln!("not tested: it takes root, and cgroups of version 2");
    }
    may
}

fn act(scene: &str) {
    if !may() {
        return;
    }
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel");
    let folder = tempfile::tempdir().unwrap();
    let ended = Command::new("timeout")
        .args(["-k", "5", "180", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "python3", "-B"])
        .arg(scenes.join(format!("{scene}.py")))
        .current_dir(folder.path())
        .env("MESHTCP", env!("CARGO_BIN_EXE_meshtcp"))
        .env("MESHTCP_CONFIG", "/nonexistent/config.yaml")
        .env_remove("MESHTCP_DATA_PATH")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}\n{said}", ended.status);
}

#[test]
fn a_split_is_as_even_as_one_walk_for_all_processes_makes_it() {
    act("split");
}

#[test]
fn every_draw_in_the_log_leads_to_its_backend_again() {
    act("replay");
}

#[test]
fn what_needs_the_relay_stays_there_and_says_why() {
    act("reasons");
}

#[test]
fn other_cgroups_and_other_networks_are_left_alone() {
    act("scope");
}

#[test]
fn families_meet_or_are_left_to_the_relay() {
    act("families");
}

#[test]
fn endpoints_that_fail_are_passed_over() {
    act("failures");
}

#[test]
fn changes_under_load_refuse_nobody() {
    act("changes");
}

#[test]
fn a_process_that_is_killed_leaves_nothing_behind() {
    act("killed");
}

#[test]
fn without_rights_or_means_the_relay_carries_everything() {
    act("troubles");
}

#[test]
fn a_reader_that_stands_still_costs_records_and_no_connection() {
    act("standstill");
}

#[test]
fn a_successor_takes_over_under_load() {
    act("takeover");
}

#[test]
fn limits_count_connections_of_both_paths() {
    act("limits");
}

#[test]
fn connections_that_live_follow_their_route_as_it_says() {
    act("existing");
}

#[test]
fn idle_and_old_connections_are_ended_in_time() {
    act("timeouts");
}

#[test]
fn choices_by_client_and_by_load_are_those_of_the_relay() {
    act("choices");
}

#[test]
fn programs_that_are_pinned_go_on_until_somebody_replaces_or_detaches_them() {
    act("pinned");
}

#[test]
fn virtual_addresses_and_networks_of_containers_are_served() {
    act("networks");
}

#[test]
fn a_control_plane_knows_which_way_outbounds_take() {
    act("fleet");
}
