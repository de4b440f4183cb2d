//! Tests with files in a small language: one resource per line, `name=value`; a line `!` is an error, a line `?` a
//! document of an unknown kind.

use model::draft::{Document, parse_unchecked};
use model::{Profile, Resource};
use serde_json::json;

use super::*;

fn read(name: &str, bytes: &[u8]) -> Content {
    let (mut entries, mut problems) = (Vec::new(), model::Problems::default());
    for line in String::from_utf8_lossy(bytes).lines() {
        if let Some((key, value)) = line.split_once('=') {
            let said = json!({ "type": "Mesh", "name": key, "labels": { "value": value } });
            let document = Document::from_value(name, said);
            let parsed = parse_unchecked(&document, Profile::default());
            let resource = Arc::new(parsed.resource.unwrap());
            entries.push(Arc::new(Entry { document, resource }));
        } else {
            problems.push(problem_of(name, line));
        }
    }
    let strangers = problems.iter().filter(|problem| problem.violation.message == "?").count();
    let mut content = Content::of(bytes, entries, problems);
    content.strangers = strangers;
    content
}

/// Files with a clock that only moves on demand.
struct Fixture {
    files: Files,
    now: Instant,
    in_force: Vec<String>,
}

impl Fixture {
    fn new() -> Self {
        Self { files: Files::new(Box::new(read)), now: Instant::now(), in_force: Vec::new() }
    }

    /// Creates one that ignores lines without a word, and those that begin with `#`.
    fn with_comments() -> Self {
        let says = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        let read = move |name: &str, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let Content { entries, problems, .. } =
                read(name, text.lines().filter(says).collect::<Vec<_>>().join("\n").as_bytes());
            Content::of(bytes, entries, problems)
        };
        Self { files: Files::new(Box::new(read)), ..Self::new() }
    }

    fn save(&mut self, name: &str, text: &str) {
        self.files.observe(name, FileState::Bytes(text.into()), self.now);
    }

    fn remove(&mut self, name: &str) {
        self.files.observe(name, FileState::Gone, self.now);
    }

    fn wait(&mut self) {
        self.now += DOUBT;
    }

    /// Settles; two resources with the value `port` cannot be in force together.
    fn settle(&mut self) -> &[String] {
        let mut in_force = Vec::new();
        let settled = self.files.settle(&mut |Candidate { ledger, changed }| {
            let is_port = |entry: &&Arc<Entry>| entry.resource.meta().labels.get("value") == Some("port");
            let wanting: Vec<&Arc<Entry>> =
                ledger.entries().map(|(_, entry)| entry).filter(is_port).collect();
            if wanting.len() < 2 {
                in_force = ledger.resources().map(|it| show(it)).collect();
                return Ok(());
            }
            let blame = wanting.iter().rev().find(|entry| changed.contains(entry.document.source()));
            let source = blame.map_or("port", |entry| entry.document.source());
            Err(vec![problem_of(source, "taken")])
        });
        if settled == OfferOutcome::Adopted {
            self.in_force = in_force;
        }
        &self.in_force
    }

    fn messages(&self) -> Vec<String> {
        self.files.problems().iter().map(ToString::to_string).collect()
    }
}

fn show(resource: &Resource) -> String {
    format!("{}={}", resource.meta().name, resource.meta().labels.get("value").unwrap())
}

#[test]
fn a_broken_file_keeps_its_last_good_content_and_the_others_go_on() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1");
    fixture.save("b", "y=1");
    assert_eq!(fixture.settle(), ["x=1", "y=1"]);
    fixture.save("a", "x=2\n!");
    fixture.save("b", "y=2");
    assert_eq!(fixture.settle(), ["x=1", "y=2"]);
    assert_eq!(fixture.messages(), ["a: error: !"]);
    assert_eq!(fixture.files.states()[0].1, SourceState::LastGood);
    fixture.save("a", "x=3");
    assert_eq!(fixture.settle(), ["x=3", "y=2"]);
    assert_eq!(fixture.messages(), [""; 0]);
}

