//! Equality of the `.proto` file of our own messages and their Rust types. `UPDATE=1 cargo test -p meshtcp-xds --test
//! proto` rewrites the file.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str = "\
// The L4 messages of meshtcp, which travel over the discovery service of Envoy's xDS v3. A listener is sent after the
// route that it names, a route after its clusters, a cluster with its endpoints. Fields are only added: an unknown one is
// ignored, and a missing one is its default.

syntax = \"proto3\";

package meshtcp.l4.v1;
";

const SERVICE: &str = "
// Where proxies report what their connections do, beside discovery on the same connection.
service Telemetry {
  // Takes reports for as long as a proxy is attached.
  rpc Report(stream TrafficReport) returns (stream TrafficReceived);
}
";

/// Struct or enum of the sources, as far as it is parsed.
#[derive(Default)]
struct Declaration {
    comments: Vec<String>,
    /// Type and number of a field, from its prost attribute.
    prost: String,
}

impl Declaration {
    fn take_comments(&mut self, pad: &str, out: &mut String) {
        self.comments.drain(..).for_each(|line| writeln!(out, "{pad}//{line}").unwrap());
    }
}

/// Field of the `.proto` file, e.g. from `string` and `1` of `#[prost(string, tag = "1")]`, with the label; the type of
/// a message is in the Rust field.
fn field(prost: &str, rust: &str) -> String {
    let (name, rust) = rust.trim_start_matches("pub ").trim_end_matches(',').split_once(": ").unwrap();
    let tag = prost.split('"').rev().nth(1).unwrap();
    let inner = rust.trim_start_matches("Vec<").trim_start_matches("Option<").trim_end_matches('>');
    let kind = match prost.split(", ").next().unwrap() {
        "message" => inner.to_owned(),
        other => match other.split_once("enumeration = \"") {
            Some((_, named)) => named.trim_end_matches('"').to_owned(),
            None => other.trim_end_matches(" = \"vec\"").to_owned(),
        },
    };
    let label =
        match (prost.contains("repeated"), prost.contains("optional") && !prost.starts_with("message")) {
            (true, _) => "repeated ",
            (false, true) => "optional ",
            (false, false) => "",
        };
    format!("  {label}{kind} {name} = {tag};")
}

/// `DIRECTION_OUTBOUND` of `Outbound` in `Direction`.
fn value(of: &str, name: &str) -> String {
    let upper = |text: &str| {
        let mut out = String::new();
        for c in text.chars() {
            if c.is_ascii_uppercase() && !out.is_empty() {
                out.push('_');
            }
            out.push(c.to_ascii_uppercase());
        }
        out
    };
    format!("{}_{}", upper(of), upper(name))
}

fn rendered(source: &str, out: &mut String) {
    let mut read = Declaration::default();
    let mut inside: Option<(bool, String)> = None;
    let types = source.split("\nfn ").next().unwrap().split("\nimpl ").next().unwrap();
    for line in types.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            read.comments.push(comment.replace("[`", "`").replace("`]", "`"));
        } else if let Some(prost) = line.strip_prefix("#[prost(") {
            read.prost = prost.trim_end_matches(")]").to_owned();
        } else if let Some((keyword, name)) = ["message", "enum"]
            .into_iter()
            .zip(["pub struct ", "pub enum "])
            .find_map(|(keyword, rust)| Some((keyword, line.strip_prefix(rust)?.trim_end_matches(" {"))))
        {
            out.push('\n');
            read.take_comments("", out);
            writeln!(out, "{keyword} {name} {{").unwrap();
            inside = Some((keyword == "enum", name.to_owned()));
        } else if let Some((is_enum, of)) = inside.as_ref().filter(|_| line != "}") {
            if line.starts_with("#[") || line.is_empty() {
                continue;
            }
            read.take_comments("  ", out);
            match is_enum {
                true => {
                    let (name, number) = line.trim_end_matches(',').split_once(" = ").unwrap();
                    writeln!(out, "  {} = {number};", value(of, name)).unwrap();
                }
                false => writeln!(out, "{}", field(&read.prost, line)).unwrap(),
            }
        } else if inside.take().is_some() {
            out.push_str("}\n");
            read = Declaration::default();
        } else if !line.starts_with("#[") {
            read = Declaration::default();
        }
    }
}

#[test]
fn the_file_says_what_the_types_say_and_compiles() {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut said = HEAD.to_owned();
    for source in [
        "l4.rs",
        "l4/cluster.rs",
        "l4/matches.rs",
        "l4/mirror.rs",
        "l4/names.rs",
        "l4/outside.rs",
        "l4/permissions.rs",
        "l4/secret.rs",
        "l4/tls.rs",
        "l4/traffic.rs",
    ] {
        rendered(&std::fs::read_to_string(crate_root.join("src/proto").join(source)).unwrap(), &mut said);
    }
    said.push_str(SERVICE);
    let (root, name) = (crate_root.join("proto"), "meshtcp/l4/v1/l4.proto");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(root.join(name), &said).unwrap();
    }
    let written = std::fs::read_to_string(root.join(name)).unwrap_or_default();
    assert!(written == said, "the committed file is not current:\n{said}");
    let compiled = protox::compile([name], [&root]).unwrap();
    let messages: Vec<String> = compiled.file[0].message_type.iter().map(|it| it.name().to_owned()).collect();
    for sent in ["Listener", "Route", "Cluster", "Endpoints", "Secret"] {
        assert!(messages.iter().any(|name| name == sent), "{messages:?}");
    }
}
