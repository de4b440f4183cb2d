//! Rules about the fields of a reference by kind and profile: the tables of spec 02 §4.5.

use Rule::*;

use crate::draft::fields::Fields;
use crate::draft::policy::written_ref::WrittenRef;
use crate::profile::Profile::{self, *};
use crate::profile::Window;
use crate::reference::{RefKind, Tags};
use crate::violation::FieldPath;

/// Place of a reference, as far as the rules depend on it.
#[derive(Clone, Copy)]
pub(crate) struct Place<'k> {
    /// Kinds that are allowed there.
    pub(crate) kinds: &'k [RefKind],
    /// `true`: a MeshGateway may be narrowed to listeners by tags.
    pub(crate) takes_listener_tags: bool,
    /// `true`: the policy is about inbounds, so that a Dataplane may be narrowed to one.
    pub(crate) is_inbound: bool,
}

/// Rule of a reference. The order in a table is the order in which violations are reported.
#[derive(Clone, Copy)]
enum Rule {
    /// Kind Mesh refers to the policy's own mesh.
    OwnMesh,
    NoName,
    NoMesh,
    NoTags,
    NoLabels,
    NoNamespace,
    NoSection,
    NoProxyTypes,
    Name,
    NameChars,
    Labels,
    /// A name is required, unless there are labels.
    NameWithoutLabels,
    /// As `NameWithoutLabels`, reported at the reference itself.
    NameOrLabels,
    LabelsXorNameAndNamespace,
    LabelsXorName,
    LabelsXorSection,
    /// Characters of tags.
    TagChars,
    /// As `TagChars`, with `*` as a valid value.
    SelectorChars,
    /// No tags where listeners cannot be selected.
    ListenerTags,
    /// Not empty if present.
    SomeProxyTypes,
    /// A section only if the policy is about inbounds.
    InboundSection,
}

