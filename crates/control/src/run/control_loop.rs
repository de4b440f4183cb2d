//! State of the loop: the content of the source, and the state in force.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use change::compile::{
    Compiled, Compiler, ProxyChange, changes, dangling, host_names, newly_dangling, unsayable, warnings,
};
use change::{Candidate, Ledger};
use model::{Problem, Problems, Severity};
use tokio::sync::watch;

use super::pause::Pause;
use super::{AcceptedState, CompileMetrics, Current, Sink};
use crate::guard::step;
use crate::hosts::HostResolver;
use crate::sources::{DanglingPolicy, OfferOutcome, Source, SourceState};

/// A source, its compiled state, and the sink.
pub struct ControlLoop<S> {
    source: Box<dyn Source>,
    compiler: Compiler,
    sink: S,
    metrics: CompileMetrics,
    /// State in force; `None` until anything was adopted.
    adopted: Option<(Ledger, Arc<Compiled>)>,
    /// Current errors and warnings, sorted.
    problems: Problems,
    /// Pause after a panic.
    pause: Pause,
    current: watch::Sender<Arc<Current>>,
}

/// Result of one turn.
#[derive(Debug)]
pub struct Turn<N> {
    /// `true`: a state was settled for the first time.
    pub first: bool,
    /// Changes for proxies.
    pub changes: Vec<ProxyChange>,
    /// Parts of the source that changed, if a state was adopted.
    pub changed: BTreeSet<Arc<str>>,
    /// Problems that are new since the last turn.
    pub new_problems: Problems,
    /// Parts of the source whose current content is in force again.
    pub repaired: Vec<Arc<str>>,
    /// Description of the source, if it is readable again after a failure.
    pub back: Option<String>,
    /// News of the sink; `None`: there are none.
    pub news: Option<N>,
}

impl<N> Default for Turn<N> {
    fn default() -> Self {
        Self {
            first: false,
            changes: Vec::new(),
            changed: BTreeSet::new(),
            new_problems: Problems::default(),
            repaired: Vec::new(),
            back: None,
            news: None,
        }
    }
}

/// State that was accepted, with its warnings.
struct Adoption {
    ledger: Ledger,
    compiled: Compiled,
    warnings: Problems,
    changed: BTreeSet<Arc<str>>,
}

impl<S: Sink> ControlLoop<S> {
    /// Creates the state over a source of which nothing was read yet.
    pub fn new(source: Box<dyn Source>, compiler: Compiler, sink: S) -> Self {
        Self {
            source,
            compiler,
            sink,
            metrics: CompileMetrics::default(),
            adopted: None,
            problems: Problems::default(),
            pause: Pause::default(),
            current: watch::Sender::default(),
        }
    }

