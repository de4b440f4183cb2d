//! Content in force of each file. Pure: sightings and times in, decisions out.
//!
//! Four things keep a broken change from doing harm, each as narrow as it can be:
//! * a file whose content has errors keeps its last good content;
//! * a document of an unknown kind affects itself only, as long as the file drops nothing that it had: the kind may be
//!   a typing error in one of those;
//! * a file whose content is good alone but not together with the others (which is not decided here) is held back, and
//!   tried again whenever anything changes;
//! * if holding back cannot help, everything stays as it is.
//!
//! A file that vanishes, or shrinks to a beginning of what it was, is trusted only when it still looks so after
//! [`DOUBT`]: editors save by removing and by truncating.
//!
//! A file that had resources and has none any more (it is empty, or has only comments) keeps them, save for those that
//! another file has now: full disks and failing scripts leave such files behind. To remove its resources, the file is
//! deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use change::{Candidate, Content, Entry, Ledger, problem_of};
use model::{Problem, Problems, ResourceKey, Severity};

use crate::sources::{Adopt, OfferOutcome, SourceState};

/// Time for a file that seems removed or half-written to come back: longer than a busy disk holds up an editor between
/// truncating a file and writing it. A deliberate removal takes a second longer; an accidental one would lose
/// connections.
pub(super) const DOUBT: Duration = Duration::from_secs(1);

/// Result of a look at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The file, with these bytes.
    Bytes(Vec<u8>),
    /// The file, which cannot be read for this reason.
    Unreadable(String),
    /// Nothing.
    Gone,
}

/// File, and a resource in it.
type Claim<'f> = (&'f Arc<str>, &'f Arc<Entry>);

type Reader = Box<dyn Fn(&str, &[u8]) -> Content + Send>;

/// Files with their latest content, and the content in force.
pub struct Files {
    read: Reader,
    files: BTreeMap<Arc<str>, File>,
    /// File that each resource in force came from: it keeps it when another file claims it too.
    owners: BTreeMap<ResourceKey, Arc<str>>,
    unlisted: Vec<Problem>,
    /// Problems that involve several files, as of the last settling.
    between: Problems,
    /// `true`: a resource was claimed, as of the last settling, that a file in doubt has: it may be about to move.
    undecided: bool,
    unsettled: bool,
}

struct File {
    latest: Arc<Content>,
    good: Option<Arc<Content>>,
    /// `true`: removed, but not yet settled.
    gone: bool,
    unconfirmed: Option<UnconfirmedState>,
    /// Reasons why the latest content is not in force though it is good alone.
    held_back: Problems,
}

struct UnconfirmedState {
    file_state: FileState,
    since: Instant,
}

impl Files {
    /// Creates an empty set of files; `read` parses their content.
    pub fn new(read: Reader) -> Self {
        Self {
            read,
            files: BTreeMap::new(),
            owners: BTreeMap::new(),
            unlisted: Vec::new(),
            between: Problems::default(),
            undecided: false,
            // even an empty set is a state that has to be adopted once
            unsettled: true,
        }
    }

    /// Takes in a sighting of a file. Returns `true` if it is trusted; if not, see [`Files::look_again_at`].
    pub fn observe(&mut self, name: &str, file_state: FileState, now: Instant) -> bool {
        let Some(file) = self.files.get_mut(name) else {
            if file_state != FileState::Gone {
                let latest = content(&self.read, name, &file_state);
                let file = File {
                    latest,
                    good: None,
                    gone: false,
                    unconfirmed: None,
                    held_back: Problems::default(),
                };
                self.files.insert(name.into(), file);
                self.unsettled = true;
            }
            return true;
        };
        if !file.gone && file.is_as(&file_state) {
            self.unsettled |= file.unconfirmed.take().is_some() && self.undecided;
            return true;
        }
        if file.is_doubtful(&file_state) {
            let since = match &file.unconfirmed {
                Some(unconfirmed) if unconfirmed.file_state == file_state => unconfirmed.since,
                _ => now,
            };
            if now < since + DOUBT {
                file.unconfirmed = Some(UnconfirmedState { file_state, since });
                return false;
            }
        }
        file.unconfirmed = None;
        file.gone = file_state == FileState::Gone;
        if !file.gone {
            file.latest = content(&self.read, name, &file_state);
        }
        self.unsettled = true;
        true
    }

    /// Notes that a file is inaccessible now: it stays as it was.
    pub(crate) fn stays(&mut self, name: &str) {
        if let Some(file) = self.files.get_mut(name) {
            self.unsettled |= file.unconfirmed.take().is_some() && self.undecided;
        }
    }

    /// Sets the places that are inaccessible. The known files in them stay.
    pub fn cannot_list(&mut self, places: Vec<Problem>) {
        self.unlisted = places;
    }

