//! Contestants: how each of them is started and ended.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use crate::case::{Case, Wire};
use crate::certificates::Certificates;
use crate::contest::Setting;
use crate::door::Door;
use crate::files::{self, Size, tls};
use crate::process::Processes;
use crate::{Arguments, machine};

/// One that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Contestant {
    /// No proxy at all
    Direct,
    /// Ours, with connection log, metrics and decision records
    Meshtcp,
    /// Ours, deciding in the kernel: no process of its own is on the way
    MeshtcpKernel,
    /// No proxy at all, for a client that the kernel path looks at and leaves alone
    Foreign,
    /// Ours, with 1,000 listeners and 1,000 endpoints
    MeshtcpLarge,
    /// Ours, as the ingress of a zone: it reads a server name, and passes TLS on
    MeshtcpIngress,
    /// Ours, with a copy of what clients send to a second backend
    MeshtcpMirrored,
    /// The same, where the second backend takes connections and reads nothing
    MeshtcpMirrorHangs,
    /// HAProxy as it comes
    Haproxy,
    /// HAProxy made to splice
    HaproxySplice,
    /// nginx's stream module
    Nginx,
    /// Envoy's TCP proxy
    Envoy,
}

impl Contestant {
    /// All contestants but ours.
    pub(crate) const RIVALS: [Self; 4] = [Self::Haproxy, Self::HaproxySplice, Self::Nginx, Self::Envoy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Meshtcp => "meshtcp",
            Self::MeshtcpKernel => "meshtcp (kernel)",
            Self::Foreign => "direct, past meshtcp (kernel)",
            Self::MeshtcpLarge => "meshtcp, large configuration",
            Self::MeshtcpIngress => "meshtcp, ingress of a zone",
            Self::MeshtcpMirrored => "meshtcp, every connection mirrored",
            Self::MeshtcpMirrorHangs => "meshtcp, mirrored to one that hangs",
            Self::Haproxy => "HAProxy",
            Self::HaproxySplice => "HAProxy + splice",
            Self::Nginx => "nginx",
            Self::Envoy => "Envoy",
        }
    }

    /// Address at which it is reached.
    pub(crate) fn address(self) -> SocketAddr {
        let port = match self {
            Self::Direct | Self::Foreign => return files::both()[0],
            Self::Meshtcp => 20_901,
            Self::MeshtcpLarge => 20_902,
            Self::Haproxy => 20_903,
            Self::HaproxySplice => 20_904,
            Self::Nginx => 20_905,
            Self::Envoy => 20_906,
            Self::MeshtcpIngress => 20_907,
            Self::MeshtcpMirrored => 20_908,
            Self::MeshtcpKernel => 20_909,
            Self::MeshtcpMirrorHangs => 20_910,
        };
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// Address, and the bytes that it expects first.
    pub(crate) fn door(self) -> Door {
        match self {
            Self::MeshtcpIngress => Door::of_ingress(self.address()),
            Self::Direct
            | Self::Foreign
            | Self::Meshtcp
            | Self::MeshtcpKernel
            | Self::MeshtcpLarge
            | Self::MeshtcpMirrored
            | Self::MeshtcpMirrorHangs
            | Self::Haproxy
            | Self::HaproxySplice
            | Self::Nginx
            | Self::Envoy => Door::plain(self.address()),
        }
    }

    /// Returns `true` if it takes part in a case, provided that it [speaks](Self::speaks) the protocol of the case.
    pub(crate) fn competes(self, case: Case) -> bool {
        match self {
            Self::MeshtcpLarge | Self::MeshtcpIngress | Self::Foreign => case.compares_configurations(),
            Self::MeshtcpMirrored => case.compares_mirrors(),
            Self::MeshtcpMirrorHangs => case == Case::Rr64,
            Self::Direct
            | Self::Meshtcp
            | Self::MeshtcpKernel
            | Self::Haproxy
            | Self::HaproxySplice
            | Self::Nginx
            | Self::Envoy => true,
        }
    }

    /// Returns `true` if it takes part in cases with this protocol.
    pub(crate) fn speaks(self, wire: Wire) -> bool {
        match wire {
            Wire::Plaintext => true,
            // encrypted data is not spliced, and nginx's stream module does not check the names of servers
            Wire::Tls { .. } => matches!(self, Self::Meshtcp | Self::Haproxy | Self::Envoy),
        }
    }

    /// Version that it reports; `None`: unknown.
    pub(crate) fn version(self, arguments: &Arguments) -> Option<String> {
        match self {
            Self::Direct
            | Self::Foreign
            | Self::MeshtcpKernel
            | Self::MeshtcpLarge
            | Self::MeshtcpIngress
            | Self::MeshtcpMirrored
            | Self::MeshtcpMirrorHangs
            | Self::HaproxySplice => None,
            Self::Meshtcp => Some(machine::version(&arguments.meshtcp.to_string_lossy(), "--version")),
            Self::Haproxy => {
                let said = machine::version("haproxy", "-v");
                Some(said.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
            }
            Self::Nginx => Some(machine::version("nginx", "-v")),
            Self::Envoy => {
                let said = machine::version(&arguments.envoy.as_ref()?.to_string_lossy(), "--version");
                let version = said.split("version: ").nth(1).and_then(|version| version.split('/').nth(1));
                let version = version.unwrap_or("of unknown version");
                Some(format!("Envoy {version}"))
            }
        }
    }

    /// Returns `true` if its clients are in the cgroup whose connects the kernel path sees.
    pub(crate) fn is_apart(self) -> bool {
        matches!(self, Self::MeshtcpKernel | Self::Foreign)
    }

    /// Command that runs it in the foreground; `None`: there is nothing to run. `group`: cgroup of the clients of those
    /// that are [apart](Contestant::is_apart).
    fn command(
        self,
        Setting { threads, wire }: Setting,
        certificates: &Certificates,
        folder: &Path,
        arguments: &Arguments,
        group: Option<&Path>,
    ) -> Result<Option<Command>, String> {
        let port = self.address().port();
        let threads_in_words = threads.to_string();
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display())).map(|()| path)
        };
        let mut command = match self {
            Self::Direct | Self::Foreign => return Ok(None),
            Self::Meshtcp
            | Self::MeshtcpKernel
            | Self::MeshtcpLarge
            | Self::MeshtcpIngress
            | Self::MeshtcpMirrored
            | Self::MeshtcpMirrorHangs => {
                let resources = match wire {
                    Wire::Plaintext if self == Self::MeshtcpIngress => files::ingress(port),
                    Wire::Plaintext if self == Self::MeshtcpLarge => files::resources(port, Size::Large),
                    Wire::Plaintext if self == Self::MeshtcpMirrored => {
                        files::resources(port, Size::Mirrored)
                    }
                    Wire::Plaintext if self == Self::MeshtcpMirrorHangs => {
                        files::resources(port, Size::MirrorHangs)
                    }
                    Wire::Plaintext => files::resources(port, Size::Small),
                    Wire::Tls { .. } => tls::resources(port, certificates)?,
                };
                let path = write("mesh.yaml", resources)?;
                let mut command = Command::new(&arguments.meshtcp);
                command.arg("up").arg(path).args(["--workers", &threads_in_words]);
                command.args(["--admin", "127.0.0.1:0", "--drain-time", "0s"]);
                command.arg("--log").arg(folder.join("connections.log"));
                if self == Self::MeshtcpKernel {
                    command
                        .args(["--data-path", "kernel", "--kernel-cgroup"])
                        .arg(group.ok_or("no control group")?);
                }
                command
            }
            Self::Haproxy | Self::HaproxySplice => {
                let text = match wire {
                    Wire::Plaintext => files::haproxy(port, threads, self == Self::HaproxySplice),
                    Wire::Tls { resumes } => tls::haproxy(port, threads, resumes, certificates),
                };
                let mut command = Command::new("haproxy");
                command.args(["-db", "-q", "-f"]).arg(write("haproxy.cfg", text)?);
                command
            }
            Self::Nginx => {
                let text = files::nginx(port, threads, &folder.to_string_lossy());
                let mut command = Command::new("nginx");
                command.arg("-c").arg(write("nginx.conf", text)?);
                command
            }
            Self::Envoy => {
                let envoy =
                    arguments.envoy.as_ref().ok_or("Envoy is to be compared with, but --envoy is missing")?;
                let mut command = Command::new(envoy);
                let text = match wire {
                    Wire::Plaintext => files::envoy(port),
                    Wire::Tls { resumes } => tls::envoy(port, resumes, certificates),
                };
                command.arg("-c").arg(write("envoy.yaml", text)?);
                command.args(["--concurrency", &threads_in_words, "--disable-hot-restart", "-l", "error"]);
                command
            }
        };
        let output = write("output.log", String::new())?;
        let output = File::create(&output).map_err(|error| format!("{}: {error}", output.display()))?;
        let errors = output.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        Ok(Some(command))
    }

    /// Starts it, on the current CPU, and waits until it accepts connections.
    pub(crate) fn start(
        self,
        setting: Setting,
        certificates: &Certificates,
        arguments: &Arguments,
        group: Option<&Path>,
    ) -> Result<Running, String> {
        let short = self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let wire = match setting.wire {
            Wire::Plaintext => "",
            Wire::Tls { resumes: false } => "-tls",
            Wire::Tls { resumes: true } => "-tls-resumed",
        };
        let folder = arguments.folder.join(format!("{short}-{}{wire}", setting.threads));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let child = match self.command(setting, certificates, &folder, arguments, group)? {
            None => None,
            Some(_) if TcpStream::connect(self.address()).is_ok() => {
                return Err(format!("{short}: somebody else listens on {}", self.address()));
            }
            Some(mut command) => {
                let child = command.spawn().map_err(|error| format!("{short} does not start: {error}"))?;
                Some(Ended(child))
            }
        };
        let mut running = Running { contestant: self, child };
        running.wait_until_up().map_err(|why| format!("{short}: {why}; see {}", folder.display()))?;
        if setting.wire != Wire::Plaintext {
            // a certificate may arrive a moment after the listener that needs it
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(running)
    }
}

/// Running contestant; it ends when it is dropped.
pub(crate) struct Running {
    pub(crate) contestant: Contestant,
    child: Option<Ended>,
}

impl Running {
    /// Processes to watch.
    pub(crate) fn processes(&self) -> Processes {
        self.child.as_ref().map_or(Processes::NONE, |child| Processes::of(child.0.id()))
    }

    fn wait_until_up(&mut self) -> Result<(), String> {
        const PATIENCE: Duration = Duration::from_secs(20);
        let start = Instant::now();
        loop {
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.0.try_wait()
            {
                return Err(format!("it ended with {status}"));
            }
            match TcpStream::connect_timeout(&self.contestant.address(), Duration::from_millis(500)) {
                Ok(_) => return Ok(()),
                Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
                Err(error) => return Err(format!("it takes no connections: {error}")),
            }
        }
    }
}

/// Child process that is killed when this is dropped.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(process) = Pid::from_raw(self.0.id().try_into().unwrap_or(0)) {
            let _ = kill_process(process, Signal::TERM);
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
