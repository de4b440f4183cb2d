//! Backup as text: YAML, one document per resource, in an order that depends only on the resources.
use control::yaml;
use model::ResourceKey;
use serde_json::Value;

/// Beginning of the first line.
const BEGIN: &str = "# meshtcp backup, format ";
/// Format that is written, and the only one that is read.
const OURS: &str = "1";
/// Beginning of the last line, with the number of resources: a truncated backup lacks it.
const END: &str = "# end of the backup, resources: ";

/// Formats resources as text.
pub(super) fn of(resources: &[(ResourceKey, Value)]) -> String {
    let mut text = format!("{BEGIN}{OURS}\n");
    for (_, document) in resources {
        text.push_str("---\n");
        text.push_str(&yaml::exact(document));
    }
    text.push_str(&format!("{END}{}\n", resources.len()));
    text
}

/// Parses a backup.
///
/// # Errors
/// Reason in words: it is no backup, incomplete, or of another format.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<(ResourceKey, Value)>, String> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let format = first.strip_prefix(BEGIN).ok_or("it is no backup: `meshtcp apply -f` takes other files")?;
    if format != OURS {
        return Err(format!("it has format {format}, and this version of meshtcp reads format {OURS}"));
    }
    let last = rest.trim_end().rsplit('\n').next().unwrap_or_default();
    let counted = last.strip_prefix(END).ok_or("it is cut off: its last line is missing")?;
    let mut found = Vec::new();
    let mut one = String::new();
    for line in rest.lines().chain(["---"]) {
        if line != "---" {
            one.push_str(line);
            one.push('\n');
            continue;
        }
        let piece = std::mem::take(&mut one);
        if piece.lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
            continue;
        }
        let number = found.len() + 1;
        let said = |why: String| format!("its resource {number}: {why}");
        let document = yaml::read_one(name, &piece).map_err(said)?;
        let key = ResourceKey::of_document(&document).map_err(|why| said(why.to_string()))?;
        found.push((key, document));
    }
    if counted != found.len().to_string() {
        return Err(format!("it has {} resources, and should have {counted}", found.len()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backup_reads_back_and_half_of_one_is_refused() {
        let documents = [
            json!({ "type": "Mesh", "name": "shop" }),
            json!({ "type": "Secret", "mesh": "shop", "name": "k", "data": "a\n---\n# end", "n": [u64::MAX, 1e300] }),
        ];
        let all: Vec<(ResourceKey, Value)> =
            documents.iter().map(|it| (ResourceKey::of_document(it).unwrap(), it.clone())).collect();
        let text = of(&all);
        assert_eq!(read("b", &text), Ok(all));
        for (text, why) in [
            ("type: Mesh\nname: x\n".to_owned(), "no backup"),
            (text.replace("format 1", "format 2"), "format 2"),
            (text.lines().take(4).collect::<Vec<_>>().join("\n"), "cut off"),
            (text.replace("---\ntype: Mesh\nname: shop\n", ""), "should have 2"),
            (text.replace("type: Mesh", "type: Car"), "its resource 1"),
        ] {
            let error = read("b", &text).unwrap_err();
            assert!(error.contains(why), "{error}\n{text}");
        }
    }
}
