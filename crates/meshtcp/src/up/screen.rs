//! Operator's view of `up`: what runs, which proxies changed, and what is wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use change::Revision;
use change::compile::{Compiled, ProxyChange, ProxySelection, Row, carried};
use control::run::{ControlLoop, Turn};
use model::policy::format_duration;
use model::{Kind, Spec};
use proxy::DrainReport;
use xds::Foreign;

use super::{OwnNews, OwnProxy};
use crate::output::{complain, print, print_drawn, table};
use crate::paint::painted;
use crate::report::{Reporter, count_in_words};
use crate::said::{self, Event, Level};

/// Printer of events: what runs to standard output, what is wrong to standard error.
pub(crate) struct Screen {
    reporter: Reporter,
    paths: String,
}

impl Screen {
    /// Creates a screen for `up` on these paths.
    pub(crate) fn new(paths: String) -> Self {
        Self { reporter: Reporter::new(), paths }
    }

    pub(crate) fn admin(&self, address: Option<SocketAddr>) {
        if let Some(address) = address {
            print(&format!("admin: http://{address}\n"));
        }
    }

    /// Prints the outcome of a turn.
    pub(crate) fn turn(&self, live: &ControlLoop<OwnProxy>, turn: &Turn<OwnNews>) {
        self.reporter.tell_of(live.source(), &turn.new_problems);
        if let Some(compiled) = live.compiled().filter(|_| turn.first) {
            for name in live.compiler().scope.unknown(&compiled.snapshot) {
                complain(&format!("warning: --dataplane {name}: there is no such Dataplane yet\n"));
            }
        }
        let runnable = live.compiled().filter(|compiled| compiled.is_runnable());
        let started = turn.changes.iter().any(|change| {
            matches!(
                change.what,
                change::compile::ProxyChangeKind::ProxyAdded { .. }
                    | change::compile::ProxyChangeKind::ProxyRemoved
            )
        });
        match runnable {
            Some(compiled) if turn.first || started => {
                if !turn.first {
                    self.changes(turn);
                }
                tell_listing(compiled.proxies.values().flat_map(carried));
                print(&format!("following {}\n", self.paths));
            }
            Some(_) => self.changes(turn),
            None if turn.first || !turn.changes.is_empty() || !turn.new_problems.is_empty() => {
                self.changes(turn);
                print(&self.nothing_to_run(live));
            }
            None => {}
        }
        let Some(OwnNews { told: _, idle_routes, failed, bound }) = &turn.news else { return };
        for (route, why) in idle_routes {
            print(&format!("{route} decides nothing here: {}\n", Foreign::message(why)));
        }
        for failed in failed {
            let words = format!("{}: trying again every second", Foreign::message(failed));
            Event::new("listener-unbound", Level::Error, words).tell();
        }
        for bound in bound {
            print(&format!("no longer: {bound}\n"));
        }
    }

    /// Warns about newly read rollouts that no process runs.
    pub(crate) fn not_run(&self, live: &ControlLoop<OwnProxy>, turn: &Turn<OwnNews>) {
        let current = live.current();
        let current = current.borrow();
        let entries = current.adopted.iter().flat_map(|(ledger, _)| ledger.entries());
        let read = entries.filter(|(key, entry)| {
            key.kind == Kind::MeshTCPRollout && turn.changed.contains(entry.document.source())
        });
        for (key, _) in read {
            let words =
                format!("{key} stands still: it is not known where to keep how far it is (--state FILE)");
            Event::new("rollout-not-run", Level::Note, words).with("resource", key.to_string()).tell();
        }
    }

    fn changes(&self, turn: &Turn<OwnNews>) {
        for change in &turn.changes {
            tell_change(change, None);
        }
        for file in &turn.repaired {
            print(&format!("{file}: repaired, and in force\n"));
        }
        let told = turn.news.as_ref().is_none_or(|news| news.told);
        for file in turn.changed.iter().filter(|file| !told && !turn.repaired.contains(file)) {
            print(&format!("{file}: read, and nothing changes for the proxies here\n"));
        }
    }

    fn nothing_to_run(&self, live: &ControlLoop<OwnProxy>) -> String {
        let files = live.source().states().len();
        let counted = count_in_words(live.problems());
        let why = match (live.compiled().map(|compiled| elsewhere(compiled)), files) {
            (Some(elsewhere), _) if !elsewhere.is_empty() => format!(
                "no dataplane has an address of this host; there are {} (carry one with --dataplane NAME)",
                elsewhere.join(", ")
            ),
            (_, 0) => "there is no file of resources".to_owned(),
            (_, 1) => format!("no dataplane in 1 file, {counted}"),
            (_, files) => format!("no dataplane in {files} files, {counted}"),
        };
        let mesh = match (&live.compiler().scope.mesh, &live.compiler().scope.which) {
            (Some(mesh), ProxySelection::Here { .. }) => format!(" of mesh {mesh}"),
            (_, _) => String::new(),
        };
        format!("nothing to run{mesh} yet: {why}\nwaiting for changes in {}\n", self.paths)
    }

    pub(crate) fn taken_over(&self) {
        print("another process took over the listeners\n");
    }

    pub(crate) fn leaving(&self, open: u64, grace: Duration) {
        let text = match open {
            0 => "leaving: no connection is open\n".to_owned(),
            open => format!(
                "leaving: no new connections; what is open ({open}, counted at each listener) may go on for {} (again: ends it at \
                 once)\n",
                format_duration(grace)
            ),
        };
        print(&text);
    }

    pub(crate) fn left(&self, report: &DrainReport) {
        let DrainReport { ended, closed } = report;
        print(&format!(
            "left: waited for {} connections, {ended} ended by themselves, {closed} were closed\n",
            ended + closed
        ));
    }
}

/// Prints the differences per proxy, with the revision if changes are counted.
pub(crate) fn tell_change(change: &ProxyChange, revision: Option<Revision>) {
    let event = Event::new("changed", Level::Info, Foreign::message(change));
    let event = event.with("proxy", change.proxy.to_string()).with("route", change.decided_by());
    event.with("revision", revision.map(Revision::number)).tell();
}

/// Prints the listeners: in a table, or for programs one by one.
pub(crate) fn tell_listing(rows: impl Iterator<Item = Row>) {
    if !said::is_json() {
        return print_drawn(&painted(&listing(rows)));
    }
    for row in rows {
        let words = format!("{} {} at {}: {}", row.proxy, row.title(), row.address, row.split_in_words());
        let event = Event::new("listener", Level::Info, words).with("proxy", row.proxy.to_string());
        let event = event.with("listener", format!("{} {}", row.sort, row.address));
        event.with("destination", row.destination).with("route", row.decided_by).tell();
    }
}

/// Listeners as an aligned table.
fn listing(rows: impl Iterator<Item = Row>) -> String {
    let row = |row: Row| {
        let decided = row.decided_by.clone().unwrap_or_else(|| "-".to_owned());
        let split = row.split_in_words();
        [row.proxy.to_string(), format!("{} {}", row.sort, row.address), row.destination, split, decided]
    };
    table(["PROXY", "LISTENER", "DESTINATION", "SPLIT", "DECIDED BY"], rows.map(row))
}

/// Dataplanes that are not carried here, with their addresses.
fn elsewhere(compiled: &Compiled) -> Vec<String> {
    let all = compiled.snapshot.of_kind(Kind::Dataplane).iter();
    let described = |resource: &Arc<model::Resource>| match resource.spec() {
        Spec::Dataplane(dataplane) => Some(format!("{} at {}", resource.meta().name, dataplane.address)),
        _ => None,
    };
    all.filter_map(described).take(8).collect()
}
