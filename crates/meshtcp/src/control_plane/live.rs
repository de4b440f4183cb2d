//! The loop's state: what was read, and what every proxy should run by it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::api::Mirror;
use control::compile::{
    Change, CompileMetrics, Compiled, Compiler, Dangling, changes, dangling, newly_dangling, unsayable,
    warnings,
};
use control::discovery::Publisher;
use control::guard::step;
use control::store::Revision;
use control::store::folder::{Candidate, Entry, FileState, Objection, Settled};
use model::{Problems, ProxyKey, Severity};
use xds::Family;

use super::resources::{Dangle, Followed};
use crate::pause::Pause;

/// How long to sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// Resources, and what was made of them.
pub(super) struct Live {
    store: Followed,
    compiler: Compiler,
    metrics: CompileMetrics,
    /// Who is attached, and in which dialect.
    publisher: Arc<Publisher>,
    /// What is in force; `None` until anything was adopted.
    current: Option<Arc<Compiled>>,
    /// Everything that is wrong now, sorted.
    problems: Problems,
    /// After a panic.
    pause: Pause,
}

/// What one look at the files brought.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Whether this is the first one.
    pub(super) first: bool,
    /// The new state; `None`: what was in force stays.
    pub(super) compiled: Option<Arc<Compiled>>,
    /// What became different for whom.
    pub(super) changes: Vec<Change>,
    /// What is wrong and was not before.
    pub(super) new_problems: Problems,
    /// Files that are in force again as they are.
    pub(super) repaired: Vec<Arc<str>>,
    /// The store, if it can be read again that could not be read before.
    pub(super) back: Option<String>,
    /// All resources of the new state, as the API shows them; `None`: it shows a store.
    pub(super) entries: Option<Vec<Arc<Entry>>>,
}

/// The files and what is wrong with them, for the admin server.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Whether a state was adopted.
    pub(super) settled: bool,
    /// The files, sorted, and what is in force of each.
    pub(super) states: Vec<(Arc<str>, FileState)>,
    /// Everything that is wrong or doubtful.
    pub(super) problems: Problems,
}

struct Adoption {
    compiled: Compiled,
    warnings: Problems,
    entries: Option<Vec<Arc<Entry>>>,
}

impl Live {
    pub(super) fn new(
        store: Followed,
        compiler: Compiler,
        metrics: CompileMetrics,
        publisher: Arc<Publisher>,
    ) -> Self {
        let (problems, pause) = (Problems::default(), Pause::default());
        Self { store, compiler, metrics, publisher, current: None, problems, pause }
    }

    pub(super) fn store(&self) -> &Followed {
        &self.store
    }

    /// The revision that the resources have where they are stored; `None` for files, which have none.
    pub(super) fn revision(&self) -> Option<Revision> {
        self.store.revision()
    }

    /// Leaves everything as it is for a while, after a panic.
    pub(super) fn failed_to_look(&mut self) {
        self.pause.begin(Instant::now());
    }

    /// What is adopted, when a panic may have kept it from coming into force.
    pub(super) fn owed(&mut self) -> Option<Arc<Compiled>> {
        let is_due = !self.pause.goes_on(Instant::now()) && self.pause.take();
        self.current.clone().filter(|_| is_due)
    }

    /// A turn was taken to its end.
    pub(super) fn is_well(&mut self) {
        if self.pause.until().is_none() {
            self.pause.is_over();
        }
    }

    pub(super) fn files(&self) -> Files {
        Files {
            settled: self.current.is_some(),
            states: self.store.states(),
            problems: self.problems.clone(),
        }
    }

