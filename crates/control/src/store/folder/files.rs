//! Which content of each file is in force. Pure: sightings and times in, decisions out.
//!
//! Three things keep a broken change from doing harm, each as narrow as it can be:
//! * a file whose content has errors keeps its last good content;
//! * a file whose content is good alone but not together with the others (who judges that is not decided here) is
//!   held back, and tried again whenever anything changes;
//! * when nothing can be held back that would help, everything stays as it is.
//!
//! A file that vanishes, or shrinks to a beginning of what it was, is believed only when it still looks so after
//! [`DOUBT`]: editors write by removing and by cutting to nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Problems;

use super::candidate::{Candidate, Objection, Offer};
use super::content::{Content, Key, unreadable};

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

/// What is in force of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// What it says now.
    Current,
    /// What it said when it was last good.
    LastGood,
    /// Nothing: it never was good.
    Nothing,
}

/// What became of a state of files.
#[derive(Debug)]
pub enum Settled<V> {
    /// It was adopted, except for the files that have errors or were held back.
    Adopted(V),
    /// Everything stays as it was.
    Refused,
}

type Reader = Box<dyn Fn(&str, &[u8]) -> Content + Send>;

/// The files, what they say, and what of it is in force.
pub struct Files {
    read: Reader,
    files: BTreeMap<Arc<str>, File>,
    /// Which file a resource in force came from: it keeps it when another file claims it too.
    owners: BTreeMap<Key, Arc<str>>,
    unlisted: Vec<(String, String)>,
    /// Problems that belong to several files together, as of the last settling.
    between: Problems,
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
            file.doubt = None;
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

    /// Takes in what is certain: as [`Files::observe`], but believed at once.
    pub(crate) fn believe(&mut self, name: &str, sighting: Sighting) {
        if let Some(file) = self.files.get_mut(name) {
            if !file.gone && file.is_as(&sighting) {
                return;
            }
            file.gone = sighting == Sighting::Gone;
            if !file.gone {
                file.latest = content(&self.read, name, &sighting);
            }
        } else if sighting != Sighting::Gone {
            let latest = content(&self.read, name, &sighting);
            let file = File { latest, good: None, gone: false, doubt: None, held_back: Problems::default() };
            self.files.insert(name.into(), file);
        }
        self.unsettled = true;
    }

    /// The names of what there is, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.files.iter().filter(|(_, file)| !file.gone).map(|(name, _)| name)
    }

    /// Takes in which folders could not be listed. What is known of the files in them stays.
    pub fn cannot_list(&mut self, folders: Vec<(String, String)>) {
        self.unlisted = folders;
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
    pub fn settle<V>(
        &mut self,
        mut adopt: impl FnMut(&Candidate) -> Result<V, Vec<Objection>>,
    ) -> Settled<V> {
        let mut held: BTreeMap<Arc<str>, Problems> = BTreeMap::new();
        loop {
            let (candidate, repetitions) = self.candidate(&held);
            let objections = match adopt(&candidate) {
                Ok(value) => {
                    self.unsettled = false;
                    self.keep(&candidate, &held);
                    self.between = repetitions;
                    return Settled::Adopted(value);
                }
                Err(objections) => objections,
            };
            let before = held.len();
            for Objection { file, problem } in &objections {
                if let Some(file) = file.as_ref().filter(|file| candidate.changed.contains(*file)) {
                    held.entry(file.clone()).or_default().push(problem.clone());
                }
            }
            if held.len() == before {
                self.unsettled = false;
                self.between = repetitions;
                self.between.extend(objections.into_iter().map(|objection| objection.problem));
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
            if file.latest.is_good() {
                problems.append(file.held_back.clone());
            }
        }
        problems.extend(self.unlisted.iter().map(|(folder, why)| unreadable(folder, why)));
        problems.append(self.between.clone());
        problems.sort();
        problems
    }

    /// The files, sorted, and what is in force of each.
    pub fn states(&self) -> Vec<(Arc<str>, FileState)> {
        let state = |file: &File| match &file.good {
            Some(good) if Arc::ptr_eq(good, &file.latest) => FileState::Current,
            Some(_) => FileState::LastGood,
            None => FileState::Nothing,
        };
        self.files.iter().map(|(name, file)| (name.clone(), state(file))).collect()
    }

    /// The text of a file as it was last believed.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.files.get(name).map(|file| file.latest.text())
    }

    fn candidate(&self, held: &BTreeMap<Arc<str>, Problems>) -> (Candidate, Problems) {
        let mut candidate = Candidate::default();
        let mut claims: BTreeMap<Key, Vec<Offer>> = BTreeMap::new();
        let mut order = Vec::new();
        for (name, file) in &self.files {
            let content = file.offered(held.contains_key(name));
            let same = match (content, &file.good) {
                (Some(content), Some(good)) => Arc::ptr_eq(content, good),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !same {
                candidate.changed.insert(name.clone());
            }
            for entry in content.into_iter().flat_map(|content| &content.entries) {
                let offer = Offer { file: name.clone(), entry: entry.clone() };
                let claimed = claims.entry(entry.key()).or_default();
                claimed.push(offer);
                order.push((entry.key(), claimed.len() - 1));
            }
        }
        let first = |key: &Key| {
            let owner = self.owners.get(key);
            let offers = claims.get(key).map(Vec::as_slice).unwrap_or_default();
            offers.iter().position(|offer| Some(&offer.file) == owner).unwrap_or_default()
        };
        let mut repetitions = Problems::default();
        for (key, index) in order {
            let Some(offers) = claims.get(&key) else { continue };
            let winner = first(&key);
            match (offers.get(index), offers.get(winner)) {
                (Some(offer), _) if index == winner => candidate.offers.push(offer.clone()),
                (Some(offer), Some(winner)) => repetitions.push(offer.entry.repeats(&winner.entry)),
                (_, _) => {}
            }
        }
        (candidate, repetitions)
    }

    fn keep(&mut self, candidate: &Candidate, held: &BTreeMap<Arc<str>, Problems>) {
        self.files.retain(|_, file| !file.gone);
        for (name, file) in &mut self.files {
            let problems = held.get(name);
            file.good = file.offered(problems.is_some()).cloned();
            file.held_back = problems.cloned().unwrap_or_default();
        }
        let owner = |offer: &Offer| (offer.entry.key(), offer.file.clone());
        self.owners = candidate.offers.iter().map(owner).collect();
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

    /// The content that should come into force.
    fn offered(&self, held_back: bool) -> Option<&Arc<Content>> {
        if self.gone {
            None
        } else if self.latest.is_good() && !held_back {
            Some(&self.latest)
        } else {
            self.good.as_ref()
        }
    }
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
