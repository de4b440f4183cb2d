//! Contest: starts the contestants, takes turns, and collects the samples.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::Arguments;
use crate::case::{Case, Wire};
use crate::certificates::Certificates;
use crate::cgroup::Cgroup;
use crate::contestant::{Contestant, Ended, Running};
use crate::files;
use crate::ledger::Ledger;
use crate::load::{check, idle};
use crate::machine::{self, LOAD_CPU, PROXY_CPU};
use crate::page::Page;
use crate::plot;
use crate::socket;
use crate::window::{Sample, Window};

/// Runs everything that the arguments ask for, and writes the results.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    // some rivals resolve relative paths against a folder of their own
    let folder = std::path::absolute(&arguments.folder).map_err(|error| error.to_string())?;
    let arguments = &Arguments { folder, ..arguments.clone() };
    let interrupted = on_signals()?;
    let start = Instant::now();
    fs::create_dir_all(&arguments.folder)
        .map_err(|error| format!("{}: {error}", arguments.folder.display()))?;
    machine::take_precedence(arguments.nice);
    let _settings = machine::Settings::take();
    let mut ledger = Ledger::default();
    let mut absent = Vec::new();
    let wanted = |case: &Case| arguments.only.is_empty() || arguments.only.contains(case);
    let certificates = Certificates::make(&arguments.folder)?;
    let settings = [1, 2].into_iter().flat_map(|threads| Wire::ALL.map(|wire| Setting { threads, wire }));
    for setting in settings {
        let cases: Vec<Case> = Case::value_variants()
            .iter()
            .copied()
            .filter(wanted)
            .filter(|case| setting.fits(*case))
            .collect();
        if cases.is_empty() || interrupted.load(Relaxed) {
            continue;
        }
        let mut contest = Contest::open(setting, &cases, arguments, &certificates, &mut absent)?;
        contest.hold(&cases, arguments, &mut ledger, &interrupted);
    }
    let raw = arguments.folder.join("samples.tsv");
    fs::write(&raw, ledger.raw()).map_err(|error| format!("{}: {error}", raw.display()))?;
    if interrupted.load(Relaxed) {
        return Err(format!("interrupted; what was measured so far is in {}", raw.display()));
    }
    let page = Page { ledger: &ledger, arguments, absent: &absent, took: start.elapsed() };
    let section = page.section();
    println!("{section}");
    if let Some(path) = &arguments.page {
        page.write(path, &section)?;
        let picture = path.with_extension("svg");
        fs::write(
            &picture,
            plot::svg(&ledger, &jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
        )
        .map_err(|error| format!("{}: {error}", picture.display()))?;
        eprintln!("written: {}, {}", path.display(), picture.display());
    }
    eprintln!("raw samples: {}", raw.display());
    Ok(())
}

/// Settings that contestants are started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) threads: usize,
    pub(crate) wire: Wire,
}

impl Setting {
    fn fits(self, case: Case) -> bool {
        (case.threads(), case.wire()) == (self.threads, self.wire)
    }
}

/// Contestants of one setting, and the backends.
struct Contest {
    setting: Setting,
    _backends: Ended,
    /// Listener whose connections are never read.
    _deaf: OwnedFd,
    running: Vec<Running>,
    /// Cgroup of the clients of the kernel path; `None`: it cannot be created, and the kernel path is left out.
    group: Option<Cgroup>,
    random: fastrand::Rng,
}

impl Contest {
    /// Starts all contestants, and leaves out those that do not carry every byte.
    fn open(
        setting: Setting,
        cases: &[Case],
        arguments: &Arguments,
        certificates: &Certificates,
        absent: &mut Vec<String>,
    ) -> Result<Self, String> {
        let pinned = |cpu| if setting.threads == 1 { Some(cpu) } else { None };
        machine::stay_on(pinned(LOAD_CPU));
        let backends = backends()?;
        let deaf = socket::listen(files::deaf()).map_err(|error| format!("{}: {error}", files::deaf()))?;
        let group =
            Cgroup::make().map_err(|why| eprintln!("no control group for the kernel path: {why}")).ok();
        let path = group.as_ref().map(Cgroup::path);
        let mut running: Vec<Running> = Vec::new();
        for contestant in Contestant::value_variants().iter().copied() {
            let ours = contestant == Contestant::Meshtcp;
            let chosen = arguments.against.is_empty() || arguments.against.contains(&contestant);
            let speaks = contestant.speaks(setting.wire);
            let is_kernel_up = || running.iter().any(|it| it.contestant == Contestant::MeshtcpKernel);
            if !(ours || chosen) || !speaks || !cases.iter().any(|case| contestant.competes(*case)) {
                continue;
            }
            if contestant == Contestant::Foreign && !is_kernel_up() {
                continue;
            }
            machine::stay_on(pinned(PROXY_CPU));
            let started = contestant.start(setting, certificates, arguments, path);
            machine::stay_on(pinned(LOAD_CPU));
            let checked =
                started.and_then(|started| match placed(&group, contestant, || check(contestant.door())) {
                    Ok(()) => Ok(started),
                    Err(why) => Err(format!("{} does not carry every byte: {why}", contestant.name())),
                });
            match checked {
                Ok(started) => running.push(started),
                Err(why) if ours => return Err(why),
                Err(why) => {
                    eprintln!("left out: {why}");
                    absent.push(format!("{} ({why})", contestant.name()));
                }
            }
        }
        eprintln!("up, and every byte carried: {}", names(&running));
        // leaves time for work that starting has left to do
        std::thread::sleep(Duration::from_millis(500));
        let random = fastrand::Rng::with_seed(setting.threads as u64);
        Ok(Self { setting, _backends: backends, _deaf: deaf, running, group, random })
    }

