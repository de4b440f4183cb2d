//! `meshtcp config`: contexts, and the current one.

use std::path::PathBuf;

use crate::context::{Context, Contexts, place, url};
use crate::exit::Exit;
use crate::names;
use crate::output::{self, Format, complain, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the file of contexts; tokens are left out
    View {
        /// Show tokens too
        #[arg(long)]
        raw: bool,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t = Format::Yaml, value_name = "FORMAT")]
        output: Format,
    },
    /// List the contexts
    #[command(visible_alias = "get-contexts")]
    Contexts {
        /// How to print them
        #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
        output: Format,
    },
    /// Make a context the current one
    #[command(visible_alias = "use-context")]
    Use {
        /// Its name
        name: String,
    },
    /// Add a context, or change one
    #[command(visible_alias = "set-context")]
    Set {
        /// Its name
        #[arg(value_parser = names::context)]
        name: String,
        /// The URL of the REST API, e.g. http://127.0.0.1:5681
        #[arg(long, value_name = "URL", value_parser = url)]
        server: Option<String>,
        /// The mesh that is meant where none is named
        #[arg(short, long, value_name = "MESH", value_parser = names::mesh)]
        mesh: Option<String>,
        /// The file with the token of a user
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// The file with the certificates that the control plane's is signed by
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
    },
    /// Forget a context
    #[command(visible_alias = "delete-context")]
    Delete {
        /// Its name
        name: String,
    },
    /// Print where the file is
    Path,
}

pub(crate) fn run(Args { what }: Args) -> Exit {
    match attempt(what) {
        Ok(()) => Exit::Ok,
        Err((exit, why)) => {
            complain(&format!("error: {why}\n"));
            exit
        }
    }
}

fn attempt(what: Command) -> Result<(), (Exit, String)> {
    let broken = |why| (Exit::Environment, why);
    let unknown = |name: &str| {
        (Exit::Problems, format!("there is no context {name}\n  help: `meshtcp config contexts` lists them"))
    };
    if let Command::Path = what {
        print(&format!("{}\n", place().map_err(broken)?.display()));
        return Ok(());
    }
    let mut contexts = Contexts::read().map_err(broken)?;
    match what {
        Command::Path => {}
        Command::View { raw, output: format } => {
            if !raw {
                for token in contexts.contexts.iter_mut().filter_map(|context| context.token.as_mut()) {
                    "(left out)".clone_into(token);
                }
            }
            output::print_as(format, &contexts, || table(&contexts));
        }
        Command::Contexts { output: format } => {
            contexts.contexts.iter_mut().for_each(|context| context.token = None);
            output::print_as(format, &contexts.contexts, || table(&contexts));
        }
        Command::Use { name } => {
            contexts.named(&name).ok_or_else(|| unknown(&name))?;
            contexts.current = Some(name.clone());
            contexts.write().map_err(broken)?;
            print(&format!("{name} is the current context\n"));
        }
        Command::Set { name, server, mesh, token_file, ca_file } => {
            let place = contexts.contexts.iter().position(|context| context.name == name);
            let mut context = match place.and_then(|at| contexts.contexts.get(at)) {
                Some(known) => known.clone(),
                None => Context { name: name.clone(), ..Context::default() },
            };
            if let Some(server) = server {
                context.server = server;
            }
            context.mesh = mesh.or(context.mesh);
            // the contexts file is read from any working directory
            let whole = |path: Option<PathBuf>| path.map(std::path::absolute).transpose();
            let lost = |error: std::io::Error| (Exit::Environment, format!("where this folder is: {error}"));
            let (ca_file, token_file) = (whole(ca_file).map_err(lost)?, whole(token_file).map_err(lost)?);
            context.ca_file = ca_file.or(context.ca_file);
            if token_file.is_some() {
                (context.token, context.token_file) = (None, token_file);
            }
            // unusable settings are reported now, not at the first request
            crate::client::Client::of(&context).map_err(|why| (Exit::Problems, why))?;
            match place.and_then(|at| contexts.contexts.get_mut(at)) {
                Some(known) => *known = context,
                None => contexts.contexts.push(context),
            }
            let first = contexts.current.is_none();
            contexts.current.get_or_insert_with(|| name.clone());
            let path = contexts.write().map_err(broken)?;
            let also = if first { ", and the current one" } else { "" };
            print(&format!("{name} is in {}{also}\n", path.display()));
        }
        Command::Delete { name } => {
            contexts.named(&name).ok_or_else(|| unknown(&name))?;
            contexts.contexts.retain(|context| context.name != name);
            contexts.current = contexts.current.filter(|current| *current != name);
            contexts.write().map_err(broken)?;
            print(&format!("{name} is forgotten\n"));
        }
    }
    Ok(())
}

fn table(contexts: &Contexts) -> String {
    let row = |context: &Context| {
        let Context { name, server, mesh, token, token_file, ca_file: _ } = context;
        let is_current = contexts.current.as_ref() == Some(name);
        let token = match (token, token_file) {
            (Some(_), _) => "in the file".to_owned(),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => "-".to_owned(),
        };
        let mesh = mesh.clone().unwrap_or_else(|| "default".to_owned());
        [if is_current { "*" } else { "" }.to_owned(), name.clone(), server.clone(), mesh, token]
    };
    output::table(["", "NAME", "SERVER", "MESH", "TOKEN"], contexts.contexts.iter().map(row))
}
