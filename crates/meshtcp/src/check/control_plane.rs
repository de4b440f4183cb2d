//! Findings about a control plane, its proxies and its certificates.

use change::certificates::CertificateReport;
use change::report::{FleetReport, ProxyReport, ProxyState};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use trust::CertificateFacts;

use super::finding::{Finding, Level};
use crate::client::Timed;
use crate::identity::{SOON, soon};
use crate::version::OURS;

/// Clock difference from which tokens and certificates may wrongly count as expired or not yet valid: warning.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// Clock difference that makes them so: failure.
const BAD_SKEW: SignedDuration = SignedDuration::from_secs(60);
/// Round-trip time above which an answer is slow.
const SLOW: SignedDuration = SignedDuration::from_millis(500);
/// Maximum number of names in a finding.
const NAMED: usize = 3;

/// Findings that it answers, and about its version and its clock.
pub(super) fn reached(Timed { document, took, date }: &Timed, now: Timestamp) -> Vec<Finding> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
    let (product, version) = (text("product"), text("version"));
    let says = format!("{product} {version} on {} answers in {} ms", text("hostname"), took.as_millis());
    let reached = match *took > SLOW {
        false => Finding::ok("control plane", says),
        true => Finding::warn("control plane", says).help("is its host overloaded, or the way to it long?"),
    };
    // a server that answers as another product reports that product's version
    let line = |version: &str| version.split(['-', '+']).next().unwrap_or_default().to_owned();
    let version = match product == "meshtcp" && line(version) != line(OURS) {
        false => Finding::ok("versions", format!("this program is {OURS}")),
        true => Finding::warn("versions", format!("this program is {OURS}, the control plane {version}"))
            .help("take the same version on both sides: what one of them does not know it cannot show"),
    };
    vec![reached, version, clock(*date, *took, now)]
}

/// Finding about the difference of the clocks, to whole seconds.
fn clock(there: Option<Timestamp>, took: SignedDuration, now: Timestamp) -> Finding {
    let Some(there) = there else { return Finding::ok("clock", "it does not say what time it has") };
    // the date was taken while the request was in flight, and is rounded down to a second
    let ahead = there.duration_since(now);
    let least = SignedDuration::from_secs(1) + took;
    let apart = if ahead.is_negative() { (ahead.abs() - least).max(SignedDuration::ZERO) } else { ahead };
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    let says = format!("the control plane's is {} s {side} this host's", apart.as_secs());
    let help = "set the clocks by NTP: tokens and certificates begin and end by them";
    if apart > BAD_SKEW {
        Finding::fail("clock", says).help(help)
    } else if apart > SKEW {
        Finding::warn("clock", says).help(help)
    } else {
        Finding::ok("clock", "as this host's")
    }
}

/// Finding about the names and the end of the API's certificate. An expired one was not trusted in the first place.
pub(super) fn own_certificate(
    CertificateFacts { names, signs: _, valid }: &CertificateFacts,
    now: Timestamp,
) -> Finding {
    let (begins, ends) = (*valid.start(), *valid.end());
    let until = Timestamp::from_second(ends).map(|ends| ends.strftime("%Y-%m-%d %H:%MZ").to_string());
    let says = format!("for {}, until {}", named(names), until.unwrap_or_else(|_| "ever".to_owned()));
    // a self-renewing certificate lives for days only, and is replaced in its last third
    let late = ((ends - begins) / 3).min(SOON.as_secs());
    match ends - now.as_second() < late {
        false => Finding::ok("API certificate", says),
        true => Finding::warn("API certificate", says)
            .help("put another in the place of --api-tls-cert and --api-tls-key: it is taken within seconds"),
    }
}

/// Finding that its store can be read.
pub(super) fn store(Timed { took, .. }: &Timed) -> Finding {
    let says = format!("is read in {} ms", took.as_millis());
    match *took > SLOW {
        false => Finding::ok("store", says),
        true => Finding::warn("store", says)
            .help("a store on a network: is its way long, or its host overloaded?"),
    }
}

/// Findings about certificates that proxies need and lack, or that end soon.
pub(super) fn certificates(
    CertificateReport { authorities, proxies, outside }: &CertificateReport,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let authority =
        authorities.iter().map(|it| (format!("CA of {} ({})", it.mesh, it.name), &it.why, it.ends));
    let secret =
        outside.iter().map(|it| (format!("{} of {}/{}", it.part, it.mesh, it.service), &it.why, it.ends));
    for (what, why, ends) in authority.chain(secret) {
        match (why, soon(ends)) {
            (Some(why), _) => {
                found.push(
                    Finding::fail(what, why.clone()).help("`meshtcp identity status` shows all of them"),
                );
            }
            (None, Some(soon)) => found.push(Finding::warn(what, soon)),
            (None, None) => {}
        }
    }
    let without: Vec<String> =
        proxies.iter().filter(|it| it.why.is_some()).map(|it| format!("{}/{}", it.mesh, it.name)).collect();
    if !without.is_empty() {
        let says = format!("{} of {} proxies have none: {}", without.len(), proxies.len(), named(&without));
        found.push(Finding::fail("certificates", says).help("`meshtcp identity status` says of each why"));
    }
    let now = Timestamp::now();
    let ended: Vec<String> = proxies
        .iter()
        .filter(|it| it.why.is_none() && it.ends.is_some_and(|end| end <= now))
        .map(|it| format!("{}/{}", it.mesh, it.name))
        .collect();
    if !ended.is_empty() {
        let says = format!("those of {} proxies have ended: {}", ended.len(), named(&ended));
        found.push(Finding::fail("certificates", says).help("meshtcp identity rotate"));
    }
    if found.is_empty() {
        found.push(Finding::ok(
            "certificates",
            match (authorities.len(), proxies.len()) {
                (0, 0) => "no mesh has mTLS".to_owned(),
                (authorities, proxies) => format!("{authorities} authorities, {proxies} proxies have one"),
            },
        ));
    }
    found
}

