//! Faults: how each is caused, and how it ends.

use std::io::Write;
use std::mem::discriminant;
use std::time::Duration;

use super::hostile;
use super::stage::{Stage, in_network};
use crate::run::Outcome;

/// Time allowed for a takeover, while neither process is hit.
const HANDING_OVER: Duration = Duration::from_secs(5);

/// Fault to inject.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// A control plane is killed, and started again.
    ControlPlaneKilled(usize),
    /// A control plane is stopped by SIGSTOP.
    ControlPlaneStopped(usize),
    /// A control plane is asked to exit, and started again.
    ControlPlaneLeaves(usize),
    /// The database crashes, and recovers.
    DatabaseCrashes,
    /// All packets to and from control planes are dropped.
    NetworkCut,
    /// The network is cut briefly, again and again: packets are late and retransmitted.
    NetworkFlickers,
    /// The disk of the proxies is full.
    DiskFull,
    /// The output of a proxy is not read.
    ProxyOutputBlocked(usize),
    /// The output of a control plane is not read.
    ControlPlaneOutputBlocked(usize),
    /// Signals that mean something to other programs are sent.
    OddSignals,
    /// Hostile callers connect to every port.
    HostileCallers,
    /// A proxy is started a second time.
    StartedTwice,
    /// The connection logs are removed, and proxies get SIGHUP.
    LogsRemoved,
    /// A proxy is stopped by SIGSTOP.
    ProxyStopped(usize),
    /// An application ends all its connections.
    ApplicationHit(usize),
    /// The proxy of an application is killed, and started again.
    ServerProxyKilled(usize),
    /// A proxy is taken over by a new process; its connections stay with the old one.
    ProxyTakenOver(usize),
}

impl Fault {
    pub(super) fn any(chance: &mut fastrand::Rng) -> Self {
        let (two, three) = (chance.usize(..2), chance.usize(..3));
        match chance.u8(..27) {
            0 | 1 => Fault::ControlPlaneKilled(two),
            2 => Fault::ControlPlaneStopped(two),
            3 => Fault::ControlPlaneLeaves(two),
            4 => Fault::DatabaseCrashes,
            5 | 6 => Fault::NetworkCut,
            7 => Fault::NetworkFlickers,
            8 => Fault::DiskFull,
            9 => Fault::ProxyOutputBlocked(three),
            10 => Fault::ControlPlaneOutputBlocked(two),
            11 => Fault::OddSignals,
            12 | 13 => Fault::HostileCallers,
            14 => Fault::StartedTwice,
            15 => Fault::LogsRemoved,
            16 => Fault::ProxyStopped(three),
            17 | 18 => Fault::StartedTwice,
            19 | 20 => Fault::ProxyStopped(three),
            21 => Fault::DiskFull,
            22 => Fault::ApplicationHit(two),
            23 => Fault::ServerProxyKilled(two),
            _ => Fault::ProxyTakenOver(two),
        }
    }

    /// Returns `true` if it must not end any connection: it hits neither an application nor the only proxy in front of
    /// it.
    pub(super) fn is_gentle(&self) -> bool {
        !matches!(self, Fault::ApplicationHit(_) | Fault::ServerProxyKilled(_))
    }

    /// Returns `true` if the two faults would interfere with each other.
    pub(super) fn concerns_the_same_as(&self, other: &Fault) -> bool {
        use Fault::{ControlPlaneKilled, ControlPlaneLeaves, ControlPlaneStopped};
        use Fault::{
            NetworkCut, NetworkFlickers, ProxyStopped, ProxyTakenOver, ServerProxyKilled, StartedTwice,
        };
        match (self, other) {
            (NetworkCut | NetworkFlickers, NetworkCut | NetworkFlickers) => true,
            (
                ControlPlaneKilled(one) | ControlPlaneStopped(one) | ControlPlaneLeaves(one),
                ControlPlaneKilled(other) | ControlPlaneStopped(other) | ControlPlaneLeaves(other),
            ) => one == other,
            (ProxyStopped(one), ServerProxyKilled(other)) | (ServerProxyKilled(other), ProxyStopped(one)) => {
                *one == other + 1
            }
            // a killed or stopped process hands nothing over
            (ProxyTakenOver(one), ProxyStopped(other)) | (ProxyStopped(other), ProxyTakenOver(one)) => {
                one == other
            }
            (ProxyTakenOver(one), ServerProxyKilled(other))
            | (ServerProxyKilled(other), ProxyTakenOver(one)) => *one == other + 1,
            (ProxyTakenOver(_), StartedTwice) | (StartedTwice, ProxyTakenOver(_)) => true,
            (one, other) => discriminant(one) == discriminant(other),
        }
    }
}

