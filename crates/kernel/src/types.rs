//! The kernel's types that programs read, cut out of its description of all hundred thousand: parsing those costs tens of
//! megabytes that the allocator keeps.

use std::collections::BTreeMap;

use aya::{Btf, Endianness};

/// The kernel's description of its types, in BTF.
const FILE: &str = "/sys/kernel/btf/vmlinux";
/// Structures that `bpf/mesh.bpf.c` declares.
const READ: [&[u8]; 7] =
    [b"ns_common", b"net", b"sock_common", b"sock", b"inet_sock", b"inet_connection_sock", b"tcp_sock"];

const HEADER: usize = 24;
/// Size of the head of a type: its name, its kind with the number of its members, and its size or another type.
const TYPE: usize = 12;
/// Size of a member: its name, its type, its offset.
const MEMBER: usize = 12;

/// Types that programs read; `None`: the kernel does not describe them.
pub(crate) fn of_kernel() -> Option<Btf> {
    let all = std::fs::read(FILE).ok()?;
    Btf::parse(&only_read(&all)?, Endianness::default()).ok()
}

/// A description of types, in which they are numbered from 1.
struct Description<'a> {
    types: Vec<Type<'a>>,
    strings: &'a [u8],
}

/// A type, with what stands behind it.
#[derive(Clone, Copy)]
struct Type<'a>(&'a [u8]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number.
    Plain,
    /// Another name, or another manner, of a type; or a pointer to it.
    Other,
    Struct,
    Union,
    /// A kind that no member has that programs read.
    Unread,
}

/// The same description with nothing but [`READ`] and the types of their members; every other type becomes void.
fn only_read(all: &[u8]) -> Option<Vec<u8>> {
    let description = Description::read(all)?;
    let mut order: Vec<u32> =
        (1..).zip(&description.types).filter(|(_, it)| description.is_read(**it)).map(|(id, _)| id).collect();
    let mut numbers: BTreeMap<u32, u32> = order.iter().copied().zip(1..).collect();
    let mut next = 0;
    while let Some(found) = order.get(next).and_then(|id| description.at(*id)) {
        for place in found.references() {
            let id = word(found.0, place)?;
            if !numbers.contains_key(&id) && description.at(id).is_some_and(|it| description.is_kept(it)) {
                order.push(id);
                numbers.insert(id, u32::try_from(order.len()).ok()?);
            }
        }
        next += 1;
    }
    let (mut types, mut strings) = (Vec::new(), vec![0]);
    for found in order.iter().filter_map(|id| description.at(*id)) {
        let mut bytes = found.0.to_vec();
        for place in found.names() {
            let name = description.string(word(found.0, place)?)?;
            put(&mut bytes, place, if name.is_empty() { 0 } else { u32::try_from(strings.len()).ok()? })?;
            if !name.is_empty() {
                strings.extend(name);
                strings.push(0);
            }
        }
        for place in found.references() {
            put(&mut bytes, place, numbers.get(&word(found.0, place)?).copied().unwrap_or(0))?;
        }
        types.extend(bytes);
    }
    let mut few = all.get(..HEADER)?.to_vec();
    let (types_are, strings_are) = (u32::try_from(types.len()).ok()?, u32::try_from(strings.len()).ok()?);
    for (place, number) in [(4, HEADER as u32), (8, 0), (12, types_are), (16, types_are), (20, strings_are)] {
        put(&mut few, place, number)?;
    }
    few.extend(types);
    few.extend(strings);
    Some(few)
}

impl<'a> Description<'a> {
    fn read(all: &'a [u8]) -> Option<Self> {
        let [header, types_at, types_are, strings_at, strings_are] =
            [4, 8, 12, 16, 20].map(|at| word(all, at).map(|it| it as usize));
        let behind = all.get(header?..)?;
        let strings = behind.get(strings_at?..)?.get(..strings_are?)?;
        let mut rest = behind.get(types_at?..)?.get(..types_are?)?;
        let mut types = Vec::new();
        while !rest.is_empty() {
            let (found, others) = rest.split_at_checked(Type(rest).length()?)?;
            types.push(Type(found));
            rest = others;
        }
        Some(Self { types, strings })
    }

