//! Confs of policies about connections: from documents to the type of each kind, and merging.

#![allow(clippy::unwrap_used)] // a test may fail

use std::time::Duration;

use meshtcp_model::Spec;
use meshtcp_model::draft::{Options, parse, read};
use meshtcp_model::policy::{
    AccessLogBackend, AccessLogConf, AccessLogFormat, AccessLogTarget, AffinityTag, CircuitBreakerConf, Conf,
    FailurePercentage, HealthCheckConf, HttpRouteConf, LoadBalancer, LoadBalancingConf, Locality, MirrorConf,
    OutlierDetection, PassthroughConf, PassthroughMode, PassthroughTo, Percent, PolicyConf, RetryConf,
    SuccessRate, TcpRouteConf, TimeoutConf, merged,
};
use serde_json::json;

/// Conf of the only item of a policy that is accepted.
fn conf(kind: &str, item: &str) -> Conf {
    let text = format!(
        "type: {kind}\nname: it\nspec: {{to: [{{targetRef: {{kind: MeshService, name: a}}, {item}}}]}}\n"
    );
    let parsed = parse(&read("it.yaml", &text).0[0], &Options::default());
    let errors: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
    let Some(Spec::Policy(policy)) = parsed.resource.map(|it| it.spec().clone()) else {
        panic!("{errors:?}")
    };
    policy.to[0].conf.clone()
}

fn said<C: PolicyConf + Clone>(kind: &str, default: &str) -> C {
    C::of(&conf(kind, &format!("default: {default}"))).unwrap().clone()
}

const fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn timeouts_and_retries_are_read() {
    let timeout: TimeoutConf =
        said("MeshTimeout", "{connectionTimeout: 2s, idleTimeout: 0s, http: {requestTimeout: 1s}}");
    assert_eq!(timeout, TimeoutConf { connect: seconds(2), idle: seconds(0) });
    let retry: RetryConf = said("MeshRetry", "{tcp: {maxConnectAttempt: 3.0}, http: {numRetries: 1}}");
    assert_eq!(retry.max_connect_attempts, Some(3));
}

#[test]
fn access_logs_are_read_by_their_type() {
    let log: AccessLogConf = said(
        "MeshAccessLog",
        "{backends: [{type: File, file: {path: /tmp/log, format: {type: Plain, plain: '%BYTES_SENT%'}}}, \
         {type: Tcp, tcp: {address: '127.0.0.1:9', format: {type: Json, json: [{key: a, value: b}]}}}, \
         {type: OpenTelemetry, openTelemetry: {endpoint: 'otel:4317'}}]}",
    );
    let backend = |target, format| AccessLogBackend { target, format };
    let wanted = [
        backend(
            AccessLogTarget::File("/tmp/log".into()),
            Some(AccessLogFormat::Plain("%BYTES_SENT%".into())),
        ),
        backend(
            AccessLogTarget::Tcp("127.0.0.1:9".into()),
            Some(AccessLogFormat::Json(vec![("a".into(), "b".into())])),
        ),
        backend(AccessLogTarget::OpenTelemetry("otel:4317".into()), None),
    ];
    assert_eq!(log.backends.unwrap(), wanted);
}

#[test]
fn load_balancing_is_read() {
    let ring: LoadBalancingConf = said(
        "MeshLoadBalancingStrategy",
        "{loadBalancer: {type: RingHash, ringHash: {minRingSize: 8, hashFunction: MurmurHash2}}}",
    );
    assert_eq!(
        ring.load_balancer(),
        Some(LoadBalancer::RingHash { min_size: Some(8), max_size: None, murmur: true })
    );
    let near: LoadBalancingConf = said(
        "MeshLoadBalancingStrategy",
        "{localityAwareness: {localZone: {affinityTags: [{key: k}]}, crossZone: {failoverThreshold: {percentage: '61.8'}, \
         failover: [{from: {zones: [a]}, to: {type: Only, zones: [b]}}]}}}",
    );
    let Locality::Rules { affinity, failover, threshold } = near.locality() else { panic!("{near:?}") };
    assert_eq!(affinity, [AffinityTag { key: "k".into(), weight: None }]);
    assert!(failover[0].to.allows("b") && !failover[0].to.allows("a"));
    assert_eq!(
        (failover[0].from.as_deref(), Some(threshold)),
        (Some(&["a".to_owned()][..]), Percent::of(&json!("61.8")))
    );
}

#[test]
fn health_checks_are_read() {
    let health: HealthCheckConf = said(
        "MeshHealthCheck",
        "{interval: 5s, healthyPanicThreshold: 20, failTrafficOnPanic: true, tcp: {send: UElORw0K, receive: [UE9ORw==, '']}}",
    );
    let check = health.check().unwrap();
    assert_eq!((check.interval, check.timeout), (Duration::from_secs(5), Duration::from_secs(15)));
    assert_eq!((check.send.as_slice(), check.receive), (&b"PING\r\n"[..], vec![b"PONG".to_vec()]));
    assert_eq!((health.panic_threshold, health.fail_on_panic), (Some(Percent::whole(20)), Some(true)));
}

