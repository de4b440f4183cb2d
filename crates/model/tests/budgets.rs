//! Cost of texts of hostile size or shape: memory, and the number of problems.

#![allow(unsafe_code)] // an allocator that counts

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use meshtcp_model::draft::{Options, UnknownFields, parse, read};
use meshtcp_model::{Problems, Severity, problems::KEPT};

/// Limit on memory for reading and checking, as a multiple of the text: a value with its position is some hundred
/// bytes.
const TIMES: usize = 160;
/// Additional limit for aliases, and kept problems, in bytes.
const BESIDE: usize = 64 << 20;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tests run one at a time, or each would count the other's memory.
static ALONE: Mutex<()> = Mutex::new(());

/// Reads and checks a text within its budget; returns all problems.
fn said(name: &str, text: &str) -> Problems {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let (documents, mut problems) = read(name, text);
    for document in &documents {
        problems.append(parse(document, &Options::default()).problems);
        let warned = Options { unknown_fields: UnknownFields::Warn, ..Options::default() };
        parse(document, &warned);
    }
    let took = PEAK.load(Relaxed) - before;
    assert!(took <= text.len() * TIMES + BESIDE, "{} bytes of text took {took} bytes", text.len());
    let length: usize = problems.iter().map(|problem| problem.to_string().len()).sum();
    assert!(length <= 4 << 20, "{length} bytes are said");
    problems
}

fn route(spec: &str) -> String {
    format!("type: MeshTCPRoute\nmesh: default\nname: b\nspec:\n{spec}\n")
}

#[test]
fn an_alias_of_a_long_text_counts_by_its_length() {
    let long = "x".repeat(1 << 20);
    let aliases = |times: usize| route(&format!("  a: &a {long}\n  b: [{}]", vec!["*a"; times].join(",")));
    let problems = said("f.yaml", &aliases(8_000));
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("repeat more than 4194304 bytes"), "{told:?}");
    // a few of them are a legitimate way to write
    assert!(said("f.yaml", &aliases(3)).iter().all(|problem| !problem.to_string().contains("repeat")));
}

#[test]
fn aliases_in_many_documents_count_together() {
    let one = "a: &a [1,2,3,4,5,6,7,8]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n";
    let problems = said("f.yaml", &format!("---\n{one}").repeat(10_000));
    assert!(problems.iter().any(|problem| problem.to_string().contains("repeat more than 100000 values")));
    let keys = "k: &k ".to_owned() + &"y".repeat(4000) + "\n" + &"? *k\n: 1\n".repeat(100_000);
    said("f.yaml", &keys);
    // each anchor keeps what is below it
    let nested: String = (0..90).map(|depth| format!("&a{depth} [")).collect();
    said("f.yaml", &format!("{nested}{}{}", "z".repeat(1 << 20), "]".repeat(90)));
}

#[test]
fn problems_beyond_number_are_counted() {
    let cases = [
        ("f.yaml", "a:\n".repeat(100_000), 99_999),
        ("f.json", format!("{{{}\"a\":0}}", "\"a\":0,".repeat(50_000)), 50_000),
        ("f.yaml", route(&(0..20_000).map(|n| format!("  f{n}: 1\n")).collect::<String>()), 20_000),
        ("f.yaml", route(&format!("  to:\n{}", "    - nosuch: 1\n".repeat(10_000))), 10_000),
        ("f.yaml", "---\ntype: Mesh\nname: UPPER\n".repeat(3_000), 3_000),
    ];
    for (name, text, least) in cases {
        let problems = said(name, &text);
        assert!(problems.errors() >= least, "{}: {} of {least}", &text[..20], problems.errors());
        let kept = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        assert!(kept <= KEPT);
    }
}

#[test]
fn a_key_has_a_length() {
    let long = "k".repeat(1 << 20);
    for (name, text) in [
        ("f.yaml", route(&format!("  {}: 1", &long[..900]))),
        ("f.yaml", format!("\"{long}\": {{{}}}\n", "a: 1, ".repeat(1000))),
        ("f.yaml", format!("? &k {long}\n: 1\n? *k\n: 1\n")),
        ("f.json", format!("{{\"{long}\": 1}}")),
    ] {
        let problems = said(name, &text);
        assert!(
            problems.has_errors() && problems.iter().all(|it| it.to_string().len() < 9_000),
            "{problems:?}"
        );
    }
}
