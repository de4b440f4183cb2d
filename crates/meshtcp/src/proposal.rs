//! Documents of `-f`: files, folders and standard input, all read before any of them is used.

use std::path::PathBuf;
use std::sync::Arc;

use change::{Content, Entry, Options};
use control::plain_file;
use control::sources::Source as _;

use crate::exit::Exit;
use crate::output::complain;
use crate::report::Reporter;
use crate::source::Rules;

/// Where proposed documents are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Files {
    /// A file, a folder with everything below it that ends in .yaml, .yml or .json, or `-` for standard input; may be
    /// repeated
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    pub(crate) file: Vec<PathBuf>,
}

/// Documents that may be put into force.
pub(crate) struct Proposed {
    /// Resources in the order of the documents.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Exit status if everything else succeeds: [`Exit::Problems`] if there were documents of unknown kinds.
    pub(crate) exit: Exit,
}

impl Files {
    /// Reads every document, and reports all errors on standard error. Documents without a mesh are in `mesh`.
    ///
    /// # Errors
    /// Exit status, after the reason was reported: one bad document rejects all, since half a change is worse than
    /// none. A document of an unknown kind is left out of the change.
    pub(crate) fn read(&self, rules: &Rules, mesh: &str) -> Result<Proposed, Exit> {
        let (input, paths): (Vec<PathBuf>, Vec<PathBuf>) =
            self.file.iter().cloned().partition(|path| path.as_os_str() == "-");
        if let Some(url) = paths.iter().find_map(|path| url(path)) {
            complain(&format!(
                "error: {url} is a URL, and what it says may change between two looks\n  help: fetch it, look at it, and pass the \
                 file: curl -fsSLO {url}\n"
            ));
            return Err(Exit::Usage);
        }
        let reporter = Reporter::new();
        let (mut entries, mut bad): (Vec<Arc<Entry>>, bool) = (Vec::new(), false);
        let mut strangers = 0;
        if !paths.is_empty() {
            let mut store = rules.open(&paths, mesh)?;
            let loaded = store.load();
            reporter.tell(&loaded.problems, |file| store.text(file));
            bad |= loaded.problems.errors() > loaded.strangers;
            strangers += loaded.strangers;
            entries.extend(loaded.ledger.as_written());
        }
        if !input.is_empty() {
            let bytes = plain_file::read_input().map_err(|error| {
                complain(&format!("error: standard input cannot be read: {error}\n"));
                Exit::Environment
            })?;
            let content =
                Content::read("standard input", &bytes, &Options { mesh: mesh.into(), ..rules.options() });
            reporter.tell(&content.problems, |_| Some(content.text()));
            bad |= !content.is_good_beside_strangers();
            strangers += content.strangers;
            entries.extend(content.entries);
        }
        if bad {
            complain("nothing was done: every document has to be good first\n");
            return Err(Exit::Problems);
        }
        if strangers > 0 && !entries.is_empty() {
            let are = if strangers == 1 { "1 document is" } else { &format!("{strangers} documents are") };
            complain(&format!("{are} left out: see above; the others are read\n"));
        }
        if entries.is_empty() && strangers > 0 {
            return Err(Exit::Problems);
        }
        if entries.is_empty() {
            complain(match paths.is_empty() {
                true => "error: there is no resource in standard input\n",
                false => {
                    "error: there is no resource in what -f names\n  help: resources are *.yaml, *.yml and *.json\n"
                }
            });
            return Err(Exit::Problems);
        }
        Ok(Proposed { entries, exit: if strangers > 0 { Exit::Problems } else { Exit::Ok } })
    }
}

fn url(path: &std::path::Path) -> Option<String> {
    let text = path.to_string_lossy();
    let (scheme, _) = text.split_once(":/")?;
    let is_scheme = scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric());
    // shells and `Path` may have removed a slash; a file of that name must exist to be meant
    (is_scheme && !path.exists()).then(|| text.into_owned())
}
