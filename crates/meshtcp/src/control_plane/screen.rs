//! Operator's view of the control plane: what it serves, which proxies attach, and which changes are accepted or
//! refused.

use std::path::Path;
use std::time::Duration;

use change::Revision;
use change::compile::{Compiled, rows};
use change::report::{FleetReport, RouteReport, RouteState};
use change::status::TurnedAway;
use control::fleet::{ProxyEvent, ProxyEventKind, PublishOutcome};
use control::run::{ControlLoop, FleetNews, FleetSink, Turn};
use model::policy::format_duration;
use plan::ProxyId;
use xds::Foreign;

use super::Split;
use super::service::{Addresses, Secure};
use crate::output::{complain_drawn, print};
use crate::report::Reporter;
use crate::said::{self, Event, Level};
use crate::up::{tell_change, tell_listing};

/// Number of proxies above which they are counted, not listed.
const LISTED: usize = 30;

/// Printer of events: successes to standard output, failures to standard error.
pub(super) struct Screen {
    reporter: Reporter,
    paths: String,
}

impl Screen {
    pub(super) fn new(paths: String) -> Self {
        Self { reporter: Reporter::new(), paths }
    }

    pub(super) fn serving(
        &self,
        Addresses { xds: (xds, secure), admin, api }: Addresses,
        socket: Option<&Path>,
        split: Split,
    ) {
        let tls = match secure {
            Secure::Plaintext => "",
            Secure::Tls => " over TLS",
        };
        print(&format!("discovery: {xds}{tls}, splits for Envoy as {}\n", split.as_str()));
        if let Some((scheme, address)) = api {
            print(&format!("api: {scheme}://{address}\n"));
        }
        if let Some(socket) = socket {
            print(&format!("api for commands of this user: unix:{}\n", socket.display()));
        }
        if let Some(admin) = admin {
            print(&format!("admin: http://{admin}\n"));
        }
    }

    /// Prints the outcome of a turn over the files.
    pub(super) fn turn(&self, live: &ControlLoop<FleetSink>, turn: &Turn<FleetNews>, revision: Revision) {
        self.reporter.tell_of(live.source(), &turn.new_problems);
        let runs = live.compiled().filter(|_| turn.first);
        if let Some(compiled) = runs {
            match compiled.proxies.len() {
                0 => print("no dataplane is there yet\n"),
                few if few <= LISTED => {
                    tell_listing(compiled.proxies.values().flat_map(|proxy| rows(&proxy.plan)));
                }
                many => print(&format!("{many} dataplanes\n")),
            }
            print(&format!("following {}\n", self.paths));
        } else {
            for change in turn.changes.iter().take(LISTED) {
                tell_change(change, Some(revision));
            }
            if turn.changes.len() > LISTED {
                print(&format!("and {} changes more\n", turn.changes.len() - LISTED));
            }
        }
        turn.back.iter().for_each(|store| print(&format!("{store}: reached again\n")));
        turn.repaired.iter().for_each(|file| print(&format!("{file}: repaired, and in force\n")));
    }

    /// Prints news about attached proxies.
    pub(super) fn news(&self, news: &[PublishOutcome], compiled: &Compiled) {
        for one in news {
            match one {
                PublishOutcome::Published { proxy, notes } => {
                    for note in notes {
                        let words = format!("{} {}", Foreign::name(proxy), Foreign::message(note));
                        Event::new("note", Level::Note, words).with("proxy", proxy.to_string()).tell();
                    }
                }
                PublishOutcome::Unknown { proxy } => {
                    let (words, help) = unknown(proxy, compiled);
                    Event::new("waiting", Level::Warning, words)
                        .with("proxy", proxy.to_string())
                        .help(help)
                        .tell();
                }
                PublishOutcome::Unsayable { proxy, problem } => {
                    let words = format!("{}: {}", Foreign::name(proxy), Foreign::message(problem));
                    Event::new("unsayable", Level::Error, words).with("proxy", proxy.to_string()).tell();
                }
            }
        }
    }

