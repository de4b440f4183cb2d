//! Content of a report, and the parts that could not be obtained.

use serde::Serialize;
use serde_json::Value;

use super::secrets::blanked;
use crate::client::Failed;
use crate::output::{Format, structured};

/// Files of a report, in the order of their creation.
#[derive(Debug, Default)]
pub(super) struct Kept {
    files: Vec<(String, String)>,
    /// Parts that could not be obtained, with the reasons.
    lacks: String,
}

impl Kept {
    pub(super) fn text(&mut self, name: &str, text: String) {
        self.files.push((name.to_owned(), text));
    }

    pub(super) fn json(&mut self, name: &str, tree: &Value) {
        let tree = blanked(tree.clone());
        self.text(name, structured(Format::Json, &tree).unwrap_or_default());
    }

    pub(super) fn lacks(&mut self, name: &str, failed: &Failed) {
        self.lacks.push_str(&format!("{name}: {failed}\n"));
    }

    /// Adds a requested document; nothing if there is none.
    pub(super) fn asked(&mut self, name: &str, document: Result<Option<Value>, Failed>) {
        match document {
            Ok(document) => document.iter().for_each(|tree| self.json(name, tree)),
            Err(failed) => self.lacks(name, &failed),
        }
    }

    pub(super) fn told(&mut self, name: &str, report: Result<impl Serialize, Failed>) {
        let tree = report.map(|report| Some(serde_json::to_value(report).unwrap_or_default()));
        self.asked(name, tree);
    }

    pub(super) fn read(&mut self, name: &str, text: Result<String, Failed>) {
        match text {
            Ok(text) => self.text(name, text),
            Err(failed) => self.lacks(name, &failed),
        }
    }

    /// All files of the report.
    pub(super) fn files(self) -> Vec<(String, String)> {
        let Self { mut files, lacks } = self;
        if !lacks.is_empty() {
            files.push(("lacks.txt".to_owned(), lacks));
        }
        files
    }
}
