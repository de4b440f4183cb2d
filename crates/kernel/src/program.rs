//! Programs in the kernel: loaded, attached, and their maps.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya::maps::{Array, HashMap, Map, MapData, MapError, RingBuf};
use aya::pin::PinError;
use aya::programs::links::{FdLink, LinkError};
use aya::programs::{CgroupAttachMode, CgroupSockAddr, ProgramError, SockOps};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use l4::balance::hash::{mix_both, position};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::cgroup;
use crate::layout::{ClusterTurns, Destination, Endpoint, Gauge, Listener, Route, Settings};
use crate::pins::Pins;
use crate::record::Record;

/// Object that `cargo xtask bpf` builds from `bpf/mesh.bpf.c`.
const OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../bpf/mesh.bpf.o"));

/// The kernel's description of its types.
const TYPES: &str = "/sys/kernel/btf/vmlinux";

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
    /// A folder of a bpffs, for this process alone, that keeps the programs attached if it ends without a word, for the next one
    /// that adopts them; `None`: they go with it.
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
    settings: Array<MapData, Settings>,
    /// What programs keep of each connection, by its socket.
    pub(crate) births: MapData,
}

/// Attached programs, which are detached when it is dropped, or the process ends.
pub(crate) struct Programs {
    pub(crate) maps: Maps,
    /// `true`: an earlier process left them, with their contents.
    pub(crate) adopted: bool,
    pub(crate) pins: Option<Pins>,
    _loaded: Option<Ebpf>,
}

/// Records of connections written by the programs, for one reader.
pub struct Records {
    ring: RingBuf<MapData>,
    woken: OwnedFd,
}

/// Source of tables.
enum Tables<'a> {
    /// Made for programs that are loaded, and pinned if there are pins.
    New(&'a mut Ebpf, Option<&'a Pins>),
    /// Left by an earlier process.
    Left(&'a Pins),
}

/// Loads and attaches the programs, or adopts those of an earlier process; until listeners are written nothing is decided,
/// or by the tables of that process.
pub(crate) fn load(attaching: &Attaching) -> Result<(Programs, Records), Trouble> {
    let path = attaching.cgroup.clone().or_else(cgroup::root).ok_or(Trouble::NoCgroups)?;
    let opened = cgroup::open(&path).and_then(|folder| Ok((cgroup::number(&folder)?, folder)));
    let (number, folder) = opened.map_err(|error| Trouble::Cgroup(path, error))?;
    let edition = mix_both(position(OBJECT), number);
    if let Some(mut pins) = attaching.pins.as_deref().and_then(|above| Pins::of_before(above, edition))
        && let Ok((maps, records)) = adopt(&mut pins, attaching)
    {
        return Ok((Programs { maps, adopted: true, pins: Some(pins), _loaded: None }, records));
    }
    if !Path::new(TYPES).exists() {
        return Err(Trouble::NoTypes);
    }
    let mut loader = apart(EbpfLoader::new)?;
    let loaded = loader.load(OBJECT);
    drop(loader);
    apart(give_back)?;
    let mut loaded = loaded.map_err(|error| Trouble::Load(in_words(&error)))?;
    let pins = attaching.pins.as_deref().map(|above| {
        Pins::new(above, edition).map_err(|error| Trouble::Pin(above.to_owned(), error.to_string()))
    });
    let mut pins = pins.transpose()?;
    let made = Tables::New(&mut loaded, pins.as_ref()).open(attaching).and_then(|(maps, records)| {
        for (name, link) in attach(&mut loaded, &folder, pins.is_some())? {
            if let Some(pins) = &mut pins {
                pins.add(name, link).map_err(|error| unpinned(pins, &error))?;
            }
        }
        Ok((maps, records))
    });
    if made.is_err() {
        // what is kept already would stay
        let _ = pins.as_ref().map(Pins::remove);
    }
    let (maps, records) = made?;
    Ok((Programs { maps, adopted: false, pins, _loaded: Some(loaded) }, records))
}

fn unpinned(pins: &Pins, error: &PinError) -> Trouble {
    Trouble::Pin(pins.above().to_owned(), in_words(error))
}