#[test]
fn a_file_that_never_was_good_offers_nothing() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1\n!");
    assert_eq!(fixture.settle(), [""; 0]);
    assert_eq!(fixture.files.states(), [("a".into(), SourceState::Nothing)]);
}

#[test]
fn a_document_of_a_kind_that_nobody_knows_costs_itself_as_long_as_nothing_goes() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1\n?");
    assert_eq!(fixture.settle(), ["x=1"]);
    assert_eq!(fixture.messages(), ["a: error: ?"]);
    assert_eq!(fixture.files.states(), [("a".into(), SourceState::Current)]);
    fixture.save("a", "x=2\ny=1\n?");
    assert_eq!(fixture.settle(), ["x=2", "y=1"]);
    // the unknown kind may be a typing error in y
    fixture.save("a", "x=3\n?");
    fixture.wait();
    assert_eq!(fixture.settle(), ["x=2", "y=1"]);
    assert_eq!(fixture.files.states(), [("a".into(), SourceState::LastGood)]);
    fixture.save("a", "x=3\ny=1\n?\n!");
    assert_eq!(fixture.settle(), ["x=2", "y=1"]);
    fixture.save("a", "x=3");
    assert_eq!(fixture.settle(), ["x=3"]);
}

#[test]
fn a_removed_file_takes_its_resources_along_once_it_stays_away() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1");
    fixture.save("b", "y=1");
    fixture.settle();
    fixture.remove("a");
    assert!(!fixture.files.is_unsettled() && fixture.files.is_doubtful("a"));
    assert_eq!(fixture.files.look_again_at(), Some(fixture.now + DOUBT));
    fixture.wait();
    fixture.remove("a");
    assert_eq!(fixture.settle(), ["y=1"]);
    assert_eq!(fixture.files.states().len(), 1);
}

#[test]
fn a_file_that_is_replaced_or_half_written_never_loses_its_resources() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1\ny=1");
    fixture.settle();
    for half in ["", "x=1", "x=1\n"] {
        fixture.save("a", half);
        assert!(!fixture.files.is_unsettled());
    }
    fixture.remove("a");
    fixture.save("a", "x=2\ny=2");
    assert_eq!(fixture.settle(), ["x=2", "y=2"]);
}

#[test]
fn a_file_that_stays_shorter_is_believed() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1\ny=1");
    fixture.settle();
    fixture.save("a", "x=1");
    fixture.wait();
    fixture.save("a", "x=1");
    assert_eq!(fixture.settle(), ["x=1"]);
}

#[test]
fn of_two_files_that_define_the_same_the_first_in_force_stays() {
    let mut fixture = Fixture::new();
    fixture.save("b", "x=1");
    fixture.settle();
    fixture.save("a", "x=2\ny=2");
    assert_eq!(fixture.settle(), ["x=1", "y=2"]);
    assert_eq!(
        fixture.messages(),
        [
            "a: error: Mesh x is already defined at b (rename or remove one of the two; until then the first stays in \
         force)"
        ]
    );
    fixture.remove("b");
    fixture.wait();
    fixture.remove("b");
    assert_eq!(fixture.settle(), ["x=2", "y=2"]);
    assert_eq!(fixture.messages(), [""; 0]);
}

#[test]
fn a_file_that_defines_the_same_twice_is_broken() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1");
    fixture.settle();
    fixture.save("a", "x=2\nx=1");
    assert_eq!(fixture.settle(), ["x=1"]);
    assert!(fixture.messages()[0].contains("already defined at a"));
}

#[test]
fn a_resource_may_move_from_one_file_to_another_in_one_burst() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1\nz=1");
    fixture.save("b", "y=1");
    fixture.settle();
    fixture.save("a", "z=2");
    fixture.save("b", "x=2\ny=1");
    assert_eq!(fixture.settle(), ["x=2", "y=1", "z=2"]);
    assert_eq!(fixture.messages(), [""; 0]);
}