/// Findings about its proxies and its newest change.
pub(super) fn fleet(report: &FleetReport) -> Vec<Finding> {
    let FleetReport { rollout, control_planes, others_unknown, totals, proxies, turned_away, .. } = report;
    let mut found = Vec::new();
    let of = |state: ProxyState| -> Vec<String> {
        let all = proxies.iter().filter(|it: &&ProxyReport| it.state() == state);
        all.map(|it| it.proxy.to_string()).collect()
    };
    for (state, level, says, help) in [
        (
            ProxyState::Refusing,
            Level::Fail,
            "refuse something",
            "`meshtcp status proxies` says what, and why",
        ),
        (ProxyState::Pending, Level::Warn, "have not answered yet", "look at their logs if it stays so"),
        (ProxyState::Waiting, Level::Warn, "have no Dataplane", "apply one, or end them"),
        (ProxyState::Detached, Level::Warn, "are not attached", "start them, or delete their Dataplanes"),
    ] {
        let names = of(state);
        if !names.is_empty() {
            let says = format!("{} {says}: {}", names.len(), named(&names));
            found.push(Finding::new(level, "proxies", says).help(help));
        }
    }
    if found.is_empty() {
        found.push(Finding::ok("proxies", format!("{} attached, all in sync", totals.proxies.in_sync)));
    }
    if let Some(rollout) = rollout {
        let says =
            format!("revision {}: {}/{} proxies live", report.revision, rollout.live, rollout.concerned);
        found.push(match (rollout.lagging_count.max(rollout.lagging.len()), rollout.waits_for.is_empty()) {
            (0, true) => Finding::ok("lag", says),
            (_, false) => {
                Finding::warn("lag", format!("{says}, not taken over by {}", rollout.waits_for.join(", ")))
                    .help("do all control planes reach the store?")
            }
            (lagging, true) => {
                Finding::warn("lag", format!("{says}, {lagging} lag behind")).help("`meshtcp status`")
            }
        });
    }
    if let (Some(first), Some(last)) =
        (control_planes.iter().map(|it| it.revision).min(), control_planes.iter().map(|it| it.revision).max())
    {
        let says = format!("{} on one store", control_planes.len());
        found.push(match first == last {
            true => Finding::ok("control planes", says),
            false => Finding::warn("control planes", format!("{says}, at revisions {first} to {last}"))
                .help("again in a moment; if it stays so, one of them does not reach the store"),
        });
    }
    if let Some(why) = others_unknown {
        found.push(Finding::warn("control planes", format!("what the others know cannot be read: {why}")));
    }
    if let Some(last) = turned_away.first() {
        let says = format!("{} callers, such as {}: {}", turned_away.len(), last.who, last.why);
        found.push(
            Finding::warn("turned away", says)
                .help("`meshtcp status proxies` lists them; do they have the right token?"),
        );
    }
    found
}

/// First names, and the number of the others.
fn named(names: &[String]) -> String {
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn clock_at(ahead: i64) -> Level {
        let now: Timestamp = "2026-11-29T12:00:00.7Z".parse().unwrap();
        let there = now + SignedDuration::from_secs(ahead);
        clock(Some(there), SignedDuration::from_millis(20), now).level
    }

    #[test]
    fn clocks_are_compared_as_far_as_seconds_tell() {
        for (ahead, level) in [
            (0, Level::Ok),
            (-1, Level::Ok),
            (-6, Level::Ok),
            (-9, Level::Warn),
            (9, Level::Warn),
            (61, Level::Fail),
            (-90, Level::Fail),
        ] {
            assert_eq!(clock_at(ahead), level, "{ahead}");
        }
    }

    #[test]
    fn the_certificate_of_the_api_is_told_before_it_ends() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let day = 24 * 3600;
        for (lived, left, level) in [
            (300, 65, Level::Ok),
            (300, 29, Level::Warn),
            // certificate with a lifetime of a day
            (0, 1, Level::Ok),
            (3, 1, Level::Warn),
        ] {
            let valid = now.as_second() - lived * day..=now.as_second() + left * day;
            let names = vec!["cp.example.com".to_owned(), "10.0.0.1".to_owned()];
            let finding = own_certificate(&CertificateFacts { names, signs: false, valid }, now);
            assert_eq!((finding.level, finding.help.is_some()), (level, level == Level::Warn), "{finding:?}");
            assert!(finding.says.starts_with("for cp.example.com, 10.0.0.1, until 2027-"), "{finding:?}");
        }
    }

    #[test]
    fn another_version_is_told() {
        let at = |version: &str, product: &str| Timed {
            document: json!({ "product": product, "version": version, "hostname": "h" }),
            took: SignedDuration::from_millis(900),
            date: None,
        };
        let levels =
            |timed: &Timed| reached(timed, Timestamp::now()).iter().map(|it| it.level).collect::<Vec<_>>();
        assert_eq!(levels(&at("9.9.9", "meshtcp")), [Level::Warn, Level::Warn, Level::Ok]);
        assert_eq!(levels(&at(&format!("{OURS}-preview"), "meshtcp"))[1], Level::Ok);
        assert_eq!(levels(&at("2.14.3", "Kuma"))[1], Level::Ok);
    }

    #[test]
    fn names_are_counted_beyond_the_first() {
        let names: Vec<String> = (1..=5).map(|at| format!("w{at}")).collect();
        assert_eq!(named(&names), "w1, w2, w3 and 2 more");
    }
}