type Row = (Window, &'static [Rule]);

const fn from_to(since: Profile, until: Profile) -> Window {
    Window::between(since, until)
}

const MESH: &[Row] = &[
    (from_to(V2_3, V2_7), &[OwnMesh, NoMesh, NoTags]),
    (from_to(V2_8, V2_9), &[OwnMesh, NoMesh, NoTags, NoLabels, NoNamespace, NoSection]),
    (from_to(V2_10, V2_14), &[OwnMesh, NoMesh, NoTags, NoLabels, NoNamespace, NoSection, SomeProxyTypes]),
    (from_to(V3, V3), &[NoLabels, NoSection]),
];

const MESH_SUBSET: &[Row] = &[
    (from_to(V2_3, V2_4), &[NoName, NoMesh]),
    (from_to(V2_5, V2_7), &[NoName, NoMesh, TagChars]),
    (from_to(V2_8, V2_9), &[NoName, NoMesh, TagChars, NoLabels, NoNamespace, NoSection]),
    (from_to(V2_10, V2_14), &[NoName, NoMesh, TagChars, NoLabels, NoNamespace, NoSection, SomeProxyTypes]),
];

const MESH_SERVICE: &[Row] = &[
    (from_to(V2_3, V2_4), &[Name, NoMesh, NoTags]),
    (from_to(V2_5, V2_5), &[Name, NameChars, NoMesh, NoTags]),
    (from_to(V2_6, V2_7), &[Name, NameChars, NoMesh, NoTags, NoProxyTypes]),
    (
        from_to(V2_8, V2_9),
        &[
            NameChars,
            NoMesh,
            NoTags,
            NoProxyTypes,
            NameWithoutLabels,
            LabelsXorNameAndNamespace,
            LabelsXorSection,
        ],
    ),
    (
        from_to(V2_10, V2_13),
        &[NameChars, NoMesh, NoTags, NoProxyTypes, NameWithoutLabels, LabelsXorNameAndNamespace],
    ),
    (
        from_to(V2_14, V2_14),
        &[NameChars, NoMesh, NoTags, NoProxyTypes, NameOrLabels, LabelsXorNameAndNamespace],
    ),
    (from_to(V3, V3), &[Labels]),
];

const MESH_SERVICE_SUBSET: &[Row] = &[
    (from_to(V2_3, V2_4), &[Name, NoMesh]),
    (from_to(V2_5, V2_5), &[Name, NameChars, NoMesh, TagChars]),
    (from_to(V2_6, V2_7), &[Name, NameChars, NoMesh, NoProxyTypes, TagChars]),
    (
        from_to(V2_8, V2_9),
        &[Name, NameChars, NoMesh, NoProxyTypes, TagChars, NoLabels, NoNamespace, NoSection],
    ),
    (
        from_to(V2_10, V2_14),
        &[Name, NameChars, NoMesh, NoProxyTypes, SelectorChars, NoLabels, NoNamespace, NoSection],
    ),
];

const MESH_GATEWAY: &[Row] = &[
    (from_to(V2_3, V2_4), &[Name, NoMesh]),
    (from_to(V2_5, V2_5), &[Name, NameChars, NoMesh, TagChars, ListenerTags]),
    (from_to(V2_6, V2_7), &[Name, NameChars, NoMesh, NoProxyTypes, TagChars, ListenerTags]),
    (
        from_to(V2_8, V2_9),
        &[Name, NameChars, NoMesh, NoProxyTypes, TagChars, ListenerTags, NoLabels, NoNamespace, NoSection],
    ),
    (
        from_to(V2_10, V2_14),
        &[
            Name,
            NameChars,
            NoMesh,
            NoProxyTypes,
            SelectorChars,
            ListenerTags,
            NoLabels,
            NoNamespace,
            NoSection,
        ],
    ),
];

const MESH_EXTERNAL_SERVICE: &[Row] = &[
    (
        from_to(V2_8, V2_8),
        &[Name, NameChars, NoMesh, NoProxyTypes, TagChars, NoLabels, NoNamespace, NoSection],
    ),
    (
        from_to(V2_9, V2_13),
        &[NameChars, NoMesh, NoTags, NoProxyTypes, NameWithoutLabels, LabelsXorName, NoSection],
    ),
    (
        from_to(V2_14, V2_14),
        &[NameChars, NoMesh, NoTags, NoProxyTypes, NameOrLabels, LabelsXorName, NoSection],
    ),
    (from_to(V3, V3), &[NoSection, Labels]),
];

/// Before profile 3 any combination of fields is accepted (spec 06 no. 33).
const MESH_MULTIZONE_SERVICE: &[Row] = &[(from_to(V2_9, V2_14), &[]), (from_to(V3, V3), &[Labels])];

const DATAPLANE: &[Row] = &[
    (from_to(V2_10, V2_14), &[NoTags, NoMesh, NoProxyTypes, LabelsXorNameAndNamespace, InboundSection]),
    (from_to(V3, V3), &[InboundSection]),
];

const MESH_HTTP_ROUTE: &[Row] = &[
    (from_to(V2_3, V2_4), &[Name, NoMesh, NoTags]),
    (from_to(V2_5, V2_5), &[Name, NameChars, NoMesh, NoTags]),
    (from_to(V2_6, V2_7), &[Name, NameChars, NoMesh, NoTags, NoProxyTypes]),
    (
        from_to(V2_8, V2_13),
        &[NameChars, NoMesh, NoTags, NoProxyTypes, NameWithoutLabels, LabelsXorNameAndNamespace],
    ),
    (
        from_to(V2_14, V2_14),
        &[NameChars, NoMesh, NoTags, NoProxyTypes, NameOrLabels, LabelsXorNameAndNamespace],
    ),
    (from_to(V3, V3), &[NoSection, Labels]),
];

fn rules(kind: RefKind, profile: Profile) -> &'static [Rule] {
    let rows = match kind {
        RefKind::Mesh => MESH,
        RefKind::Dataplane => DATAPLANE,
        RefKind::MeshSubset => MESH_SUBSET,
        RefKind::MeshGateway => MESH_GATEWAY,
        RefKind::MeshService => MESH_SERVICE,
        RefKind::MeshExternalService => MESH_EXTERNAL_SERVICE,
        RefKind::MeshMultiZoneService => MESH_MULTIZONE_SERVICE,
        RefKind::MeshServiceSubset => MESH_SERVICE_SUBSET,
        RefKind::MeshHTTPRoute => MESH_HTTP_ROUTE,
    };
    rows.iter().find(|(window, _)| window.contains(profile)).map_or(&[], |(_, rules)| rules)
}