#[test]
fn files_that_fail_together_are_held_back_and_tried_again() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=port");
    fixture.save("b", "y=1");
    fixture.save("c", "z=1");
    fixture.settle();
    fixture.save("b", "y=port");
    fixture.save("c", "z=2");
    assert_eq!(fixture.settle(), ["x=port", "y=1", "z=2"]);
    assert_eq!(fixture.messages(), ["b: error: taken"]);
    assert_eq!(fixture.files.states()[1].1, SourceState::LastGood);
    fixture.save("a", "x=3");
    assert_eq!(fixture.settle(), ["x=3", "y=port", "z=2"]);
    assert_eq!(fixture.messages(), [""; 0]);
}

#[test]
fn of_files_that_fail_together_from_the_start_the_first_is_in_force() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=port");
    fixture.save("b", "y=port\nz=1");
    assert_eq!(fixture.settle(), ["x=port"]);
}

#[test]
fn when_holding_back_cannot_help_everything_stays() {
    let mut files = Files::new(Box::new(read));
    let now = Instant::now();
    files.observe("a", FileState::Bytes("x=1".into()), now);
    assert_eq!(files.settle(&mut |_| Ok(())), OfferOutcome::Adopted);
    files.observe("a", FileState::Bytes("x=2".into()), now);
    let mut offered = Vec::new();
    let refused = files.settle(&mut |candidate| {
        offered.push(candidate.ledger.resources().map(|it| show(it)).collect::<Vec<_>>());
        Err(vec![problem_of("a", "no")])
    });
    assert_eq!(refused, OfferOutcome::Refused);
    assert_eq!(offered, [["x=2"], ["x=1"]]);
    assert_eq!(files.states(), [("a".into(), SourceState::LastGood)]);
}

