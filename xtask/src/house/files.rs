//! Dependencies between the files of a crate, from `use` lines and paths, through every re-export to the file that
//! defines the name.
//!
//! A file that names an item of the file that it was split from does not depend on it: both count as one. Names in the
//! arguments of macros are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, ItemMod, ItemUse, UseTree, Visibility};

use crate::run::Outcome;

/// Module as its path from the crate's root, e.g. `["api", "serve"]`.
pub(super) type Module = Vec<String>;

/// Names that each file takes from others: module → module → names.
pub(super) type Arrows = BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>>;

/// Dependencies between the files below a crate's `src`.
pub(super) fn arrows(sources: &Path) -> Outcome<Arrows> {
    let mut read = BTreeMap::new();
    for (module, file) in modules(sources) {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        read.insert(module, Names::of(&parsed));
    }
    let house = House { read };
    let of = |(module, names): (&Module, &Names)| {
        let mut taken: BTreeMap<Module, BTreeSet<String>> = BTreeMap::new();
        for path in &names.used {
            let Some((from, rest)) = house.definer(module, path) else { continue };
            if !module.starts_with(&from) {
                taken.entry(from).or_default().insert(rest.first().cloned().unwrap_or_else(|| "*".into()));
            }
        }
        (module.clone(), taken)
    };
    Ok(house.read.iter().map(of).collect())
}

/// Files below a folder with their modules; files of tests are left out.
fn modules(sources: &Path) -> Vec<(Module, PathBuf)> {
    let mut files = Vec::new();
    super::words::rust_files(sources, &mut files);
    let as_module = |file: PathBuf| {
        let inside = file.strip_prefix(sources).ok()?.with_extension("");
        let mut module: Module = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if matches!(module.last()?.as_str(), "lib" | "main" | "mod") {
            module.pop();
        }
        Some((module, file))
    };
    files.into_iter().filter_map(as_module).collect()
}

struct House {
    read: BTreeMap<Module, Names>,
}

impl House {
    /// Module that a path leads to from another, and the rest of the path there; `None`: it leads outside of the crate.
    fn place(&self, from: &Module, path: &[String]) -> Option<(Module, Vec<String>)> {
        let (first, _) = path.split_first()?;
        let mut rest = path;
        let mut at = match first.as_str() {
            "crate" => {
                rest = &rest[1..];
                Module::new()
            }
            "self" | "super" => {
                let mut at = from.clone();
                while let Some((step @ ("self" | "super"), more)) =
                    rest.split_first().map(|(step, more)| (step.as_str(), more))
                {
                    if step == "super" {
                        at.pop()?;
                    }
                    rest = more;
                }
                at
            }
            inside if self.read.contains_key(&below(from, inside)) => from.clone(),
            _ => return None,
        };
        while let Some((next, more)) = rest.split_first()
            && self.read.contains_key(&below(&at, next))
        {
            at = below(&at, next);
            rest = more;
        }
        Some((at, rest.to_vec()))
    }

    /// Module that defines the name, through re-exports, and the rest of the path there; `None`: outside of the crate.
    fn definer(&self, from: &Module, path: &[String]) -> Option<(Module, Vec<String>)> {
        let (mut at, mut rest) = self.place(from, path)?;
        // no chain of re-exports is this long, and two re-exports may lead to each other
        for _ in 0..8 {
            let Some(through) = rest.first().and_then(|name| self.read.get(&at)?.exported.get(name)) else {
                break;
            };
            let Some((next, mut inner)) = self.place(&at, through) else { break };
            inner.extend_from_slice(&rest[1..]);
            (at, rest) = (next, inner);
        }
        Some((at, rest))
    }
}

fn below(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// Paths that a file names.
#[derive(Default)]
struct Names {
    used: BTreeSet<Vec<String>>,
    /// Paths of its re-exports, by exported name.
    exported: BTreeMap<String, Vec<String>>,
}

impl Names {
    fn of(file: &File) -> Self {
        let mut names = Self::default();
        names.visit_file(file);
        names
    }
}

impl Visit<'_> for Names {
    fn visit_item(&mut self, item: &Item) {
        if !attributes(item).iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let mut paths = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut paths);
        match item.vis {
            Visibility::Inherited => self.used.extend(paths.into_iter().map(|(_, path)| path)),
            Visibility::Public(_) | Visibility::Restricted(_) => self.exported.extend(paths),
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        if path.segments.len() > 1 {
            self.used.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }
}

/// Collects the names that a `use` brings, with their paths.
fn flatten(tree: &UseTree, before: &mut Vec<String>, into: &mut Vec<(String, Vec<String>)>) {
    let path = |name: &str| before.iter().cloned().chain([name.to_owned()]).collect();
    match tree {
        UseTree::Path(step) => {
            before.push(step.ident.to_string());
            flatten(&step.tree, before, into);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            into.push((before.last().cloned().unwrap_or_default(), before.clone()));
        }
        UseTree::Name(name) => into.push((name.ident.to_string(), path(&name.ident.to_string()))),
        UseTree::Rename(name) => into.push((name.rename.to_string(), path(&name.ident.to_string()))),
        UseTree::Glob(_) => into.push(("*".into(), before.clone())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, into)),
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(ItemMod { attrs, .. }) | Item::Use(ItemUse { attrs, .. }) => attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(files: &[(&str, &str)]) -> House {
        let read = files.iter().map(|(module, text)| {
            let module = module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            (module, Names::of(&syn::parse_file(text).unwrap()))
        });
        House { read: read.collect() }
    }

    #[test]
    fn a_name_is_followed_through_its_doors_to_where_it_is_defined() {
        let house = house(&[
            ("", "mod api; pub use api::Api;"),
            ("api", "mod serve; pub use serve::Api;"),
            ("api::serve", "pub struct Api;"),
            ("other", "use crate::Api;"),
        ]);
        let path = ["crate", "Api"].map(str::to_owned);
        let found = house.definer(&vec!["other".to_owned()], &path);
        assert_eq!(found, Some((vec!["api".to_owned(), "serve".to_owned()], vec!["Api".to_owned()])));
    }

    #[test]
    fn what_only_tests_name_is_not_named() {
        let file =
            syn::parse_file("#[cfg(test)] mod tests { use crate::a::B; } fn f() { super::c::d() }").unwrap();
        let expected = ["super", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(Names::of(&file).used, BTreeSet::from([expected]));
    }
}
