//! The loop's state: what was read, what runs, and how one becomes the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::compile::{
    Change, Compiled, Compiler, Dangling, changes, conflicts, dangling, newly_dangling, warnings,
};
use control::guard::step;
use control::store::folder::{Candidate, FileState, FolderStore, Objection, Settled};
use l4::{Config, ProxyName};
use model::{FieldPath, Problem, Problems, Severity, Violation};
use proxy::{ApplyReport, Proxy};
use xds::Family;

use crate::pause::Pause;

/// How often to try again to bind what could not be bound.
const RETRY: Duration = Duration::from_secs(1);
/// How long to sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// A folder, what was made of it, and the proxy that runs it.
pub(crate) struct Live {
    store: FolderStore,
    compiler: Compiler,
    proxy: Arc<Proxy>,
    /// What runs; `None` until anything was adopted.
    current: Option<Compiled>,
    config: Config,
    /// Everything that is wrong now, sorted.
    problems: Problems,
    failed: Vec<String>,
    retry_at: Option<Instant>,
    /// After a panic.
    pause: Pause,
    generation: u64,
}

/// What one look at the files brought.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Whether this is the first one.
    pub(crate) first: bool,
    /// What became different for whom.
    pub(crate) changes: Vec<Change>,
    /// Routes that decide nothing here and were not said to before, each with the reason.
    pub(crate) idle_routes: Vec<(String, String)>,
    /// What is wrong and was not before.
    pub(crate) new_problems: Problems,
    /// Files that are in force again as they are.
    pub(crate) repaired: Vec<Arc<str>>,
    /// Files that were saved without any effect on the proxies here.
    pub(crate) without_effect: Vec<Arc<str>>,
    /// Listeners that could not be bound and were not reported before.
    pub(crate) failed: Vec<String>,
    /// Listeners that could not be bound and now are.
    pub(crate) bound: Vec<String>,
}

/// A state that may run: what it is made of, and what the proxy is told.
struct Adoption {
    compiled: Compiled,
    config: Config,
    warnings: Problems,
    changed: BTreeSet<Arc<str>>,
}

impl Live {
    pub(crate) fn new(store: FolderStore, compiler: Compiler, proxy: Arc<Proxy>) -> Self {
        Self {
            store,
            compiler,
            proxy,
            current: None,
            config: Config::default(),
            problems: Problems::default(),
            failed: Vec::new(),
            retry_at: None,
            pause: Pause::default(),
            generation: 0,
        }
    }

    pub(crate) fn store(&self) -> &FolderStore {
        &self.store
    }

    pub(crate) fn scope(&self) -> &control::compile::Scope {
        &self.compiler.scope
    }

    /// What runs.
    pub(crate) fn current(&self) -> Option<&Compiled> {
        self.current.as_ref()
    }

