use model::{FieldPath, Violation};
use proptest::prelude::*;

use super::*;

fn problem(offset: usize, length: usize) -> Problem {
    Problem {
        source: "shop/mesh.yaml".into(),
        position: Some(Position { line: 3, column: 1, offset, length }),
        severity: Severity::Error,
        resource: Some("Mesh default".into()),
        violation: Violation::new(FieldPath::root().field("weigth"), "unknown field"),
        help: Some("did you mean `weight`?".into()),
    }
}

#[test]
fn a_problem_is_shown_in_its_text_at_file_line_and_column() {
    let text = "type: Mesh\nnäme: x\nweigth: 1\n";
    let problem = problem(text.find("weigth").unwrap(), 6);
    let reporter = Reporter { colours: &Colours::NONE };
    let drawn = reporter.draw(&problem, Some(text));
    for part in ["error: Mesh default: weigth: unknown field", "[shop/mesh.yaml:3:1]", "help: did you mean"] {
        assert!(drawn.contains(part), "{part} is not in\n{drawn}");
    }
    assert!(reporter.draw(&problem, None).contains("shop/mesh.yaml:3:1: Mesh default: weigth"));
    let stored = Problem { source: "Mesh default".into(), position: None, ..problem };
    assert!(reporter.draw(&stored, None).contains("error: Mesh default: weigth: unknown field"));
}

#[test]
fn what_panics_while_it_draws_is_told_plainly() {
    let told = guarded(|| panic!("of a guest"), || "f.yaml:3:1: error: it is wrong".to_owned());
    assert_eq!(told, "f.yaml:3:1: error: it is wrong\n");
    assert_eq!(guarded(|| panic!("once"), || panic!("twice")), "error: a problem that cannot be shown\n");
}

#[test]
fn programs_hear_how_many_more_there_are() {
    let problems: Problems = std::iter::repeat_n(problem(0, 0), 400_000).collect();
    let list = plain(&problems);
    assert_eq!((list.len(), list.last().and_then(|last| last.more)), (SHOWN + 1, Some(400_000 - SHOWN)));
    assert!(serde_json::to_string(&list).unwrap().len() < 10_000);
    assert_eq!(plain(&problems.only(Severity::Warning)).len(), 0);
}

/// Texts of few different characters, so that lines, tabs, wide and hidden ones are next to each other.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a:\\t\\r\\n \u{1b}\u{7}数é\u{301}\u{200d}\u{202e}\u{fffd}😀-]{0,40}",
        (any::<char>(), 0_usize..3000).prop_map(|(letter, times)| letter.to_string().repeat(times)),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_problem_of_any_text_can_be_drawn(
        text in text(),
        message in text(),
        help in prop::option::of(text()),
        name in text(),
        place in prop::option::of((any::<u32>(), any::<u32>(), 0_usize..20_000, prop_oneof![0_usize..50, any::<usize>()])),
        colours in any::<bool>(),
    ) {
        let position = place.map(|(line, column, offset, length)| Position { line, column, offset, length });
        let violation = Violation::new(FieldPath::root().field(name.as_str()), message);
        let resource = Some(name.clone());
        let problem =
            Problem { source: name.into(), position, severity: Severity::Error, resource, violation, help };
        let colours = if colours { &Colours::ANSI } else { &Colours::NONE };
        let drawn = picture(&problem, Some(&text), colours);
        prop_assert!(drawn.len() <= PICTURE_BYTES);
        prop_assert!(drawn.lines().count() <= 8, "{drawn}");
        let mut plain = drawn.clone();
        for colour in ["[31m", "[33m", "[36m", "[36;1;4m", "[35;1m", "[2m", "[0m"] {
            plain = plain.replace(&format!("\u{1b}{colour}"), "");
        }
        prop_assert!(!plain.chars().any(|letter| letter.is_control() && letter != '\n'), "{drawn:?}");
    }
}