#[test]
fn circuit_breakers_are_read() {
    let breaker: CircuitBreakerConf = said(
        "MeshCircuitBreaker",
        "{connectionLimits: {maxConnections: 3, maxRequests: 1}, outlierDetection: {interval: 2s, maxEjectionPercent: 50, \
         detectors: {totalFailures: {}, successRate: {minimumHosts: 2, standardDeviationFactor: '1.9'}, \
         failurePercentage: {threshold: 85}}}}",
    );
    assert_eq!((breaker.max_connections, breaker.max_pending_connections), (Some(3), None));
    let wanted = OutlierDetection {
        interval: Duration::from_secs(2),
        base_ejection: Duration::from_secs(30),
        max_ejection: Percent::whole(50),
        splits_errors: false,
        total_failures: Some(5),
        gateway_failures: None,
        local_origin_failures: None,
        success_rate: Some(SuccessRate {
            minimum_hosts: Some(2),
            request_volume: None,
            deviation_thousandths: Some(1900),
        }),
        failure_percentage: Some(FailurePercentage { threshold: Some(85), ..FailurePercentage::default() }),
    };
    assert_eq!(breaker.outlier_detection(), Some(wanted));
}

#[test]
fn mirrors_are_read() {
    let all = "{backendRef: {kind: MeshService, name: b}, percent: \"12.5\", buffer: 64Ki, onSlow: drop}";
    let MirrorConf { backend, percent, buffer } = said("MeshTCPMirror", all);
    assert_eq!(backend.unwrap().target.name.as_deref(), Some("b"));
    assert_eq!((percent.unwrap().as_f64(), buffer), (12.5, Some(64 << 10)));
    for (written, bytes) in [("4096", 4 << 10), ("\"65536\"", 64 << 10), ("64Mi", 64 << 20)] {
        let said: MirrorConf = said("MeshTCPMirror", &format!("{{buffer: {written}}}"));
        assert_eq!((said.buffer, said.backend, said.percent), (Some(bytes), None, None), "{written}");
    }
    for (bad, word) in [
        ("{buffer: 1Gi}", "is no number of bytes"),
        ("{buffer: 1}", "is no number of bytes"),
        ("{percent: 101}", "no share from 0 to 100"),
        ("{onSlow: wait}", "`wait` is not one of drop"),
        ("{backendRef: {kind: MeshService, name: b, weight: 1}}", "a mirror has no weight"),
        ("{backendRef: {kind: Mesh}}", "kind"),
        ("{backendRefs: []}", "no such field"),
    ] {
        let text = format!(
            "type: MeshTCPMirror\nname: it\nspec: {{to: [{{targetRef: {{kind: MeshService, name: a}}, default: {bad}}}]}}\n"
        );
        let problems = parse(&read("it.yaml", &text).0[0], &Options::default()).problems;
        assert!(problems.iter().any(|problem| problem.to_string().contains(word)), "{bad}: {problems:?}");
    }
}

#[test]
fn routes_are_read_rule_by_rule() {
    let http = conf(
        "MeshHTTPRoute",
        "hostnames: [x.example], rules: [{matches: [{path: {type: PathPrefix, value: /}}], default: {filters: [], \
         backendRefs: [{kind: MeshService, name: b, port: 1}]}}, {default: {}}]",
    );
    let HttpRouteConf { hostnames, rules } = HttpRouteConf::of(&http).unwrap();
    assert_eq!(hostnames, &["x.example"]);
    assert!(rules.iter().all(|rule| rule.matches.catch_everything()));
    assert_eq!((rules[0].said.filters, rules[1].said.filters), (Some(false), None));
    assert_eq!(rules[0].said.backend_refs.as_ref().unwrap()[0].target.name.as_deref(), Some("b"));

    let silent = conf("MeshTCPRoute", "rules: []");
    let backends = TcpRouteConf::of(&silent).unwrap().backends();
    assert_eq!((backends[0].target.name.as_deref(), backends[0].weight), (Some("a"), Some(1)));
    let words =
        json!({ "default": { "backendRefs": [{ "kind": "MeshService", "name": "a", "weight": 1 }] } });
    assert_eq!(json!(silent), words, "a route without rules is a route to its own destination");
}