    /// Everything that is wrong now.
    pub(crate) fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Listeners that cannot be bound, in words.
    pub(crate) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// The number of the configuration that runs.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How long nothing is due unless something wakes us.
    pub(crate) fn patience(&self) -> Duration {
        let due = [self.store.look_again_at(), self.retry_at, self.pause.until()].into_iter().flatten().min();
        due.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Looks at the files, and runs what they say if it can run. `None`: nothing is new.
    pub(crate) fn look(&mut self) -> Option<Turn> {
        let now = Instant::now();
        if self.pause.goes_on(now) {
            return None;
        }
        if self.pause.take() {
            self.retry_at = Some(now);
        }
        let states = self.store.states();
        self.store.refresh(now);
        let mut turn = if self.store.is_unsettled() {
            self.settle()
        } else {
            let due = self.retry_at.is_some_and(|at| at <= Instant::now());
            let turn = Turn { new_problems: self.problems_of_places(), ..Turn::default() };
            if !due && turn.new_problems.is_empty() {
                return None;
            }
            turn
        };
        if self.retry_at.is_some_and(|at| at <= Instant::now()) {
            self.apply(&mut turn);
        }
        turn.repaired = self.repaired(&states);
        self.pause.is_over();
        Some(turn)
    }

    /// Takes up again, a while after a panic, what may be half done: what is adopted is applied once more.
    pub(crate) fn failed_to_look(&mut self) {
        self.pause.begin(Instant::now());
    }

    fn settle(&mut self) -> Turn {
        step("compile");
        let (compiler, before) = (&self.compiler, self.current.as_ref());
        let settled = self.store.settle(|candidate| adopt(compiler, before, candidate));
        let mut problems = self.store.problems();
        let mut turn = Turn { first: before.is_none(), ..Turn::default() };
        match settled {
            Settled::Adopted(Adoption { compiled, config, warnings, changed }) => {
                problems.append(warnings);
                let nothing = self.compiler.nothing();
                let before = self.current.as_ref().unwrap_or(&nothing);
                turn.changes = changes(before, &compiled, |_| Some(Family::L4));
                let known = before.idle_routes();
                let news = compiled.idle_routes().into_iter().filter(|it| known.get(&it.0) != Some(&it.1));
                turn.idle_routes = news.collect();
                let told = !before.tells_the_same(&compiled, Family::L4);
                self.current = Some(compiled);
                if told {
                    self.config = config;
                    self.apply(&mut turn);
                } else {
                    turn.without_effect = changed.into_iter().collect();
                }
            }
            // warnings about what runs stay as they are
            Settled::Refused => {
                problems.append(self.problems.only(Severity::Warning));
            }
        }
        turn.new_problems = self.now_wrong(problems);
        turn
    }

    /// What is newly wrong though nothing that was read is different: a folder may be away.
    fn problems_of_places(&mut self) -> Problems {
        let mut problems = self.store.problems();
        problems.append(self.problems.only(Severity::Warning));
        self.now_wrong(problems)
    }

    /// Remembers what is wrong now, and gives what of it was not before.
    fn now_wrong(&mut self, mut problems: Problems) -> Problems {
        problems.sort();
        let new = problems.since(&self.problems);
        self.problems = problems;
        new
    }

    fn apply(&mut self, turn: &mut Turn) {
        let ApplyReport { generation, opened: _, kept: _, closed: _, failed } =
            self.proxy.apply(self.config.clone());
        let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
        turn.failed = failed.iter().filter(|it| !self.failed.contains(it)).cloned().collect();
        turn.bound = self.failed.iter().filter(|it| !failed.contains(it)).cloned().collect();
        self.retry_at = (!failed.is_empty()).then(|| Instant::now() + RETRY);
        self.failed = failed;
        self.generation = generation;
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

/// Makes of a candidate what would run, or objects: two listeners on one address, references that were just written
/// and lead nowhere, and whatever the proxy would not understand.
fn adopt(
    compiler: &Compiler,
    before: Option<&Compiled>,
    candidate: &Candidate,
) -> Result<Adoption, Vec<Objection>> {
    let compiled = compiler.compile(candidate);
    let nowhere: Vec<Dangling> = dangling(&compiled.snapshot, candidate);
    let mut objections = conflicts(&compiled, candidate);
    if let Some(before) = before {
        objections.extend(newly_dangling(before, &nowhere, candidate));
    }
    if !objections.is_empty() {
        return Err(objections);
    }
    let sets: Vec<_> = compiled
        .proxies
        .iter()
        .map(|(key, proxy)| (ProxyName::new(key.to_string()), proxy.told.l4().resources.as_ref()))
        .collect();
    let config = Config::parse(&sets).map_err(|problems| {
        problems.iter().map(|problem| not_understood(problem, candidate)).collect::<Vec<_>>()
    })?;
    let warnings = warnings(&compiled, &nowhere, candidate, &[Family::L4]);
    Ok(Adoption { compiled, config, warnings, changed: candidate.changed.clone() })
}

fn not_understood(problem: &l4::Problem, candidate: &Candidate) -> Objection {
    let described = format!("Dataplane {}", problem.proxy);
    let offer = candidate.offer(&described);
    Objection {
        file: offer.map(|offer| offer.file.clone()),
        problem: Problem {
            source: offer.map(|offer| offer.file.clone()).unwrap_or_else(|| "".into()),
            position: offer.and_then(|offer| offer.entry.name_position()),
            severity: Severity::Error,
            resource: Some(described),
            violation: Violation::new(FieldPath::root(), format!("the proxy cannot carry it: {problem}")),
            help: None,
        },
    }
}
