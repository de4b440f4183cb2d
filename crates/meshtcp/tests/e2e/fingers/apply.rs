//! `meshtcp apply` and `meshtcp edit`: what is written, pruned, and kept when it fails.

use super::{Fixture, ROUTE, did};

#[test]
fn what_is_in_no_file_any_more_is_pruned_by_a_label_or_by_a_set() {
    let fixture = Fixture::laid();
    let only = fixture.save("only.yaml", &ROUTE.replace("name: moves", "name: other"));
    let path = |line: &str| line.replace("ONLY", &only);
    let lines = |all: &[(&str, i32, &[&str])]| {
        all.iter().for_each(|(line, code, parts)| fixture.lines(&[(&path(line), *code, parts)]))
    };
    lines(&[
        ("apply -f ONLY --prune", 2, &["--set NAME"]),
        ("apply -f ONLY -l team=shop", 2, &["write both"]),
        ("apply -f ONLY --prune -l team=shop --set x", 2, &["write one of them"]),
        (
            "apply -f ONLY --prune -l team=shop --dry-run",
            0,
            &["default/moves is in no file: it would be deleted", "!stays", "other created (dry run)"],
        ),
        ("get mtcpr -o name", 0, &["moves", "stays", "!other"]),
        (
            "apply -f ONLY --prune -l team=shop",
            0,
            &["default/moves is in no file: it will be deleted", "other created", "default/moves deleted"],
        ),
        ("get mtcpr,dp -o name", 0, &["!moves", "other", "stays", "web-1"]),
        ("apply -f ONLY --set first", 0, &["other updated"]),
        ("apply -f ONLY --set first", 0, &["other unchanged"]),
        ("apply -f ONLY --set second", 1, &["is in the set first"]),
    ]);
    let next = fixture.save("next.yaml", &ROUTE.replace("name: moves", "name: next"));
    fixture.lines(&[
        (
            &format!("apply -f {next} --set first --prune -o json"),
            0,
            &["\"outcome\": \"deleted\"", "\"outcome\": \"created\""],
        ),
        ("get mtcpr -o name", 0, &["next", "stays", "!other"]),
    ]);
}

#[test]
fn a_resource_is_edited_in_ones_own_editor_and_what_fails_is_kept() {
    let fixture = Fixture::laid();
    let edit = |editor: &str, more: &[&str]| {
        let arguments = [&["edit", "mtcpr", "moves"], more].concat();
        did(fixture.command(&arguments).env("EDITOR", editor).env("TMPDIR", fixture.folder.path()))
    };
    let done = edit("sed -i 's/weight: 1/weight: 9/'", &[]);
    assert_eq!((done.code, done.out.as_str()), (0, "MeshTCPRoute default/moves updated\n"), "{}", done.err);
    let same = edit("true", &[]);
    assert_eq!((same.code, same.out.as_str()), (0, "MeshTCPRoute default/moves unchanged\n"), "{}", same.err);
    let failed = edit("false", &[]);
    assert!(failed.code == 3 && failed.err.contains("nothing was changed"), "{}", failed.err);
    for (editor, why) in [
        ("sed -i 's/weight: 9/weigth: 9/'", "did you mean `weight`?"),
        ("sed -i 's/name: moves/name: other/'", "what it is called cannot be changed"),
        ("sed -i 's/kind: Mesh$/kind: Nobody/'", "Nobody"),
    ] {
        let wrong = edit(editor, &[]);
        assert!(wrong.code == 1 && wrong.err.contains(why), "{editor}: {} {}", wrong.code, wrong.err);
        let kept = wrong
            .err
            .split("is kept in ")
            .nth(1)
            .unwrap_or_else(|| panic!("{}", wrong.err))
            .lines()
            .next()
            .unwrap();
        assert!(std::fs::read_to_string(kept).unwrap().contains("type: MeshTCPRoute"), "{kept}");
    }
    // a concurrent change comes first
    let other = format!(
        "{} apply -f {} --server http://{}",
        env!("CARGO_BIN_EXE_meshtcp"),
        fixture.folder.path().join("moves.yaml").display(),
        fixture.control_plane.api
    );
    let raced = edit(&format!("sh -c '{other} > /dev/null; sed -i s/weight:.*/weight:\\ 3/ $0'"), &[]);
    assert!(raced.code == 1 && raced.err.contains("is kept in "), "{}{}", raced.out, raced.err);
    let told = fixture.run(&["get", "mtcpr", "moves"]).out;
    assert!(told.contains("db 1"), "{told}");
}
