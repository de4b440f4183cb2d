use model::Spec;
use model::draft::{Options, parse, read};

use super::*;
use crate::ramp::ConnectionCounts;

const SPEC: &str = "type: MeshTCPRollout\nname: redis-v2\nmesh: default\nspec:\n  targetRef: {kind: MeshTCPRoute, name: redis}\n  \
                    from: {kind: MeshService, name: redis-v1, port: 6379}\n  to: {kind: MeshService, name: redis-v2, port: 6379}\n";

fn rollout(more: &str) -> Rollout {
    let text = format!("{SPEC}{more}");
    let (documents, problems) = read("r.yaml", &text);
    assert!(problems.is_empty(), "{problems:?}");
    let parsed = parse(&documents[0], &Options::default());
    match parsed.resource.as_ref().map(model::Resource::spec) {
        Some(Spec::Rollout(rollout)) => Rollout::clone(rollout),
        _ => panic!("{:?}", parsed.problems),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn in_force() -> RolloutPlacement {
    RolloutPlacement::InForce { written: Some(Percent::whole(0)) }
}

fn input(seconds: i64) -> Input<'static> {
    let counted = SideCounts::default();
    Input { now: at(seconds), standing: in_force(), counted, bounds: &[], unseen: 0, follows: "a" }
}

fn seen(seconds: i64, from: u64, to: u64) -> Input<'static> {
    let side = |opened| ConnectionCounts { opened, ..ConnectionCounts::default() };
    Input { counted: SideCounts { from: side(from), to: side(to) }, ..input(seconds) }
}

fn request(to: RampAction, id: i64) -> RampRequest {
    RampRequest { to, id: id.to_string() }
}

/// Reproducible pseudorandom numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Final phase of a ramp over 1, 10 and 50 %, with a look at every second of 10 minutes, at 50 connections a second.
fn ramp(rollout: &Rollout, seed: u64, fails: (f64, f64)) -> Phase {
    let mut numbers = Numbers(seed);
    let mut ramp = Ramp::begin(rollout, at(0), "a");
    for second in 1..=1_000 {
        let mut counted = SideCounts::default();
        for _ in 0..50 {
            let to = numbers.next() * 100.0 < ramp.weight.as_f64();
            let (side, fails) = if to { (&mut counted.to, fails.1) } else { (&mut counted.from, fails.0) };
            if numbers.next() < fails {
                side.connect_failures += 1;
            } else {
                side.opened += 1;
            }
        }
        ramp.step(rollout, &Input { counted, ..input(second) });
        if ramp.phase.is_over() {
            break;
        }
    }
    ramp.phase
}

/// Number of aborted ramps among those with seeds from 0 on; the others are finished.
fn aborted(rollout: &Rollout, ramps: u64, fails: (f64, f64)) -> usize {
    let phases: Vec<Phase> = (0..ramps).map(|seed| ramp(rollout, seed, fails)).collect();
    let of = |wanted: Phase| phases.iter().filter(|phase| **phase == wanted).count();
    assert_eq!(of(Phase::Aborted) + of(Phase::Finished), phases.len(), "{phases:?}");
    of(Phase::Aborted)
}

const STEPS: &str =
    "  steps: [{weight: 1, duration: 200s}, {weight: 10, duration: 200s}, {weight: 50, duration: 200s}]\n";

#[test]
fn a_side_that_is_as_good_is_aborted_no_more_often_than_the_error_rate_says() {
    let worse =
        format!("{STEPS}  abort: {{when: [{{signal: ConnectFailures, worseBy: 1}}], errorRate: 5}}\n");
    let found = aborted(&rollout(&worse), 300, (0.05, 0.05));
    // 15 are allowed on average: 3 standard deviations more are 26
    assert!(found <= 15, "{found} of 300, looked at every second");
    let above = format!("{STEPS}  abort: {{when: [{{signal: ConnectFailures, above: 5}}], errorRate: 5}}\n");
    let found = aborted(&rollout(&above), 300, (0.05, 0.05));
    assert!(found <= 15, "{found} of 300, looked at every second");
}