    fn hold(&mut self, cases: &[Case], arguments: &Arguments, ledger: &mut Ledger, interrupted: &AtomicBool) {
        let rounds_of = |case: Case| arguments.rounds.unwrap_or_else(|| rounds(case, arguments));
        let most = cases.iter().map(|case| rounds_of(*case)).max().unwrap_or(0);
        for round in 0..most {
            let begun = Instant::now();
            for case in cases.iter().copied().filter(|case| round < rounds_of(*case)) {
                if !arguments.quick {
                    machine::wait_for_quiet(Duration::from_secs(3));
                }
                self.random.shuffle(&mut self.running);
                for running in &self.running {
                    if interrupted.load(Relaxed) {
                        return;
                    }
                    let contestant = running.contestant;
                    match placed(&self.group, contestant, || slice(case, running, arguments.quick)) {
                        None => {}
                        Some(Ok(sample)) => ledger.note(case, contestant, round, sample),
                        Some(Err(error)) => eprintln!("{} in {}: {error}", contestant.name(), case.title()),
                    }
                }
            }
            let seconds = begun.elapsed().as_secs_f32();
            eprintln!("{} thread(s), round {} of {most}: {seconds:.0} s", self.setting.threads, round + 1);
        }
    }
}

/// Runs a closure in the cgroup of the clients of a contestant.
fn placed<T>(group: &Option<Cgroup>, contestant: Contestant, work: impl FnOnce() -> T) -> T {
    match group.as_ref().filter(|_| contestant.is_apart()) {
        Some(group) => group.within(work),
        None => work(),
    }
}

/// Measures one turn of a contestant in one case; `None`: it takes no part.
fn slice(case: Case, running: &Running, quick: bool) -> Option<std::io::Result<Sample>> {
    let contestant = running.contestant;
    let (door, processes) = (contestant.door(), running.processes());
    if !contestant.competes(case) {
        return None;
    }
    let Some(load) = case.load() else {
        return (!matches!(contestant, Contestant::Direct | Contestant::Foreign))
            .then(|| idle(door, case.resting(), processes));
    };
    let length = match case {
        Case::Mix if !quick => 800,
        _ => 500,
    };
    let window = Window {
        warm_up: Duration::from_millis(150),
        length: Duration::from_millis(length),
        watched: processes,
    };
    if case == Case::Rr1 {
        processes.pin(LOAD_CPU);
    }
    let sample = load.run(door, window);
    if case == Case::Rr1 {
        processes.pin(PROXY_CPU);
    }
    Some(sample)
}

/// Number of rounds of a case: more where there is a target.
fn rounds(case: Case, arguments: &Arguments) -> usize {
    let (thorough, short) = match case {
        Case::Bulk4 | Case::Rr64 | Case::Rr1 | Case::Crr | Case::Mix => (14, 3),
        Case::TlsBulk4 | Case::TlsRr64 | Case::TlsCrr => (7, 2),
        Case::TlsBulk1 | Case::TlsCrrResumed => (6, 1),
        Case::Bulk1 | Case::Up4 | Case::Up1 | Case::Rr1x => (6, 1),
        Case::Bulk4t2 | Case::Rr64t2 | Case::Crrt2 => (6, 1),
        // freed memory stays with a process: only the first round shows the memory of a connection
        Case::Idle | Case::TlsIdle => return 1,
    };
    arguments.times * if arguments.quick { short } else { thorough }
}

fn backends() -> Result<Ended, String> {
    let ourselves = std::env::current_exe().map_err(|error| error.to_string())?;
    let addresses = crate::files::backends().map(|address| address.to_string());
    let child = Command::new(ourselves).arg("serve").args(addresses).stdin(Stdio::null()).spawn();
    child.map(Ended).map_err(|error| format!("the backends do not start: {error}"))
}

fn names(running: &[Running]) -> String {
    running.iter().map(|running| running.contestant.name()).collect::<Vec<_>>().join(", ")
}

/// Flag that SIGINT and SIGTERM set: settings are then restored, and all processes ended.
fn on_signals() -> Result<Arc<AtomicBool>, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let raised = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&raised);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            flag.store(true, Relaxed);
        });
    });
    Ok(raised)
}
