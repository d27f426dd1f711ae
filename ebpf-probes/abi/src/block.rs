//! What the block I/O probe counts by: the disk and the kind of request.

/// What a request asks of its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Operation {
    Read = 0,
    /// Writes of data, appends to a zone among them.
    Write = 1,
    /// Of the disk's cache.
    Flush = 2,
    Discard = 3,
    /// Writes of zeroes, secure erases, commands to zones. Where they are odd numbers, as nearly all are, the kernel's
    /// own statistics have them among the writes.
    Other = 4,
}

impl Operation {
    /// All operations, each at the index that is its number.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Flush, Self::Discard, Self::Other];
}

/// The disk and the operation of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// At most 24 bits; the kernel's majors have 12.
    pub major: u32,
    pub minor: u32,
    pub operation: Operation,
}

impl Key {
    /// The key as one word that is never 0, so that a row of 0 is free.
    #[inline(always)]
    pub const fn encode(self) -> u64 {
        1 << 63 | (self.operation as u64) << 56 | ((self.major & 0xff_ffff) as u64) << 32 | self.minor as u64
    }

    /// The key of a row; `None` for a free one, and for what no probe writes.
    pub fn decode(word: u64) -> Option<Self> {
        if word >> 63 == 0 {
            return None;
        }
        let operation = *Operation::ALL.get((word >> 56 & 0x7f) as usize)?;
        Some(Self { major: (word >> 32) as u32 & 0xff_ffff, minor: word as u32, operation })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_written(major in 0u32..1 << 24, minor: u32, operation in 0usize..5) {
            let key = Key { major, minor, operation: Operation::ALL[operation] };
            prop_assert_ne!(key.encode(), 0);
            prop_assert_eq!(Key::decode(key.encode()), Some(key));
        }
    }

    #[test]
    fn free_and_foreign_rows_have_no_key() {
        assert_eq!(Key::decode(0), None);
        assert_eq!(Key::decode(1 << 63 | 5 << 56), None);
    }
}