/// Event that happens to the files.
#[derive(Clone, Debug)]
enum Happening {
    Save(&'static str, String),
    Remove(&'static str),
    Wait,
    Settle,
}

fn happening() -> impl proptest::strategy::Strategy<Value = Happening> {
    use proptest::prelude::*;
    let file = || prop::sample::select(vec!["a", "b", "c"]);
    let line = (prop::sample::select(vec!["x", "y", "z"]), prop::sample::select(vec!["1", "2", "port"]));
    let line = line.prop_map(|(key, value)| format!("{key}={value}"));
    let line = prop_oneof![8 => line, 1 => Just("!".to_owned())];
    let text = prop::collection::vec(line, 0..3).prop_map(|lines| lines.join("\n"));
    prop_oneof![
        4 => (file(), text).prop_map(|(file, text)| Happening::Save(file, text)),
        1 => file().prop_map(Happening::Remove),
        1 => Just(Happening::Wait),
        4 => Just(Happening::Settle),
    ]
}

proptest::proptest! {
    #[test]
    fn what_is_in_force_is_always_sound_and_the_past_leaves_no_trace(
        happenings in proptest::collection::vec(happening(), 0..40),
    ) {
        let mut fixture = Fixture::new();
        for happening in happenings {
            match happening {
                Happening::Save(file, text) => fixture.save(file, &text),
                Happening::Remove(file) => fixture.remove(file),
                Happening::Wait => fixture.wait(),
                Happening::Settle => {
                    let in_force = fixture.settle().to_vec();
                    let mut keys: Vec<_> = in_force.iter().map(|it| it.split('=').next()).collect();
                    keys.sort_unstable();
                    keys.dedup();
                    proptest::prop_assert_eq!(keys.len(), in_force.len());
                    proptest::prop_assert!(in_force.iter().filter(|it| it.ends_with("=port")).count() < 2);
                }
            }
        }
        // the second look may trust what the first one doubts
        for _ in 0..2 {
            fixture.save("a", "x=1");
            fixture.save("b", "y=2");
            fixture.remove("c");
            fixture.wait();
        }
        proptest::prop_assert_eq!(fixture.settle(), ["x=1", "y=2"]);
        proptest::prop_assert_eq!(fixture.messages(), [""; 0]);
    }
}

/// Contents of a file after the usual accidents.
const EMPTIED: [&str; 4] = ["", "\n", "  \n\t", "\n\n\n"];

#[test]
fn a_file_that_is_emptied_keeps_what_it_had_with_a_warning_until_it_is_deleted() {
    for nothing in EMPTIED {
        let mut fixture = Fixture::with_comments();
        fixture.save("a", "x=1\ny=1");
        fixture.save("b", "z=1");
        fixture.settle();
        for _ in 0..3 {
            fixture.save("a", nothing);
            fixture.wait();
        }
        fixture.save("b", "z=2");
        assert_eq!(fixture.settle(), ["x=1", "y=1", "z=2"]);
        let problems = fixture.files.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((&*problems[0].source, problems[0].severity), ("a", Severity::Warning));
        assert_eq!(fixture.files.states()[0], ("a".into(), SourceState::LastGood));
        fixture.save("a", "x=2");
        assert_eq!(fixture.settle(), ["x=2", "z=2"]);
        assert_eq!(fixture.messages(), [""; 0]);
        fixture.save("a", nothing);
        fixture.wait();
        fixture.save("a", nothing);
        fixture.settle();
        for _ in 0..2 {
            fixture.remove("a");
            fixture.wait();
        }
        assert_eq!(fixture.settle(), ["z=2"]);
        assert_eq!(fixture.messages(), [""; 0]);
    }
}

#[test]
fn a_file_whose_resources_are_all_commented_out_keeps_them_too() {
    let mut fixture = Fixture::with_comments();
    fixture.save("a", "x=1");
    fixture.settle();
    fixture.save("a", "# x=1");
    assert_eq!(fixture.settle(), ["x=1"]);
    assert!(fixture.messages()[0].contains("delete the file"), "{:?}", fixture.messages());
}

#[test]
fn a_file_that_never_had_anything_may_be_empty() {
    let mut fixture = Fixture::with_comments();
    fixture.save("a", "# later");
    fixture.save("b", "");
    assert_eq!(fixture.settle(), [""; 0]);
    assert_eq!(fixture.messages(), [""; 0]);
}

#[test]
fn what_an_emptied_file_had_is_not_kept_where_another_file_has_it_now() {
    let mut fixture = Fixture::with_comments();
    fixture.save("a", "x=1\ny=1");
    fixture.settle();
    fixture.save("b", "x=2");
    fixture.save("a", "#");
    assert_eq!(fixture.settle(), ["x=2", "y=1"]);
    assert!(fixture.messages()[0].starts_with("a: "), "{:?}", fixture.messages());
    fixture.save("c", "y=2");
    assert_eq!(fixture.settle(), ["x=2", "y=2"]);
    assert_eq!(fixture.messages(), [""; 0]);
    // resources that went to others do not come back when those are deleted
    for _ in 0..2 {
        fixture.remove("b");
        fixture.wait();
    }
    assert_eq!(fixture.settle(), ["y=2"]);
}

#[test]
fn a_file_that_is_moved_is_no_repetition_in_passing() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1");
    fixture.settle();
    fixture.remove("a");
    fixture.save("below/a", "x=1");
    assert_eq!(fixture.settle(), ["x=1"]);
    assert_eq!(fixture.messages(), [""; 0]);
    fixture.wait();
    fixture.remove("a");
    assert_eq!(fixture.settle(), ["x=1"]);
    assert_eq!(fixture.messages(), [""; 0]);
    assert_eq!(fixture.files.states(), [("below/a".into(), SourceState::Current)]);
}

#[test]
fn a_repetition_is_told_when_the_first_file_was_not_removed_after_all() {
    let mut fixture = Fixture::new();
    fixture.save("a", "x=1");
    fixture.settle();
    fixture.remove("a");
    fixture.save("b", "x=2");
    assert_eq!(fixture.settle(), ["x=1"]);
    fixture.save("a", "x=1");
    assert!(fixture.files.is_unsettled());
    assert_eq!(fixture.settle(), ["x=1"]);
    assert!(fixture.messages()[0].contains("already defined at a"), "{:?}", fixture.messages());
}
