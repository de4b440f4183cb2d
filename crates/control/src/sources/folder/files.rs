//! Which content of each file is in force. Pure: sightings and times in, decisions out.
//!
//! Four things keep a broken change from doing harm, each as narrow as it can be:
//! * a file whose content has errors keeps its last good content;
//! * a document of a kind that is not known costs itself only, as long as the file takes nothing out that it had: the word
//!   may be a slip in one of those;
//! * a file whose content is good alone but not together with the others (who judges that is not decided here) is
//!   held back, and tried again whenever anything changes;
//! * when nothing can be held back that would help, everything stays as it is.
//!
//! A file that vanishes, or shrinks to a beginning of what it was, is believed only when it still looks so after
//! [`DOUBT`]: editors write by removing and by cutting to nothing.
//!
//! A file that had resources and has none any more (it is empty, or has only comments) keeps them, save for those that
//! another file has now: full disks and scripts that fail leave such files behind. Who wants its resources gone deletes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use change::{Candidate, Content, Entry, Ledger, problem_of};
use model::{Problem, Problems, ResourceKey, Severity};

use crate::sources::{Adopt, Settled, SourceState};

/// How long a file that seems removed or half-written is given to come back: longer than a busy disk holds up an editor
/// between cutting a file and writing it. Who means it waits a second; who does not would lose connections.
pub(super) const DOUBT: Duration = Duration::from_secs(1);

/// What a look at a path found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// The file, with these bytes.
    Bytes(Vec<u8>),
    /// The file, which cannot be read for this reason.
    Unreadable(String),
    /// Nothing.
    Gone,
}

/// A file, and a resource that it has.
type Claim<'f> = (&'f Arc<str>, &'f Arc<Entry>);

type Reader = Box<dyn Fn(&str, &[u8]) -> Content + Send>;

/// The files, what they say, and what of it is in force.
pub struct Files {
    read: Reader,
    files: BTreeMap<Arc<str>, File>,
    /// Which file a resource in force came from: it keeps it when another file claims it too.
    owners: BTreeMap<ResourceKey, Arc<str>>,
    unlisted: Vec<Problem>,
    /// Problems that belong to several files together, as of the last settling.
    between: Problems,
    /// Whether a resource was claimed, as of the last settling, that a file in doubt has: it may be about to move.
    undecided: bool,
    unsettled: bool,
}

struct File {
    latest: Arc<Content>,
    good: Option<Arc<Content>>,
    /// Removed, but not yet settled.
    gone: bool,
    doubt: Option<Doubt>,
    /// Why the latest content is not in force though it is good alone.
    held_back: Problems,
}

struct Doubt {
    sighting: Sighting,
    since: Instant,
}

impl Files {
    /// No files yet; `read` reads their content.
    pub fn new(read: Reader) -> Self {
        Self {
            read,
            files: BTreeMap::new(),
            owners: BTreeMap::new(),
            unlisted: Vec::new(),
            between: Problems::default(),
            undecided: false,
            // even no files are a state that has to be adopted once
            unsettled: true,
        }
    }

    /// Takes in what a look at a file found. Says whether it was believed; if not, [`Files::look_again_at`].
    pub fn observe(&mut self, name: &str, sighting: Sighting, now: Instant) -> bool {
        let Some(file) = self.files.get_mut(name) else {
            if sighting != Sighting::Gone {
                let latest = content(&self.read, name, &sighting);
                let file =
                    File { latest, good: None, gone: false, doubt: None, held_back: Problems::default() };
                self.files.insert(name.into(), file);
                self.unsettled = true;
            }
            return true;
        };
        if !file.gone && file.is_as(&sighting) {
            self.unsettled |= file.doubt.take().is_some() && self.undecided;
            return true;
        }
        if file.is_doubtful(&sighting) {
            let since = match &file.doubt {
                Some(doubt) if doubt.sighting == sighting => doubt.since,
                _ => now,
            };
            if now < since + DOUBT {
                file.doubt = Some(Doubt { sighting, since });
                return false;
            }
        }
        file.doubt = None;
        file.gone = sighting == Sighting::Gone;
        if !file.gone {
            file.latest = content(&self.read, name, &sighting);
        }
        self.unsettled = true;
        true
    }

    /// Takes in that nobody can look at a file now: it stays as it was.
    pub(crate) fn stays(&mut self, name: &str) {
        if let Some(file) = self.files.get_mut(name) {
            self.unsettled |= file.doubt.take().is_some() && self.undecided;
        }
    }

    /// Takes in which places could not be looked at. What is known of the files in them stays.
    pub fn cannot_list(&mut self, places: Vec<Problem>) {
        self.unlisted = places;
    }

