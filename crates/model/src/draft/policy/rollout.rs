//! Reader of MeshTCPRollout.

use std::time::Duration;

use crate::draft::fields::Fields;
use crate::draft::kinds::{Body, Context};
use crate::draft::policy::ref_rules::{self, Place};
use crate::draft::policy::written_ref::{PORT, WrittenRef, knows};
use crate::kind::Kind;
use crate::policy::{
    AbortCondition, Limit, OnAbort, Percent, Rollout, RolloutStep, Share, Times, WhenUnseen, parse_duration,
};
use crate::profile::Profile;
use crate::reference::{BackendRef, RefKind, TargetRef};
use crate::resource::Spec;

/// Default of the number of connections that must have been judged.
const SAMPLES: u64 = 100;
/// Limit on the number of steps.
const STEPS: usize = 100;

const SIGNALS: [(&str, Option<Share>); 4] = [
    ("ConnectFailures", Some(Share::ConnectFailures)),
    ("EarlyResets", Some(Share::EarlyResets)),
    ("Refused", Some(Share::Refused)),
    (AbortCondition::CONNECT_TIME, None),
];

/// Reads and checks a MeshTCPRollout.
pub(crate) fn read(body: &mut Body<'_>, context: &Context<'_>) -> Spec {
    let (spec, profile) = (&mut body.spec, context.profile);
    let route = route(spec.object("targetRef"));
    let destination = spec.has("destination").then(|| destination(spec.object("destination"), profile));
    let (from, to) = (backend(spec.object("from"), profile), backend(spec.object("to"), profile));
    if from == to {
        spec.error(
            "to",
            "is the same as `from`",
            Some("name the backend that connections shall go to".into()),
        );
    }
    let samples = spec.number("minSamples").unwrap_or(SAMPLES);
    let (abort, error_rate, on_abort) = abort(spec.object("abort"));
    let judged = if abort.is_empty() { 0 } else { samples };
    let steps = steps(spec, judged);
    let words = [("Wait", WhenUnseen::Wait), ("Proceed", WhenUnseen::Proceed)];
    let when_unseen = spec.choice("whenUnseen", &words).unwrap_or_default();
    // the rollout's runner reads the rest
    body.status.know_the_rest();
    let in_force = body.status.value("weight").and_then(Percent::of);
    Spec::Rollout(Box::new(Rollout {
        route,
        destination: destination.flatten(),
        from,
        to,
        steps,
        samples,
        abort,
        error_rate,
        on_abort,
        when_unseen,
        in_force,
    }))
}

fn route(mut fields: Fields<'_>) -> String {
    let kind = fields.string("kind");
    if kind != Kind::MeshTCPRoute.as_str() {
        fields.error("kind", "must be MeshTCPRoute", Some("a rollout is about one MeshTCPRoute".into()));
    }
    let name = fields.string("name");
    if name.is_empty() {
        fields.error("name", "must be the name of a MeshTCPRoute", None);
    }
    name
}

fn destination(mut fields: Fields<'_>, profile: Profile) -> Option<TargetRef> {
    let written = WrittenRef::read(&mut fields, profile);
    let kinds = profile.to_kinds(None);
    let kinds = [kinds, &[RefKind::Mesh]].concat();
    ref_rules::check(
        &written,
        &fields,
        Place { kinds: &kinds, takes_listener_tags: true, is_inbound: false },
        profile,
    );
    written.target()
}

/// Reads a backend as a route names it, without a weight.
fn backend(mut fields: Fields<'_>, profile: Profile) -> BackendRef {
    let written = WrittenRef::read(&mut fields, profile);
    let port = knows(&mut fields, PORT, profile).then(|| fields.number::<u32>("port")).flatten();
    if fields.has("weight") {
        fields.known(&["weight"]);
        fields.error("weight", "is what the steps say", Some("remove it".into()));
    }
    let place = Place { kinds: profile.backend_kinds(), takes_listener_tags: true, is_inbound: false };
    ref_rules::check(&written, &fields, place, profile);
    let target = written.target().unwrap_or_else(|| TargetRef::of_kind(RefKind::MeshService));
    BackendRef { target, weight: None, port }
}

/// Returns the steps as written, or those of a linear ramp: one for each whole percent.
fn steps(spec: &mut Fields<'_>, samples: u64) -> Vec<RolloutStep> {
    let steps = spec.list("steps", |fields| step(fields, samples));
    let fields = spec.object("linear");
    let linear = fields.is_present().then(|| linear(fields, samples));
    match (spec.has("steps"), linear) {
        (true, Some(_)) => {
            spec.error("linear", "stands beside `steps`", Some("write one of the two".into()));
            return Vec::new();
        }
        (false, Some(linear)) => return linear,
        (_, None) => {}
    }
    if steps.is_empty() || steps.len() > STEPS {
        let help = "write `steps: [{weight: 1, duration: 10m}, {weight: 100}]`, or `linear: {from: 1, to: 100, duration: 1h}`";
        spec.error("steps", format!("must be 1 to {STEPS} steps"), Some(help.into()));
    }
    if steps.windows(2).any(|two| two[0].weight >= two[1].weight) {
        spec.error("steps", "must have rising weights", None);
    }
    steps
}

