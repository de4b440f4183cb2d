//! Tools that configure the kernel.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::ip_tables::{self, Found};
use super::nf_tables;
use super::rules::{Family, Marks, Ruleset};

/// Folders of such programs, also searched if they are not in `PATH`.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Which program is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Choice {
    /// nft where it is there, iptables-restore elsewhere
    #[default]
    Auto,
    /// nft
    Nft,
    /// iptables-restore, and ip6tables-restore for IPv6
    Iptables,
}

/// Program that configures the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Nft,
    Iptables,
}

/// iptables of one family.
#[derive(Clone, Copy)]
struct Tables {
    family: Family,
    restore: &'static str,
    save: &'static str,
}

/// Options for adding a script to the present rules: without flushing them, and waiting for the lock, in seconds.
const ADDED: [&str; 2] = ["--noflush", "--wait=5"];

const TABLES: [Tables; 2] = [
    Tables { family: Family::V4, restore: "iptables-restore", save: "iptables-save" },
    Tables { family: Family::V6, restore: "ip6tables-restore", save: "ip6tables-save" },
];

impl Choice {
    /// Tool of the choice, if it is installed.
    ///
    /// # Errors
    /// Reason in words: it is not installed.
    pub(super) fn found(self) -> Result<Tool, String> {
        let tool = self.or_usual();
        if is_there(tool.program()) {
            return Ok(tool);
        }
        let program = tool.program();
        Err(match self {
            Choice::Auto => "there is neither nft nor iptables-restore\n  help: install nftables".to_owned(),
            Choice::Nft | Choice::Iptables => {
                format!("there is no {program}\n  help: install it, or leave --tool out")
            }
        })
    }

    /// Tool of the choice, whether or not it is installed: to show its script.
    pub(super) fn or_usual(self) -> Tool {
        match self {
            Choice::Nft => Tool::Nft,
            Choice::Iptables => Tool::Iptables,
            Choice::Auto if !is_there(Tool::Nft.program()) && is_there(Tool::Iptables.program()) => {
                Tool::Iptables
            }
            Choice::Auto => Tool::Nft,
        }
    }
}

