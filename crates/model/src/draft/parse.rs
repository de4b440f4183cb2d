//! Parsing of documents into resources.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::draft::asked::Asked;
use crate::draft::findings::{Findings, Note, NoteSort, Notes};
use crate::draft::kept::Kept;
use crate::draft::kinds::{Context, reader};
use crate::draft::options::{Options, UnknownFields};
use crate::draft::{Document, declared, envelope, help, labels, names, policy};
use crate::kind::Kind;
use crate::problems::Problems;
use crate::profile::Profile;
use crate::resource::{Meta, Resource, Spec};
use crate::violation::{FieldPath, Problem, Severity, Violation};

/// Result of parsing a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// Resource; absent: there is an error among the problems, or the document is not a resource of a mesh.
    pub resource: Option<Resource>,
    /// Problems: first by the rules of the reference, in its order, then by ours.
    pub problems: Problems,
    /// `true`: it is of a kind that the profile does not have, or an unknown one; that is then the only error, and
    /// no reason to refuse other documents beside it.
    pub is_stranger: bool,
}

/// Parses a document into a resource, or returns everything that is wrong with it.
///
/// Labels that a control plane would compute are filled in. References are not followed: their targets may come
/// later.
pub fn parse(document: &Document, options: &Options) -> Parsed {
    let findings = Findings::new(document);
    let resource = resource(&findings, options, Strictness::Checked);
    let (of_body, notes) = findings.into_counted();
    let mut violations = schema(document, options.profile);
    let first: BTreeSet<FieldPath> =
        violations.items.iter().map(|violation| violation.path.clone()).collect();
    // a value that cannot be read is not the zero that a rule saw in its place
    let unreadable: BTreeSet<&FieldPath> = notes.unreadable().collect();
    let is_new = |violation: &Violation| {
        !violation.path.ancestors().any(|path| first.contains(&path)) && !unreadable.contains(&violation.path)
    };
    violations.items.extend(of_body.items.into_iter().filter(is_new));
    // both stages look at the same fields: what one of them leaves out the other mostly does too
    violations.left_out = violations.left_out.max(of_body.left_out);
    let unknown = match options.unknown_fields {
        UnknownFields::Refuse => Some(Severity::Error),
        UnknownFields::Warn => Some(Severity::Warning),
        UnknownFields::Ignore => None,
    };
    let problems = problems(document, violations, notes, unknown, options.profile);
    let is_bad = document.is_broken() || problems.has_errors();
    let is_stranger = !document.is_broken() && envelope::is_stranger(document.value(), options.profile);
    Parsed { resource: resource.filter(|_| !is_bad), problems, is_stranger }
}

/// Reads a resource that is known to be stored already: no rule is checked, no label is filled in, unknown fields
/// are left out; of a duplicate key the last value is used. Only a document that cannot be understood at all is a
/// problem: then there is no resource.
pub fn parse_unchecked(document: &Document, profile: Profile) -> Parsed {
    let findings = Findings::new(document);
    let options = Options { profile, ..Options::default() };
    let resource = resource(&findings, &options, Strictness::Stored);
    let (_, notes) = findings.into_counted();
    let problems = problems(document, Kept::default(), notes, None, profile);
    Parsed { resource, problems, is_stranger: envelope::is_stranger(document.value(), profile) }
}

/// Returns the rules of the reference that the body of a document violates, in the order in which the reference
/// reports them: its validator, without the schema in front of it and without the envelope (spec 02 §4).
///
/// Empty if the document is valid. It reports only what the reference reports; but if a document cannot be read as
/// a resource at all, that is the one violation.
pub fn validate(document: &Document, profile: Profile) -> Vec<Violation> {
    let findings = Findings::new(document);
    let options = Options { profile, ..Options::default() };
    let unread = resource(&findings, &options, Strictness::Stored).is_none();
    let (violations, notes) = findings.into_parts();
    let is_error = |note: &Note| matches!(note.sort, NoteSort::Error | NoteSort::Unreadable);
    let unreadable = notes.into_iter().filter(|note| unread && is_error(note));
    match violations.is_empty() {
        true => unreadable.map(|note| Violation::new(note.path, note.message)).collect(),
        false => violations,
    }
}

/// Returns the reference server's answer to a document: of the schema, of the validator, of the envelope, the first
/// stage that refuses anything, with its exact words (spec 02 §1.1). Empty if the document would be stored.
pub fn validate_by_stage(document: &Document, options: &Options) -> Vec<Violation> {
    let of_schema = schema(document, options.profile).items;
    if !of_schema.is_empty() {
        return of_schema;
    }
    let of_body = validate(document, options.profile);
    if !of_body.is_empty() {
        return of_body;
    }
    let findings = Findings::new(document);
    envelope::read(&findings, &options.mesh)
        .map_or_else(Vec::new, |envelope| names::check(&envelope, options.profile).items)
}

