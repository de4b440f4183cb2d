//! Conversations as data, a folder each: the initial content (`mesh.yaml`), requests (`NN-name.http`) and the answers
//! to them (`NN-name.answer`). `UPDATE=1 cargo test -p meshtcp-control --test api` rewrites the answers.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::client::{Reply, send};
use crate::server::{Server, trusting};

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[tokio::test]
async fn conversations_go_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/cases");
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    let folders = sorted(&root);
    assert!(folders.len() >= 9, "{}", folders.len());
    for folder in folders {
        let server = Server::start(trusting()).await;
        if let Ok(text) = fs::read_to_string(folder.join("mesh.yaml")) {
            server.keep(&text).await;
        }
        let requests: Vec<PathBuf> =
            sorted(&folder).into_iter().filter(|it| it.extension().is_some_and(|it| it == "http")).collect();
        assert!(!requests.is_empty(), "{}", folder.display());
        for request in requests {
            server.settle().await;
            let text = fs::read_to_string(&request).unwrap();
            let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
            let said = shown(&send(server.address, head, body.trim_end()).await);
            let file = request.with_extension("answer");
            if update {
                fs::write(&file, &said).unwrap();
            } else if fs::read_to_string(&file).ok().as_ref() != Some(&said) {
                wrong.push(format!("{}:\n{said}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "answered otherwise than written:\n{}", wrong.join("\n"));
}

/// Renders the status, the relevant headers, and the body without the parts that vary.
fn shown(reply: &Reply) -> String {
    let mut text = format!("{}\n", reply.status);
    for name in ["content-type", "etag", "meshtcp-revision"] {
        match reply.header(name) {
            Some("application/json") | None => {}
            Some(value) => writeln!(text, "{name}: {value}").unwrap(),
        }
    }
    text.push('\n');
    text.push_str(&without_times(&reply.body));
    text
}

fn without_times(text: &str) -> String {
    let bytes = text.as_bytes();
    let is_time = |at: usize| {
        let shape = b"dddd-dd-ddTdd:dd:dd";
        bytes.get(at..at + shape.len()).is_some_and(|part| {
            part.iter()
                .zip(shape)
                .all(|(byte, want)| if *want == b'd' { byte.is_ascii_digit() } else { byte == want })
        }) && !text[at..].starts_with("0001-")
    };
    let (mut out, mut at) = (String::new(), 0);
    while at < bytes.len() {
        if is_time(at) {
            out.push_str("<time>");
            at += text[at..].find('Z').map_or(text.len() - at, |end| end + 1);
        } else {
            let letter = text[at..].chars().next().unwrap();
            out.push(letter);
            at += letter.len_utf8();
        }
    }
    out
}
