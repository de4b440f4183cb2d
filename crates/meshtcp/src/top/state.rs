//! State of the screen, and the effect of keys on it. No terminal, clock or socket here.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::place::Place;
use super::rows::{List, Row, list};
use super::samples::{Sample, Samples};

/// Meaning of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Rows to move up.
    Up(usize),
    /// Rows to move down.
    Down(usize),
    /// Columns to move the sort order by.
    Column(isize),
    Enter,
    Back,
    Erase,
    Tab,
    Letter(char),
    Quit,
}

/// State of the screen.
#[derive(Debug)]
pub(super) struct State {
    /// Name of the source.
    pub(super) title: String,
    /// `true`: a single proxy is asked, which knows no others.
    is_proxy: bool,
    samples: Samples,
    /// Sample that is drawn; `None`: none has come.
    shown: Option<Sample>,
    /// Path of places to the current one, which is the last.
    places: Vec<Level>,
    pub(super) filter: String,
    /// `true`: letters are typed into the filter.
    pub(super) is_typing: bool,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    /// Reason why the last sample failed; `None`: it did not.
    pub(super) failed: Option<String>,
}

/// Place with its selection and sort order.
#[derive(Debug)]
struct Level {
    place: Place,
    selected: usize,
    /// Sort column, and `true` for ascending order; `None`: the default of the list.
    sorted: Option<(usize, bool)>,
}

impl Level {
    fn at(place: Place) -> Self {
        Self { place, selected: 0, sorted: None }
    }
}

/// List as it is drawn: sorted and filtered.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) list: List,
    pub(super) title: String,
    pub(super) selected: usize,
    /// Sort column.
    pub(super) sorted_by: usize,
    /// `true`: ascending order.
    pub(super) is_rising: bool,
    /// Number of rows without the filter.
    pub(super) total: usize,
}

impl State {
    /// Creates the state before the first sample.
    pub(super) fn new(title: String, is_proxy: bool) -> Self {
        Self {
            title,
            is_proxy,
            samples: Samples::default(),
            shown: None,
            places: vec![Level::at(Place::Routes)],
            filter: String::new(),
            is_typing: false,
            is_paused: false,
            shows_help: false,
            failed: None,
        }
    }

    /// Takes in a sample. While paused, the drawn one stays.
    pub(super) fn take(&mut self, sample: Sample) {
        self.failed = None;
        self.samples.take(&sample);
        if !self.is_paused || self.shown.is_none() {
            self.shown = Some(sample);
        }
    }

    /// Records a failed sample. The last one stays drawn.
    pub(super) fn fail(&mut self, why: String) {
        self.failed = Some(why);
    }

    /// Sample that is drawn now; `None`: none has come yet.
    pub(super) fn shown(&self) -> Option<&Sample> {
        self.shown.as_ref()
    }

    fn level(&self) -> Option<&Level> {
        self.places.last()
    }

    /// List that is drawn now.
    pub(super) fn drawn(&self) -> Option<Drawn> {
        let (level, sample) = (self.level()?, self.shown.as_ref()?);
        let mut list = list(&level.place, sample, &self.samples);
        let total = list.rows.len();
        let wanted = self.filter.to_lowercase();
        list.rows.retain(|row| {
            wanted.is_empty() || row.cells.iter().any(|cell| cell.text.to_lowercase().contains(&wanted))
        });
        let is_number = |at: usize| list.columns.get(at).is_some_and(|column| column.is_number);
        // numbers are in descending order
        let (sorted_by, is_rising) = level.sorted.unwrap_or((list.sorted_by, !is_number(list.sorted_by)));
        let order = |one: &Row, two: &Row| match (one.cells.get(sorted_by), two.cells.get(sorted_by)) {
            (Some(one), Some(two)) if is_rising => one.compare(two),
            (Some(one), Some(two)) => two.compare(one),
            _ => Ordering::Equal,
        };
        // equal rows stay in the order of names
        list.rows.sort_by(order);
        let selected = level.selected.min(list.rows.len().saturating_sub(1));
        Some(Drawn { list, title: level.place.title(), selected, sorted_by, is_rising, total })
    }

    /// Handles a key; breaks when the user quits.
    pub(super) fn press(&mut self, key: Key) -> ControlFlow<()> {
        match key {
            Key::Quit => return ControlFlow::Break(()),
            Key::Letter(letter) if self.is_typing => self.filter.push(letter),
            Key::Erase if self.is_typing => drop(self.filter.pop()),
            Key::Enter if self.is_typing => self.is_typing = false,
            Key::Back if self.is_typing => {
                self.is_typing = false;
                self.filter.clear();
            }
            _ if self.shows_help => self.shows_help = false,
            Key::Letter(letter) => return self.letter(letter),
            Key::Up(rows) => self.select(|at, _| at.saturating_sub(rows)),
            Key::Down(rows) => self.select(|at, last| at.saturating_add(rows).min(last)),
            Key::Column(by) => self.sort(by),
            Key::Enter => self.enter(),
            Key::Back | Key::Erase => self.back(),
            Key::Tab => self.switch(),
        }
        ControlFlow::Continue(())
    }

    fn letter(&mut self, letter: char) -> ControlFlow<()> {
        match letter {
            'q' => return ControlFlow::Break(()),
            'p' | ' ' => self.is_paused = !self.is_paused,
            '?' | 'h' => self.shows_help = true,
            '/' => self.is_typing = true,
            's' | '>' => self.sort(1),
            '<' => self.sort(-1),
            'r' => self.turn(),
            'k' => self.select(|at, _| at.saturating_sub(1)),
            'j' => self.select(|at, last| at.saturating_add(1).min(last)),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn select(&mut self, select: impl FnOnce(usize, usize) -> usize) {
        let Some(Drawn { list, selected, .. }) = self.drawn() else { return };
        if let Some(level) = self.places.last_mut() {
            level.selected = select(selected, list.rows.len().saturating_sub(1));
        }
    }

    fn sort(&mut self, by: isize) {
        let Some(Drawn { list, sorted_by, .. }) = self.drawn() else { return };
        let columns = isize::try_from(list.columns.len()).unwrap_or(1);
        let at = isize::try_from(sorted_by).unwrap_or_default() + by;
        let at = usize::try_from(at.rem_euclid(columns)).unwrap_or_default();
        let is_number = list.columns.get(at).is_some_and(|column| column.is_number);
        if let Some(level) = self.places.last_mut() {
            (level.sorted, level.selected) = (Some((at, !is_number)), 0);
        }
    }

    fn turn(&mut self) {
        let Some(Drawn { sorted_by, is_rising, .. }) = self.drawn() else { return };
        if let Some(level) = self.places.last_mut() {
            (level.sorted, level.selected) = (Some((sorted_by, !is_rising)), 0);
        }
    }

    fn enter(&mut self) {
        let Some(Drawn { list, selected, .. }) = self.drawn() else { return };
        if let Some(place) = list.rows.get(selected).and_then(|row| row.leads_to.clone()) {
            // a filter belongs to the list where it was typed
            self.filter.clear();
            self.places.push(Level::at(place));
        }
    }

    fn back(&mut self) {
        if !self.filter.is_empty() {
            self.filter.clear();
        } else if self.places.len() > 1 {
            self.places.pop();
        }
    }

    fn switch(&mut self) {
        let other = match self.places.first().map(|level| &level.place) {
            Some(Place::Routes) if !self.is_proxy => Place::Proxies,
            _ => Place::Routes,
        };
        self.filter.clear();
        self.places = vec![Level::at(other)];
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
