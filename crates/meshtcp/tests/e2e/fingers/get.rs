//! `meshtcp get` and `meshtcp delete`: what is chosen, and in which form it is shown.

use super::{Fixture, ROUTE};
use crate::program::Program;

#[test]
fn resources_are_got_as_kubectl_users_write_it() {
    let fixture = Fixture::laid();
    fixture.lines(&[
        ("get mtcpr,dp", 0, &["meshtcproutes/moves", "meshtcproutes/stays", "dataplanes/web-1", "AGE"]),
        ("get mtcpr,dp -o name", 0, &["meshtcproutes/moves\nmeshtcproutes/stays\ndataplanes/web-1\n"]),
        ("get all -o name", 0, &["meshes/default\n", "dataplanes/web-1\n", "!secrets"]),
        ("get mtcpr -l team=shop -o name", 0, &["meshtcproutes/moves\n", "!stays"]),
        ("get mtcpr -l team!=shop -o name", 0, &["meshtcproutes/stays\n", "!moves"]),
        ("get mtcpr -o wide", 0, &["AGE", "KRI", "team=shop"]),
        ("get mtcpr -o jsonpath={.items[*].name}", 0, &["moves stays"]),
        ("get mtcpr moves -o jsonpath={.spec.to[0].targetRef.name}", 0, &["db"]),
        (
            "get dp -o custom-columns=NAME:.name,AT:.networking.address,NONE:.nope",
            0,
            &["NAME   AT         NONE", "web-1  127.0.0.1  <none>"],
        ),
        ("-o name get dp", 0, &["dataplanes/web-1"]),
        ("get mtcpr,nope", 2, &["there is no kind `nope`"]),
        ("get rollouts", 2, &["did you mean meshtcprollouts?"]),
        ("rollout status", 0, &["no MeshTCPRollout is there in mesh default"]),
        ("get mtcpr -o jsn", 2, &["did you mean `json`"]),
        ("get mtcpr -o jsonpath={.items[", 2, &["write [0]"]),
        ("get mtcpr -l =x", 2, &["write KEY=VALUE"]),
        ("get mtcpr -l team=nobody", 0, &["no MeshTCPRoute is there"]),
        ("get mtcpr -m nope", 1, &["nope", "meshtcp get meshes"]),
    ]);
}

#[test]
fn a_watch_shows_what_changes_and_what_goes() {
    let fixture = Fixture::laid();
    let watch = Program::start(fixture.command(&["get", "mtcpr", "-w"]));
    watch.awaits_text(0, "stays");
    let mark = watch.mark();
    let changed = fixture.save("moves.yaml", &ROUTE.replace("weight: 1", "weight: 7"));
    assert_eq!(fixture.run(&["apply", "-f", &changed]).code, 0);
    let line = watch.awaits_text(mark, "db 7");
    assert!(line.starts_with("moves"), "{line}");
    assert_eq!(fixture.run(&["delete", "mtcpr", "moves"]).code, 0);
    watch.awaits_text(mark, "MeshTCPRoute default/moves deleted");
    assert!(!watch.printed().split("db 7").nth(1).unwrap().contains("stays"), "{}", watch.printed());
}

#[test]
fn resources_are_deleted_by_what_they_have_in_common() {
    let fixture = Fixture::laid();
    fixture.lines(&[
        ("delete mtcpr", 2, &["KIND --all"]),
        ("delete mtcpr moves --all", 2, &["cannot be used with"]),
        ("delete mtcpr moves -l team=shop", 2, &["choose by themselves"]),
        ("delete mtcpr -l team=shop --dry-run", 0, &["default/moves deleted (dry run)", "!stays"]),
        ("get mtcpr -o name", 0, &["moves", "stays"]),
        ("delete mtcpr -l team=shop", 0, &["default/moves deleted\n"]),
        ("delete mtcpr -l team=shop", 0, &["no MeshTCPRoute is there that fits"]),
        ("delete mtcpr --all", 0, &["default/stays deleted\n"]),
        ("get mtcpr", 0, &["no MeshTCPRoute is there"]),
    ]);
}
