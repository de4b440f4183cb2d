//! Pages of documentation as tests: every block of commands in the README, the guide and the READMEs beside it is run
//! word for word, in namespaces of its own, and the relevant effects are compared. Blocks of settings are put where the
//! page says.
//!
//! Each page has a scene, `tests/pages/PAGE.sh`, which sets up what the page takes for granted and calls its blocks by
//! their headings; `stage.sh` says how. A block that cannot be run here says why in the page, in a comment above it
//! (`<!-- not run: … -->`), and is still read by the shell.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Start of the comment above a block that is not run; the reason follows.
const NOT_RUN: &str = "<!-- not run: ";
/// Languages of blocks that a reader runs or writes down. Other blocks show answers, or are pictures.
const DONE: [&str; 6] = ["sh", "console", "yaml", "ini", "conf", "promql"];

/// Block of a page that a reader runs or saves.
#[derive(Debug)]
struct Block {
    /// Heading above it, in lower case with hyphens, and the number of the block below this heading.
    name: String,
    language: String,
    text: String,
    not_run: Option<String>,
}

/// Blocks of a page, in their order.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut heading, mut number, mut reason) = (String::new(), 0, None);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let not_run = reason.take();
            if DONE.contains(&language) {
                number += 1;
                let name = format!("{heading}.{number}");
                blocks.push(Block { name, language: language.to_owned(), text: text.join("\n"), not_run });
            }
        } else if line.starts_with('#') {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            heading = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
            number = 0;
        } else if let Some(rest) = line.strip_prefix(NOT_RUN) {
            reason = Some(rest.trim_end_matches("-->").trim().to_owned());
        } else if !line.is_empty() {
            reason = None;
        }
    }
    blocks
}

impl Block {
    /// Typed text: of a session with its answers, the lines behind the prompt, and documents that end with a line of
    /// their own.
    fn typed(&self) -> String {
        if self.language != "console" {
            return self.text.clone() + "\n";
        }
        let commands = self.text.lines().filter_map(|line| line.strip_prefix("$ "));
        commands.fold(String::new(), |all, line| all + line + "\n")
    }

    fn is_read_by_the_shell(&self) -> bool {
        ["sh", "console"].contains(&self.language.as_str())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Pages that tell a reader what to do, by the names of their scenes.
fn pages() -> BTreeMap<String, PathBuf> {
    let root = root();
    let mut pages = BTreeMap::from([
        ("readme".to_owned(), root.join("README.md")),
        ("packaging".to_owned(), root.join("packaging/README.md")),
    ]);
    let folder = |path: &str| std::fs::read_dir(root.join(path)).unwrap().map(|entry| entry.unwrap().path());
    for path in folder("docs/guide").filter(|path| path.extension().is_some_and(|it| it == "md")) {
        pages.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), path);
    }
    for path in folder("examples").filter(|path| path.join("README.md").exists()) {
        pages.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), path.join("README.md"));
    }
    pages
}

/// Sets the scene of a page; the error describes the failures.
fn act(name: &str, blocks: &[Block]) -> Result<(), String> {
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages");
    let scene = scenes.join(format!("{name}.sh"));
    if !scene.exists() {
        return Err(format!("there is no {}", scene.display()));
    }
    let folder = tempfile::tempdir().unwrap();
    let put = folder.path().join("blocks");
    std::fs::create_dir(&put).unwrap();
    for block in blocks {
        std::fs::write(put.join(&block.name), block.typed()).unwrap();
    }
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "120", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let ended = command
        .args(["--mount-proc", "bash", "--noprofile", "--norc"])
        .arg(scenes.join("stage.sh"))
        .arg(&scene)
        .env("STAGE", folder.path())
        .env("ROOT", root())
        .env("MESHTCP", env!("CARGO_BIN_EXE_meshtcp"))
        .env(
            "ENVOY",
            std::env::var_os("MESHTCP_ENVOY").unwrap_or(root().join("target/envoy/bin/envoy").into()),
        )
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    let done = std::fs::read_to_string(folder.path().join("done")).unwrap_or_default();
    let left = blocks.iter().filter(|block| !done.lines().any(|done| done == block.name));
    let left: Vec<&str> = left.map(|block| block.name.as_str()).collect();
    match (ended.status.success(), left.as_slice()) {
        (true, []) => Ok(()),
        (true, left) => Err(format!("its scene leaves these blocks out: {left:?}")),
        (false, _) => Err(format!("{}\n{said}", ended.status)),
    }
}

#[test]
fn every_block_of_every_page_does_what_the_page_says() {
    let only = std::env::var("MESHTCP_PAGE").ok();
    let mut wrong = String::new();
    std::thread::scope(|scope| {
        let mut acts = Vec::new();
        for (name, path) in
            pages().into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name))
        {
            let mut blocks = blocks(&std::fs::read_to_string(path).unwrap());
            // the session of the README is compared line by line, in tests/e2e/session.rs
            blocks.retain(|block| {
                block.not_run.is_none() && !(name == "readme" && block.language == "console")
            });
            if !blocks.is_empty() {
                acts.push((name.clone(), scope.spawn(move || act(&name, &blocks))));
            }
        }
        for (name, act) in acts {
            if let Err(why) = act.join().unwrap() {
                write!(wrong, "\n{name}: {why}").unwrap();
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_not_run_says_why_and_is_read_by_the_shell() {
    let mut not_run = 0;
    for (name, path) in pages() {
        for block in blocks(&std::fs::read_to_string(path).unwrap()) {
            let Some(reason) = block.not_run.as_ref() else { continue };
            not_run += 1;
            assert!(reason.len() > 10, "{name}, {}: `{reason}` is no reason", block.name);
            if block.is_read_by_the_shell() {
                let read = Command::new("bash").args(["-n", "-c", &block.typed()]).output().unwrap();
                assert!(
                    read.status.success(),
                    "{name}, {}: {}",
                    block.name,
                    String::from_utf8_lossy(&read.stderr)
                );
            }
        }
    }
    assert!(not_run <= 5, "{not_run} blocks are not run: pages are to be run");
}
