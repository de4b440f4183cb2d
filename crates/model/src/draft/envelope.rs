//! Envelope of a resource: kind, mesh, name and labels, in the Universal and in the Kubernetes format (spec 01 §1).

use serde_json::Value;

use crate::draft::fields::Fields;
use crate::draft::findings::{Findings, Note, NoteSort};
use crate::draft::kinds::Body;
use crate::draft::{foreign, nearest};
use crate::kind::{Kind, KubernetesScope, Scope};
use crate::name::{MeshName, ResourceName};
use crate::profile::Profile;
use crate::reference::{Labels, MESH_TAG};
use crate::resource::{Meta, NAMESPACE_LABEL};
use crate::violation::FieldPath;

/// Format of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Universal,
    Kubernetes,
}

/// Resource whose body has not been read.
pub(crate) struct Envelope<'d> {
    pub(crate) format: Format,
    pub(crate) kind: Kind,
    /// Name as written: on Kubernetes without the namespace.
    pub(crate) written_name: String,
    /// Name, mesh and labels as written; only the mesh is filled in.
    pub(crate) meta: Meta,
    pub(crate) body: Body<'d>,
}

/// Reads the envelope; `mesh` is that of documents which have none. Absent if the kind is unknown or missing: then
/// a note says so.
pub(crate) fn read<'d>(findings: &'d Findings<'d>, mesh: &str) -> Option<Envelope<'d>> {
    let root = findings.document().value();
    if !root.is_object() {
        let help = "a resource begins with `type:`, or with `apiVersion:` and `kind:`";
        return refuse(findings, FieldPath::root(), "is no resource".into(), Some(help.into()));
    }
    let mut root = Fields::of(findings);
    if root.has("type") {
        return universal(root, mesh);
    }
    if root.has("apiVersion") || root.has("kind") {
        return kubernetes(root, mesh);
    }
    root.know_the_rest();
    let help = "begin it with `type: <Kind>`, or with `apiVersion: kuma.io/v1alpha1` and `kind: <Kind>`";
    refuse(findings, FieldPath::root(), "has no `type`".into(), Some(help.into()))
}

fn refuse<T>(findings: &Findings<'_>, path: FieldPath, message: String, help: Option<String>) -> Option<T> {
    findings.note(Note { sort: NoteSort::Error, path, message, help });
    None
}

fn kind(root: &mut Fields<'_>, field: &'static str) -> Option<Kind> {
    let text = root.string(field);
    let kind = Kind::from_text(&text);
    if kind.is_none() {
        root.know_the_rest();
        if let Some(why) = foreign::left_out(&text) {
            root.warn(field, format!("{text} is left out: {why}"), None);
            return None;
        }
        let known = Kind::ALL.iter().map(|kind| kind.as_str());
        let help = nearest::help(&text, known).unwrap_or_else(|| "see the list of kinds in the guide".into());
        return refuse(
            root.findings(),
            root.at(field),
            format!("`{text}` is no kind of resource"),
            Some(help),
        );
    }
    kind
}

fn universal<'d>(mut root: Fields<'d>, default_mesh: &str) -> Option<Envelope<'d>> {
    let kind = kind(&mut root, "type")?;
    let mesh = root.text("mesh").unwrap_or_else(|| default_mesh.to_owned());
    let name = root.string("name");
    let labels = root.map("labels").unwrap_or_default();
    let created = root.text("creationTime").and_then(|time| microseconds(&root, "creationTime", &time));
    root.known(kind.computed_members());
    let meta = Meta { labels, created, ..meta(&root, kind, mesh, name.clone()) };
    let body = match kind.body() {
        crate::kind::Body::Spec => Body { spec: root.object("spec"), status: status(&mut root) },
        crate::kind::Body::Inline => {
            // The body is beside the envelope, so the same fields go on to the kind's reader. These kinds are
            // protobuf messages, whose JSON may quote numbers.
            root.take_quoted_numbers();
            let status = Fields::absent(root.path().clone(), root.findings());
            Body { spec: root, status }
        }
    };
    Some(Envelope { format: Format::Universal, kind, written_name: name, meta, body })
}

