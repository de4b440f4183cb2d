//! Stored resources as rows of text.

use jiff::Timestamp;
use model::Kind;
use model::kind::Scope;
use serde_json::Value;

use crate::output;

/// Text of a member; empty if it is absent.
pub(crate) fn text<'v>(resource: &'v Value, key: &str) -> &'v str {
    resource.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Name of the resource, with its mesh if those of several are listed.
pub(super) fn name(kind: Kind, resource: &Value, meshes: bool) -> String {
    let name = text(resource, "name");
    match meshes && kind.scope() == Scope::Mesh {
        true => format!("{}/{name}", text(resource, "mesh")),
        false => name.to_owned(),
    }
}

/// Table of `-o table`; `kinds`: names include their kind, since several kinds are listed.
pub(super) fn table(kind: Kind, found: &[Value], meshes: bool, kinds: bool) -> String {
    let now = Timestamp::now();
    let name = |it: &Value| match kinds {
        true => format!("{}/{}", kind.plural(), text(it, "name")),
        false => text(it, "name").to_owned(),
    };
    let row = |it: &Value| [name(it), summary(kind, it), age(it, now)];
    match meshes && kind.scope() == Scope::Mesh {
        true => {
            let row = |it: &Value| {
                let [name, says, age] = row(it);
                [text(it, "mesh").to_owned(), name, says, age]
            };
            output::table(["MESH", "NAME", "SAYS", "AGE"], found.iter().map(row))
        }
        false => output::table(["NAME", "SAYS", "AGE"], found.iter().map(row)),
    }
}

/// Table of `-o wide`.
pub(super) fn wide(kind: Kind, found: &[Value]) -> String {
    let labels = |it: &Value| {
        let labels = it.get("labels").and_then(Value::as_object).into_iter().flatten();
        labels
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(",")
    };
    let now = Timestamp::now();
    let row = |it: &Value| {
        let some = |key: &str| text(it, key).to_owned();
        [
            some("mesh"),
            some("name"),
            summary(kind, it),
            age(it, now),
            seconds(text(it, "modificationTime")),
            seconds(text(it, "creationTime")),
            some("kri"),
            labels(it),
        ]
    };
    output::table(
        ["MESH", "NAME", "SAYS", "AGE", "CHANGED", "CREATED", "KRI", "LABELS"],
        found.iter().map(row),
    )
}

/// Time to the second.
pub(crate) fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None if time.is_empty() => "-".to_owned(),
        None => time.to_owned(),
    }
}

/// Time since its creation.
fn age(resource: &Value, now: Timestamp) -> String {
    let created: Option<Timestamp> = text(resource, "creationTime").parse().ok();
    created.map_or_else(|| "-".to_owned(), |created| ago(now.duration_since(created).as_secs()))
}

/// Age in the largest unit of which there are at least two.
pub(crate) fn ago(seconds: i64) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let fitting = units.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    fitting.map_or_else(
        || format!("{}s", seconds.max(0)),
        |(unit, letter)| format!("{}{letter}", seconds / unit),
    )
}

/// Content of a resource in a few words; empty for kinds that need more.
pub(crate) fn summary(kind: Kind, resource: &Value) -> String {
    let each = |pointer: &str, words: &dyn Fn(&Value) -> String, between: &str| {
        list(resource, pointer).iter().map(words).collect::<Vec<_>>().join(between)
    };
    match kind {
        Kind::MeshTCPRoute | Kind::MeshHTTPRoute => each("/spec/to", &|item| route(kind, item), "; "),
        Kind::MeshTCPMirror => each("/spec/to", &mirror, "; "),
        Kind::Dataplane => dataplane(resource),
        Kind::MeshService => format!("ports {}", each("/spec/ports", &|it| number(it, "/port"), ", ")),
        Kind::MeshExternalService => each("/spec/endpoints", &endpoint, ", "),
        Kind::ZoneIngress => zone_ingress(resource),
        Kind::ZoneEgress => {
            let at = word(resource, "/networking/address");
            format!("{at}:{}{}", number(resource, "/networking/port"), of_zone(resource))
        }
        _ => resource.pointer("/spec/targetRef").map(reference).unwrap_or_default(),
    }
}

/// Items of a list; empty if it is absent.
fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Text at a pointer; empty if it is absent.
fn word<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Number at a pointer; empty if it is absent.
fn number(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map(Value::to_string).unwrap_or_default()
}

