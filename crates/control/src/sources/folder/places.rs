//! Trust in places that appear to be empty or missing. Pure: results of looks and times in, decisions out.
//!
//! A deletion removes files. A folder that was read and is gone as a whole, or is another one and empty, was most
//! likely unmounted, renamed, or is about to be replaced: its known content stays, and that is reported. The same goes
//! for a link whose target is missing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::files::DOUBT;
use super::scan::Listing;
use crate::file_stamp::Identity;

/// Place whose emptiness is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Absence {
    pub(super) path: PathBuf,
    pub(super) why: DistrustReason,
    /// `true`: it lasts; one that is over in a moment is not reported.
    pub(super) lasts: bool,
}

/// Reason why a place is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DistrustReason {
    /// It was named by the operator, and does not exist.
    Gone,
    /// It is a link whose target does not exist.
    LeadsNowhere,
    /// It is another folder than the one that was read, and empty.
    Replaced,
}

impl DistrustReason {
    /// Describes the problem in words.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            DistrustReason::Gone => "it is gone",
            DistrustReason::LeadsNowhere => "what this link leads to is gone",
            DistrustReason::Replaced => {
                "it is another folder than before, and empty: is something not mounted?"
            }
        }
    }
}

/// Memory of places from look to look.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Folders that files were read from, with their identities.
    read: BTreeMap<PathBuf, Identity>,
    /// Places that are not trusted, with the start of that.
    absent: BTreeMap<PathBuf, Instant>,
}

impl Places {
    /// Takes in a look. Returns the places that are not trusted, sorted; `was_read` knows the files that were read
    /// before.
    pub(super) fn judge(
        &mut self,
        listing: &Listing,
        was_read: impl Fn(&Path) -> bool,
        now: Instant,
    ) -> Vec<Absence> {
        let mut absent: BTreeMap<PathBuf, DistrustReason> = BTreeMap::new();
        absent.extend(listing.gone.iter().map(|root| (root.clone(), DistrustReason::Gone)));
        let nowhere = listing.nowhere.iter().filter(|path| was_read(path) || self.read.contains_key(*path));
        absent.extend(nowhere.map(|path| (path.clone(), DistrustReason::LeadsNowhere)));
        for (path, folder) in &listing.folders {
            if folder.has_something {
                self.read.insert(path.clone(), folder.identity);
            } else if self.read.get(path).is_some_and(|before| *before != folder.identity) {
                absent.insert(path.clone(), DistrustReason::Replaced);
            } else {
                self.read.remove(path);
            }
        }
        let unreadable = listing.unreadable.iter().map(|(path, _)| path);
        let hidden: Vec<&PathBuf> = absent.keys().chain(unreadable).collect();
        self.read.retain(|path, _| {
            listing.folders.contains_key(path) || hidden.iter().any(|place| path.starts_with(place))
        });
        self.absent.retain(|path, _| absent.contains_key(path));
        absent
            .into_iter()
            .map(|(path, why)| {
                let since = *self.absent.entry(path.clone()).or_insert(now);
                Absence { path, why, lasts: now >= since + DOUBT }
            })
            .collect()
    }

    /// Returns the time at which the first absence that did not last at `now` would.
    pub(super) fn look_again_at(&self, now: Instant) -> Option<Instant> {
        self.absent.values().map(|since| *since + DOUBT).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::Folder;
    use super::*;

    fn look(folders: &[(&str, u64, bool)]) -> Listing {
        let folder = |&(path, inode, has_something): &(&str, u64, bool)| {
            (PathBuf::from(path), Folder { identity: Identity::new(1, inode), has_something })
        };
        Listing { folders: folders.iter().map(folder).collect(), ..Listing::default() }
    }

    fn judge(places: &mut Places, listing: &Listing) -> Vec<(String, DistrustReason)> {
        let absences = places.judge(listing, |_| true, Instant::now());
        absences.into_iter().map(|it| (it.path.display().to_string(), it.why)).collect()
    }

    #[test]
    fn a_folder_is_believed_to_be_empty_only_as_the_one_that_was_read() {
        let mut places = Places::default();
        for (listing, kept) in [
            (look(&[("m", 1, false)]), None),
            (look(&[("m", 2, false)]), None),
            (look(&[("m", 2, true)]), None),
            (look(&[("m", 3, false)]), Some("m")),
            (look(&[("m", 4, false)]), Some("m")),
            (look(&[("m", 2, true)]), None),
            (look(&[("m", 5, true)]), None),
            (look(&[("m", 5, false)]), None),
            (look(&[("m", 6, false)]), None),
        ] {
            let kept: Vec<_> =
                kept.map(|path| (path.to_owned(), DistrustReason::Replaced)).into_iter().collect();
            assert_eq!(judge(&mut places, &listing), kept, "{listing:?}");
        }
    }

    #[test]
    fn a_folder_in_a_folder_is_remembered_while_that_is_away_and_forgotten_when_it_was_removed() {
        let mut places = Places::default();
        judge(&mut places, &look(&[("m", 1, true), ("m/below", 2, true)]));
        let gone = Listing { gone: vec!["m".into()], ..Listing::default() };
        assert_eq!(judge(&mut places, &gone), [("m".to_owned(), DistrustReason::Gone)]);
        let unmounted = look(&[("m", 1, false), ("m/below", 3, false)]);
        assert_eq!(judge(&mut places, &unmounted), [("m/below".to_owned(), DistrustReason::Replaced)]);
        judge(&mut places, &look(&[("m", 1, true)]));
        assert_eq!(judge(&mut places, &look(&[("m", 1, true), ("m/below", 4, false)])), []);
    }

    #[test]
    fn a_link_to_nowhere_counts_when_it_led_somewhere() {
        let mut places = Places::default();
        let nowhere = Listing { nowhere: vec!["a.yaml".into(), "b.yaml".into()], ..Listing::default() };
        let absences = places.judge(&nowhere, |path| path == Path::new("a.yaml"), Instant::now());
        assert_eq!(absences.len(), 1);
        assert_eq!(absences[0].path, Path::new("a.yaml"));
    }

    #[test]
    fn what_is_back_in_a_moment_is_not_told() {
        let mut places = Places::default();
        let gone = Listing { gone: vec!["m".into()], ..Listing::default() };
        let start = Instant::now();
        let lasts = |places: &mut Places, now| places.judge(&gone, |_| true, now)[0].lasts;
        assert!(!lasts(&mut places, start));
        assert_eq!(places.look_again_at(start), Some(start + DOUBT));
        assert!(lasts(&mut places, start + DOUBT));
        assert_eq!(places.look_again_at(start + DOUBT), None);
        places.judge(&look(&[("m", 1, true)]), |_| true, start + DOUBT);
        assert!(!lasts(&mut places, start + DOUBT * 2));
    }
}
