//! File names of resources.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use model::ResourceKey;

/// Limit on the length of a name, in bytes: longer ones do not fit in a directory entry with their affixes; a hash
/// replaces their end.
const LONGEST: usize = 180;

/// Returns the file of a resource below a folder: `shop/MeshTCPRoute.canary.yaml`, or `Mesh.shop.yaml` for global
/// scope.
pub(super) fn of(folder: &Path, ResourceKey { kind, mesh, name }: &ResourceKey) -> PathBuf {
    let file = format!("{kind}.{}.yaml", safe(name));
    match mesh {
        Some(mesh) => folder.join(safe(mesh)).join(file),
        None => folder.join(file),
    }
}

/// Encodes a name as a file name: unusual characters are written as in URLs.
fn safe(name: &str) -> String {
    let mut safe = String::new();
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            // a name that begins with a dot is hidden, or leads elsewhere
            b'.' if at > 0 => safe.push('.'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => safe.push(char::from(byte)),
            odd => {
                // writing to text cannot fail
                let _ = write!(safe, "%{odd:02X}");
            }
        }
    }
    if safe.len() > LONGEST {
        safe.truncate(LONGEST);
        safe = format!("{safe}~{}", xds::Version::of(name.as_bytes()));
    }
    safe
}

#[cfg(test)]
mod tests {
    use model::Kind;

    use super::*;

    #[test]
    fn every_resource_has_a_file_of_its_own() {
        let folder = Path::new("f");
        for (mesh, name, file) in [
            ("shop", "canary", "f/shop/MeshTCPRoute.canary.yaml"),
            ("..", "../a", "f/%2E./MeshTCPRoute.%2E.%2Fa.yaml"),
            ("default", "%2e", "f/default/MeshTCPRoute.%252e.yaml"),
            ("default", "", "f/default/MeshTCPRoute..yaml"),
        ] {
            assert_eq!(of(folder, &ResourceKey::new(Kind::MeshTCPRoute, mesh, name)), Path::new(file));
        }
        assert_eq!(of(folder, &ResourceKey::global(Kind::Mesh, "shop")), Path::new("f/Mesh.shop.yaml"));
        let long = |end: &str| of(folder, &ResourceKey::global(Kind::Mesh, "☃".repeat(200) + end));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").file_name().unwrap().len() < 255);
    }
}
