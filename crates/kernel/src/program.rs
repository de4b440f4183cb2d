//! Programs in the kernel: loaded, attached, and their maps.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use aya::maps::{Array, HashMap, Map, MapData, MapError, RingBuf};
use aya::programs::links::{FdLink, LinkError};
use aya::programs::{CgroupAttachMode, CgroupSockAddr, ProgramError, SockOps};
use aya::{Btf, Ebpf, EbpfLoader, include_bytes_aligned};

use crate::cgroup;
use crate::layout::{ClusterTurns, Destination, Endpoint, Gauge, Listener, Route, Settings};
use crate::pins::Pins;
use crate::record::Record;

/// Object that `cargo xtask bpf` builds from `bpf/mesh.bpf.c`.
const OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../bpf/mesh.bpf.o"));

const ADDRESS_PROGRAMS: [&str; 4] = ["mesh_connect4", "mesh_connect6", "mesh_peer4", "mesh_peer6"];
const SOCKET_PROGRAM: &str = "mesh_ops";

/// Place and behaviour of the programs.
#[derive(Clone, Debug)]
pub struct Attaching {
    /// Cgroup whose sockets are decided, with all cgroups below it; `None`: the root of the hierarchy.
    pub cgroup: Option<PathBuf>,
    /// `true`: the peer of a socket is the dialled address, as with the relay; `false`: the endpoint's.
    pub names_peers: bool,
    /// `true`: connections of this process are left alone, as required of a relay that dials what it listens on.
    pub spares_own: bool,
    /// Paths of other network namespaces whose connections are decided, too. No relay is there.
    pub networks: Vec<PathBuf>,
    /// A folder of a bpffs, for this process alone, that keeps the programs attached if it ends without a word; `None`: they
    /// go with it.
    pub pins: Option<PathBuf>,
}

