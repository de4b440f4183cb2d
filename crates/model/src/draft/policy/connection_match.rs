//! Reader of `rules[].matches` of a MeshTCPRoute, which no release of the reference has.

use std::num::NonZeroU16;

use crate::draft::fields::Fields;
use crate::draft::findings::{Note, NoteSort};
use crate::draft::identity::broken_spiffe_id;
use crate::policy::{ConnectionMatch, ServerNamePattern, SpiffeIdMatch};
use crate::profile::Profile;

/// Reads the matches of a rule; none: it is for all connections. A profile without matches does not know the field.
pub(super) fn read(rule: &mut Fields<'_>, profile: Profile) -> Vec<ConnectionMatch> {
    if !profile.has_connection_matches() {
        // `has` leaves no record, so that the shape of this profile does not list the field
        if rule.has("matches") {
            rule.known(&["matches"]);
            rule.findings().note(Note {
                sort: NoteSort::UnknownField,
                path: rule.at("matches"),
                message: format!("profile {profile} has no `matches` in a MeshTCPRoute"),
                help: Some("choose profile 2.14+, which has them; no release of Kuma does".into()),
            });
        }
        return Vec::new();
    }
    rule.list("matches", one)
}

/// Checks that at most one rule is for all connections.
pub(super) fn check_rules(item: &Fields<'_>, rules: &[Vec<ConnectionMatch>], profile: Profile) {
    let mut for_all = rules.iter().enumerate().filter(|(_, matches)| matches.is_empty());
    if profile.has_connection_matches()
        && let Some((second, _)) = for_all.nth(1)
    {
        item.findings().note(Note {
            sort: NoteSort::Error,
            path: item.at("rules").index(second),
            message: "a rule before it takes every connection that no match takes".into(),
            help: Some("add `matches`, or put its backends into that rule".into()),
        });
    }
}

fn one(mut fields: Fields<'_>) -> ConnectionMatch {
    let read = ConnectionMatch {
        server_name: server_name(&mut fields),
        destination_port: port(&mut fields),
        source: fields.text("sourceCIDR").and_then(|written| {
            let network = written.parse();
            network.map_err(|why| fields.error("sourceCIDR", format!("`{written}` {why}"), None)).ok()
        }),
        identity: identity(&mut fields),
    };
    if read == ConnectionMatch::EVERYTHING && fields.names().next().is_none() {
        let help = "say `serverName`, `destinationPort`, `sourceCIDR` or `spiffeID`, or leave `matches` out";
        fields.findings().note(Note {
            sort: NoteSort::Error,
            path: fields.path().clone(),
            message: "says nothing about connections".into(),
            help: Some(help.into()),
        });
    }
    read
}

fn server_name(fields: &mut Fields<'_>) -> Option<ServerNamePattern> {
    let written = fields.text("serverName")?;
    let lower = written.to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        let help = "write db.example.com, or *.example.com";
        fields.error("serverName", format!("`{written}` is no server name"), Some(help.into()));
    }
    Some(ServerNamePattern::new(lower))
}

fn port(fields: &mut Fields<'_>) -> Option<NonZeroU16> {
    let port = fields.number::<u16>("destinationPort");
    if port == Some(0) {
        fields.error("destinationPort", "0 is no port", Some("leave it out for every port".into()));
    }
    port.and_then(NonZeroU16::new)
}

fn identity(fields: &mut Fields<'_>) -> Option<SpiffeIdMatch> {
    let mut id = fields.object("spiffeID");
    if !id.is_present() {
        return None;
    }
    let is_whole = id.choice("type", &[("Exact", true), ("Prefix", false)]);
    if !id.has("type") {
        id.error("type", "must be set", Some("write Exact or Prefix".into()));
    }
    let value = id.string("value");
    let broken = match id.has("value") {
        // a prefix may end anywhere
        true if value.starts_with("spiffe://") && value.len() > "spiffe://".len() => {
            broken_spiffe_id(&value).filter(|_| is_whole == Some(true))
        }
        _ => Some("scheme is missing or invalid"),
    };
    if let Some(why) = broken {
        let help = "write spiffe://default/web";
        id.error("value", format!("`{value}` is no SPIFFE ID: {why}"), Some(help.into()));
    }
    Some(if is_whole? { SpiffeIdMatch::Exact(value) } else { SpiffeIdMatch::Prefix(value) })
}