fn step(mut fields: Fields<'_>, samples: u64) -> RolloutStep {
    RolloutStep {
        weight: weight(&mut fields, "weight"),
        duration: duration(&mut fields, "duration").unwrap_or_default(),
        approval: fields.flag("approval").unwrap_or_default(),
        samples,
    }
}

fn linear(mut fields: Fields<'_>, samples: u64) -> Vec<RolloutStep> {
    let (first, last) = (weight(&mut fields, "from").rounded(), weight(&mut fields, "to").rounded());
    let whole = duration(&mut fields, "duration").unwrap_or_default();
    if first >= last {
        fields.error("to", "must be more than `from`", None);
        return vec![RolloutStep { weight: Percent::whole(last), duration: whole, approval: false, samples }];
    }
    let count = last - first + 1;
    let samples = samples.div_ceil(u64::from(count));
    let step = |weight| RolloutStep {
        weight: Percent::whole(weight),
        duration: whole / count,
        approval: false,
        samples,
    };
    (first..=last).map(step).collect()
}

/// Reads a share above 0 %.
fn weight<'d>(fields: &mut Fields<'d>, name: &'d str) -> Percent {
    let weight = fields.value(name).and_then(Percent::of).filter(|weight| weight.in_hundredths() > 0);
    weight.unwrap_or_else(|| {
        fields.error(name, "must be a share in percent, above 0 and up to 100", None);
        Percent::whole(100)
    })
}

fn duration<'d>(fields: &mut Fields<'d>, name: &'d str) -> Option<Duration> {
    let text = fields.text(name)?;
    let duration = parse_duration(&text);
    if duration.is_none() {
        let help = "write a number and a unit, such as 30s or 5m".to_owned();
        fields.error(name, format!("`{text}` is no duration"), Some(help));
    }
    duration
}

fn abort(mut fields: Fields<'_>) -> (Vec<AbortCondition>, Percent, OnAbort) {
    let conditions = match fields.has("when") {
        true => fields.list("when", condition).into_iter().flatten().collect(),
        false => [Share::ConnectFailures, Share::EarlyResets]
            .map(|of| AbortCondition::Share { of, limit: Limit::Worse(Times::default()) })
            .into(),
    };
    let one = Percent::whole(1);
    let error_rate = match fields.has("errorRate") {
        true => fields.value("errorRate").and_then(Percent::of),
        false => Some(one),
    };
    let between = Percent::hundredths(1)..=Percent::whole(20);
    let error_rate = error_rate.filter(|rate| between.contains(rate)).unwrap_or_else(|| {
        fields.error("errorRate", "must be a share in percent, from 0.01 to 20", None);
        one
    });
    let words = [("Return", OnAbort::Return), ("Hold", OnAbort::Hold)];
    (conditions, error_rate, fields.choice("then", &words).unwrap_or_default())
}

fn condition(mut fields: Fields<'_>) -> Option<AbortCondition> {
    let share = fields.choice("signal", &SIGNALS);
    if share.is_none() && !fields.has("signal") {
        fields.error("signal", "must say what is looked at", None);
    }
    let worse = fields.value("worseBy").map(|value| value.as_f64().and_then(Times::of));
    let limit = match (fields.has("above"), worse) {
        (true, None) => None,
        (false, Some(Some(times))) => Some(times),
        (false, Some(None)) => {
            fields.error("worseBy", "must be a number from 1 to 1000", None);
            Some(Times::default())
        }
        (false, None) => Some(Times::default()),
        (true, Some(_)) => {
            fields.error("worseBy", "stands beside `above`", Some("write one of the two".into()));
            Some(Times::default())
        }
    };
    match (share?, limit) {
        (Some(of), Some(times)) => Some(AbortCondition::Share { of, limit: Limit::Worse(times) }),
        (None, Some(times)) => Some(AbortCondition::ConnectTime { limit: Limit::Worse(times) }),
        (Some(of), None) => {
            let within = Percent::hundredths(1)..=Percent::hundredths(9_999);
            let share = fields.value("above").and_then(Percent::of).filter(|share| within.contains(share));
            if share.is_none() {
                fields.error("above", "must be a share in percent, above 0 and below 100", None);
            }
            Some(AbortCondition::Share { of, limit: Limit::Above(share?) })
        }
        (None, None) => {
            let time = duration(&mut fields, "above").filter(|time| !time.is_zero())?;
            Some(AbortCondition::ConnectTime { limit: Limit::Above(time) })
        }
    }
}
