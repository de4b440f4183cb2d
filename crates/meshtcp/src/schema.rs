//! `meshtcp schema`: JSON schema of documents for editors, generated from the rules of the checker.

use std::collections::BTreeSet;

use model::draft::{Shape, shape_with_required};
use model::kind::Scope;
use model::{Kind, Profile};
use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::kind::WrittenKind;
use crate::output::{self, Format, complain, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this kind; none: of every kind that the profile has
    #[arg(value_name = "KIND")]
    kind: Option<WrittenKind>,
    /// The Kuma version whose rules apply (see `meshtcp profiles`)
    #[arg(long, default_value_t = Profile::default(), value_name = "VERSION")]
    profile: Profile,
}

pub(crate) fn run(Args { kind, profile }: Args) -> Exit {
    let schema = match kind {
        None => of_all(profile),
        Some(WrittenKind { kind, .. }) => match shape_with_required(kind, profile) {
            Some(shape) => of_kind(kind, &shape),
            None => {
                complain(&format!(
                    "error: profile {profile} has no {kind}\n  help: it is known {}: choose such a profile\n",
                    kind.window()
                ));
                return Exit::Problems;
            }
        },
    };
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("resources of a mesh, by the rules of Kuma {profile}"),
    });
    if let (Some(whole), Value::Object(schema)) = (whole.as_object_mut(), schema) {
        whole.extend(schema);
    }
    print(&output::structured(Format::Json, &whole).unwrap_or_default());
    Exit::Ok
}

/// Schema of a document of any kind: the kind decides about the other members.
fn of_all(profile: Profile) -> Value {
    let kinds: Vec<(Kind, Shape)> =
        Kind::ALL.iter().filter_map(|&kind| Some((kind, shape_with_required(kind, profile)?))).collect();
    let names: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    let choice = |(kind, _): &(Kind, Shape)| {
        json!({
            "if": { "properties": { "type": { "const": kind.as_str() } } },
            "then": { "$ref": format!("#/$defs/{kind}") },
        })
    };
    let defined: Map<String, Value> =
        kinds.iter().map(|(kind, shape)| (kind.to_string(), of_kind(*kind, shape))).collect();
    json!({
        "type": "object",
        "required": ["type"],
        "properties": { "type": { "enum": names } },
        "allOf": kinds.iter().map(choice).collect::<Vec<_>>(),
        "$defs": defined,
    })
}

fn of_kind(kind: Kind, shape: &Shape) -> Value {
    let mut schema = of_shape(shape);
    let required = shape.required.iter().map(String::as_str).chain(["type", "name"]);
    schema["required"] = json!(required.collect::<BTreeSet<_>>());
    schema["properties"]["type"] = json!({ "const": kind.as_str() });
    if kind.scope() == Scope::Global
        && let Some(properties) = schema["properties"].as_object_mut()
    {
        properties.remove("mesh");
    }
    schema["properties"]["labels"] = labels(kind);
    schema
}

/// Schema of labels: any, and our own with their values.
fn labels(kind: Kind) -> Value {
    use model::declared::{DECLARATIONS, Values};
    let (mut ours, mut of_ports) = (Map::new(), Map::new());
    for declared in DECLARATIONS.iter().filter(|declared| declared.on.contains(&kind)) {
        let value = match declared.values {
            Values::Words(words) => json!({ "enum": words }),
            Values::Duration { .. } => {
                json!({ "type": "string", "description": "a duration, e.g. 30s; 0s: off" })
            }
        };
        match declared.before_port() {
            None => ours.insert(declared.label.to_owned(), value),
            Some(before) => of_ports.insert(format!("^{}[1-9][0-9]*$", before.replace('.', "\\.")), value),
        };
    }
    let mut schema =
        json!({ "type": "object", "properties": ours, "additionalProperties": { "type": "string" } });
    if !of_ports.is_empty() {
        schema["patternProperties"] = of_ports.into();
    }
    schema
}

fn of_shape(shape: &Shape) -> Value {
    let Shape { types, words, is_signed, required, members, is_open, items } = shape;
    let mut schema = Map::new();
    let mut types: Vec<&str> = types.iter().copied().collect();
    // a root, and a member that only contains others, is an object
    if types.is_empty() && !members.is_empty() {
        types.push("object");
    }
    match types.as_slice() {
        [] => return json!({}),
        [one] => schema.insert("type".into(), json!(one)),
        several => schema.insert("type".into(), json!(several)),
    };
    if !words.is_empty() {
        schema.insert("enum".into(), json!(words));
    }
    if types.contains(&"integer") && !is_signed {
        schema.insert("minimum".into(), json!(0));
    }
    if types.contains(&"object") {
        let members: Map<String, Value> =
            members.iter().map(|(name, shape)| (name.clone(), of_shape(shape))).collect();
        schema.insert("properties".into(), members.into());
        schema.insert("additionalProperties".into(), json!(is_open));
        if !required.is_empty() {
            schema.insert("required".into(), json!(required));
        }
    }
    if let Some(items) = items {
        schema.insert("items".into(), of_shape(items));
    }
    schema.into()
}