    /// Returns `true` if the last sighting of a file was not trusted.
    pub fn is_doubtful(&self, name: &str) -> bool {
        self.files.get(name).is_some_and(|file| file.unconfirmed.is_some())
    }

    /// Returns the time at which the first doubt should be looked at again.
    pub fn look_again_at(&self) -> Option<Instant> {
        self.files.values().filter_map(|file| Some(file.unconfirmed.as_ref()?.since + DOUBT)).min()
    }

    /// Returns `true` if a sighting was trusted since the last settling.
    pub fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Offers the content of the files to `adopt`, and remembers of each file what was adopted.
    ///
    /// `adopt` puts the whole candidate into force and returns the result, or changes nothing and objects. Files with
    /// objections are held back at their last good content and the rest is offered again; if that cannot help, nothing
    /// changes.
    pub fn settle(&mut self, adopt: &mut Adopt<'_>) -> OfferOutcome {
        let mut held: BTreeMap<Arc<str>, Problems> = BTreeMap::new();
        loop {
            let (candidate, repetitions) = self.candidate(&held);
            let (decided, undecided): (Vec<_>, Vec<_>) =
                repetitions.into_iter().partition(|(owner, _)| !self.is_doubtful(owner));
            let repetitions: Problems = decided.into_iter().map(|(_, problem)| problem).collect();
            self.undecided = !undecided.is_empty();
            let Err(objections) = adopt(&candidate) else {
                self.unsettled = false;
                self.keep(&candidate.ledger, &held);
                self.between = repetitions;
                return OfferOutcome::Adopted;
            };
            let before = held.len();
            for problem in objections.iter().filter(|problem| candidate.changed.contains(&problem.source)) {
                held.entry(problem.source.clone()).or_default().push(problem.clone());
            }
            if held.len() == before {
                self.unsettled = false;
                self.between = repetitions;
                self.between.extend(objections);
                held.into_values().for_each(|problems| self.between.append(problems));
                return OfferOutcome::Refused;
            }
        }
    }

    /// Returns all errors and warnings, sorted by place.
    pub fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        for file in self.files.values().filter(|file| !file.gone) {
            problems.append(file.latest.problems.clone());
            if file.is_acceptable() {
                problems.append(file.held_back.clone());
            }
        }
        let emptied = self.files.iter().filter(|(_, file)| file.is_emptied()).map(|(name, _)| emptied(name));
        problems.extend(self.unlisted.iter().cloned().chain(emptied));
        problems.append(self.between.clone());
        problems.sort();
        problems
    }

    /// Returns the number of documents of unknown kinds.
    pub(super) fn strangers(&self) -> usize {
        self.files.values().filter(|file| !file.gone).map(|file| file.latest.strangers).sum()
    }

    /// Returns the files, sorted, and the state in force of each.
    pub fn states(&self) -> Vec<(Arc<str>, SourceState)> {
        let state = |file: &File| match &file.good {
            Some(good) if Arc::ptr_eq(good, &file.latest) => SourceState::Current,
            Some(_) => SourceState::LastGood,
            None => SourceState::Nothing,
        };
        self.files.iter().map(|(name, file)| (name.clone(), state(file))).collect()
    }

    /// Returns the text of a file as it was last trusted.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.files.get(name).map(|file| file.latest.text())
    }

    /// Returns the candidate, and the repetitions of resources that another file has.
    fn candidate(&self, held: &BTreeMap<Arc<str>, Problems>) -> (Candidate, Vec<(Arc<str>, Problem)>) {
        let mut changed = BTreeSet::new();
        let moved = self.claimed_by_others(held);
        let mut claims: BTreeMap<ResourceKey, Vec<Claim<'_>>> = BTreeMap::new();
        for (name, file) in &self.files {
            let content = file.offered(held.contains_key(name));
            let same = match (content, &file.good) {
                (Some(content), Some(good)) => Arc::ptr_eq(content, good),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !same {
                changed.insert(name.clone());
            }
            for entry in content.into_iter().flat_map(|content| &content.entries) {
                let key = entry.resource.key();
                if !(file.is_emptied() && moved.contains(&key)) {
                    claims.entry(key).or_default().push((name, entry));
                }
            }
        }
        let (mut ledger, mut repetitions) = (Ledger::default(), Vec::new());
        for (key, claims) in claims {
            let owner = self.owners.get(&key);
            let winner = claims.iter().position(|(file, _)| Some(*file) == owner).unwrap_or_default();
            let Some((file, entry)) = claims.get(winner) else { continue };
            ledger.put(Arc::clone(entry));
            let others = claims.iter().enumerate().filter(|(index, _)| *index != winner);
            repetitions.extend(others.map(|(_, (_, other))| ((*file).clone(), other.repeats(entry))));
        }
        (Candidate { ledger, changed }, repetitions)
    }

    /// Returns the resources in files that were not emptied: an emptied file has lost those to them.
    fn claimed_by_others(&self, held: &BTreeMap<Arc<str>, Problems>) -> BTreeSet<ResourceKey> {
        if !self.files.values().any(File::is_emptied) {
            return BTreeSet::new();
        }
        let others = self.files.iter().filter(|(_, file)| !file.is_emptied());
        let contents = others.filter_map(|(name, file)| file.offered(held.contains_key(name)));
        contents.flat_map(|content| &content.entries).map(|entry| entry.resource.key()).collect()
    }

    fn keep(&mut self, ledger: &Ledger, held: &BTreeMap<Arc<str>, Problems>) {
        self.files.retain(|_, file| !file.gone);
        for (name, file) in self.files.iter_mut().filter(|(_, file)| file.is_emptied()) {
            let of_file = ledger.entries().filter(|(_, entry)| entry.document.source() == name);
            file.keep_only(of_file.map(|(_, entry)| entry.clone()).collect());
        }
        for (name, file) in &mut self.files {
            let problems = held.get(name);
            file.good = file.offered(problems.is_some()).cloned();
            file.held_back = problems.cloned().unwrap_or_default();
        }
        let owner =
            |(key, entry): (&ResourceKey, &Arc<Entry>)| (key.clone(), entry.document.source().clone());
        self.owners = ledger.entries().map(owner).collect();
    }
}