impl Tool {
    /// Installed tools.
    pub(super) fn all_found() -> Vec<Self> {
        [Self::Nft, Self::Iptables].into_iter().filter(|tool| is_there(tool.program())).collect()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Iptables => "iptables",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Iptables => TABLES[0].restore,
        }
    }

    /// Script that installs rules.
    pub(super) fn script(self, ruleset: &Ruleset) -> String {
        match self {
            Self::Nft => nf_tables::script(ruleset),
            Self::Iptables => {
                let of = |tables: &Tables| {
                    let script = ip_tables::script(ruleset, tables.family, &Found::default());
                    format!("# {} --noflush\n{script}", tables.restore)
                };
                TABLES.iter().filter(|it| ruleset.families.contains(&it.family)).map(of).collect()
            }
        }
    }

    /// Script that removes rules.
    pub(super) fn removal(self) -> String {
        match self {
            Self::Nft => nf_tables::removal(),
            Self::Iptables => {
                let of = |tables: &Tables| {
                    format!("# {} --noflush\n{}", tables.restore, ip_tables::removal(&Found::all()))
                };
                TABLES.iter().map(of).collect()
            }
        }
    }

    /// Our rules in the kernel.
    ///
    /// # Errors
    /// Reason in words: the tool fails.
    pub(super) fn installed(self) -> Result<Marks, String> {
        match self {
            Self::Nft => match nft_is_there()? {
                true => {
                    nf_tables::installed(&said("nft", &["-j", "list", "table", "inet", nf_tables::TABLE])?)
                }
                false => Ok(Marks::new()),
            },
            Self::Iptables => {
                Ok(saved()?.into_iter().flat_map(|(_, Found { installed, .. })| installed).collect())
            }
        }
    }

    /// Rules that should be in the kernel.
    pub(super) fn wanted(self, ruleset: &Ruleset) -> Marks {
        match self {
            Self::Nft => nf_tables::wanted(ruleset),
            Self::Iptables => {
                let there = there().filter(|tables| ruleset.families.contains(&tables.family));
                there.flat_map(|tables| ip_tables::wanted(ruleset, tables.family)).collect()
            }
        }
    }

    /// Other tools with rules of ours in the kernel: both would redirect.
    pub(super) fn others(self) -> impl Iterator<Item = Self> {
        let has_some = |other: &Self| other.installed().is_ok_and(|marks| !marks.is_empty());
        Self::all_found().into_iter().filter(move |other| *other != self).filter(has_some)
    }

    /// Replaces the present rules, in one step of the kernel; with iptables, in one per family.
    ///
    /// # Errors
    /// Reason in words: the tool fails.
    pub(super) fn install(self, ruleset: &Ruleset) -> Result<(), String> {
        match self {
            Self::Nft => told("nft", &["-f", "-"], &nf_tables::script(ruleset)),
            Self::Iptables => {
                for (tables, found) in saved()? {
                    let script = match ruleset.families.contains(&tables.family) {
                        true => ip_tables::script(ruleset, tables.family, &found),
                        false if found.is_empty() => continue,
                        false => ip_tables::removal(&found),
                    };
                    told(tables.restore, &ADDED, &script)?;
                }
                Ok(())
            }
        }
    }

    /// Removes all of our rules. Returns `true` if there were any.
    ///
    /// # Errors
    /// Reason in words: the tool fails.
    pub(super) fn remove(self) -> Result<bool, String> {
        match self {
            Self::Nft => {
                let was_there = nft_is_there()?;
                if was_there {
                    told("nft", &["-f", "-"], &nf_tables::removal())?;
                }
                Ok(was_there)
            }
            Self::Iptables => {
                let found = saved()?.into_iter().filter(|(_, found)| !found.is_empty());
                let found: Vec<(Tables, Found)> = found.collect();
                for (tables, found) in &found {
                    told(tables.restore, &ADDED, &ip_tables::removal(found))?;
                }
                Ok(!found.is_empty())
            }
        }
    }
}

fn nft_is_there() -> Result<bool, String> {
    let tables = said("nft", &["list", "tables"])?;
    Ok(tables.lines().any(|line| line.trim() == format!("table inet {}", nf_tables::TABLE)))
}

/// Our present rules, by family.
fn saved() -> Result<Vec<(Tables, Found)>, String> {
    let read = |tables: Tables| {
        let listing = said(tables.save, &["-t", "nat"])?;
        Ok((tables, ip_tables::found(&listing, tables.family)))
    };
    there().map(read).collect()
}

/// Present IP families: a host without IPv6 has nothing to redirect for it.
fn there() -> impl Iterator<Item = Tables> {
    TABLES.into_iter().filter(|tables| tables.family == Family::V4 || has_ipv6())
}

fn has_ipv6() -> bool {
    std::path::Path::new("/proc/net/if_inet6").exists() && is_there("ip6tables-restore")
}

fn is_there(program: &str) -> bool {
    found(program).is_some()
}

fn found(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(Into::into));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(found(program).unwrap_or_else(|| program.into()));
    command.args(arguments).env("LC_ALL", "C");
    command
}

/// Output of a program.
fn said(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = command(program, arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program} cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(failed(program, &output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program that reads a script.
fn told(program: &str, arguments: &[&str], script: &str) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("{program} cannot be run: {error}");
    let mut command = command(program, arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(cannot)?;
    if let Some(mut input) = child.stdin.take() {
        // if it stops reading, its exit status and its message tell why
        let _ = input.write_all(script.as_bytes());
    }
    let output = child.wait_with_output().map_err(cannot)?;
    if output.status.success() { Ok(()) } else { Err(failed(program, &output.stderr)) }
}

fn failed(program: &str, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    let help = match rustix::process::geteuid().is_root() {
        true => "does the kernel have nf_tables, and may this process change it?",
        false => "run it as root, or with CAP_NET_ADMIN",
    };
    format!("{program} failed: {said}\n  help: {help}")
}