fn kubernetes<'d>(mut root: Fields<'d>, default_mesh: &str) -> Option<Envelope<'d>> {
    let version = root.string("apiVersion");
    if !version.starts_with("kuma.io/") {
        let kind = root.string("kind");
        root.know_the_rest();
        let note = format!("{kind} of {version} is no resource of the mesh: it is left out");
        root.warn("apiVersion", note, None);
        return None;
    }
    let kind = kind(&mut root, "kind")?;
    let mut metadata = root.object("metadata");
    metadata.know_the_rest();
    let mut labels: Labels = metadata.map("labels").unwrap_or_default();
    let annotations: Labels = metadata.map("annotations").unwrap_or_default();
    let inline = root.text("mesh");
    let mesh = labels.get(MESH_TAG).or(annotations.get(MESH_TAG)).map(str::to_owned).or(inline);
    let mesh = mesh.unwrap_or_else(|| default_mesh.to_owned());
    let created =
        metadata.text("creationTimestamp").and_then(|t| microseconds(&metadata, "creationTimestamp", &t));
    let written_name = metadata.string("name");
    let mut name = written_name.clone();
    if kind.home() == KubernetesScope::Namespace {
        let namespace = metadata.text("namespace").unwrap_or_else(|| "default".into());
        name = format!("{name}.{namespace}");
        if labels.get(NAMESPACE_LABEL).is_none() {
            labels.insert(NAMESPACE_LABEL, namespace);
        }
    }
    for (key, value) in annotations.iter().filter(|(key, _)| key.starts_with("meshtcp.io/")) {
        labels.insert(key, value);
    }
    let meta = Meta { labels, created, ..meta(&root, kind, mesh, name) };
    if kind.body() == crate::kind::Body::Inline {
        root.take_quoted_numbers();
    }
    let body = Body { spec: root.object("spec"), status: status(&mut root) };
    Some(Envelope { format: Format::Kubernetes, kind, written_name, meta, body })
}

/// Returns the status. A control plane wrote it, maybe a newer one than this: no field in it is unknown.
fn status<'d>(root: &mut Fields<'d>) -> Fields<'d> {
    let mut status = root.object("status");
    status.know_the_rest();
    status
}

/// Returns `true` if a document is of a kind that the profile does not have, or an unknown one: an error that
/// does not affect the documents beside it.
pub(crate) fn is_stranger(document: &Value, profile: Profile) -> bool {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let of_kuma = || text("apiVersion").is_some_and(|version| version.starts_with("kuma.io/"));
    let kind = text("type").or_else(|| text("kind").filter(|_| of_kuma()));
    kind.is_some_and(|kind| match Kind::from_text(kind) {
        Some(kind) => !kind.window().contains(profile),
        None => !kind.is_empty() && foreign::left_out(kind).is_none(),
    })
}

fn meta(root: &Fields<'_>, kind: Kind, mesh: String, name: String) -> Meta {
    let mesh = match kind.scope() {
        Scope::Mesh => mesh,
        Scope::Global => String::new(),
    };
    let document = root.findings().document();
    let source = match document.line() {
        Some(line) => format!("{}:{line}", document.source()).into(),
        None => document.source().clone(),
    };
    Meta {
        mesh: MeshName::new(mesh),
        name: ResourceName::new(name),
        labels: Labels::default(),
        created: None,
        source,
    }
}

fn microseconds(fields: &Fields<'_>, name: &str, text: &str) -> Option<i64> {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Some(time.as_microsecond()),
        Err(_) => {
            fields.warn(
                name,
                format!("`{text}` is no time"),
                Some("write it like 2024-05-01T12:00:00Z".into()),
            );
            None
        }
    }
}

/// Returns the name that a message uses for a resource whose envelope may be incomplete.
pub(crate) fn describe(document: &Value) -> Option<String> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let kind = text("/type").or(text("/kind"))?;
    let name = text("/name").or(text("/metadata/name"))?;
    let mesh = text("/mesh").or(text("/metadata/labels/kuma.io~1mesh"));
    let is_global = Kind::from_text(kind).is_some_and(|kind| kind.scope() == Scope::Global);
    Some(match mesh {
        _ if is_global => format!("{kind} {name}"),
        mesh => format!("{kind} {}/{name}", mesh.unwrap_or("default")),
    })
}
