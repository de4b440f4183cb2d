//! The programs in the kernel: loaded, attached, and their maps.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use aya::maps::{Array, HashMap, Map, MapData, MapError, RingBuf};
use aya::programs::{CgroupAttachMode, CgroupSockAddr, ProgramError, SockOps};
use aya::{Btf, Ebpf, EbpfLoader, include_bytes_aligned};

use crate::cgroup;
use crate::layout::{ClusterTurns, Destination, Endpoint, Listener, Route, Settings};
use crate::record::Record;

/// What `cargo xtask bpf` makes of `bpf/mesh.bpf.c`.
const OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../bpf/mesh.bpf.o"));

const ADDRESS_PROGRAMS: [&str; 4] = ["mesh_connect4", "mesh_connect6", "mesh_peer4", "mesh_peer6"];
const SOCKET_PROGRAM: &str = "mesh_ops";

/// Where the programs are attached, and what they do there.
#[derive(Clone, Debug)]
pub struct Attaching {
    /// The cgroup whose sockets are decided about, with all below it; `None`: the root of the hierarchy.
    pub cgroup: Option<PathBuf>,
    /// Whether the peer of a socket is the address that was dialled, as it would be with the relay, or the endpoint's.
    pub names_peers: bool,
}

/// Why connections cannot be decided about in this kernel.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// There are no cgroups of version 2.
    #[error("no hierarchy of cgroups of version 2 is mounted")]
    NoCgroups,
    /// A cgroup cannot be opened.
    #[error("the cgroup {} cannot be opened: {}", .0.display(), .1)]
    Cgroup(PathBuf, io::Error),
    /// The network namespace cannot be told.
    #[error("/proc/self/ns/net: {0}")]
    Network(io::Error),
    /// The kernel does not describe its types.
    #[error("the kernel does not describe its types in /sys/kernel/btf/vmlinux")]
    NoTypes,
    /// Maps cannot be made.
    #[error("tables cannot be made in the kernel: {0}")]
    Load(String),
    /// A program was refused.
    #[error("the kernel refused the program {0}: {1}")]
    Program(&'static str, String),
    /// A program cannot be attached.
    #[error("the program {0} cannot be attached: {1}")]
    Attach(&'static str, String),
    /// A map cannot be used.
    #[error("the table {0} cannot be used: {1}")]
    Table(&'static str, String),
}

/// What the programs read and write.
pub(crate) struct Maps {
    pub(crate) listeners: HashMap<MapData, Destination, Listener>,
    pub(crate) routes: Array<MapData, Route>,
    pub(crate) clusters: Array<MapData, ClusterTurns>,
    pub(crate) endpoints: Array<MapData, Endpoint>,
    pub(crate) holds: Array<MapData, u64>,
    pub(crate) draws: Array<MapData, u64>,
    pub(crate) turns: Array<MapData, u64>,
    pub(crate) live: Array<MapData, u64>,
    pub(crate) outcomes: Array<MapData, u64>,
}

/// The programs. They are detached when it is dropped, or the process ends.
pub(crate) struct Programs {
    pub(crate) maps: Maps,
    _loaded: Ebpf,
}

/// What the programs tell of connections, for one reader.
pub struct Records {
    ring: RingBuf<MapData>,
}

/// Loads and attaches the programs; nothing is decided until listeners are written.
pub(crate) fn load(attaching: &Attaching, process: u32) -> Result<(Programs, Records), Trouble> {
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
        outcomes: table(&mut loaded, "outcomes")?,
    };
    let mut settings: Array<MapData, Settings> = table(&mut loaded, "settings")?;
    let own = crate::layout::settings(process, attaching.names_peers);
    settings.set(0, own, 0).map_err(|error| Trouble::Table("settings", in_words(&error)))?;
    let ring = table(&mut loaded, "events")?;
    attach(&mut loaded, &folder)?;
    Ok((Programs { maps, _loaded: loaded }, Records { ring }))
}

fn table<T>(loaded: &mut Ebpf, name: &'static str) -> Result<T, Trouble>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map = loaded.take_map(name).ok_or_else(|| Trouble::Table(name, "it is not there".to_owned()))?;
    T::try_from(map).map_err(|error| Trouble::Table(name, in_words(&error)))
}

fn attach(loaded: &mut Ebpf, folder: &File) -> Result<(), Trouble> {
    let refused = |name| move |error: ProgramError| Trouble::Program(name, in_words(&error));
    let unattached = |name| move |error: ProgramError| Trouble::Attach(name, in_words(&error));
    let absent = |name| Trouble::Program(name, "it is not there".to_owned());
    // all of them are loaded before any is attached: what counts connections first, what decides last
    for name in ADDRESS_PROGRAMS {
        let program = loaded.program_mut(name).ok_or_else(|| absent(name))?;
        let program: &mut CgroupSockAddr = program.try_into().map_err(refused(name))?;
        program.load().map_err(refused(name))?;
    }
    let program = loaded.program_mut(SOCKET_PROGRAM).ok_or_else(|| absent(SOCKET_PROGRAM))?;
    let program: &mut SockOps = program.try_into().map_err(refused(SOCKET_PROGRAM))?;
    program.load().map_err(refused(SOCKET_PROGRAM))?;
    // a link always stands beside others: this says that nothing more is wanted
    program.attach(folder, CgroupAttachMode::Single).map_err(unattached(SOCKET_PROGRAM))?;
    for name in ADDRESS_PROGRAMS.into_iter().rev() {
        let program = loaded.program_mut(name).ok_or_else(|| absent(name))?;
        let program: &mut CgroupSockAddr = program.try_into().map_err(refused(name))?;
        program.attach(folder, CgroupAttachMode::Single).map_err(unattached(name))?;
    }
    Ok(())
}

/// An error with its causes, in one line: the last is the kernel's, and of what its verifier says the reason.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // some say what their causes say
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
