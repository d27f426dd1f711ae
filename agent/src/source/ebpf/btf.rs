//! Where things lie in the running kernel, from its BTF (Documentation/bpf/btf.rst in the kernel's source).
//!
//! A reader of raw bytes that keeps one offset a type and no more: 126,000 types in 10 ms and half a megabyte. It
//! trusts nothing: whatever the bytes, it answers or refuses, and never panics or loops.

use std::ops::Range;

/// How deep types may nest before the bytes are taken for broken. Kernels stay below ten.
const MAX_DEPTH: u32 = 32;

/// How many members are looked at for one name. The largest structs have a few hundred.
const MAX_VISITS: u32 = 1 << 20;

pub(super) const MAGIC: u16 = 0xeb9f;
pub(super) const HEADER_LEN: usize = 24;

const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
pub(super) const FWD: u32 = 7;
pub(super) const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
pub(super) const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// The types of a kernel.
#[derive(Debug)]
pub struct Btf {
    bytes: Vec<u8>,
    /// Where each type begins in `bytes`, by its number less one: number 0 is void.
    types: Vec<u32>,
    strings: Range<usize>,
}

/// The place of a field in its outermost struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// In bytes.
    pub offset: u32,
    /// In bytes.
    pub size: u32,
}

/// Bytes that are not BTF of this machine.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("it does not begin as BTF of this byte order")]
    Header,
    #[error("a section ends beyond the file")]
    Section,
    #[error("type {id} is cut off")]
    Truncated { id: usize },
    #[error("type {id} is of the unknown kind {kind}")]
    Kind { id: usize, kind: u32 },
}

/// Why a field cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("no struct {0}")]
    NoStruct(String),
    #[error("no field {0}")]
    NoField(String),
    #[error("{0} only as a bit field")]
    BitField(String),
}

/// The fixed part of a type.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    kind: u32,
    n_members: usize,
    /// Of structs and unions: member offsets hold a bit field's width in their high byte.
    kind_flag: bool,
    /// The size or the type referred to, by kind.
    size_or_type: u32,
    /// Where the members begin.
    members: usize,
}

impl Btf {
    /// Indexes the contents of a file such as `/sys/kernel/btf/vmlinux`.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let header = |at| word(&bytes, at).map(|it| it as usize).ok_or(Malformed::Header);
        if bytes.get(..2) != Some(&MAGIC.to_ne_bytes()[..]) {
            return Err(Malformed::Header);
        }
        let header_len = header(4)?;
        if header_len < HEADER_LEN {
            return Err(Malformed::Header);
        }
        let section = |at| {
            let start = header_len.checked_add(header(at)?).ok_or(Malformed::Section)?;
            let end = start.checked_add(header(at + 4)?).ok_or(Malformed::Section)?;
            if end > bytes.len() || u32::try_from(end).is_err() {
                return Err(Malformed::Section);
            }
            Ok(start..end)
        };
        let (type_bytes, strings) = (section(8)?, section(16)?);

