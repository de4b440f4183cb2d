//! Sources of resources, and the rules for reading them: flags shared by several commands.

use std::path::PathBuf;

use change::{Ledger, Options};
use control::sources::{FolderSource, OpenError, Source as _};
use model::Profile;
use model::draft::UnknownFields;
use plan::Context;

use crate::exit::Exit;
use crate::output::complain;
use crate::report::Reporter;
use crate::vips::Vips;

/// Resources in files and folders.
#[derive(Debug, clap::Args)]
pub(crate) struct Source {
    /// Files and folders of resources; of a folder everything below it that ends in .yaml, .yml or .json; `-` is standard input,
    /// where files are read once
    #[arg(required_unless_present = "file", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The same as PATH: fingers that know `apply -f` are not wrong here
    #[arg(short, long, value_name = "PATH", hide = true)]
    file: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: Rules,
}

/// Whose rules apply.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Rules {
    /// The Kuma version whose rules apply (see `meshtcp profiles`)
    #[arg(long, default_value_t = Profile::default(), value_name = "VERSION")]
    pub(crate) profile: Profile,
    /// What to do with a field that nobody knows
    #[arg(long, value_enum, default_value_t = Unknown::Refuse, value_name = "HOW")]
    pub(crate) unknown_fields: Unknown,
    #[command(flatten)]
    pub(crate) vips: Vips,
}

/// What to do with a field that nobody knows.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Unknown {
    /// Refuse the document: it is most likely a slip
    Refuse,
    /// Say it, and go on without the field
    Warn,
    /// Go on without the field, as Kuma does
    Ignore,
}

impl Rules {
    pub(crate) fn options(&self) -> Options {
        let unknown_fields = match self.unknown_fields {
            Unknown::Refuse => UnknownFields::Refuse,
            Unknown::Warn => UnknownFields::Warn,
            Unknown::Ignore => UnknownFields::Ignore,
        };
        Options { profile: self.profile, unknown_fields, ..Options::default() }
    }

    /// Context of plans besides resources, as far as flags determine it.
    pub(crate) fn context(&self) -> Context {
        Context { tag_range: self.vips.ranges().tags, ..Context::new(self.profile) }
    }

    /// Opens files and folders for a single reading; `-` is standard input. Documents without a mesh are in `mesh`.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn open(&self, paths: &[PathBuf], mesh: &str) -> Result<FolderSource, Exit> {
        let options = Options { mesh: mesh.into(), ..self.options() };
        let is_input = |path: &PathBuf| path.as_os_str() == "-";
        let named = |path: &PathBuf| if is_input(path) { PathBuf::from("/dev/stdin") } else { path.clone() };
        FolderSource::open(&paths.iter().map(named).collect::<Vec<_>>(), options).map_err(|error| {
            complain(&format!("error: {error}\n"));
            Exit::Environment
        })
    }

    /// Reads the valid resources in files and folders; reports the others on standard error. Documents without a mesh
    /// are in `mesh`.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn load(&self, paths: &[PathBuf], mesh: &str) -> Result<Ledger, Exit> {
        let mut store = self.open(paths, mesh)?.addressed(self.vips.ranges());
        let loaded = store.load();
        Reporter::new().tell(&loaded.problems, |file| store.text(file));
        Ok(loaded.ledger)
    }
}

impl Source {
    /// Source with these paths and rules.
    pub(crate) fn of(paths: Vec<PathBuf>, rules: Rules) -> Self {
        Self { paths, file: Vec::new(), rules }
    }

    /// All named paths.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        [&*self.paths, &*self.file].concat()
    }

    /// Opens the paths, to be followed.
    pub(crate) fn open(&self) -> Result<FolderSource, OpenError> {
        let paths = self.paths();
        if let Some(input) = paths.iter().find(|path| path.as_os_str() == "-") {
            let error = std::io::Error::other("standard input cannot be followed: write it to a file");
            return Err(OpenError { path: input.clone(), error });
        }
        let source = FolderSource::open(&paths, self.rules.options())?;
        Ok(source.addressed(self.rules.vips.ranges()))
    }

    /// Paths as they were given.
    pub(crate) fn in_words(&self) -> String {
        self.paths().iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}