fn schema(document: &Document, profile: Profile) -> Kept<Violation> {
    let is_tcp_route = ["type", "kind"].iter().any(|field| {
        document.value().get(field).and_then(Value::as_str) == Some(Kind::MeshTCPRoute.as_str())
    });
    if is_tcp_route { policy::schema::check(document, profile) } else { Kept::default() }
}

/// Returns the fields that are asked for while a document is read, present or not.
pub(crate) fn asked(document: &Document, profile: Profile) -> Asked {
    let findings = Findings::recording(document);
    let options = Options { profile, ..Options::default() };
    resource(&findings, &options, Strictness::Stored);
    findings.into_asked()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    Checked,
    Stored,
}

fn resource<'d>(findings: &'d Findings<'d>, options: &Options, strictness: Strictness) -> Option<Resource> {
    let mut envelope = envelope::read(findings, &options.mesh)?;
    let Options { profile, .. } = *options;
    let kind = envelope.kind;
    if strictness == Strictness::Stored {
        let meta = envelope.meta.clone();
        let spec = reader(kind)(&mut envelope.body, &Context { profile, kind, meta: &meta });
        return Some(Resource::checked(meta, spec));
    }
    if !kind.window().contains(profile) {
        let help = format!("it is known {}: choose such a profile, or remove it", kind.window());
        refuse(findings, format!("profile {profile} has no {kind}"), Some(help));
        envelope.body.spec.know_the_rest();
        return None;
    }
    let of_envelope = names::check(&envelope, profile);
    declared::check(&envelope, findings);
    let document = findings.document();
    envelope.meta.labels = labels::complete(&envelope, document.value(), options);
    if let Some(namespace) = labels::namespace(&envelope).map(str::to_owned)
        && kind.is_policy()
        && let Err(reason) = role(findings.document(), &mut envelope.meta, &namespace, options)
    {
        let help = "make two policies of it: what the owner of a service says to all, and what a client says to itself";
        let help = reason.contains("mix").then(|| help.to_owned());
        refuse(findings, reason.into(), help);
    }
    let meta = envelope.meta.clone();
    let spec = reader(kind)(&mut envelope.body, &Context { profile, kind, meta: &meta });
    of_envelope.items.into_iter().for_each(|violation| findings.violate(violation));
    Some(Resource::checked(meta, spec))
}

/// Finds the role of a policy of a namespace by reading it separately: the role decides how it is checked.
fn role(
    document: &Document,
    meta: &mut Meta,
    namespace: &str,
    options: &Options,
) -> Result<(), &'static str> {
    let scratch = Findings::new(document);
    let Some(mut envelope) = envelope::read(&scratch, &options.mesh) else { return Ok(()) };
    let context = Context { profile: options.profile, kind: envelope.kind, meta };
    match reader(envelope.kind)(&mut envelope.body, &context) {
        Spec::Policy(policy) => policy::assign_role(&mut meta.labels, &policy, namespace, options),
        _ => Ok(()),
    }
}

fn refuse(findings: &Findings<'_>, message: String, help: Option<String>) {
    findings.note(Note { sort: NoteSort::Error, path: FieldPath::root(), message, help });
}

fn problems(
    document: &Document,
    violations: Kept<Violation>,
    notes: Notes,
    unknown: Option<Severity>,
    profile: Profile,
) -> Problems {
    let resource = envelope::describe(document.value());
    let problem = |severity, violation: Violation, help| Problem {
        source: document.source().clone(),
        position: match names::is_about_letters(&violation) {
            true => document.value_position(&violation.path),
            false => document.position(&violation.path),
        },
        severity,
        resource: resource.clone(),
        violation,
        help,
    };
    // A remark about a field that a rule already refuses would be a repetition.
    let refused: BTreeSet<FieldPath> =
        violations.items.iter().map(|violation| violation.path.clone()).collect();
    let with_help = |violation: Violation| {
        let help = help::help(document, &violation, profile);
        problem(Severity::Error, violation, help)
    };
    let mut problems: Problems = violations.items.into_iter().map(with_help).collect();
    problems.leave_out(Severity::Error, violations.left_out);
    for severity in [Severity::Error, Severity::Warning] {
        problems.leave_out(severity, notes.left_out(severity, unknown));
    }
    for note in notes.items {
        let Some(severity) = note.severity(unknown).filter(|_| !refused.contains(&note.path)) else {
            continue;
        };
        problems.push(problem(severity, Violation::new(note.path, note.message), note.help));
    }
    problems
}