impl Stage {
    /// Injects a fault; returns its duration.
    pub(super) fn make(&mut self, fault: Fault, chance: &mut fastrand::Rng) -> Outcome<Duration> {
        self.look()?;
        let mut lasts = Duration::from_millis(chance.u64(200..4000));
        match fault {
            Fault::ControlPlaneKilled(which) => self.control_planes[which].kill(),
            Fault::ControlPlaneStopped(which) => self.control_planes[which].signal("STOP"),
            Fault::ControlPlaneLeaves(which) => self.control_planes[which].leave(),
            Fault::DatabaseCrashes => self.database.kill(),
            Fault::NetworkCut => self.cut(true)?,
            Fault::NetworkFlickers => {
                for _ in 0..chance.usize(2..8) {
                    self.cut(true)?;
                    std::thread::sleep(Duration::from_millis(chance.u64(20..300)));
                    self.cut(false)?;
                    std::thread::sleep(Duration::from_millis(chance.u64(20..200)));
                }
                lasts = Duration::ZERO;
            }
            Fault::DiskFull => {
                if let Ok(mut file) = std::fs::File::create(self.disk().join("filler")) {
                    while file.write_all(&[7; 4096]).is_ok() {}
                }
            }
            Fault::ProxyOutputBlocked(which) => self.proxies[which].block_output(true),
            Fault::ControlPlaneOutputBlocked(which) => self.control_planes[which].block_output(true),
            Fault::OddSignals => {
                for signal in ["HUP", "USR1", "USR2", "ALRM", "WINCH", "PIPE"] {
                    let hearing =
                        self.own_proxies().iter().chain(&self.control_planes).filter(|it| it.hears());
                    hearing.for_each(|program| program.signal(signal));
                }
                lasts = Duration::ZERO;
            }
            Fault::HostileCallers => {
                hostile::call(self.doors(), chance.fork());
                lasts = Duration::ZERO;
            }
            Fault::StartedTwice => {
                // it may have neither the admin address of the first nor its files
                let twin = self.proxies[0].twin(&["--admin", "--state", "--log", "--takeover"]).spawn();
                std::thread::spawn(move || {
                    if let Ok(mut twin) = twin {
                        std::thread::sleep(Duration::from_secs(2));
                        let _ = twin.kill();
                        let _ = twin.wait();
                    }
                });
                lasts = Duration::from_secs(3);
            }
            Fault::LogsRemoved => {
                for name in ["web-1.log", "cache-1.log", "newer-1.log"] {
                    let _ = std::fs::remove_file(self.disk().join(name));
                }
                self.own_proxies().iter().filter(|it| it.hears()).for_each(|proxy| proxy.signal("HUP"));
                lasts = Duration::ZERO;
            }
            Fault::ProxyStopped(which) => self.proxies[which].signal("STOP"),
            Fault::ApplicationHit(which) => {
                self.application_is_hit(which);
                self.applications[which].hit();
                lasts = Duration::ZERO;
            }
            Fault::ServerProxyKilled(which) => {
                self.application_is_hit(which);
                self.proxies[which + 1].kill();
            }
            Fault::ProxyTakenOver(which) => {
                // a process that has just started would have nothing to hand over
                if self.proxies[which].hears() {
                    self.proxies[which].take_over()?;
                }
                lasts += HANDING_OVER;
            }
        }
        Ok(lasts)
    }

    /// Ends a fault.
    pub(super) fn undo(&mut self, fault: Fault) -> Outcome {
        match fault {
            Fault::ControlPlaneKilled(which) | Fault::ControlPlaneLeaves(which) => {
                self.control_planes[which].start_again()
            }
            Fault::ControlPlaneStopped(which) => {
                self.control_planes[which].signal("CONT");
                Ok(())
            }
            Fault::DatabaseCrashes => self.database.start_again(),
            Fault::NetworkCut => self.cut(false),
            Fault::DiskFull => {
                let _ = std::fs::remove_file(self.disk().join("filler"));
                Ok(())
            }
            Fault::ProxyOutputBlocked(which) => {
                self.proxies[which].block_output(false);
                Ok(())
            }
            Fault::ControlPlaneOutputBlocked(which) => {
                self.control_planes[which].block_output(false);
                Ok(())
            }
            Fault::ProxyStopped(which) => {
                self.proxies[which].signal("CONT");
                Ok(())
            }
            Fault::ServerProxyKilled(which) => {
                // connections to it may have begun while it was down
                self.application_is_hit(which);
                self.proxies[which + 1].start_again()
            }
            Fault::NetworkFlickers
            | Fault::OddSignals
            | Fault::HostileCallers
            | Fault::StartedTwice
            | Fault::LogsRemoved
            | Fault::ProxyTakenOver(_)
            | Fault::ApplicationHit(_) => Ok(()),
        }
    }

    /// Drops all packets between the namespaces silently, or stops dropping them.
    fn cut(&self, away: bool) -> Outcome {
        let verb = if away { "add" } else { "delete" };
        in_network(self.far(), &["ip", "route", verb, "blackhole", "10.77.0.1/32"]).map(drop)
    }
}