#[test]
fn a_side_with_twice_the_failures_is_aborted() {
    let rollout = rollout(STEPS);
    let found = aborted(&rollout, 200, (0.05, 0.10));
    assert!(found >= 196, "{found} of 200");
    let found = aborted(&rollout, 200, (0.001, 0.2));
    assert_eq!(found, 200, "a fifth of all connections");
}

#[test]
fn a_step_needs_its_time_and_its_samples() {
    let rollout = rollout("  steps: [{weight: 10, duration: 60s}, {weight: 100}]\n");
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    assert!(ramp.step(&rollout, &seen(59, 900, 200)).is_empty(), "it has not lasted");
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    assert!(ramp.step(&rollout, &seen(61, 900, 99)).is_empty());
    assert!(ramp.note.contains("99 of 100 connections to MeshService redis-v2"), "{}", ramp.note);
    let events = ramp.step(&rollout, &seen(62, 0, 1));
    assert_eq!((events.len(), ramp.step, ramp.weight), (1, 1, Percent::whole(100)));
    assert!(events[0].what.starts_with("step 2 of 2: 100 % to MeshService redis-v2"), "{}", events[0].what);
    ramp.step(&rollout, &seen(63, 0, 100));
    assert_eq!(ramp.phase, Phase::Finished);
}

#[test]
fn what_is_not_seen_is_not_promoted_unless_the_spec_says_so() {
    let steps = "  steps: [{weight: 10}, {weight: 100}]\n";
    let unseen = Input { unseen: 2, ..seen(1, 500, 500) };
    let waits = rollout(steps);
    let mut ramp = Ramp::begin(&waits, at(0), "a");
    assert!(ramp.step(&waits, &unseen).is_empty());
    assert!(ramp.note.contains("not enough is seen: the counts of 2 proxies"), "{}", ramp.note);
    let proceeds = rollout(&format!("{steps}  whenUnseen: Proceed\n"));
    let mut ramp = Ramp::begin(&proceeds, at(0), "a");
    assert_eq!(ramp.step(&proceeds, &Input { unseen: 2, ..input(1) }).len(), 1);
}

#[test]
fn no_ramp_is_aborted_below_the_least_number_of_samples() {
    let rollout = rollout("  steps: [{weight: 50, duration: 1h}]\n  minSamples: 500\n");
    let side =
        |bad| ConnectionCounts { opened: 100 - bad, connect_failures: bad, ..ConnectionCounts::default() };
    let failing = |second| Input { counted: SideCounts { from: side(0), to: side(60) }, ..input(second) };
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    for second in 1..5 {
        ramp.step(&rollout, &failing(second));
        assert_eq!(ramp.phase, Phase::Progressing, "after {second} s");
    }
    let events = ramp.step(&rollout, &failing(5));
    assert_eq!((ramp.phase, ramp.weight), (Phase::Aborted, Percent::whole(0)));
    assert!(events[0].what.contains("300 of 500 (60.0 %), the other side 0 of 500"), "{}", events[0].what);
}

#[test]
fn a_step_that_waits_for_approval_waits_for_somebody() {
    let rollout = rollout("  steps: [{weight: 10, approval: true}, {weight: 100}]\n");
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    ramp.step(&rollout, &seen(1, 0, 100));
    assert_eq!(ramp.phase, Phase::AwaitingApproval);
    assert!(ramp.step(&rollout, &seen(9_000, 900, 100)).is_empty());
    ramp.asked = Some(request(RampAction::Resume, 1));
    ramp.step(&rollout, &input(9_001));
    assert_eq!((ramp.phase, ramp.weight), (Phase::Progressing, Percent::whole(100)));
}

