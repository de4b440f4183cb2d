//! Reference as written, before it is interpreted (spec 01 §2.2).

use crate::draft::fields::Fields;
use crate::profile::{Profile, Window};
use crate::reference::{Labels, ProxyType, RefKind, Tags, TargetRef};

/// Fields of a reference; those that the profile does not know are absent. Empty text is the same as absent.
pub(crate) struct WrittenRef {
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) mesh: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) tags: Option<Tags>,
    pub(crate) labels: Option<Labels>,
    pub(crate) section_name: Option<String>,
    pub(crate) proxy_types: Option<Vec<ProxyType>>,
}

/// Fields that not every profile knows.
pub(crate) const NAME: (&str, Window) = ("name", Window::before_3(Profile::V2_3));
pub(crate) const TAGS: (&str, Window) = ("tags", Window::before_3(Profile::V2_3));
pub(crate) const MESH: (&str, Window) = ("mesh", Window::before_3(Profile::V2_3));
pub(crate) const PROXY_TYPES: (&str, Window) = ("proxyTypes", Window::before_3(Profile::V2_6));
pub(crate) const NAMESPACE: (&str, Window) = ("namespace", Window::before_3(Profile::V2_8));
pub(crate) const LABELS: (&str, Window) = ("labels", Window::since(Profile::V2_8));
pub(crate) const SECTION_NAME: (&str, Window) = ("sectionName", Window::since(Profile::V2_8));
pub(crate) const PORT: (&str, Window) = ("port", Window::since(Profile::V2_7));

impl WrittenRef {
    /// Reads the fields of a reference; other fields of the object are left to the caller.
    pub(crate) fn read(fields: &mut Fields<'_>, profile: Profile) -> Self {
        let sorts = [("Sidecar", ProxyType::Sidecar), ("Gateway", ProxyType::Gateway)];
        Self {
            kind: fields.string("kind"),
            name: knows(fields, NAME, profile).then(|| fields.text("name")).flatten(),
            mesh: knows(fields, MESH, profile).then(|| fields.text("mesh")).flatten(),
            namespace: knows(fields, NAMESPACE, profile).then(|| fields.text("namespace")).flatten(),
            tags: knows(fields, TAGS, profile).then(|| fields.map("tags")).flatten(),
            labels: knows(fields, LABELS, profile).then(|| fields.map("labels")).flatten(),
            section_name: knows(fields, SECTION_NAME, profile).then(|| fields.text("sectionName")).flatten(),
            proxy_types: knows(fields, PROXY_TYPES, profile)
                .then(|| fields.choices("proxyTypes", &sorts))
                .flatten(),
        }
    }

    /// Returns the kind, if it is valid.
    pub(crate) fn ref_kind(&self) -> Option<RefKind> {
        RefKind::from_text(&self.kind)
    }

    /// Returns the target; absent without a kind.
    pub(crate) fn target(self) -> Option<TargetRef> {
        let kind = self.ref_kind()?;
        let Self { kind: _, name, mesh: _, namespace, tags, labels, section_name, proxy_types } = self;
        // Present but empty is a selector of its own only for a Dataplane (spec 01 §2.2).
        let labels = labels.filter(|labels| kind == RefKind::Dataplane || !labels.is_empty());
        Some(TargetRef {
            kind,
            name,
            namespace,
            labels,
            tags: tags.unwrap_or_default(),
            section_name,
            proxy_types,
        })
    }
}

/// Returns `true` if the profile knows a field. If not, and the field exists, it is noted and treated as absent:
/// the reference would drop it silently.
pub(crate) fn knows(
    fields: &mut Fields<'_>,
    (name, window): (&'static str, Window),
    profile: Profile,
) -> bool {
    let known = window.contains(profile);
    if !known && fields.has(name) {
        let help = format!("it is known {window}: choose such a profile, or remove it");
        fields.error(name, format!("profile {profile} has no `{name}` here"), Some(help));
        fields.known(&[name]);
    }
    known
}