/// Reason why connections cannot be decided in this kernel.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No cgroup v2 hierarchy is mounted.
    #[error("no hierarchy of cgroups of version 2 is mounted")]
    NoCgroups,
    /// A cgroup cannot be opened.
    #[error("the cgroup {} cannot be opened: {}", .0.display(), .1)]
    Cgroup(PathBuf, io::Error),
    /// A network namespace cannot be identified.
    #[error("the network namespace {}: {}", .0.display(), .1)]
    Network(PathBuf, io::Error),
    /// The kernel does not describe its types.
    #[error("the kernel does not describe its types in /sys/kernel/btf/vmlinux")]
    NoTypes,
    /// Maps cannot be created.
    #[error("tables cannot be made in the kernel: {0}")]
    Load(String),
    /// A program was refused.
    #[error("the kernel refused the program {0}: {1}")]
    Program(&'static str, String),
    /// A program cannot be attached.
    #[error("the program {0} cannot be attached: {1}")]
    Attach(&'static str, String),
    /// A program cannot be kept attached.
    #[error("the program cannot be kept attached by a file in {}: {}", .0.display(), .1)]
    Pin(PathBuf, String),
    /// A map cannot be used.
    #[error("the table {0} cannot be used: {1}")]
    Table(&'static str, String),
}

/// Maps that the programs read and write.
pub(crate) struct Maps {
    pub(crate) listeners: HashMap<MapData, Destination, Listener>,
    pub(crate) routes: Array<MapData, Route>,
    pub(crate) clusters: Array<MapData, ClusterTurns>,
    pub(crate) endpoints: Array<MapData, Endpoint>,
    pub(crate) holds: Array<MapData, u64>,
    pub(crate) draws: Array<MapData, u64>,
    pub(crate) turns: Array<MapData, u64>,
    pub(crate) live: Array<MapData, u64>,
    /// Numbers of connections of listeners, followed by those of clusters; and the numbers of each at the relay.
    pub(crate) gauges: Array<MapData, Gauge>,
    pub(crate) relayed: Array<MapData, Gauge>,
    pub(crate) loads: Array<MapData, u64>,
    pub(crate) outcomes: Array<MapData, u64>,
}

/// Attached programs, which are detached when it is dropped, or the process ends.
pub(crate) struct Programs {
    pub(crate) maps: Maps,
    pub(crate) pins: Option<Pins>,
    _loaded: Ebpf,
}

/// Records of connections written by the programs, for one reader.
pub struct Records {
    ring: RingBuf<MapData>,
}

/// Loads and attaches the programs; nothing is decided until listeners are written.
pub(crate) fn load(attaching: &Attaching) -> Result<(Programs, Records), Trouble> {
    let path = attaching.cgroup.clone().or_else(cgroup::root).ok_or(Trouble::NoCgroups)?;
    let folder = cgroup::open(&path).map_err(|error| Trouble::Cgroup(path, error))?;
    let types = Btf::from_sys_fs().map_err(|_| Trouble::NoTypes)?;
    let loaded = EbpfLoader::new().btf(Some(&types)).load(OBJECT);
    let mut loaded = loaded.map_err(|error| Trouble::Load(in_words(&error)))?;
    let maps = Maps {
        listeners: table(&mut loaded, "listeners")?,
        routes: table(&mut loaded, "routes")?,
        clusters: table(&mut loaded, "clusters")?,
        endpoints: table(&mut loaded, "endpoints")?,
        holds: table(&mut loaded, "holds")?,
        draws: table(&mut loaded, "draws")?,
        turns: table(&mut loaded, "turns")?,
        live: table(&mut loaded, "live")?,
        gauges: table(&mut loaded, "gauges")?,
        relayed: table(&mut loaded, "relayed")?,
        loads: table(&mut loaded, "loads")?,
        outcomes: table(&mut loaded, "outcomes")?,
    };
    let mut settings: Array<MapData, Settings> = table(&mut loaded, "settings")?;
    // nobody has the number 0
    let process = if attaching.spares_own { std::process::id() } else { 0 };
    let own = crate::layout::settings(process, attaching.names_peers);
    settings.set(0, own, 0).map_err(|error| Trouble::Table("settings", in_words(&error)))?;
    let ring = table(&mut loaded, "events")?;
    let unpinned = |error: &dyn std::error::Error| {
        Trouble::Pin(attaching.pins.clone().unwrap_or_default(), in_words(error))
    };
    let pins = attaching.pins.as_deref().map(Pins::in_folder).transpose();
    let mut pins = pins.map_err(|error| unpinned(&error))?;
    for (name, link) in attach(&mut loaded, &folder, pins.is_some())? {
        let pinned = pins.as_mut().map(|pins| pins.add(name, link)).transpose();
        if let Err(error) = pinned {
            // what is kept already would stay
            let _ = pins.as_ref().map(Pins::remove);
            return Err(unpinned(&error));
        }
    }
    Ok((Programs { maps, pins, _loaded: loaded }, Records { ring }))
}

fn table<T>(loaded: &mut Ebpf, name: &'static str) -> Result<T, Trouble>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map = loaded.take_map(name).ok_or_else(|| Trouble::Table(name, "it is not there".to_owned()))?;
    T::try_from(map).map_err(|error| Trouble::Table(name, in_words(&error)))
}

/// Attaches the programs; `takes`: returns their links, which `loaded` owns otherwise.
fn attach(loaded: &mut Ebpf, folder: &File, takes: bool) -> Result<Vec<(&'static str, FdLink)>, Trouble> {
    let refused = |name| move |error: ProgramError| Trouble::Program(name, in_words(&error));
    let unattached = |name| move |error: ProgramError| Trouble::Attach(name, in_words(&error));
    let of_link = |name| move |error: LinkError| Trouble::Attach(name, in_words(&error));
    let absent = |name| Trouble::Program(name, "it is not there".to_owned());
    // all of them are loaded before any is attached: the one that counts connections first, those that decide last
    for name in ADDRESS_PROGRAMS {
        let program = loaded.program_mut(name).ok_or_else(|| absent(name))?;
        let program: &mut CgroupSockAddr = program.try_into().map_err(refused(name))?;
        program.load().map_err(refused(name))?;
    }
    let program = loaded.program_mut(SOCKET_PROGRAM).ok_or_else(|| absent(SOCKET_PROGRAM))?;
    let program: &mut SockOps = program.try_into().map_err(refused(SOCKET_PROGRAM))?;
    program.load().map_err(refused(SOCKET_PROGRAM))?;
    // a link always coexists with others: `Single` requests nothing more
    let link = program.attach(folder, CgroupAttachMode::Single).map_err(unattached(SOCKET_PROGRAM))?;
    let mut links = Vec::new();
    if takes {
        let link = program.take_link(link).map_err(unattached(SOCKET_PROGRAM))?;
        links.push((SOCKET_PROGRAM, link.try_into().map_err(of_link(SOCKET_PROGRAM))?));
    }
    for name in ADDRESS_PROGRAMS.into_iter().rev() {
        let program = loaded.program_mut(name).ok_or_else(|| absent(name))?;
        let program: &mut CgroupSockAddr = program.try_into().map_err(refused(name))?;
        let link = program.attach(folder, CgroupAttachMode::Single).map_err(unattached(name))?;
        if takes {
            let link = program.take_link(link).map_err(unattached(name))?;
            links.push((name, link.try_into().map_err(of_link(name))?));
        }
    }
    Ok(links)
}

/// Error with its causes, in one line: the last is the kernel's, and of its verifier's output the reason.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // some errors repeat their causes
        if !words.contains(&said) {
            words.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    match words.split_once(". Verifier output: ") {
        None => words.lines().next().unwrap_or_default().to_owned(),
        Some((error, said)) => {
            let is_reason =
                |line: &&str| !line.trim_matches([':', ' ']).is_empty() && !line.starts_with("processed ");
            let reason = said
                .lines()
                .rev()
                .find(is_reason)
                .filter(|reason| !error.contains(reason.trim_start_matches([':', ' '])));
            reason.map_or_else(|| error.to_owned(), |reason| format!("{error}: {reason}"))
        }
    }
}

impl Records {
    /// Becomes readable when somebody should read at once, as there is little room left.
    pub fn filling(&self) -> impl AsFd {
        &self.ring
    }

    pub(crate) fn next(&mut self) -> Option<Option<Record>> {
        self.ring.next().map(|bytes| Record::read(&bytes))
    }
}
