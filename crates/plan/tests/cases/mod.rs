//! Folders of cases: resources, and beside them a reviewed snapshot of the result of each profile.

use std::fmt::Write as _;

use meshtcp_plan::{Context, Snapshot};
use model::draft::{parse_unchecked, read};
use model::{Profile, Resource};

/// Compares the result of `say` for the resources in each folder below `cases/{group}` with the snapshot `name` in
/// it.
///
/// The snapshot has the result of each profile, under the first profile that has it.
pub(crate) fn compare(group: &str, name: &str, say: impl Fn(&Snapshot) -> String) {
    let folder = format!("{}/../../cases/{group}", env!("CARGO_MANIFEST_DIR"));
    insta::glob!(folder, "*/resources.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_suffix("");
        settings.set_omit_expression(true);
        settings.remove_input_file();
        settings.remove_info();
        settings.bind(|| insta::assert_snapshot!(name, by_profile(&text, &say)));
    });
}

fn by_profile(text: &str, say: impl Fn(&Snapshot) -> String) -> String {
    let (mut all, mut last) = (String::new(), String::new());
    for profile in Profile::ALL {
        let said = say(&snapshot(text, profile));
        if said != last {
            writeln!(all, "from {profile}:\n{said}").unwrap();
        }
        last = said;
    }
    all
}

fn snapshot(text: &str, profile: Profile) -> Snapshot {
    let (documents, problems) = read("resources.yaml", text);
    assert_eq!(problems, [], "the resources can be read");
    let parsed = documents.iter().filter_map(|document| parse_unchecked(document, profile).resource);
    let resources: Vec<Resource> = parsed.collect();
    assert_eq!(resources.len(), documents.len(), "every document is a resource");
    Snapshot::new(resources, Context::new(profile))
}