#[test]
fn hands_can_pause_promote_and_abort() {
    let rollout = rollout("  steps: [{weight: 10, duration: 1h}, {weight: 60}]\n");
    let asked = |ramp: &mut Ramp, asked, second| {
        ramp.asked = Some(request(asked, second));
        ramp.step(&rollout, &input(second));
        (ramp.phase, ramp.weight.as_f64() as u32)
    };
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    assert_eq!(asked(&mut ramp, RampAction::Pause, 1), (Phase::Paused, 10));
    ramp.step(&rollout, &seen(7_000, 900, 900));
    assert_eq!(ramp.phase, Phase::Paused);
    assert_eq!(asked(&mut ramp, RampAction::Resume, 7_001), (Phase::Progressing, 10));
    assert_eq!(asked(&mut ramp, RampAction::Promote, 7_002), (Phase::Finished, 60));
    assert_eq!(asked(&mut ramp, RampAction::Abort, 7_003), (Phase::Aborted, 0));
    assert_eq!(asked(&mut ramp, RampAction::Promote, 7_004), (Phase::Aborted, 0), "begin it anew");
    assert_eq!(asked(&mut ramp, RampAction::Start, 7_005), (Phase::Progressing, 10));
    assert!(ramp.events.len() >= 6 && ramp.asked.is_none());
}

#[test]
fn it_stands_still_while_plans_do_not_have_it() {
    let rollout = rollout("  steps: [{weight: 10, duration: 60s}, {weight: 60}]\n");
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    let nowhere = |second| Input {
        standing: RolloutPlacement::Nowhere("there is no MeshTCPRoute redis".into()),
        ..input(second)
    };
    assert_eq!(ramp.step(&rollout, &nowhere(50)).len(), 1);
    assert!(ramp.step(&rollout, &nowhere(51)).is_empty());
    assert_eq!((ramp.phase, ramp.weight), (Phase::Held, Percent::whole(10)));
    ramp.step(&rollout, &seen(70, 0, 100));
    assert_eq!((ramp.phase, ramp.step), (Phase::Progressing, 0), "the time of the step begins anew");
    ramp.asked = Some(request(RampAction::Pause, 1));
    ramp.step(&rollout, &nowhere(71));
    ramp.step(&rollout, &seen(72, 0, 100));
    assert_eq!(ramp.phase, Phase::Paused, "who paused it resumes it");
}

#[test]
fn a_clock_that_is_set_makes_no_step_longer_or_shorter() {
    let rollout = rollout("  steps: [{weight: 10, duration: 60s}, {weight: 60, duration: 60s}]\n");
    for hours in [-24_i64, 24] {
        let mut ramp = Ramp::begin(&rollout, at(0), "a");
        let jump = hours * 3600;
        ramp.step(&rollout, &seen(30, 0, 100));
        ramp.follow_clock(SignedDuration::from_secs(jump));
        ramp.step(&rollout, &input(jump + 59));
        assert_eq!(ramp.step, 0, "{hours} h");
        ramp.step(&rollout, &input(jump + 60));
        assert_eq!(ramp.step, 1, "{hours} h");
    }
    // a ramp that continues from a status of the future: the step begins anew, without waiting for that time
    let mut ramp = Ramp::begin(&rollout, at(24 * 3600), "a");
    ramp.step(&rollout, &seen(0, 0, 100));
    ramp.step(&rollout, &input(59));
    assert_eq!(ramp.step, 0);
    ramp.step(&rollout, &input(60));
    assert_eq!(ramp.step, 1);
}

#[test]
fn what_happened_is_kept_up_to_a_bound_and_each_event_is_told_once() {
    let rollout = rollout("  steps: [{weight: 10, duration: 1h}, {weight: 60}]\n");
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    for turn in 1..=60 {
        let asked = if turn % 2 == 1 { RampAction::Pause } else { RampAction::Resume };
        ramp.asked = Some(request(asked, turn));
        let told = ramp.step(&rollout, &input(turn));
        assert_eq!((told.len(), told.last()), (1, ramp.events.last()), "turn {turn}");
        assert!(ramp.events.len() <= 20);
    }
    assert_eq!(ramp.events.len(), 20);
    assert!(serde_json::to_string(&ramp).unwrap().len() < 8 << 10, "a status is no log");
}