/// Item of a route: its destination, and the backends of the rule for all connections.
fn route(kind: Kind, item: &Value) -> String {
    let to = item.get("targetRef").map(reference).unwrap_or_default();
    let rules = list(item, "/rules");
    let is_for_all = |rule: &&Value| rule.get("matches").is_none();
    let for_all = rules.iter().find(is_for_all).filter(|_| kind == Kind::MeshTCPRoute);
    let rule = for_all.or(rules.first());
    let for_some = match rules.iter().filter(|rule| !is_for_all(rule)).count() {
        0 => String::new(),
        _ if kind == Kind::MeshHTTPRoute => String::new(),
        1 => " (and a rule for some)".to_owned(),
        count => format!(" (and {count} rules for some)"),
    };
    let backend = |it: &Value| match it.get("weight") {
        Some(weight) => format!("{} {weight}", reference(it)),
        None => reference(it),
    };
    let backends = rule.map(|rule| list(rule, "/default/backendRefs")).unwrap_or_default();
    let backends: Vec<String> = backends.iter().map(backend).collect();
    format!("{to} → {}{for_some}", backends.join(", "))
}

fn mirror(item: &Value) -> String {
    let to = item.get("targetRef").map(reference).unwrap_or_default();
    let copies = item.pointer("/default/backendRef").map(reference).unwrap_or_default();
    let percent = item.pointer("/default/percent").map_or("100".to_owned(), Value::to_string);
    format!("{to} ⇉ {copies}, {percent} %")
}

fn dataplane(resource: &Value) -> String {
    let inbound = |it: &Value| match word(it, "/tags/kuma.io~1service") {
        "" => number(it, "/port"),
        service => format!("{service}:{}", number(it, "/port")),
    };
    let inbounds: Vec<String> = list(resource, "/networking/inbound").iter().map(inbound).collect();
    format!(
        "{}, offers {}, dials {}",
        word(resource, "/networking/address"),
        if inbounds.is_empty() { "nothing".to_owned() } else { inbounds.join(", ") },
        list(resource, "/networking/outbound").len()
    )
}

fn endpoint(item: &Value) -> String {
    let address = word(item, "/address");
    item.get("port").map_or_else(|| address.to_owned(), |port| format!("{address}:{port}"))
}

fn zone_ingress(resource: &Value) -> String {
    let at = |port: &str, address: &str| {
        let port = resource.pointer(&format!("/networking/{port}")).filter(|port| **port != 0)?;
        let address = resource.pointer(&format!("/networking/{address}"))?.as_str()?;
        Some(format!("{address}:{port}"))
    };
    let public = at("advertisedPort", "advertisedAddress");
    let public = public.map_or_else(|| "not public".to_owned(), |public| format!("public at {public}"));
    let offers = list(resource, "/availableServices");
    let instances: u64 = offers.iter().filter_map(|it| it.get("instances")?.as_u64()).sum();
    format!(
        "{}{}, {public}, offers {instances} instances by {} sets of tags",
        at("port", "address").unwrap_or_default(),
        of_zone(resource),
        offers.len()
    )
}

/// Zone of the resource, according to itself.
fn of_zone(resource: &Value) -> String {
    match text(resource, "zone") {
        "" => String::new(),
        zone => format!(" of zone {zone}"),
    }
}

/// Reference in words: its name, or its kind, with its restrictions.
fn reference(reference: &Value) -> String {
    let some =
        |key: &str| reference.get(key).map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
    let mut words = some("name").or_else(|| some("kind")).unwrap_or_default();
    for port in ["port", "sectionName"].into_iter().filter_map(some) {
        words.push_str(&format!(":{port}"));
    }
    for key in ["tags", "labels"] {
        for (key, value) in reference.get(key).and_then(Value::as_object).into_iter().flatten() {
            words.push_str(&format!(" {key}={}", value.as_str().unwrap_or_default()));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingress_says_where_it_is_and_what_it_offers() {
        let mut ingress = serde_json::json!({
            "networking": { "address": "10.0.0.2", "port": 10001 },
            "availableServices": [{ "instances": 2 }, { "instances": 3 }],
        });
        assert_eq!(
            summary(Kind::ZoneIngress, &ingress),
            "10.0.0.2:10001, not public, offers 5 instances by 2 sets of tags"
        );
        ingress["zone"] = "west".into();
        ingress["networking"]["advertisedAddress"] = "203.0.113.7".into();
        ingress["networking"]["advertisedPort"] = 30001.into();
        ingress["availableServices"] = serde_json::json!([]);
        assert_eq!(
            summary(Kind::ZoneIngress, &ingress),
            "10.0.0.2:10001 of zone west, public at 203.0.113.7:30001, offers 0 instances by 0 sets of tags"
        );
    }

    #[test]
    fn an_age_is_told_in_one_unit() {
        for (seconds, told) in
            [(-1, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h"), (200_000, "2d")]
        {
            assert_eq!(ago(seconds), told);
        }
        assert_eq!(self::seconds("2026-11-25T18:01:12.531234567Z"), "2026-11-25T18:01:12Z");
    }
}