/// Merging gives the same in types and in words, and `null` changes nothing.
#[test]
fn confs_are_merged_field_by_field() {
    let low =
        conf("MeshTimeout", "default: {connectionTimeout: 2s, idleTimeout: 60s, http: {requestTimeout: 1s}}");
    let high = conf("MeshTimeout", "default: {connectionTimeout: null, idleTimeout: 3s}");
    let both = merged([&low, &high]).unwrap();
    assert_eq!(TimeoutConf::of(&both), Some(&TimeoutConf { connect: seconds(2), idle: seconds(3) }));
    let words = json!({ "connectionTimeout": "2s", "idleTimeout": "3s", "http": { "requestTimeout": "1s" } });
    assert_eq!(json!(both), words);

    let low = conf(
        "MeshCircuitBreaker",
        "default: {connectionLimits: {maxConnections: 3}, outlierDetection: {interval: 1s}}",
    );
    let high = conf("MeshCircuitBreaker", "default: {outlierDetection: {detectors: {totalFailures: {}}}}");
    let both = merged([&low, &high]).unwrap();
    let breaker = CircuitBreakerConf::of(&both).unwrap();
    assert_eq!(breaker.max_connections, Some(3));
    assert_eq!(breaker.outlier_detection().map(|detection| detection.interval), seconds(1));

    let log = |path: &str| {
        conf("MeshAccessLog", &format!("default: {{backends: [{{type: File, file: {{path: {path}}}}}]}}"))
    };
    let both = merged([&log("/a"), &log("/b")]).unwrap();
    let backends = AccessLogConf::of(&both).unwrap().backends.as_deref().unwrap();
    assert_eq!(backends.len(), 1, "a list replaces a list");
    assert_eq!(merged::<Conf>([]), None);
}

#[test]
fn a_number_is_no_duration() {
    for (kind, place) in [
        ("MeshTimeout", "idleTimeout: 5"),
        ("MeshTimeout", "connectionTimeout: 0.5"),
        ("MeshTimeout", "http: {requestTimeout: 3}"),
        ("MeshHealthCheck", "interval: 10"),
        ("MeshCircuitBreaker", "outlierDetection: {baseEjectionTime: 30}"),
    ] {
        let text = format!(
            "type: {kind}\nmesh: default\nname: x\nspec:\n  targetRef: {{kind: Mesh}}\n  to: [{{targetRef: {{kind: Mesh}}, default: {{{place}}}}}]\n"
        );
        let (documents, _) = read("x.yaml", &text);
        let parsed = parse(&documents[0], &Options::default());
        let problems: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
        let told = problems.iter().any(|it| it.contains("is no duration: it has no unit"));
        assert!(told && parsed.resource.is_none(), "{place}: {problems:?}");
    }
}

/// Conf of a MeshPassthrough, or what is wrong with it.
fn passthrough(default: &str) -> Result<PassthroughConf, Vec<String>> {
    let text =
        format!("type: MeshPassthrough\nname: it\nspec: {{targetRef: {{kind: Mesh}}, default: {default}}}\n");
    let parsed = parse(&read("it.yaml", &text).0[0], &Options::default());
    match parsed.resource.as_ref().map(meshtcp_model::Resource::spec) {
        Some(Spec::Policy(policy)) => {
            Ok(PassthroughConf::of(policy.default.as_deref().unwrap()).unwrap().clone())
        }
        _ => Err(parsed.problems.iter().map(|problem| problem.violation.field.to_string()).collect()),
    }
}

#[test]
fn what_passes_through_is_read_and_lists_are_put_together() {
    let some = passthrough(
        "{passthroughMode: Matched, appendMatch: [{type: CIDR, value: 10.9.0.0/16, port: 443}, \
         {type: Domain, value: '*.Example.com', port: 443, protocol: tls}]}",
    )
    .unwrap();
    let more = passthrough("{appendMatch: [{type: IP, value: 'fd00::1', protocol: tcp}]}").unwrap();
    let both = merged([&some, &more]).unwrap();
    assert_eq!(both.mode, Some(PassthroughMode::Matched));
    let to: Vec<PassthroughTo> = both.matches.unwrap().0.into_iter().map(|it| it.to).collect();
    assert_eq!(
        to,
        [
            PassthroughTo::Network { address: "10.9.0.0".parse().unwrap(), prefix: 16 },
            PassthroughTo::Domain("*.example.com".into()),
            PassthroughTo::Network { address: "fd00::1".parse().unwrap(), prefix: 128 },
        ]
    );
    for (wrong, field) in [
        ("{type: CIDR, value: 10.9.0.0/33}", "value"),
        ("{type: IP, value: example.com}", "value"),
        ("{type: Domain, value: 'a b', protocol: tls}", "value"),
        ("{type: Domain, value: example.com}", "protocol"),
        ("{type: IP, value: 10.0.0.1, port: 0}", "port"),
        ("{type: Host, value: 10.0.0.1}", "type"),
    ] {
        let refused = passthrough(&format!("{{passthroughMode: Matched, appendMatch: [{wrong}]}}"));
        assert_eq!(refused.unwrap_err(), [format!("spec.default.appendMatch[0].{field}")], "{wrong}");
    }
}