    /// Whether a file was last seen in a state that was not believed.
    pub fn is_doubtful(&self, name: &str) -> bool {
        self.files.get(name).is_some_and(|file| file.doubt.is_some())
    }

    /// When the first doubt should be looked at again.
    pub fn look_again_at(&self) -> Option<Instant> {
        self.files.values().filter_map(|file| Some(file.doubt.as_ref()?.since + DOUBT)).min()
    }

    /// Whether something was believed since the last settling.
    pub fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Offers what the files say to `adopt`, and remembers of each file what was adopted.
    ///
    /// `adopt` puts the whole candidate into force and returns what came of it, or changes nothing and objects.
    /// Files that are objected to are held back at their last good content and the rest is offered again; when that
    /// cannot help, nothing changes.
    pub fn settle(&mut self, adopt: &mut Adopt<'_>) -> Settled {
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
                return Settled::Adopted;
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
                return Settled::Refused;
            }
        }
    }

    /// What is wrong or doubtful, sorted by place.
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

    /// How many documents are of kinds that are not known.
    pub(super) fn strangers(&self) -> usize {
        self.files.values().filter(|file| !file.gone).map(|file| file.latest.strangers).sum()
    }

    /// The files, sorted, and what is in force of each.
    pub fn states(&self) -> Vec<(Arc<str>, SourceState)> {
        let state = |file: &File| match &file.good {
            Some(good) if Arc::ptr_eq(good, &file.latest) => SourceState::Current,
            Some(_) => SourceState::LastGood,
            None => SourceState::Nothing,
        };
        self.files.iter().map(|(name, file)| (name.clone(), state(file))).collect()
    }

    /// The text of a file as it was last believed.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.files.get(name).map(|file| file.latest.text())
    }

    /// What is on offer, and who repeats what which file has.
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

    /// What files have that were not emptied: an emptied one has lost that to them, if it had it.
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
    fn is_as(&self, sighting: &Sighting) -> bool {
        match sighting {
            Sighting::Bytes(bytes) => self.latest.is_readable() && self.latest.bytes == *bytes,
            Sighting::Unreadable(_) => !self.latest.is_readable(),
            Sighting::Gone => false,
        }
    }

    /// Whether a sighting may be the middle of a save: what is in force would go away, and nothing new is there.
    fn is_doubtful(&self, sighting: &Sighting) -> bool {
        let Some(good) = self.good.as_ref().filter(|good| !good.entries.is_empty()) else { return false };
        match sighting {
            Sighting::Gone | Sighting::Unreadable(_) => true,
            Sighting::Bytes(bytes) => {
                bytes.len() < good.bytes.len() && good.bytes.starts_with(bytes) || bytes.is_empty()
            }
        }
    }

    /// Whether its latest content may come into force.
    fn is_acceptable(&self) -> bool {
        self.latest.is_good() || self.latest.is_good_beside_strangers() && self.loses_nothing()
    }

    /// Whether all that is in force of it is in its latest content.
    fn loses_nothing(&self) -> bool {
        let named = |content: &Content| -> BTreeSet<ResourceKey> {
            content.entries.iter().map(|entry| entry.resource.key()).collect()
        };
        self.good.as_ref().is_none_or(|good| named(good).is_subset(&named(&self.latest)))
    }

    /// Whether it had resources and says nothing any more, though nobody deleted it.
    fn is_emptied(&self) -> bool {
        !self.gone
            && self.latest.is_good()
            && self.latest.entries.is_empty()
            && self.good.as_ref().is_some_and(|good| !good.entries.is_empty())
    }

    /// Keeps these of the resources that it had; none: nothing is left of what it said.
    fn keep_only(&mut self, entries: Vec<Arc<Entry>>) {
        if entries.is_empty() {
            self.good = Some(self.latest.clone());
        } else if let Some(good) = self.good.as_mut().filter(|good| good.entries.len() > entries.len()) {
            *good = Arc::new(Content::of(&good.bytes, entries, Problems::default()));
        }
    }

    /// The content that should come into force.
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

/// The problem of a file that had resources and says nothing any more.
fn emptied(name: &str) -> Problem {
    let message = "has no resources any more; those that it had stay in force";
    let help = "delete the file to take them out";
    Problem { severity: Severity::Warning, help: Some(help.into()), ..problem_of(name, message) }
}

fn content(read: &Reader, name: &str, sighting: &Sighting) -> Arc<Content> {
    Arc::new(match sighting {
        Sighting::Bytes(bytes) => read(name, bytes),
        Sighting::Unreadable(why) => Content::unreadable(name, why),
        Sighting::Gone => Content::unreadable(name, "it is gone"),
    })
}

#[cfg(test)]
mod tests;