impl File {
    fn is_as(&self, file_state: &FileState) -> bool {
        match file_state {
            FileState::Bytes(bytes) => self.latest.is_readable() && self.latest.bytes == *bytes,
            FileState::Unreadable(_) => !self.latest.is_readable(),
            FileState::Gone => false,
        }
    }

    /// Returns `true` if a sighting may be the middle of a save: content in force would go away, without new content.
    fn is_doubtful(&self, file_state: &FileState) -> bool {
        let Some(good) = self.good.as_ref().filter(|good| !good.entries.is_empty()) else { return false };
        match file_state {
            FileState::Gone | FileState::Unreadable(_) => true,
            FileState::Bytes(bytes) => {
                bytes.len() < good.bytes.len() && good.bytes.starts_with(bytes) || bytes.is_empty()
            }
        }
    }

    /// Returns `true` if its latest content may come into force.
    fn is_acceptable(&self) -> bool {
        self.latest.is_good() || self.latest.is_good_beside_strangers() && self.loses_nothing()
    }

    /// Returns `true` if its latest content has all resources that are in force from it.
    fn loses_nothing(&self) -> bool {
        let named = |content: &Content| -> BTreeSet<ResourceKey> {
            content.entries.iter().map(|entry| entry.resource.key()).collect()
        };
        self.good.as_ref().is_none_or(|good| named(good).is_subset(&named(&self.latest)))
    }

    /// Returns `true` if it had resources and has none any more, though nobody deleted it.
    fn is_emptied(&self) -> bool {
        !self.gone
            && self.latest.is_good()
            && self.latest.entries.is_empty()
            && self.good.as_ref().is_some_and(|good| !good.entries.is_empty())
    }

    /// Keeps only these of its resources; empty: none of its content stays.
    fn keep_only(&mut self, entries: Vec<Arc<Entry>>) {
        if entries.is_empty() {
            self.good = Some(self.latest.clone());
        } else if let Some(good) = self.good.as_mut().filter(|good| good.entries.len() > entries.len()) {
            *good = Arc::new(Content::of(&good.bytes, entries, Problems::default()));
        }
    }

    /// Returns the content that should come into force.
    fn offered(&self, held_back: bool) -> Option<&Arc<Content>> {
        if self.gone {
            None
        } else if self.is_acceptable() && !held_back && !self.is_emptied() {
            Some(&self.latest)
        } else {
            self.good.as_ref()
        }
    }
}

/// Creates the problem of a file that had resources and has none any more.
fn emptied(name: &str) -> Problem {
    let message = "has no resources any more; those that it had stay in force";
    let help = "delete the file to take them out";
    Problem { severity: Severity::Warning, help: Some(help.into()), ..problem_of(name, message) }
}

fn content(read: &Reader, name: &str, file_state: &FileState) -> Arc<Content> {
    Arc::new(match file_state {
        FileState::Bytes(bytes) => read(name, bytes),
        FileState::Unreadable(why) => Content::unreadable(name, why),
        FileState::Gone => Content::unreadable(name, "it is gone"),
    })
}

#[cfg(test)]
mod tests;
