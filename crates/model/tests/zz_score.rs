use meshtcp_model::draft::*;
#[test]
fn score() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let (mut ok, mut bad) = (0, 0);
    let mut dirs: Vec<_> = std::fs::read_dir("/work/shared/conformance/cases/validation")
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    dirs.sort();
    for dir in dirs {
        if !dir.to_string_lossy().contains(&only) {
            continue;
        }
        let y = |f: &str| read(f, &std::fs::read_to_string(dir.join(f)).unwrap()).0;
        let case = y("case.yaml").remove(0);
        let want = y("expected.violations.yaml").remove(0);
        let docs = y("input.yaml");
        assert_eq!(docs.len(), 1);
        for p in case.value()["profiles"].as_array().unwrap() {
            let profile = p.as_str().unwrap().parse().unwrap();
            let mut got: Vec<_> =
                validate(&docs[0], profile).into_iter().map(|v| (v.field, v.message)).collect();
            let mut exp: Vec<_> = want.value()["violations"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| {
                    (v["field"].as_str().unwrap().to_string(), v["message"].as_str().unwrap().to_string())
                })
                .collect();
            got.sort();
            exp.sort();
            if got == exp {
                ok += 1
            } else {
                bad += 1;
                println!(
                    "{} {profile}\n  want {exp:?}\n  got  {got:?}",
                    dir.file_name().unwrap().to_string_lossy()
                );
            }
        }
    }
    println!("ok {ok} bad {bad}");
}
#[test]
fn all_inputs_parse_unchecked() {
    fn walk(p: &std::path::Path, f: &mut dyn FnMut(&std::path::Path)) {
        for e in std::fs::read_dir(p).unwrap() {
            let e = e.unwrap().path();
            if e.is_dir() { walk(&e, f) } else { f(&e) }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    walk("/work/shared/conformance/cases".as_ref(), &mut |f| {
        let n = f.file_name().unwrap().to_string_lossy();
        if !n.starts_with("input") || f.to_string_lossy().contains("/validation/") {
            return;
        }
        let dir = f.parent().unwrap();
        let case = read("c", &std::fs::read_to_string(dir.join("case.yaml")).unwrap()).0.remove(0);
        let (docs, problems) = read(&f.to_string_lossy(), &std::fs::read_to_string(f).unwrap());
        for p in problems {
            println!("{p}");
        }
        for p in case.value()["profiles"].as_array().unwrap() {
            let profile = p.as_str().unwrap().parse().unwrap();
            for d in &docs {
                let parsed = parse_unchecked(d, profile);
                for p in parsed.problems {
                    let s = p.violation.to_string();
                    if seen.insert(format!("{:?} {}", p.severity, s)) {
                        println!("{profile} {p}");
                    }
                }
                if parsed.resource.is_none() {
                    println!("NONE {profile} {} {}", f.display(), d.value())
                }
            }
        }
    });
}
