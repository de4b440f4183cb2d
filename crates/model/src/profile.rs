//! Profiles: the Kuma versions whose rules apply, as one value with named questions.
//!
//! This file and those beside it are the only ones that compare versions. Everything else asks a question such as
//! [`Profile::smaller_name_wins`]; the spec section of each answer is beside it. `matching` has the precedence of
//! policies, `routing` the routes of traffic, `topology` the fields of meshes, dataplanes and services,
//! `validation` what is accepted and how it is refused, `window` the kinds and fields that exist at all.

mod matching;
mod routing;
mod topology;
mod validation;
mod window;

use std::fmt;
use std::str::FromStr;

pub use matching::{BackendRefOrigin, Overlaps, SectionRule};
pub use topology::{ExternalAddressRule, ServiceNameRule};
pub use validation::{NameRule, RoleRule};
pub use window::Window;

/// Kuma release line whose behaviour is reproduced: `2.3` to `2.14`, or `3`; or `2.14+`, which adds meshtcp's own
/// extensions to 2.14. Default `2.14`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names are the versions
pub enum Profile {
    V2_3,
    V2_4,
    V2_5,
    V2_6,
    V2_7,
    V2_8,
    V2_9,
    V2_10,
    V2_11,
    V2_12,
    V2_13,
    #[default]
    V2_14,
    Extended,
    V3,
}

impl Profile {
    /// All profiles of a release, oldest first.
    pub const ALL: [Profile; 13] = [
        Profile::V2_3,
        Profile::V2_4,
        Profile::V2_5,
        Profile::V2_6,
        Profile::V2_7,
        Profile::V2_8,
        Profile::V2_9,
        Profile::V2_10,
        Profile::V2_11,
        Profile::V2_12,
        Profile::V2_13,
        Profile::V2_14,
        Profile::V3,
    ];

    /// Name of the profile after `--profile`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Profile::V2_3 => "2.3",
            Profile::V2_4 => "2.4",
            Profile::V2_5 => "2.5",
            Profile::V2_6 => "2.6",
            Profile::V2_7 => "2.7",
            Profile::V2_8 => "2.8",
            Profile::V2_9 => "2.9",
            Profile::V2_10 => "2.10",
            Profile::V2_11 => "2.11",
            Profile::V2_12 => "2.12",
            Profile::V2_13 => "2.13",
            Profile::V2_14 => "2.14",
            Profile::Extended => "2.14+",
            Profile::V3 => "3",
        }
    }

    /// Release whose rules it follows: itself, or the one that it extends.
    pub const fn release(self) -> Self {
        match self {
            Profile::Extended => Profile::V2_14,
            release => release,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Error: the text is not a profile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no profile: choose one of 2.3, 2.4, … 2.14, 2.14+, 3")]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.strip_prefix('v').unwrap_or(text);
        // a patch release belongs to its line: 2.14.3 follows the rules of 2.14
        let line = wanted
            .rsplit_once('.')
            .filter(|(line, patch)| line.contains('.') && patch.parse::<u32>().is_ok());
        let wanted = line.map_or(wanted, |(line, _)| line);
        Self::ALL
            .into_iter()
            .chain([Self::Extended])
            .find(|profile| profile.as_str() == wanted)
            .ok_or_else(|| UnknownProfile(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_read_back_and_are_ordered() {
        for profile in Profile::ALL.into_iter().chain([Profile::Extended]) {
            assert_eq!(profile.as_str().parse(), Ok(profile));
        }
        assert!(Profile::V2_9 < Profile::V2_10 && Profile::V2_14 < Profile::Extended);
        assert!(Profile::Extended < Profile::V3 && Profile::Extended.release() == Profile::V2_14);
        assert!("2.15".parse::<Profile>().is_err() && "2.15.1".parse::<Profile>().is_err());
        assert_eq!(("2.14.3".parse(), "v2.9.0".parse()), (Ok(Profile::V2_14), Ok(Profile::V2_9)));
        assert!("2.14.x".parse::<Profile>().is_err());
    }
}