    /// Adds metrics of compiling.
    #[must_use]
    pub fn counted(self, metrics: CompileMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Returns the source.
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// Returns the compiler, with the settings of plans and the set of proxies.
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// Returns the sink.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// Returns the compiled state of every proxy; `None`: nothing was adopted yet.
    pub fn compiled(&self) -> Option<&Arc<Compiled>> {
        self.adopted.as_ref().map(|(_, compiled)| compiled)
    }

    /// Returns all current errors and warnings, sorted by place.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Returns the state in force as of the last turn. It changes with each turn in which the source had news.
    pub fn current(&self) -> watch::Receiver<Arc<Current>> {
        self.current.subscribe()
    }

    /// Returns the time of the next turn if nothing wakes the loop; `None`: never.
    pub fn due(&self) -> Option<Instant> {
        [self.source.look_again_at(), self.sink.due(), self.pause.until()].into_iter().flatten().min()
    }

    /// Reads all of the source again at the next turn, whether or not it looks changed.
    pub fn read_again(&mut self) {
        self.source.read_again();
    }

    /// Starts a pause after a panic: what may be half done is taken up again after it.
    pub fn failed(&mut self, now: Instant) {
        self.pause.begin(now);
    }

    /// Takes in the state of the source, and puts it into force if possible; does what is due. `None`: there is no
    /// news.
    pub fn turn(&mut self, now: Instant) -> Option<Turn<S::News>> {
        let waits = self.pause.goes_on(now);
        let owed = !waits && self.pause.take();
        let before = self.compiled().cloned();
        let mut turn = if waits { None } else { self.look(now) };
        if !waits && let Some((changes, problems)) = self.look_around() {
            let turn = turn.get_or_insert_default();
            turn.changes.extend(changes);
            turn.new_problems.append(problems);
        }
        let adopted = self.adopted.as_ref();
        let is_new = |(_, compiled): &&(Ledger, Arc<Compiled>)| {
            owed || before.as_ref().is_none_or(|before| !Arc::ptr_eq(before, compiled))
        };
        let adopts = adopted.filter(is_new);
        // answers of proxies do not change the state in force, and there are many
        let changed = turn.is_some() || adopts.is_some();
        let news = match adopts {
            Some((ledger, compiled)) => {
                let nothing = self.compiler.nothing();
                let before = before.as_deref().filter(|_| !owed).unwrap_or(&nothing);
                let (revision, epoch) = (self.source.revision(), self.source.epoch());
                let accepted = AcceptedState { before, compiled, ledger, revision, epoch };
                Some(self.sink.adopt(accepted, now))
            }
            None => self.sink.attend(now),
        };
        if news.is_some() {
            turn.get_or_insert_default().news = news;
        }
        if !waits {
            self.pause.is_over();
        }
        if changed {
            self.current.send_replace(Arc::new(Current {
                adopted: self.adopted.clone(),
                parts: self.source.states(),
                problems: self.problems.clone(),
            }));
        }
        turn
    }

    /// Takes in the state of the source. `None`: there is no news.
    fn look(&mut self, now: Instant) -> Option<Turn<S::News>> {
        let was_away = self.source.is_away();
        self.source.refresh(now);
        let back = (was_away && !self.source.is_away()).then(|| self.source.describe());
        if !self.source.is_unsettled() {
            // the source itself may be unreachable
            let mut problems = self.source.problems();
            problems.append(self.problems.only(Severity::Warning));
            let new_problems = self.now_wrong(problems);
            let something = back.is_some() || !new_problems.is_empty();
            return something.then(|| Turn { new_problems, back, ..Turn::default() });
        }
        let mut turn = Turn { first: self.adopted.is_none(), back, ..Turn::default() };
        step("compile");
        let problems = self.settle(&mut turn);
        turn.new_problems = self.now_wrong(problems);
        turn.repaired = self.repaired();
        Some(turn)
    }

    /// Settles the source, and returns the problems afterwards.
    fn settle(&mut self, turn: &mut Turn<S::News>) -> Problems {
        let Self { source, compiler, sink, adopted, .. } = self;
        let before = adopted.as_ref().map(|(_, compiled)| &**compiled);
        let dangling = source.dangling();
        let began = Instant::now();
        let mut adoption = None;
        let settled = source.settle(&mut |candidate| {
            if let Some(hosts) = sink.hosts() {
                hosts.ask(host_names(&candidate.ledger));
                compiler.context.hosts.clone_from(&hosts.found());
            }
            adoption = Some(accept(compiler, before, candidate, dangling, sink)?);
            Ok(())
        });
        let mut problems = source.problems();
        match (settled, adoption) {
            (OfferOutcome::Adopted, Some(Adoption { ledger, compiled, warnings, changed })) => {
                self.metrics.adopted(&compiled, began.elapsed());
                problems.append(warnings);
                let nothing = compiler.nothing();
                turn.changes = changes(before.unwrap_or(&nothing), &compiled, |key| sink.family(key));
                turn.changed = changed;
                *adopted = Some((ledger, Arc::new(compiled)));
            }
            // warnings about the state in force stay as they are
            (OfferOutcome::Refused, _) | (OfferOutcome::Adopted, None) => {
                self.metrics.refused();
                problems.append(self.problems.only(Severity::Warning));
            }
        }
        problems
    }

    /// Plans again if inputs other than resources have changed: announced features, certified services, secrets for
    /// services outside the mesh, and addresses of host names. `None`: they are unchanged.
    fn look_around(&mut self) -> Option<(Vec<ProxyChange>, Problems)> {
        let (ledger, compiled) = self.adopted.as_ref()?;
        let context = &mut self.compiler.context;
        let announced = self.sink.announced().filter(|now| *now != context.proxies);
        let certified = self.sink.certified(&compiled.snapshot);
        let certified = certified.filter(|now| context.certified.as_ref() != Some(now));
        let outside = self.sink.outside().filter(|now| *now.unloaded() != context.unloaded);
        let hosts = self.sink.hosts().map(HostResolver::found).filter(|now| **now != context.hosts);
        if announced.is_none() && certified.is_none() && outside.is_none() && hosts.is_none() {
            return None;
        }
        if let Some(announced) = announced {
            context.proxies = announced;
        }
        if certified.is_some() {
            context.certified = certified;
        }
        if let Some(outside) = outside {
            context.unloaded.clone_from(outside.unloaded());
        }
        let resolved = hosts.is_some();
        if let Some(hosts) = hosts {
            context.hosts.clone_from(&hosts);
        }
        step("compile");
        let (ledger, before) = (ledger.clone(), Arc::clone(compiled));
        let again = Arc::new(self.compiler.recompile(&before, &ledger));
        let changes = changes(&before, &again, |key| self.sink.family(key));
        let new = match resolved {
            true => {
                let mut problems = self.source.problems();
                problems.append(doubts(&again, &dangling(&again.snapshot, &ledger), &ledger, &self.sink));
                self.now_wrong(problems)
            }
            false => Problems::default(),
        };
        self.adopted = Some((ledger, again));
        Some((changes, new))
    }

    /// Stores the current problems, and returns those that are new.
    fn now_wrong(&mut self, mut problems: Problems) -> Problems {
        problems.sort();
        let new = problems.since(&self.problems);
        self.problems = problems;
        new
    }

    /// Returns the parts whose current content is in force, unlike at the last look.
    fn repaired(&self) -> Vec<Arc<str>> {
        let before = self.current.borrow();
        let broken: BTreeSet<&Arc<str>> = before
            .parts
            .iter()
            .filter(|(_, state)| *state != SourceState::Current)
            .map(|(part, _)| part)
            .collect();
        let now = self.source.states().into_iter().filter(|(_, state)| *state == SourceState::Current);
        now.map(|(part, _)| part).filter(|part| broken.contains(part)).collect()
    }
}

/// Compiles a candidate; or objects to references that were just written and lead nowhere, unless they have been
/// reported as accepted already, and to what the sink rejects.
fn accept(
    compiler: &Compiler,
    before: Option<&Compiled>,
    candidate: &Candidate,
    references: DanglingPolicy,
    sink: &mut impl Sink,
) -> Result<Adoption, Vec<Problem>> {
    let Candidate { ledger, changed } = candidate;
    let compiled = match before {
        Some(before) => compiler.recompile(before, ledger),
        None => compiler.compile(ledger),
    };
    let nowhere = dangling(&compiled.snapshot, ledger);
    let mut objections = match (before, references) {
        (Some(before), DanglingPolicy::HeldBack) => newly_dangling(before, &nowhere),
        (None, _) | (_, DanglingPolicy::Told) => Vec::new(),
    };
    if objections.is_empty() {
        objections = sink.examine(&compiled, candidate);
    }
    if !objections.is_empty() {
        return Err(objections);
    }
    let warnings = doubts(&compiled, &nowhere, ledger, sink);
    Ok(Adoption { ledger: ledger.clone(), compiled, warnings, changed: changed.clone() })
}

/// Returns the warnings about an accepted state.
fn doubts(
    compiled: &Compiled,
    nowhere: &[change::compile::DanglingReference],
    ledger: &Ledger,
    sink: &impl Sink,
) -> Problems {
    let mut doubts = warnings(compiled, nowhere, ledger, sink.families());
    doubts.extend(unsayable(compiled, ledger, Severity::Warning));
    doubts
}
