//! Kinds as written on the command line: `meshtcproutes`, `MeshTCPRoute`, `mtcpr`.

use std::str::FromStr;

use model::{Kind, ResourceKey};

/// Kind in any notation, optionally with `/NAME` behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenKind {
    /// Kind of resource.
    pub(crate) kind: Kind,
    /// Name behind the slash; `None`: there is no slash.
    pub(crate) name: Option<String>,
}

impl FromStr for WrittenKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (written, name) = match text.split_once('/') {
            Some((kind, name)) => (kind, Some(name.to_owned())),
            None => (text, None),
        };
        let lower = written.to_lowercase();
        let is_meant = |kind: &Kind| {
            let singular = kind.as_str().to_lowercase();
            let plural = kind.plural();
            lower == singular
                || lower == plural
                || lower == plural.replace('-', "")
                || [hyphened(kind.as_str()), format!("{}s", hyphened(kind.as_str()))].contains(&lower)
                || kind.short_name() == Some(lower.as_str())
        };
        if let Some(kind) = Kind::ALL.iter().copied().find(is_meant) {
            return Ok(Self { kind, name });
        }
        let known = Kind::ALL.iter().flat_map(|kind| [kind.as_str(), kind.plural()]);
        let near = model::draft::did_you_mean(written, known);
        // short names are too short for a match by similarity
        let short = Kind::ALL.iter().find(|kind| {
            kind.short_name().is_some_and(|short| {
                short.len() > 1 && lower.trim_end_matches(char::is_numeric).starts_with(short)
            })
        });
        let near = near.or_else(|| {
            short.map(|kind| {
                format!("did you mean `{}`, {}?", kind.short_name().unwrap_or_default(), kind.plural())
            })
        });
        // the common beginning of kinds may be left out
        let stem = lower.trim_end_matches('s');
        let ends_so = |kind: &&Kind| stem.len() > 2 && kind.as_str().to_lowercase().ends_with(stem);
        let endings: Vec<&str> = Kind::ALL.iter().filter(ends_so).map(|kind| kind.plural()).collect();
        let ending =
            (1..=4).contains(&endings.len()).then(|| format!("did you mean {}?", endings.join(", ")));
        let near = near.or(ending);
        let near = near.unwrap_or_else(|| "e.g. meshtcproutes, dataplanes, meshservices, meshes".to_owned());
        Err(format!("there is no kind `{written}`: {near}"))
    }
}

/// Kinds separated by commas, each as [`WrittenKind`], or `all` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenKinds(pub(crate) Vec<WrittenKind>);

impl FromStr for WrittenKinds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            // `all` does not include secrets
            let kinds = Kind::ALL.iter().filter(|kind| !matches!(kind, Kind::Secret | Kind::GlobalSecret));
            return Ok(Self(kinds.map(|&kind| WrittenKind { kind, name: None }).collect()));
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// Key of a resource written as `NAME`, in the default mesh, or as `MESH/NAME`, as `get -A -o name` prints it.
pub(crate) fn key(kind: Kind, mesh: &str, written: &str) -> ResourceKey {
    match written.split_once('/') {
        Some((mesh, name)) => ResourceKey::new(kind, mesh, name),
        None => ResourceKey::new(kind, mesh, written),
    }
}

/// Hyphenated form of a kind as in kumactl: `traffic-route` for `TrafficRoute`.
fn hyphened(kind: &str) -> String {
    let mut text = String::new();
    for letter in kind.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_every_name_that_fingers_know() {
        for text in ["MeshTCPRoute", "meshtcproute", "meshtcproutes", "mtcpr"] {
            assert_eq!(text.parse(), Ok(WrittenKind { kind: Kind::MeshTCPRoute, name: None }), "{text}");
        }
        for text in ["traffic-route", "traffic-routes", "trafficroutes", "TrafficRoute"] {
            assert_eq!(text.parse::<WrittenKind>().map(|it| it.kind), Ok(Kind::TrafficRoute), "{text}");
        }
        assert_eq!("dp/web-1".parse(), Ok(WrittenKind { kind: Kind::Dataplane, name: Some("web-1".into()) }));
        let written: WrittenKind = "mtcpr/depot/moves".parse().unwrap();
        let moves = key(written.kind, "default", &written.name.unwrap());
        assert_eq!(moves, ResourceKey::new(Kind::MeshTCPRoute, "depot", "moves"));
        let kinds = |text: &str| text.parse::<WrittenKinds>().map(|WrittenKinds(all)| all.len());
        assert_eq!((kinds("mtcpr,dp"), kinds("all")), (Ok(2), Ok(Kind::ALL.len() - 2)));
        assert!(kinds("mtcpr,nope").is_err());
        assert!("dpp".parse::<WrittenKind>().unwrap_err().contains("`dp`, dataplanes"));
        assert!("rollouts".parse::<WrittenKind>().unwrap_err().ends_with("did you mean meshtcprollouts?"));
        assert!("meshtcprouts".parse::<WrittenKind>().unwrap_err().contains("did you mean"));
    }
}