    /// Prints events of proxies; below a refusal also the routes that are not live because of it.
    pub(super) fn happened(&self, proxy_events: &[ProxyEvent], report: impl Fn(&ProxyId) -> FleetReport) {
        for proxy_event in proxy_events {
            match &proxy_event.what {
                ProxyEventKind::Attached(_) | ProxyEventKind::Left | ProxyEventKind::Accepted => {
                    event(proxy_event, Level::Info).tell();
                }
                ProxyEventKind::Refused(rejection) => {
                    event(proxy_event, Level::Error).with("resource", rejection.name.as_str()).tell();
                    let report = report(&proxy_event.proxy);
                    let routes = report.routes.iter().filter(|route| {
                        route.proxies.iter().any(|at| {
                            at.proxy == proxy_event.proxy
                                && at.reach == RouteState::Refused
                                && at.refusals.iter().any(|words| words == rejection.message.trim_end())
                        })
                    });
                    for route in routes {
                        not_live(route, &proxy_event.proxy);
                    }
                }
            }
        }
    }

    /// Prints that a proxy was refused when it wanted to attach.
    pub(super) fn turned_away(TurnedAway { who, why, from, .. }: &TurnedAway) {
        let who = if who.is_empty() { "a proxy that has not said its name" } else { who };
        let from = from.map(|from| format!(", from {from},")).unwrap_or_default();
        let words = format!("{}{from} was turned away: {}", Foreign::name(who), Foreign::message(why));
        Event::new("turned-away", Level::Warning, words).with("proxy", who.to_owned()).tell();
    }

    pub(super) fn leaving(&self, attached: usize, grace: Duration) {
        let text = match attached {
            0 => "leaving: no proxy is attached\n".to_owned(),
            attached => format!(
                "leaving: {attached} proxies keep what they run; their streams end within {}\n",
                format_duration(grace)
            ),
        };
        print(&text);
    }
}

/// Event for a proxy's action.
fn event(proxy_event: &ProxyEvent, level: Level) -> Event {
    let name = match &proxy_event.what {
        ProxyEventKind::Attached(_) => "attached",
        ProxyEventKind::Left => "detached",
        ProxyEventKind::Accepted => "in-sync",
        ProxyEventKind::Refused(_) => "refused",
    };
    Event::new(name, level, proxy_event).with("proxy", proxy_event.proxy.to_string())
}

/// Prints below a refusal that a route is not live because of it.
fn not_live(route: &RouteReport, proxy: &ProxyId) {
    let (policy, source) = (Foreign::name(&route.policy), Foreign::name(&route.source));
    let words = format!("{policy} is not live at {} ({source})", Foreign::name(proxy));
    if said::is_json() {
        let event = Event::new("route-refused", Level::Error, words).with("proxy", proxy.to_string());
        return event.with("route", route.policy.to_string()).tell();
    }
    complain_drawn(&format!("  {words}\n"));
}

/// Message that a proxy is not configured, with advice.
fn unknown(proxy: &ProxyId, compiled: &Compiled) -> (String, String) {
    let (kind, mesh) = (proxy.kind(), Foreign::name(proxy.mesh()));
    let alike = |it: &&ProxyId| it.kind() == kind && it.mesh() == proxy.mesh();
    let known: Vec<&str> =
        compiled.proxies.keys().filter(alike).map(|it| it.name().as_str()).take(8).collect();
    let (of_mesh, whose) = match proxy.as_dataplane() {
        Some(_) => (format!(" of mesh {mesh}"), format!("mesh {mesh}")),
        None => (" of this zone".to_owned(), "this zone".to_owned()),
    };
    let help = match known.as_slice() {
        [] => format!("no {kind}{of_mesh} is there"),
        known => format!("{whose} has {}", Foreign::message(known.join(", "))),
    };
    let (who, name) = (Foreign::name(proxy), Foreign::name(proxy.name()));
    let words = format!("{who} is attached and waits: there is no {kind} {name} in {whose}");
    (words, format!("add it, or start the proxy under another name; {help}"))
}