        let mut types = Vec::new();
        let mut at = type_bytes.start;
        while at < type_bytes.end {
            let id = types.len() + 1;
            let found = read_type(&bytes, at).ok_or(Malformed::Truncated { id })?;
            let members_len = members_len(&found).ok_or(Malformed::Kind { id, kind: found.kind })?;
            types.push(at as u32);
            at = found.members + members_len;
            if at > type_bytes.end {
                return Err(Malformed::Truncated { id });
            }
        }
        types.shrink_to_fit();
        Ok(Self { bytes, types, strings })
    }

    /// The kind and the name of each type, in the order of their numbers; of at most 256 bytes.
    pub(super) fn names(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (1..=self.types.len() as u32)
            .filter_map(|id| self.get(id))
            .map(|it| (it.kind, self.name(it.name).unwrap_or_default()))
    }

    /// The place of a field: `struct.field.field`, or several such paths with `|` between, of which the first that is
    /// there counts. Members of anonymous structs and unions are found as in C. On failure the first path's reason.
    pub fn field(&self, paths: &str) -> Result<Field, FieldError> {
        let mut first_error = None;
        for path in paths.split('|') {
            match self.one_field(path) {
                Ok(field) => return Ok(field),
                Err(error) => first_error.get_or_insert(error),
            };
        }
        Err(first_error.unwrap_or_else(|| FieldError::NoField(paths.to_owned())))
    }

    fn one_field(&self, path: &str) -> Result<Field, FieldError> {
        let (bits, id, width) = self.place(path)?;
        if width != 0 || !bits.is_multiple_of(8) {
            return Err(FieldError::BitField(path.to_owned()));
        }
        let size = self.size(id, 0).ok_or_else(|| FieldError::NoField(path.to_owned()))?;
        Ok(Field { offset: bits / 8, size })
    }

    /// A bit field, or a field of one byte, as [`probe_abi::bits`] has it.
    pub fn bits(&self, path: &str) -> Result<u32, FieldError> {
        let (place, id, width) = self.place(path)?;
        let width = match width {
            0 => self.size(id, 0).and_then(|it| it.checked_mul(8)),
            width => Some(width),
        };
        let constant = width.and_then(|width| probe_abi::bits::constant(place, width));
        constant.ok_or_else(|| FieldError::BitField(path.to_owned()))
    }

    /// Where a field begins, in bits; its type; and its width in bits if it is a bit field, else 0.
    fn place(&self, path: &str) -> Result<(u32, u32, u32), FieldError> {
        let no_field = || FieldError::NoField(path.to_owned());
        let mut names = path.split('.');
        let root = names.next().unwrap_or_default();
        let mut id = self.find(STRUCT, root).ok_or_else(|| FieldError::NoStruct(root.to_owned()))?;
        let mut bits = 0u32;
        let mut bit_width = 0;
        for name in names {
            let (member_bits, member_id, width) =
                self.resolve(id).and_then(|it| self.member(it, name, 0, &mut 0)).ok_or_else(no_field)?;
            bits = bits.checked_add(member_bits).ok_or_else(no_field)?;
            (id, bit_width) = (member_id, width);
        }
        Ok((bits, id, bit_width))
    }

    /// How many arguments a `tp_btf` hook gives; `None` if this kernel has no such hook.
    pub fn arity(&self, hook: &str) -> Option<u32> {
        Some(self.arguments(hook)?.count() as u32)
    }

    /// The first argument of a `tp_btf` hook that points to the given struct.
    pub fn argument(&self, hook: &str, of: &str) -> Option<u32> {
        let position = self.arguments(hook)?.position(|id| {
            self.resolve(id)
                .filter(|it| it.kind == PTR)
                .and_then(|it| self.resolve(it.size_or_type))
                .is_some_and(|it| it.kind == STRUCT && self.is_name(it.name, of))
        })?;
        Some(position as u32)
    }

    /// The first argument of a `tp_btf` hook whose type has this name, before typedefs are looked through or after.
    pub fn argument_of_type(&self, hook: &str, of: &str) -> Option<u32> {
        let has_name = |id| self.get(id).is_some_and(|it| self.is_name(it.name, of));
        let position = self
            .arguments(hook)?
            .position(|id| has_name(id) || self.resolve(id).is_some_and(|it| self.is_name(it.name, of)))?;
        Some(position as u32)
    }

    /// The enumerators of the enum of this name, with their values; none if the kernel has no such enum.
    pub fn enumerators(&self, name: &str) -> Vec<(String, i64)> {
        let found = [ENUM, ENUM64].into_iter().find_map(|kind| self.get(self.find(kind, name)?));
        let Some(found) = found else { return Vec::new() };
        let entry_len = if found.kind == ENUM { 8 } else { 12 };
        let entries = (0..found.n_members).map(|idx| found.members + idx * entry_len);
        entries
            .filter_map(|entry| Some((self.string(self.word(entry)?)?, self.value(&found, entry)?)))
            .collect()
    }

    /// The value of an enumerator of any enum.
    pub fn enumerator(&self, name: &str) -> Option<i64> {
        (1..=self.types.len() as u32).filter_map(|id| self.get(id)).find_map(|found| {
            let entry_len = match found.kind {
                ENUM => 8,
                ENUM64 => 12,
                _ => return None,
            };
            let entry = (0..found.n_members)
                .map(|idx| found.members + idx * entry_len)
                .find(|&entry| self.word(entry).is_some_and(|it| self.is_name(it, name)))?;
            self.value(&found, entry)
        })
    }

    /// The value of an enum's enumerator, which is described at `entry`.
    fn value(&self, of: &Type, entry: usize) -> Option<i64> {
        let low = self.word(entry + 4)?;
        Some(match of.kind {
            ENUM64 => (u64::from(self.word(entry + 8)?) << 32 | u64::from(low)) as i64,
            _ if of.kind_flag => i64::from(low as i32),
            _ => i64::from(low),
        })
    }

    /// Whether the kernel has a function of this name that a probe can be attached to.
    pub fn has_function(&self, name: &str) -> bool {
        self.find(FUNC, name).is_some()
    }

    /// How many arguments a function takes; `None` if this kernel has no such function.
    pub fn parameters(&self, function: &str) -> Option<u32> {
        let found = self.find(FUNC, function).and_then(|id| self.get(id))?;
        let prototype = self.get(found.size_or_type).filter(|it| it.kind == FUNC_PROTO)?;
        Some(prototype.n_members as u32)
    }

    /// The types of a hook's arguments, without the first, which is the tracepoint's own.
    fn arguments(&self, hook: &str) -> Option<impl Iterator<Item = u32>> {
        let typedef = self.find(TYPEDEF, &format!("btf_trace_{hook}"))?;
        let pointer = self.resolve(typedef).filter(|it| it.kind == PTR)?;
        let prototype = self.resolve(pointer.size_or_type).filter(|it| it.kind == FUNC_PROTO)?;
        Some((1..prototype.n_members).filter_map(move |idx| self.word(prototype.members + idx * 8 + 4)))
    }

    /// A member's offset in bits, its type, and its width in bits if it is a bit field, else 0.
    fn member(&self, of: Type, name: &str, depth: u32, visits: &mut u32) -> Option<(u32, u32, u32)> {
        if depth > MAX_DEPTH || !matches!(of.kind, STRUCT | UNION) {
            return None;
        }
        (0..of.n_members).find_map(|idx| {
            *visits += 1;
            if *visits > MAX_VISITS {
                return None;
            }
            let member = of.members + idx * 12;
            let (member_name, id, place) =
                (self.word(member)?, self.word(member + 4)?, self.word(member + 8)?);
            let (bits, width) = if of.kind_flag { (place & 0xff_ffff, place >> 24) } else { (place, 0) };
            if self.is_name(member_name, name) {
                let (inner, narrow) = self.narrow(id);
                return Some((bits.checked_add(inner)?, id, if width == 0 { narrow } else { width }));
            }
            if !self.is_name(member_name, "") {
                return None;
            }
            let (inner_bits, id, width) = self.member(self.resolve(id)?, name, depth + 1, visits)?;
            Some((bits.checked_add(inner_bits)?, id, width))
        })
    }

    /// Of an integer that has fewer bits than its bytes, which is a bit field as compilers once wrote them: where in its
    /// bytes it begins, and its width. 0 and 0 of any other type.
    fn narrow(&self, id: u32) -> (u32, u32) {
        let integer = self.resolve(id).filter(|it| it.kind == INT);
        let encoding = integer.as_ref().and_then(|it| self.word(it.members));
        let (Some(integer), Some(encoding)) = (integer, encoding) else { return (0, 0) };
        let (width, offset) = (encoding & 0xff, encoding >> 16 & 0xff);
        let is_whole = offset == 0 && Some(width) == integer.size_or_type.checked_mul(8);
        if is_whole { (0, 0) } else { (offset, width) }
    }

    /// In bytes.
    fn size(&self, id: u32, depth: u32) -> Option<u32> {
        if depth > MAX_DEPTH {
            return None;
        }
        let found = self.resolve(id)?;
        match found.kind {
            INT | STRUCT | UNION | ENUM | ENUM64 | FLOAT => Some(found.size_or_type),
            PTR => Some(8),
            ARRAY => {
                let (element, len) = (self.word(found.members)?, self.word(found.members + 8)?);
                self.size(element, depth + 1)?.checked_mul(len)
            }
            _ => None,
        }
    }

    /// The type behind typedefs and qualifiers; `None` for void.
    fn resolve(&self, mut id: u32) -> Option<Type> {
        for _ in 0..MAX_DEPTH {
            let found = self.get(id)?;
            match found.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => id = found.size_or_type,
                _ => return Some(found),
            }
        }
        None
    }

    fn find(&self, kind: u32, name: &str) -> Option<u32> {
        if name.is_empty() {
            return None;
        }
        (1..=self.types.len() as u32)
            .find(|&id| self.get(id).is_some_and(|it| it.kind == kind && self.is_name(it.name, name)))
    }

    fn get(&self, id: u32) -> Option<Type> {
        let at = *self.types.get((id as usize).checked_sub(1)?)?;
        read_type(&self.bytes, at as usize)
    }

    /// The name at an offset among the strings, of at most 256 bytes.
    fn name(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.bytes.get(self.strings.clone())?.get(offset as usize..)?;
        let rest = &rest[..rest.len().min(256)];
        Some(&rest[..rest.iter().position(|it| *it == 0)?])
    }

    fn string(&self, offset: u32) -> Option<String> {
        Some(String::from_utf8_lossy(self.name(offset)?).into_owned())
    }

    /// Whether the name at an offset among the strings is this one. Looks at no more bytes than `name` has, and one:
    /// strings that never end must not cost their whole length for each type.
    fn is_name(&self, offset: u32, name: &str) -> bool {
        let strings = self.bytes.get(self.strings.clone());
        let rest = strings.and_then(|it| it.get(offset as usize..)?.strip_prefix(name.as_bytes()));
        rest.is_some_and(|it| it.first() == Some(&0))
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(&self.bytes, at)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn read_type(bytes: &[u8], at: usize) -> Option<Type> {
    let (name, bits, size_or_type) = (word(bytes, at)?, word(bytes, at + 4)?, word(bytes, at + 8)?);
    Some(Type {
        name,
        kind: bits >> 24 & 0x1f,
        n_members: (bits & 0xffff) as usize,
        kind_flag: bits >> 31 != 0,
        size_or_type,
        members: at + 12,
    })
}

/// The length of what follows a type's fixed part; `None` for an unknown kind.
fn members_len(found: &Type) -> Option<usize> {
    Some(match found.kind {
        PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        ENUM | FUNC_PROTO => 8 * found.n_members,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * found.n_members,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
