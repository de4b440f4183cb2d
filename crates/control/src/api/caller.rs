//! Caller of the API and their permissions.

use std::fmt;

use super::refusal::Refusal;

/// User name of an admin who needs no token.
const ADMIN: &str = "mesh-system:admin";
const AUTHENTICATED: &str = "mesh-system:authenticated";
const UNAUTHENTICATED: &str = "mesh-system:unauthenticated";
const WRITER: &str = "mesh-system:writer";
const READER: &str = "mesh-system:reader";

/// Caller of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
    /// Role of a caller who has not authenticated.
    anonymous: Role,
    /// Advice on getting more permissions; empty: none.
    advice: String,
}

/// Permissions of a caller. A greater role includes the lesser ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May only ask what this server is.
    #[default]
    Nobody,
    /// May read everything but secrets.
    Reader,
    /// May change everything but secrets.
    Writer,
    /// May read and change everything, secrets and tokens included.
    Admin,
}

impl Role {
    /// Returns `nobody`, `reader`, `writer` or `admin`.
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
    /// Creates an admin who is recognised by the way of connecting.
    pub(super) fn admin() -> Self {
        Self::named(ADMIN.into(), vec![ADMIN.into(), AUTHENTICATED.into()])
    }

    /// Creates a caller who has not authenticated, with the given role.
    pub(super) fn anonymous(role: Role) -> Self {
        let caller = Self::named("mesh-system:anonymous".into(), vec![UNAUTHENTICATED.into()]);
        Self { anonymous: role, ..caller }
    }

    /// Sets the advice that is shown with a refusal.
    pub(super) fn advised(self, advice: String) -> Self {
        Self { advice, ..self }
    }

    /// Creates the caller that a token names.
    pub(super) fn user(name: String, mut groups: Vec<String>) -> Self {
        groups.push(AUTHENTICATED.into());
        Self::named(name, groups)
    }

    fn named(name: String, groups: Vec<String>) -> Self {
        Self { name, groups, anonymous: Role::Nobody, advice: String::new() }
    }

    /// Creates the refusal of an action, in words: `may not …`.
    pub(super) fn refused(&self, what: &str) -> Refusal {
        let advice = if self.advice.is_empty() { String::new() } else { format!(": {}", self.advice) };
        Refusal::denied(format!("user \"{self}\" {what}{advice}"))
    }

    /// Returns the role. A user whose groups are all unknown here may read.
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
    /// Writes `name/group,group`.
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
