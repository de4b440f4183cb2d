//! `meshtcp set KIND NAME PLACE=VALUE…`.

use serde_json::Value;

use super::Fixture;
use crate::api::json;
use crate::program::eventually;

const WEIGHT: &str = "spec.to[db].rules[0].default.backendRefs[db].weight";

#[test]
fn fields_of_any_resource_are_set_and_what_is_wrong_with_them_is_told() {
    let fixture = Fixture::laid();
    let set = |what: &str| format!("set mtcpr moves {what}");
    fixture.lines(&[
        (&set(&format!("{WEIGHT}=7 --dry-run")), 0, &["~ MeshTCPRoute default/moves", "1 → 7"]),
        (&set(&format!("{WEIGHT}=1")), 0, &["default/moves unchanged"]),
        (&set(&format!("{WEIGHT}=7")), 0, &["default/moves updated, concerns", "1 → 7"]),
        (&format!("set mtcpr/moves {WEIGHT}=8 labels.team=9"), 0, &["7 → 8", "team"]),
        ("get mtcpr moves -o jsonpath={.labels.team}", 0, &["9"]),
        ("set dp web-1 networking.inbound[0].tags.version=v1", 0, &["Dataplane default/web-1 updated"]),
        ("set dp web-1 networking.inbound[0].tags.version-", 0, &["updated"]),
        (
            "set dp web-1 networking.inbound[0].tags.version-",
            1,
            &["there is no networking.inbound[0].tags.version"],
        ),
        ("get dp web-1 -o jsonpath={.networking.inbound[0].tags}", 0, &["!v1"]),
        (&set("spec.to[0].rulez=1"), 1, &["did you mean `rules`?"]),
        (&set("spec.to[9].rules=1"), 1, &["there is no spec.to[9]"]),
        (&set(&format!("{WEIGHT}=-1")), 1, &["weight"]),
        (&set("weight"), 2, &["is no change", "PLACE=VALUE"]),
        ("set mtcpr moves", 2, &["it is not said what of moves to change"]),
        ("set mtcpr nobody a=1", 1, &["there is no MeshTCPRoute default/nobody"]),
        ("set nope moves a=1", 2, &["there is no kind `nope`"]),
        ("set", 2, &["Usage:"]),
    ]);
    let told = fixture.run(&["set", "mtcpr", "moves", &format!("{WEIGHT}=20"), "-o", "json"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(
        (&told["resources"][0]["outcome"], told["revision"].is_u64()),
        (&"updated".into(), true),
        "{told}"
    );
    // the old syntax of `set` stays valid
    fixture.lines(&[("set weight moves db=30", 0, &["db=30, concerns"])]);
}

#[test]
fn what_others_change_meanwhile_stays() {
    let fixture = Fixture::laid();
    std::thread::scope(|scope| {
        for label in ["one", "two", "three"] {
            let fixture = &fixture;
            scope.spawn(move || {
                let place = format!("labels.{label}=yes");
                // a command that loses five races gives up, and reports it
                let set = || fixture.run(&["set", "mtcpr", "moves", &place]);
                eventually(&place, || set().code == 0);
            });
        }
    });
    let labels = json(&fixture.control_plane.api, "/meshes/default/meshtcproutes/moves")["labels"].clone();
    for label in ["team", "one", "two", "three"] {
        assert!(labels[label].is_string(), "{label} is not in {labels}");
    }
}