/// Checks a reference by the rules of its kind; a kind that is not allowed there ends the check.
pub(crate) fn check(written: &WrittenRef, fields: &Fields<'_>, place: Place<'_>, profile: Profile) {
    if written.kind.is_empty() {
        return fields.violate("kind", profile.kind_missing());
    }
    let Some(kind) = written.ref_kind().filter(|kind| place.kinds.contains(kind)) else {
        return fields.violate("kind", profile.kind_not_supported(&written.kind));
    };
    for rule in rules(kind, profile) {
        if let Some((field, message)) = broken(*rule, kind, written, place, profile) {
            match field {
                "" => fields.violate_here(message),
                field => fields.violate(field, message),
            }
        }
        match rule {
            TagChars => check_tags(&fields.at("tags"), written.tags.as_ref(), "", fields),
            SelectorChars => check_tags(&fields.at("tags"), written.tags.as_ref(), "/*", fields),
            _ => {}
        }
    }
}

/// Returns the field and the message of a violated rule; the field is empty for the reference itself.
fn broken(
    rule: Rule,
    kind: RefKind,
    written: &WrittenRef,
    place: Place<'_>,
    profile: Profile,
) -> Option<(&'static str, String)> {
    let WrittenRef { kind: _, name, mesh, namespace, tags, labels, section_name, proxy_types } = written;
    let has_tags = tags.as_ref().is_some_and(|tags| !tags.is_empty());
    let has_labels = labels.as_ref().is_some_and(|labels| !labels.is_empty());
    let forbidden = |there: bool, field| there.then(|| (field, profile.not_with_kind(kind)));
    let required = |there: bool, field| (!there).then(|| (field, profile.required_with_kind(kind)));
    let said = |there: bool, field, message: &str| there.then(|| (field, message.to_owned()));
    match rule {
        OwnMesh => said(name.is_some(), "name", "using name with kind Mesh is not yet supported"),
        NoName => forbidden(name.is_some(), "name"),
        NoMesh => forbidden(mesh.is_some(), "mesh"),
        NoTags => forbidden(has_tags, "tags"),
        NoLabels => forbidden(has_labels, "labels"),
        NoNamespace => forbidden(namespace.is_some(), "namespace"),
        NoSection => forbidden(section_name.is_some(), "sectionName"),
        NoProxyTypes => forbidden(proxy_types.as_ref().is_some_and(|sorts| !sorts.is_empty()), "proxyTypes"),
        Name => required(name.is_some(), "name"),
        NameChars => {
            let rule = profile.reference_name_rule();
            name.as_deref().and_then(|name| rule.broken_by(name)).map(|message| ("name", message.to_owned()))
        }
        Labels => required(has_labels, "labels"),
        NameWithoutLabels => required(has_labels || name.is_some(), "name"),
        NameOrLabels => {
            let message = format!("name or labels must be set when kind is {kind}");
            said(!has_labels && name.is_none(), "", &message)
        }
        LabelsXorNameAndNamespace => {
            let both = has_labels && (name.is_some() || namespace.is_some());
            said(both, "labels", "either labels or name and namespace must be specified")
        }
        LabelsXorName => {
            let both = has_labels && (name.is_some() || namespace.is_some());
            said(both, "labels", "either labels or name must be specified")
        }
        LabelsXorSection => {
            let both = has_labels && section_name.is_some();
            said(both, "sectionName", "sectionName should not be combined with labels")
        }
        ListenerTags => forbidden(has_tags && !place.takes_listener_tags, "tags"),
        SomeProxyTypes => {
            let empty = proxy_types.as_ref().is_some_and(Vec::is_empty);
            said(empty, "proxyTypes", "must be undefined or have at least one element")
        }
        InboundSection => {
            let there = section_name.is_some() && !place.is_inbound;
            said(there, "sectionName", "can only be used with inbound policies")
        }
        TagChars | SelectorChars => None,
    }
}

/// Checks keys and values (spec 02 §4.6). `more` are further characters of values; `*` is only valid alone.
fn check_tags(path: &FieldPath, tags: Option<&Tags>, more: &str, fields: &Fields<'_>) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    for (key, value) in tags.into_iter().flat_map(Tags::iter) {
        let violate = |message: &str| fields.violate_at(path.key(key), message);
        if key.is_empty() {
            violate("tag name must be non-empty");
        }
        if !key.chars().all(|c| is_plain(c) || c == '/') {
            violate(
                "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores",
            );
        }
        if value.is_empty() {
            violate("tag value must be non-empty");
        }
        let is_wildcard = value == "*" && more.contains('*');
        let fits = |c: char| is_plain(c) || (c == '/' && more.contains('/'));
        if !is_wildcard && !value.chars().all(fits) {
            violate("tag value must consist of alphanumeric characters, dots, dashes and underscores");
        }
    }
}
