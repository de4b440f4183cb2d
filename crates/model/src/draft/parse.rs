//! Documents into resources.

use std::sync::Arc;

use crate::draft::findings::{Findings, Note, NoteSort};
use crate::draft::kinds::{Context, reader};
use crate::draft::{Document, envelope, labels, names};
use crate::profile::Profile;
use crate::resource::{Meta, Resource};
use crate::violation::{FieldPath, Problem, Severity, Violation};

/// How documents are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose rules apply. Default 2.14.
    pub profile: Profile,
    /// What a field means that nobody knows. Default [`UnknownFields::Refuse`].
    pub unknown_fields: UnknownFields,
    /// The Kubernetes namespace whose policies are the mesh operator's. Default `kuma-system`.
    pub system_namespace: Arc<str>,
    /// The zone in whose name resources are stored, which fills in the labels of origin and zone. Default: none.
    pub zone: Option<Arc<str>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            unknown_fields: UnknownFields::default(),
            system_namespace: "kuma-system".into(),
            zone: None,
        }
    }
}

/// What a field means that nobody knows. The reference ignores it, so a mistyped `weigth` is silently lost there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// The document is not accepted.
    #[default]
    Refuse,
    /// The operator is told.
    Warn,
    /// Nobody is told.
    Ignore,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The resource; absent when there is an error among the problems, or when the document is none of the mesh's.
    pub resource: Option<Resource>,
    /// All that is wrong or remarkable: first by the rules of the reference, in its order, then by ours.
    pub problems: Vec<Problem>,
}

/// Makes a resource of a document, or says everything that is wrong with it.
///
/// Labels that a control plane would compute are filled in. References are not followed: what they name may come later.
pub fn parse(document: &Document, options: &Options) -> Parsed {
    let findings = Findings::new(document);
    let resource = resource(&findings, options, Strictness::Checked);
    let (violations, notes) = findings.into_parts();
    let unknown = match options.unknown_fields {
        UnknownFields::Refuse => Some(Severity::Error),
        UnknownFields::Warn => Some(Severity::Warning),
        UnknownFields::Ignore => None,
    };
    let problems = problems(document, violations, notes, unknown);
    let is_bad = document.is_broken() || problems.iter().any(|problem| problem.severity == Severity::Error);
    Parsed { resource: resource.filter(|_| !is_bad), problems }
}

/// Reads a resource that is known to be stored already: no rule is checked, no label is filled in, unknown fields are
/// left out. Only what cannot be understood at all is a problem: then there is no resource.
pub fn parse_unchecked(document: &Document, profile: Profile) -> Parsed {
    let findings = Findings::new(document);
    let options = Options { profile, ..Options::default() };
    let resource = resource(&findings, &options, Strictness::Stored);
    let (_, notes) = findings.into_parts();
    let problems = problems(document, Vec::new(), notes, None);
    Parsed { resource: resource.filter(|_| !document.is_broken()), problems }
}

/// The rules of the reference that the body of a document breaks, in the order in which the reference reports them:
/// its validator, without the schema in front of it and without the envelope (spec 02 §4).
///
/// Empty when the document is valid. What the reference does not say is not said here either; but where a document
/// cannot be read as a resource at all, that is the one violation.
pub fn validate(document: &Document, profile: Profile) -> Vec<Violation> {
    let findings = Findings::new(document);
    let options = Options { profile, ..Options::default() };
    let unread = resource(&findings, &options, Strictness::Stored).is_none();
    let (violations, notes) = findings.into_parts();
    let unreadable = notes.into_iter().filter(|note| unread && note.sort == NoteSort::Error);
    match violations.is_empty() {
        true => unreadable.map(|note| Violation::new(note.path, note.message)).collect(),
        false => violations,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    Checked,
    Stored,
}

fn resource<'d>(findings: &'d Findings<'d>, options: &Options, strictness: Strictness) -> Option<Resource> {
    let mut envelope = envelope::read(findings)?;
    let profile = options.profile;
    let kind = envelope.kind;
    if strictness == Strictness::Checked {
        if !kind.window().contains(profile) {
            findings.note(Note {
                sort: NoteSort::Error,
                path: FieldPath::root(),
                message: format!("profile {profile} has no {kind}"),
                help: Some(format!("it is known {}: choose such a profile, or remove it", kind.window())),
            });
        }
        let broken = names::check(&envelope, profile);
        envelope.meta.labels = labels::complete(&envelope, options);
        let meta = envelope.meta.clone();
        let spec = reader(kind)(&mut envelope.body, &Context { profile, kind, meta: &meta });
        broken.into_iter().for_each(|violation| findings.violate(violation));
        return Some(Resource { meta, spec });
    }
    let meta: Meta = envelope.meta.clone();
    let spec = reader(kind)(&mut envelope.body, &Context { profile, kind, meta: &meta });
    Some(Resource { meta, spec })
}

fn problems(
    document: &Document,
    violations: Vec<Violation>,
    notes: Vec<Note>,
    unknown: Option<Severity>,
) -> Vec<Problem> {
    let resource = envelope::describe(document.value());
    let problem = |severity, violation: Violation, help| Problem {
        source: document.source().clone(),
        position: document.position(&violation.path),
        severity,
        resource: resource.clone(),
        violation,
        help,
    };
    let mut problems: Vec<Problem> =
        violations.into_iter().map(|violation| problem(Severity::Error, violation, None)).collect();
    for note in notes {
        let Some(severity) = note.severity(unknown) else { continue };
        problems.push(problem(severity, Violation::new(note.path, note.message), note.help));
    }
    problems
}
