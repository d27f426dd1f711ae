//! Writes BTF.

use super::super::{Btf, FUNC_PROTO, HEADER_LEN, INT, MAGIC, PTR, STRUCT, TYPEDEF};

/// BTF made by hand.
#[derive(Default)]
pub(super) struct Blob {
    pub(super) types: Vec<u32>,
    pub(super) n_types: u32,
    pub(super) strings: Vec<u8>,
}

impl Blob {
    /// Adds a type: its number.
    pub(super) fn add(
        &mut self,
        kind: u32,
        name: &str,
        n_members: usize,
        size_or_type: u32,
        members: &[u32],
    ) -> u32 {
        let name = self.name(name);
        self.types.extend([name, kind << 24 | n_members as u32, size_or_type]);
        self.types.extend(members);
        self.n_types += 1;
        self.n_types
    }

    /// Adds a type whose members' offsets hold widths of bit fields, or whose enumerators are signed.
    pub(super) fn add_flagged(
        &mut self,
        kind: u32,
        name: &str,
        n_members: usize,
        size: u32,
        members: &[u32],
    ) -> u32 {
        let info = self.types.len() + 1;
        let id = self.add(kind, name, n_members, size, members);
        self.types[info] |= 1 << 31;
        id
    }

    /// Adds an integer of some bytes.
    pub(super) fn int(&mut self, size: u32) -> u32 {
        self.add(INT, "int", 0, size, &[size * 8])
    }

    /// Adds a struct of members given as name, type and offset in bits.
    pub(super) fn structure(&mut self, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        let members = self.members(members);
        self.add(STRUCT, name, members.len() / 3, size, &members)
    }

    pub(super) fn members(&mut self, members: &[(&str, u32, u32)]) -> Vec<u32> {
        members.iter().flat_map(|&(name, id, bits)| [self.name(name), id, bits]).collect()
    }

    /// Adds a hook with arguments of the given types.
    pub(super) fn hook(&mut self, name: &str, arguments: &[u32]) {
        let mut parameters = vec![0, 0];
        parameters.extend(arguments.iter().flat_map(|&id| [0, id]));
        let prototype = self.add(FUNC_PROTO, "", arguments.len() + 1, 0, &parameters);
        let pointer = self.add(PTR, "", 0, prototype, &[]);
        self.add(TYPEDEF, &format!("btf_trace_{name}"), 0, pointer, &[]);
    }

    pub(super) fn name(&mut self, name: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        if name.is_empty() {
            return 0;
        }
        let whole = [b"\0", name.as_bytes(), b"\0"].concat();
        if let Some(at) = self.strings.windows(whole.len()).position(|it| it == whole) {
            return at as u32 + 1;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(&whole[1..]);
        at
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let (types_len, strings_len) = (self.types.len() as u32 * 4, self.strings.len() as u32);
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        let words = [HEADER_LEN as u32, 0, types_len, types_len, strings_len];
        bytes.extend(words.iter().chain(&self.types).flat_map(|word| word.to_ne_bytes()));
        bytes.extend(&self.strings);
        bytes
    }

    pub(super) fn btf(&self) -> Btf {
        Btf::parse(self.bytes()).unwrap()
    }
}
