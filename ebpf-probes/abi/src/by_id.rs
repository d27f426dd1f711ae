//! A table of rows by the kernel's own dense numbers (a disk's queue, a cgroup), which are given to others in time.
//!
//! Three arrays. The first is indexed by a key made of the number, and says which row of the others belongs to whoever
//! has the number now: an [`entry`]. The second says of each row whose it is ([`Owner`]), the third holds its counts. A
//! probe that finds another serial number in the entry takes a free row; the agent frees rows whose owners are gone.
//!
//! Nothing is locked, and no instruction is used that Linux 5.10 lacks: a row is taken by adding 1 to its
//! [`claims`](Owner::claims) and finding 1 there. Whoever finds more takes its addition back and tries the next row. Two
//! CPUs that meet the same new owner at once may take a row each: then both count, and the agent adds them up.

/// The row of all who got none.
pub const OTHER: u32 = 0;

/// Rows that have a number in an [`entry`].
pub const MAX_ROWS: u32 = u16::MAX as u32;

/// How many rows a probe looks at for a free one; the next search goes on where this one ended. The verifier looks at all
/// that follows once for each: with 32 it takes 600,000 instructions, and a minute on an emulated Linux 6.1.
pub const TRIES: u32 = 4;

/// Words of a name, which is text up to the first 0.
pub const NAME_WORDS: usize = 4;

/// Whose row it is. Row [`OTHER`] is nobody's: its `claims` are the row at which the next search begins.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// 0 is a free row.
    pub claims: u64,
    /// The index of the entry that leads here.
    pub key: u64,
    /// Tells owners apart that have the key one after the other, in the bits that [`serial`] leaves.
    pub serial: u64,
    /// Nanoseconds on the clock of `CLOCK_MONOTONIC` when the row was taken.
    pub created: u64,
    pub name: [u64; NAME_WORDS],
    /// [`Owner::seal_of`] all but `claims`; something else while they are being written.
    pub seal: u64,
}

impl Owner {
    /// What the seal must be for the rest to be believed.
    #[inline(always)]
    pub const fn seal_of(key: u64, serial: u64, created: u64, name: [u64; NAME_WORDS]) -> u64 {
        let mut seal = mix(mix(mix(1, key), serial), created);
        let mut idx = 0;
        while idx < NAME_WORDS {
            seal = mix(seal, name[idx]);
            idx += 1;
        }
        // A row that was never written is all zeroes.
        seal | 1
    }

    /// Whether the row is taken and all of it has been written.
    pub const fn is_whole(&self) -> bool {
        self.claims != 0 && self.seal == Self::seal_of(self.key, self.serial, self.created, self.name)
    }

    /// The name's bytes, up to the first 0.
    pub fn name(&self) -> impl Iterator<Item = u8> {
        self.name.into_iter().flat_map(u64::to_ne_bytes).take_while(|it| *it != 0)
    }
}

/// A multiplication that takes each bit of both to the top, and a rotation that brings the top down.
const fn mix(seed: u64, word: u64) -> u64 {
    (seed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

/// As much of a serial number as an [`entry`] holds. 2^48 are not used up: at a million a second it takes nine years.
#[inline(always)]
pub const fn serial(number: u64) -> u64 {
    number & (u64::MAX >> 16)
}

/// A serial number for what has none: from where the kernel keeps it, as far as a program gets to know,
/// and what it is called.
#[inline(always)]
pub const fn serial_of(place: u64, name: [u64; 2]) -> u64 {
    serial(mix(mix(mix(1, place), name[0]), name[1]))
}

/// What says that `row` belongs to the owner with a [`serial`]. Never 0, but for no row.
#[inline(always)]
pub const fn entry(serial: u64, row: u32) -> u64 {
    (serial << 16) | (row as u64 & 0xffff)
}

/// The row of an entry if it is of this serial; [`OTHER`] if it is not, or there is none.
#[inline(always)]
pub const fn row_of(entry: u64, serial: u64) -> u32 {
    if entry >> 16 == serial { entry as u32 & 0xffff } else { OTHER }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_leads_its_owner_alone_to_its_row(number: u64, other: u64, row in 1..=MAX_ROWS) {
            let found = row_of(entry(serial(number), row), serial(other));
            prop_assert_eq!(found, if serial(number) == serial(other) { row } else { OTHER });
        }

        #[test]
        fn no_entry_leads_nowhere(number: u64) {
            prop_assert_eq!(row_of(0, serial(number)), OTHER);
        }

        #[test]
        fn a_row_in_which_a_word_is_old_is_not_believed(words: [u64; 7], old: u64, at in 0usize..7) {
            let owner = |words: [u64; 7]| {
                let [key, serial, created, name @ ..] = words;
                (key, serial, created, name)
            };
            let (key, serial, created, name) = owner(words);
            let seal = Owner::seal_of(key, serial, created, name);
            let whole = Owner { claims: 1, key, serial, created, name, seal };
            prop_assert!(whole.is_whole());
            let mut torn = words;
            torn[at] = old;
            let (key, serial, created, name) = owner(torn);
            prop_assert_eq!(Owner { claims: 1, key, serial, created, name, seal }.is_whole(), torn == words);
        }

        #[test]
        fn neighbours_and_namesakes_differ(address: u64, name: [u64; 2], step in 1u64..4096) {
            let mine = serial_of(address, name);
            prop_assert_ne!(mine, serial_of(address.wrapping_add(step << 6), name));
            prop_assert_ne!(mine, serial_of(address, [name[0] ^ step << 8, name[1]]));
        }
    }

    #[test]
    fn a_row_that_was_never_written_is_nobodys() {
        assert!(!Owner::default().is_whole());
        assert!(!Owner { claims: 1, ..Owner::default() }.is_whole());
    }

    #[test]
    fn a_name_ends_at_the_first_zero() {
        let mut bytes = [0; 32];
        bytes[..9].copy_from_slice(b"nvme0c1n1");
        bytes[20] = b'x';
        let words = bytes.as_chunks::<8>().0;
        let name = [0, 1, 2, 3].map(|it| u64::from_ne_bytes(words[it]));
        let owner = Owner { name, ..Owner::default() };
        assert!(owner.name().eq(*b"nvme0c1n1"));
        assert_eq!(Owner { name: [u64::MAX; 4], ..owner }.name().count(), 32);
    }
}