#[test]
fn it_is_needed_until_the_route_says_the_same() {
    let rollout = rollout("  steps: [{weight: 100}]\n");
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    ramp.step(&rollout, &seen(1, 0, 100));
    assert_eq!(ramp.phase, Phase::Finished);
    let says = |percent| RolloutPlacement::InForce { written: Some(Percent::whole(percent)) };
    let events = ramp.step(&rollout, &Input { standing: says(100), ..input(2) });
    assert_eq!((ramp.phase, events.len()), (Phase::Adopted, 1));
    ramp.step(&rollout, &Input { standing: says(0), ..input(3) });
    assert_eq!(ramp.phase, Phase::Finished);
}

#[test]
fn another_spec_is_followed_from_where_it_fits() {
    let first = rollout("  steps: [{weight: 10}, {weight: 50, duration: 1h}, {weight: 100}]\n");
    let mut ramp = Ramp::begin(&first, at(0), "a");
    ramp.step(&first, &seen(1, 0, 100));
    assert_eq!(ramp.weight, Percent::whole(50));
    let second = rollout("  steps: [{weight: 20}, {weight: 40, duration: 1h}, {weight: 80}]\n");
    ramp.step(&second, &Input { follows: "b", ..input(2) });
    assert_eq!((ramp.step, ramp.weight, ramp.follows.as_str()), (1, Percent::whole(40), "b"));
    ramp.asked = Some(request(RampAction::Abort, 1));
    ramp.step(&second, &Input { follows: "b", ..input(3) });
    ramp.step(&first, &Input { follows: "a", ..input(4) });
    assert_eq!(
        (ramp.phase, ramp.weight),
        (Phase::Progressing, Percent::whole(10)),
        "what is over begins anew"
    );
}

#[test]
fn the_status_is_what_the_next_one_goes_on_from() {
    let rollout = rollout("  steps: [{weight: 12.5, duration: 60s}, {weight: 100}]\n");
    let mut ramp = Ramp::begin(&rollout, at(0), "a");
    ramp.step(&rollout, &seen(30, 500, 40));
    let status = serde_json::to_value(&ramp).unwrap();
    assert_eq!(
        (&status["phase"], &status["weight"]),
        (&serde_json::json!("Progressing"), &serde_json::json!(12.5))
    );
    assert_eq!(Ramp::of_status(&status), Some(ramp));
    assert_eq!(Ramp::of_status(&serde_json::json!({})), None);
}

#[test]
fn slow_connects_are_compared_with_the_other_side_and_with_a_bound() {
    let bounds = [1, 5, 10, 100, 1_000].map(Duration::from_millis);
    let quick = vec![95, 5, 0, 0, 0, 0];
    let slow = vec![60, 10, 10, 20, 0, 0];
    let side = |times: &Vec<u64>| ConnectionCounts {
        opened: 100,
        connect_times: times.clone(),
        ..ConnectionCounts::default()
    };
    for condition in ["{signal: ConnectTimeP99, above: 10ms}", "{signal: ConnectTimeP99, worseBy: 1.5}"] {
        let rollout =
            rollout(&format!("  steps: [{{weight: 50, duration: 1h}}]\n  abort: {{when: [{condition}]}}\n"));
        let end = |times: &Vec<u64>| {
            let mut ramp = Ramp::begin(&rollout, at(0), "a");
            for second in 1..100 {
                let counted = SideCounts { from: side(&quick), to: side(times) };
                ramp.step(&rollout, &Input { counted, bounds: &bounds, ..input(second) });
            }
            ramp
        };
        assert_eq!(end(&quick).phase, Phase::Progressing, "{condition}");
        let ended = end(&slow);
        assert_eq!(ended.phase, Phase::Aborted, "{condition}");
        assert!(
            ended.note.contains("99 of 100 within 100ms, the other side 99 of 100 within 5ms"),
            "{}",
            ended.note
        );
    }
}