    /// How long nothing is due unless something wakes us.
    pub(super) fn patience(&self) -> Duration {
        let due = [self.store.look_again_at(), self.pause.until()].into_iter().flatten().min();
        due.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Looks at the files, and takes over what they say if it can be. `None`: nothing is new.
    pub(super) fn look(&mut self) -> Option<Turn> {
        if self.pause.goes_on(Instant::now()) {
            return None;
        }
        let states = self.store.states();
        let was_away = self.store.is_away();
        self.store.refresh();
        let back = (was_away && !self.store.is_away()).then(|| self.store.in_words());
        if !self.store.is_unsettled() {
            return self.only_problems(back);
        }
        let before = self.current.clone();
        let (compiler, current) = (&self.compiler, before.as_deref());
        let dangle = self.store.dangle();
        let began = Instant::now();
        let attached = Attached(self.publisher.wanted().into_iter().collect());
        step("compile");
        let settled = self.store.settle(|candidate| adopt(compiler, current, &attached, candidate, dangle));
        let mut problems = self.store.problems();
        let mut turn = Turn { first: before.is_none(), back, ..Turn::default() };
        match settled {
            Settled::Adopted(Adoption { compiled, warnings, entries }) => {
                self.metrics.adopted(&compiled, began.elapsed());
                turn.entries = entries;
                problems.append(warnings);
                let nothing = self.compiler.nothing();
                let before = before.as_deref().unwrap_or(&nothing);
                turn.changes = changes(before, &compiled, |key| attached.family(key));
                let compiled = Arc::new(compiled);
                turn.compiled = Some(Arc::clone(&compiled));
                self.current = Some(compiled);
            }
            // warnings about what is in force stay as they are
            Settled::Refused => {
                self.metrics.refused();
                problems.append(self.warnings());
            }
        }
        turn.new_problems = self.now_wrong(problems);
        turn.repaired = self.repaired(&states);
        Some(turn)
    }

    /// What is wrong now though nothing that is stored changed: the store itself may be away.
    fn only_problems(&mut self, back: Option<String>) -> Option<Turn> {
        let mut problems = self.store.problems();
        problems.append(self.warnings());
        let new_problems = self.now_wrong(problems);
        let something = back.is_some() || !new_problems.is_empty();
        something.then(|| Turn { new_problems, back, ..Turn::default() })
    }

    fn warnings(&self) -> Problems {
        self.problems.only(Severity::Warning)
    }

    /// Remembers what is wrong now, and gives what of it was not before.
    fn now_wrong(&mut self, mut problems: Problems) -> Problems {
        problems.sort();
        let new = problems.since(&self.problems);
        self.problems = problems;
        new
    }

    fn repaired(&self, before: &[(Arc<str>, FileState)]) -> Vec<Arc<str>> {
        let was_broken =
            |file: &Arc<str>| before.iter().any(|(name, state)| name == file && *state != FileState::Current);
        let now = self.store.states().into_iter();
        now.filter(|(file, state)| *state == FileState::Current && was_broken(file))
            .map(|(file, _)| file)
            .collect()
    }
}

/// Makes of a candidate what proxies should run, or objects to references in files that were just written and lead
/// nowhere. What a store has was accepted: all of it is in force.
fn adopt(
    compiler: &Compiler,
    before: Option<&Compiled>,
    attached: &Attached,
    candidate: &Candidate,
    dangle: Dangle,
) -> Result<Adoption, Vec<Objection>> {
    let compiled = match before {
        Some(before) => compiler.recompile(before, candidate),
        None => compiler.compile(candidate),
    };
    let nowhere: Vec<Dangling> = dangling(&compiled.snapshot, candidate);
    if let (Some(before), Dangle::HeldBack) = (before, dangle) {
        let objections = newly_dangling(before, &nowhere, candidate);
        if !objections.is_empty() {
            return Err(objections);
        }
    }
    // those that wait for it are told at once, and what cannot be said to them is known before it is in force
    compiled.say_to_envoy(attached.envoys());
    // what a family cannot do is told when a proxy of it attaches: before, nobody knows which it will be
    let mut warnings = warnings(&compiled, &nowhere, candidate, &[]);
    warnings.extend(unsayable(&compiled, candidate, Severity::Warning));
    // a store is shown as it is
    let entries = (dangle == Dangle::HeldBack).then(|| Mirror::entries(candidate));
    Ok(Adoption { compiled, warnings, entries })
}

/// The proxies that are attached, in the dialect that each speaks.
struct Attached(BTreeSet<(ProxyKey, Family)>);

impl Attached {
    fn envoys(&self) -> impl Iterator<Item = &ProxyKey> {
        self.0.iter().filter(|(_, family)| *family == Family::Envoy).map(|(key, _)| key)
    }

    /// The dialect of a proxy; `None`: it is not attached, or by one name as both.
    fn family(&self, key: &ProxyKey) -> Option<Family> {
        let speaks = |family| self.0.contains(&(key.clone(), family));
        match (speaks(Family::Envoy), speaks(Family::L4)) {
            (true, false) => Some(Family::Envoy),
            (false, true) => Some(Family::L4),
            (true, true) | (false, false) => None,
        }
    }
}
