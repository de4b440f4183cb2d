//! Reroute and split TCP between services, by MeshTCPRoute. This file only dispatches; each command has its own.
#![forbid(unsafe_code)]

mod address;
mod answer;
mod api_socket;
mod apply;
mod backends;
mod backup;
mod bug_report;
mod candidates;
mod check;
mod cli;
mod client;
mod completion;
mod config;
mod context;
mod control_plane;
mod data_path;
mod delete;
mod demo;
mod describe;
mod diff;
mod dns;
mod duration;
mod edit;
mod envoy_bootstrap;
mod examples;
mod exit;
mod explain;
mod format;
mod get;
mod health;
mod help;
mod history;
mod host;
mod identity;
mod import;
mod in_force;
mod kernel_programs;
mod kind;
mod listen;
mod log;
mod logs;
mod man;
mod names;
mod otlp;
mod output;
mod pages;
mod paint;
mod panics;
mod patience;
mod plan;
mod preview;
mod process;
mod profiles;
mod proposal;
mod proxy;
mod report;
mod rollback;
mod rollout;
mod said;
mod schema;
mod selector;
mod set;
mod settings;
mod signals;
mod simulate;
mod source;
mod status;
mod store;
mod streams;
mod takeover;
mod terminal;
mod token;
mod top;
mod traffic;
mod transparent_proxy;
mod trust;
mod up;
mod validate;
mod version;
mod vips;
mod workers;

fn main() -> std::process::ExitCode {
    completion::answer(cli::command_line);
    let command_line = cli::command_line();
    let given = help::command_first(std::env::args_os().collect(), &command_line);
    terminal::Colours::wanted(&given).choose();
    if cli::goes_on(&given) {
        signals::survive();
    }
    let early = log::wants_json(&given) && cli::goes_on(&given);
    let arguments = match settings::complete(given, &command_line) {
        Ok(arguments) => arguments,
        Err(mistakes) => {
            if early {
                said::begin(true);
            }
            mistakes.iter().for_each(|mistake| output::complain(&format!("error: {mistake}\n")));
            return exit::Exit::Usage.into();
        }
    };
    let in_json = cli::wants_json(&arguments);
    let parsed = cli::parse(arguments).unwrap_or_else(|error| {
        if in_json && error.use_stderr() {
            answer::begin(output::Format::Json);
            output::complain(&error.render().to_string());
            answer::finish();
            std::process::exit(error.exit_code());
        }
        if early && error.use_stderr() {
            said::begin(true);
            output::complain(&error.render().to_string());
            std::process::exit(error.exit_code());
        }
        error.exit()
    });
    let (cli::Cli { diagnostics, command, .. }, format) = parsed;
    log::start(&diagnostics);
    panics::watch();
    if goes_on(&command) {
        said::begin(diagnostics.json());
        streams::queue();
    } else {
        answer::begin(format);
    }
    let exit = match command {
        cli::Command::Up(with_file) => up::run(with_file.arguments),
        cli::Command::Demo(arguments) => demo::run(arguments),
        cli::Command::Validate(arguments) => validate::run(arguments),
        cli::Command::Plan(arguments) => plan::run(arguments),
        cli::Command::Explain(arguments) => explain::run(*arguments),
        cli::Command::ControlPlane(with_file) => control_plane::run(with_file.arguments),
        cli::Command::Proxy(with_file) => proxy::run(with_file.arguments),
        cli::Command::Kernel(arguments) => kernel_programs::run(arguments),
        cli::Command::TransparentProxy(arguments) => transparent_proxy::run(arguments),
        cli::Command::EnvoyBootstrap(arguments) => envoy_bootstrap::run(arguments),
        cli::Command::Profiles(arguments) => profiles::run(arguments),
        cli::Command::Apply(arguments) => apply::run(arguments),
        cli::Command::Get(arguments) => get::run(arguments),
        cli::Command::Describe(arguments) => describe::run(arguments),
        cli::Command::Delete(arguments) => delete::run(arguments),
        cli::Command::Diff(arguments) => diff::run(arguments),
        cli::Command::Preview(arguments) => preview::run(arguments),
        cli::Command::Simulate(arguments) => simulate::run(arguments),
        cli::Command::Status(arguments) => status::run(arguments),
        cli::Command::Set(arguments) => set::run(arguments),
        cli::Command::Rollout(arguments) => rollout::run(arguments),
        cli::Command::History(arguments) => history::run(&arguments),
        cli::Command::Rollback(arguments) => rollback::run(&arguments),
        cli::Command::Identity(arguments) => identity::run(arguments),
        cli::Command::Logs(arguments) => logs::run(arguments),
        cli::Command::Backup(arguments) => backup::backup(arguments),
        cli::Command::Restore(arguments) => backup::restore(arguments),
        cli::Command::Import(arguments) => import::run(arguments),
        cli::Command::Config(arguments) => config::run(arguments),
        cli::Command::Schema(arguments) => schema::run(arguments),
        cli::Command::Edit(arguments) => edit::run(arguments),
        cli::Command::Check(arguments) => check::run(arguments),
        cli::Command::BugReport(arguments) => bug_report::run(arguments),
        cli::Command::Top(arguments) => top::run(arguments),
        cli::Command::Token(arguments) => token::run(arguments),
        cli::Command::Version(arguments) => version::run(arguments),
        cli::Command::Completion(arguments) => completion::run(arguments),
        cli::Command::Man(arguments) => man::run(arguments, command_line),
    };
    answer::finish();
    streams::finish();
    terminal::whole(exit).into()
}

/// Returns `true` if a command is a server, which carries connections or tells others what to carry, until it is told
/// to leave.
fn goes_on(command: &cli::Command) -> bool {
    matches!(command, cli::Command::Up(_) | cli::Command::Proxy(_) | cli::Command::ControlPlane(_))
}