/// Does something in a thread that ends. A loader reads the kernel's types, tens of megabytes; in a thread it takes them from
/// where nothing lies above that stays, so that they can be given back.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    let thread = std::thread::Builder::new().name("kernel-types".into()).spawn(work);
    let joined = thread.map(std::thread::JoinHandle::join);
    match joined {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Trouble::Load("the thread that reads the kernel's types has ended".to_owned())),
        Err(error) => Err(Trouble::Load(error.to_string())),
    }
}

/// Has the allocator give back what was taken in a thread like this one. It keeps as much as twice the largest block that was
/// ever freed: here that is more, of which no page was ever touched.
fn give_back() {
    let block = |_| {
        let mut block = Vec::<u8>::new();
        // where there is not so much, it is not needed either
        let _ = block.try_reserve_exact(1 << 20);
        block
    };
    let blocks: Vec<Vec<u8>> = (0..80).map(block).collect();
    drop(std::hint::black_box(blocks));
}

/// Adopts what an earlier process left.
fn adopt(pins: &mut Pins, attaching: &Attaching) -> Result<(Maps, Records), Trouble> {
    for program in ADDRESS_PROGRAMS.into_iter().chain([SOCKET_PROGRAM]) {
        pins.take_over(program).map_err(|error| Trouble::Attach(program, in_words(&error)))?;
    }
    Tables::Left(pins).open(attaching)
}

impl Tables<'_> {
    fn open(mut self, attaching: &Attaching) -> Result<(Maps, Records), Trouble> {
        let mut maps = Maps {
            listeners: self.table("listeners")?,
            routes: self.table("routes")?,
            clusters: self.table("clusters")?,
            endpoints: self.table("endpoints")?,
            holds: self.table("holds")?,
            draws: self.table("draws")?,
            turns: self.table("turns")?,
            live: self.table("live")?,
            gauges: self.table("gauges")?,
            relayed: self.table("relayed")?,
            loads: self.table("loads")?,
            outcomes: self.table("outcomes")?,
            settings: self.table("settings")?,
            births: match self.take("births")? {
                Map::SkStorage(births) => births,
                _ => return Err(Trouble::Table("births", "it is of another kind".to_owned())),
            },
        };
        // nobody has the number 0
        let process = if attaching.spares_own { std::process::id() } else { 0 };
        let own = crate::layout::settings(process, attaching.names_peers);
        maps.settings.set(0, own, 0).map_err(|error| Trouble::Table("settings", in_words(&error)))?;
        let records = Records::of(self.table("events")?);
        let records = records.map_err(|error| Trouble::Table("events", error.to_string()))?;
        Ok((maps, records))
    }

    fn table<T>(&mut self, name: &'static str) -> Result<T, Trouble>
    where
        T: TryFrom<Map, Error = MapError>,
    {
        T::try_from(self.take(name)?).map_err(|error| Trouble::Table(name, in_words(&error)))
    }

    fn take(&mut self, name: &'static str) -> Result<Map, Trouble> {
        let unusable = |why| Trouble::Table(name, why);
        match self {
            Self::New(loaded, pins) => {
                let map = loaded.take_map(name).ok_or_else(|| unusable("it is not there".to_owned()))?;
                if let Some(pins) = pins {
                    pins.add_table(name, &map).map_err(|error| unpinned(pins, &error))?;
                }
                Ok(map)
            }
            Self::Left(pins) => {
                let map = pins.table(name).and_then(Map::from_map_data);
                map.map_err(|error| unusable(in_words(&error)))
            }
        }
    }
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
    fn of(ring: RingBuf<MapData>) -> io::Result<Self> {
        let woken = epoll::create(CreateFlags::CLOEXEC)?;
        // a ring in which there is anything is readable at all times: only what wakes is waited for
        epoll::add(&woken, &ring, EventData::new_u64(0), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { ring, woken })
    }

    /// Waits for `patience`, or until the ring is half full.
    pub fn wait(&self, patience: Duration) {
        let patience =
            Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
        // interrupted: then it is read a little earlier
        let _ = epoll::wait(&self.woken, &mut events[..], Some(&patience));
    }

    pub(crate) fn next(&mut self) -> Option<Option<Record>> {
        self.ring.next().map(|bytes| Record::read(&bytes))
    }
}
