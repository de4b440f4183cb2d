//! Cycles of files: to understand one of them, a reader would have to read them all.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::{Arrows, Module, arrows};
use crate::run::Outcome;

/// Cycles below the `src` folders of crates, with the names that cause them.
pub(super) fn found(crates: &[&str], root: &Path) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for name in crates {
        let arrows = arrows(&root.join("crates").join(name).join("src"))?;
        found.extend(circles(&arrows).iter().map(|circle| told(name, circle, &arrows)));
    }
    Ok(found)
}

/// Sets of modules that all reach each other.
fn circles(arrows: &Arrows) -> Vec<BTreeSet<&Module>> {
    let mut circles: Vec<BTreeSet<&Module>> = Vec::new();
    for module in arrows.keys() {
        if circles.iter().any(|circle| circle.contains(module)) {
            continue;
        }
        let reached = reached(arrows, module);
        let circle: BTreeSet<&Module> =
            reached.iter().copied().filter(|other| self::reached(arrows, other).contains(module)).collect();
        if circle.len() > 1 {
            circles.push(circle);
        }
    }
    circles
}

fn reached<'a>(arrows: &'a Arrows, from: &Module) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let below = |module: &Module| arrows.get(module).into_iter().flat_map(|taken| taken.keys());
    let mut open: Vec<&Module> = below(from).collect();
    while let Some(at) = open.pop() {
        if reached.insert(at) {
            open.extend(below(at));
        }
    }
    reached
}

fn told(name: &str, circle: &BTreeSet<&Module>, arrows: &Arrows) -> String {
    let file = |module: &Module| match module.as_slice() {
        [] => format!("crates/{name}/src"),
        path => format!("crates/{name}/src/{}.rs", path.join("/")),
    };
    let mut lines = vec![format!("{} files of `{name}` lean on each other:", circle.len())];
    for from in circle {
        for (to, names) in arrows.get(*from).into_iter().flatten().filter(|(to, _)| circle.contains(to)) {
            let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            lines.push(format!("  {} takes {names} from {}", file(from), file(to)));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_lead_back_to_each_other_are_a_circle_and_others_are_not() {
        let module = |name: &str| vec![name.to_owned()];
        let to = |names: &[&str]| {
            names.iter().map(|name| (module(name), BTreeSet::from(["Name".to_owned()]))).collect()
        };
        let arrows = Arrows::from([
            (module("a"), to(&["b"])),
            (module("b"), to(&["c"])),
            (module("c"), to(&["a", "d"])),
            (module("d"), to(&[])),
        ]);
        let (a, b, c) = (module("a"), module("b"), module("c"));
        assert_eq!(circles(&arrows), [BTreeSet::from([&a, &b, &c])]);
    }
}
