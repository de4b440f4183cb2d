//! Who calls, and what they may do.

use std::fmt;

use super::refusal::Refusal;

/// The user that a caller is who needs no token.
const ADMIN: &str = "mesh-system:admin";
const AUTHENTICATED: &str = "mesh-system:authenticated";
const UNAUTHENTICATED: &str = "mesh-system:unauthenticated";
const WRITER: &str = "mesh-system:writer";
const READER: &str = "mesh-system:reader";

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    /// What a caller may do who has not said who they are.
    anonymous: Role,
    /// How they could do more; empty: nothing is to be said.
    advice: String,
}

/// What a caller may do. Greater may do more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing but ask what this server is.
    #[default]
    Nobody,
    /// Read everything but secrets.
    Reader,
    /// Change everything but secrets.
    Writer,
    /// Everything: secrets and tokens too.
    Admin,
}

impl Role {
    /// `nobody`, `reader`, `writer` or `admin`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Nobody => "nobody",
            Role::Reader => "reader",
            Role::Writer => "writer",
            Role::Admin => "admin",
        }
    }
}

impl Caller {
    /// Whoever is admin by the way they came.
    pub(super) fn admin() -> Self {
        Self::named(ADMIN.into(), vec![ADMIN.into(), AUTHENTICATED.into()])
    }

    /// Whoever has not said who they are, and may do this much.
    pub(super) fn anonymous(role: Role) -> Self {
        let caller = Self::named("mesh-system:anonymous".into(), vec![UNAUTHENTICATED.into()]);
        Self { anonymous: role, ..caller }
    }

    /// The same, who is told this where they are refused something.
    pub(super) fn advised(self, advice: String) -> Self {
        Self { advice, ..self }
    }

    /// Whom a token names.
    pub(super) fn user(name: String, mut groups: Vec<String>) -> Self {
        groups.push(AUTHENTICATED.into());
        Self::named(name, groups)
    }

    fn named(name: String, groups: Vec<String>) -> Self {
        Self { name, groups, anonymous: Role::Nobody, advice: String::new() }
    }

    /// Why they are refused something, in words of what they may not do: `may not …`.
    pub(super) fn refused(&self, what: &str) -> Refusal {
        let advice = if self.advice.is_empty() { String::new() } else { format!(": {}", self.advice) };
        Refusal::denied(format!("user \"{self}\" {what}{advice}"))
    }

    /// What they may do. Someone with a token that names no group of ours may read.
    pub(super) fn role(&self) -> Role {
        let is_in = |group: &str| self.groups.iter().any(|it| it == group);
        match () {
            () if is_in(ADMIN) => Role::Admin,
            () if is_in(WRITER) => Role::Writer,
            () if is_in(READER) || is_in(AUTHENTICATED) => Role::Reader,
            () => self.anonymous,
        }
    }
}

impl fmt::Display for Caller {
    /// `name/group,group`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.groups.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_give_roles() {
        let with = |group: &str| Caller::user("jo".into(), vec![group.into()]).role();
        assert_eq!(with("mesh-system:admin"), Role::Admin);
        assert_eq!(with("mesh-system:writer"), Role::Writer);
        assert_eq!(with("team-a"), Role::Reader);
        assert_eq!(Caller::anonymous(Role::Nobody).role(), Role::Nobody);
        assert_eq!(Caller::anonymous(Role::Writer).role(), Role::Writer);
        assert_eq!(Caller::admin().role(), Role::Admin);
    }
}
