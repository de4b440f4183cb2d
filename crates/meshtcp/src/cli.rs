//! The command line.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::{control_plane, demo, envoy_bootstrap, explain, plan, profiles, proxy, up, validate};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Reroute and split TCP between services, by Kuma's MeshTCPRoute.
///
/// A folder of mesh resources in, TCP connections carried according to it; a saved change is live within half a second
/// and touches no open connection.
#[derive(Debug, Parser)]
#[command(name = "meshtcp", version, styles = STYLES, max_term_width = 110)]
#[command(after_help = Exit::TABLE, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Carry the connections of every proxy on this host as the resources say, and follow their changes
    Up(up::Args),
    /// Show in 15 seconds what this does: 1,000 connections, two changes of weights, none cut
    Demo(demo::Args),
    /// Say everything that is wrong with resources
    Validate(validate::Args),
    /// Show what one proxy must do, each value with the policy that it comes from
    Plan(plan::Args),
    /// Say why the connections of one proxy go where they go
    Explain(explain::Args),
    /// Tell every proxy that attaches, Envoy and our own, what the resources say, and follow their changes
    ControlPlane(control_plane::Args),
    /// Carry the connections of one proxy as a control plane says
    Proxy(proxy::Args),
    /// Print the file that an Envoy starts from to attach to a control plane
    EnvoyBootstrap(envoy_bootstrap::Args),
    /// List the Kuma versions whose rules can be applied
    Profiles(profiles::Args),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
