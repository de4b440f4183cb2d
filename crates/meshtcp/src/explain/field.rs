//! `explain field`: permitted values at a place of a document, and the releases that know it.

use model::draft::{Shape, did_you_mean, shape};
use model::{Kind, Profile};
use serde_json::json;

use crate::exit::Exit;
use crate::kind::WrittenKind;
use crate::output::{self, Format, complain};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The field by its way from the kind, e.g. mtcpr.spec.to.rules; a kind alone shows its fields
    #[arg(value_name = "KIND[.FIELD…]")]
    field: String,
    /// The Kuma version whose rules apply (see `meshtcp profiles`)
    #[arg(long, default_value_t = Profile::default(), value_name = "VERSION")]
    profile: Profile,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn run(Args { field, profile, output: format }: Args) -> Exit {
    // list items are entered without an index, whether or not one is written
    let mut names = field.split('.').map(|name| name.split('[').next().unwrap_or(name));
    let kind = match names.next().unwrap_or_default().parse::<WrittenKind>() {
        Ok(WrittenKind { kind, .. }) => kind,
        Err(why) => {
            complain(&format!("error: {why}\n"));
            return Exit::Usage;
        }
    };
    let names: Vec<&str> = names.collect();
    let all = Profile::ALL.into_iter().chain([Profile::Extended]);
    let shapes: Vec<(Profile, Shape)> =
        all.filter_map(|profile| Some((profile, shape(kind, profile)?))).collect();
    let knowing = |names: &[&str]| -> Vec<Profile> {
        shapes.iter().filter(|(_, shape)| shape.at(names).is_some()).map(|(profile, _)| *profile).collect()
    };
    let here = shape(kind, profile);
    let Some(found) = here.as_ref().and_then(|shape| shape.at(&names)) else {
        return unknown(kind, profile, here.as_ref(), &names, &knowing(&names));
    };
    let object = found.items.as_deref().unwrap_or(found);
    let below: Vec<(&String, &Shape, Vec<Profile>)> = object
        .members
        .iter()
        .map(|(name, shape)| (name, shape, knowing(&[&names[..], &[name]].concat())))
        .collect();
    let known = window(&knowing(&names));
    let tree = json!({
        "field": field,
        "type": in_words(found),
        "values": values(found),
        "profiles": known,
        "fields": below.iter().map(|(name, shape, known)| {
            json!({ "name": name, "type": in_words(shape), "values": values(shape), "profiles": window(known) })
        }).collect::<Vec<_>>(),
    });
    let words = || {
        let mut text = format!("{field}  {}, known {known}\n", in_words(found));
        if !values(found).is_empty() {
            text.push_str(&format!("one of {}\n", values(found).join(", ")));
        }
        let row = |(name, shape, known): &(&String, &Shape, Vec<Profile>)| {
            let values = values(shape).join(", ");
            [(*name).clone(), in_words(shape), window(known), values]
        };
        if !below.is_empty() {
            text.push_str(&format!(
                "\n{}",
                output::table(["FIELD", "TYPE", "PROFILES", "VALUES"], below.iter().map(row))
            ));
        }
        if object.is_open {
            text.push_str("\nother fields may be anything\n");
        }
        text
    };
    output::print_as(format, &tree, words);
    Exit::Ok
}

fn unknown(kind: Kind, profile: Profile, here: Option<&Shape>, names: &[&str], knowing: &[Profile]) -> Exit {
    let field = names.join(".");
    let near = || {
        let around = here?.at(names.get(..names.len().checked_sub(1)?)?)?;
        let object = around.items.as_deref().unwrap_or(around);
        did_you_mean(names.last()?, object.members.keys().map(String::as_str))
    };
    let help = match knowing {
        [] => near().unwrap_or_else(|| {
            format!("meshtcp explain field {}", kind.short_name().unwrap_or(kind.plural()))
        }),
        known => format!("it is known {}: --profile chooses such a one", window(known)),
    };
    complain(&match here {
        None => format!("error: profile {profile} has no {kind}\n  help: it is known {}\n", kind.window()),
        Some(_) => format!("error: profile {profile} knows no field {field} of a {kind}\n  help: {help}\n"),
    });
    Exit::Problems
}

/// Permitted values of a field, in words.
fn in_words(shape: &Shape) -> String {
    let word = |word: &&str| match *word {
        "string" => "text",
        "integer" => "whole number",
        "boolean" => "true or false",
        "array" => match shape.items.as_deref() {
            Some(items) if items.types.contains("string") => "list of texts",
            _ => "list of objects",
        },
        _ => "object",
    };
    if shape.types.is_empty() {
        return if shape.members.is_empty() { "anything" } else { "object" }.to_owned();
    }
    shape.types.iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn values(shape: &Shape) -> Vec<&str> {
    let of_items = shape.items.iter().flat_map(|items| &items.words);
    shape.words.iter().chain(of_items).map(String::as_str).collect()
}

/// Range of profiles in words: `from 2.6 on`, `2.3 to 2.9`.
fn window(known: &[Profile]) -> String {
    let releases: Vec<Profile> = known.iter().copied().filter(|known| Profile::ALL.contains(known)).collect();
    let known = if releases.is_empty() { known } else { &releases };
    match (known.first(), known.last()) {
        (Some(first), Some(last))
            if *first == Profile::ALL[0] && last == Profile::ALL.last().unwrap_or(first) =>
        {
            "to all".to_owned()
        }
        (Some(first), Some(last)) if last == Profile::ALL.last().unwrap_or(first) => {
            format!("from {first} on")
        }
        (Some(first), Some(last)) if first == last => format!("to {first}"),
        (Some(first), Some(last)) => format!("from {first} to {last}"),
        _ => "to none".to_owned(),
    }
}