    fn at(&self, id: u32) -> Option<Type<'a>> {
        self.types.get(usize::try_from(id).ok()?.checked_sub(1)?).copied()
    }

    fn string(&self, at: u32) -> Option<&'a [u8]> {
        self.strings.get(usize::try_from(at).ok()?..)?.split(|byte| *byte == 0).next()
    }

    fn name(&self, of: Type<'_>) -> &'a [u8] {
        word(of.0, 0).and_then(|at| self.string(at)).unwrap_or_default()
    }

    fn is_read(&self, it: Type<'_>) -> bool {
        it.kind() == Kind::Struct && READ.contains(&self.name(it))
    }

    /// True if members of this type are kept. Of structures and unions those that programs read are, and those without a
    /// name, whose members count as members of the type around them.
    fn is_kept(&self, it: Type<'_>) -> bool {
        match it.kind() {
            Kind::Plain | Kind::Other => true,
            Kind::Struct | Kind::Union => self.name(it).is_empty() || self.is_read(it),
            Kind::Unread => false,
        }
    }
}

impl Type<'_> {
    fn info(self) -> u32 {
        word(self.0, 4).unwrap_or(0)
    }

    fn members(self) -> usize {
        (self.info() & 0xffff) as usize
    }

    fn number(self) -> u32 {
        self.info() >> 24 & 0x1f
    }

    fn kind(self) -> Kind {
        match self.number() {
            // int, float
            1 | 16 => Kind::Plain,
            // pointer, typedef, volatile, const, restrict, tag
            2 | 8..=11 | 18 => Kind::Other,
            4 => Kind::Struct,
            5 => Kind::Union,
            _ => Kind::Unread,
        }
    }

    /// Size in bytes; `None`: unknown kind.
    fn length(self) -> Option<usize> {
        let behind = match self.number() {
            // pointer, forward, typedef, volatile, const, restrict, function, float, tag of a type
            2 | 7..=12 | 16 | 18 => 0,
            // int, variable, tag of a declaration
            1 | 14 | 17 => 4,
            // array
            3 => 12,
            // struct, union, section, enum of 64 bits
            4 | 5 | 15 | 19 => self.members() * MEMBER,
            // enum, prototype
            6 | 13 => self.members() * 8,
            _ => return None,
        };
        Some(TYPE + behind)
    }

    /// Offsets of its names.
    fn names(self) -> Vec<usize> {
        let members = if self.has_members() { self.members() } else { 0 };
        std::iter::once(0).chain((0..members).map(|index| TYPE + index * MEMBER)).collect()
    }

    /// Offsets of its references to other types.
    fn references(self) -> Vec<usize> {
        match self.kind() {
            Kind::Other => vec![8],
            Kind::Struct | Kind::Union => {
                (0..self.members()).map(|index| TYPE + index * MEMBER + 4).collect()
            }
            Kind::Plain | Kind::Unread => Vec::new(),
        }
    }

    fn has_members(self) -> bool {
        matches!(self.kind(), Kind::Struct | Kind::Union)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn put(bytes: &mut [u8], at: usize, number: u32) -> Option<()> {
    bytes.get_mut(at..at + 4)?.copy_from_slice(&number.to_ne_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_little_of_all() {
        let Ok(all) = std::fs::read(FILE) else {
            eprintln!("not tested: this kernel does not describe its types");
            return;
        };
        let few = only_read(&all).unwrap();
        assert!(few.len() < 64 << 10 && few.len() < all.len() / 10, "{} of {}", few.len(), all.len());
        let description = Description::read(&few).unwrap();
        let found = description.types.iter().filter(|it| description.is_read(**it));
        assert_eq!(found.count(), READ.len());
        assert_eq!(only_read(&few), Some(few.clone()), "there is nothing to leave out of it any more");
        assert!(Btf::parse(&few, Endianness::default()).is_ok());
        assert_eq!(only_read(&few[..few.len() - 1]), None, "it was cut off");
    }
}
