//! The bytes of netlink: messages, one after the other, and within them attributes. All numbers are in the host's byte
//! order, and all begins at multiples of four bytes.

/// One message without its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

impl Message<'_> {
    /// Bytes of a message's header: length, kind, flags, sequence, port.
    const HEADER: usize = 16;

    /// Appends a request to the kernel.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let n_bytes = (Self::HEADER + self.payload.len()) as u32;
        out.extend(n_bytes.to_ne_bytes());
        out.extend(self.kind.to_ne_bytes());
        out.extend(self.flags.to_ne_bytes());
        out.extend(self.sequence.to_ne_bytes());
        out.extend(0_u32.to_ne_bytes());
        out.extend(self.payload);
    }
}

/// The messages of one datagram; ends before the first that is not whole.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let n_bytes = read_u32(bytes)? as usize;
        let payload = bytes.get(Message::HEADER..n_bytes)?;
        let message = Message {
            kind: read_u16(&bytes[4..])?,
            flags: read_u16(&bytes[6..])?,
            sequence: read_u32(&bytes[8..])?,
            payload,
        };
        bytes = bytes.get(n_bytes.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes of a message from after its fixed part, or those within an attribute: kind and value. Ends before
/// the first that is not whole.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    const HEADER: usize = 4;
    /// The other bits say "nested" and "in network byte order".
    const KIND: u16 = 0x3fff;
    std::iter::from_fn(move || {
        let n_bytes = usize::from(read_u16(bytes)?);
        let value = bytes.get(HEADER..n_bytes)?;
        let kind = read_u16(&bytes[2..])? & KIND;
        bytes = bytes.get(n_bytes.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Appends one attribute.
pub(crate) fn write_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let n_bytes = 4 + value.len() as u16;
    out.extend(n_bytes.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// The number at the start of `bytes`; `None` when they are too few.
pub(crate) fn read_u16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

/// The number at the start of `bytes`; `None` when they are too few.
pub(crate) fn read_u32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// The number at the start of `bytes`; `None` when they are too few.
pub(crate) fn read_u64(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|chunk| u64::from_ne_bytes(*chunk))
}

/// A text attribute without the byte 0 that ends it.
pub(crate) fn read_text(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Fuzzes what takes the payload of a message, alone and in a datagram.
#[cfg(test)]
#[track_caller]
pub(super) fn fuzz_payloads(seed: &[u8], take: impl Fn(&[u8])) {
    let mut datagram = Vec::new();
    Message { kind: 16, flags: 2, sequence: 1, payload: seed }.write(&mut datagram);
    crate::testing::fuzz(&[&datagram, seed], |bytes| {
        messages(bytes).map(|it| it.payload).chain([bytes]).for_each(&take);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let mut payload = Vec::new();
        write_attribute(&mut payload, 3, b"eth0\0");
        write_attribute(&mut payload, 0x8000 | 26, &[]);
        let message = Message { kind: 18, flags: 0x301, sequence: 7, payload: &payload };
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        message.write(&mut bytes);
        assert_eq!(messages(&bytes).collect::<Vec<_>>(), [message, message]);
        assert_eq!(attributes(&payload).collect::<Vec<_>>(), [(3, &b"eth0\0"[..]), (26, &[])]);
        assert_eq!(read_text(b"eth0\0"), b"eth0");
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        let mut bytes = Vec::new();
        Message { kind: 16, flags: 2, sequence: 1, payload: b"1234" }.write(&mut bytes);
        for n_bytes in 0..bytes.len() {
            assert_eq!(messages(&bytes[..n_bytes]).count(), 0, "{n_bytes}");
        }
        let mut bytes = Vec::new();
        write_attribute(&mut bytes, 1, b"1234");
        for n_bytes in 0..bytes.len() {
            assert_eq!(attributes(&bytes[..n_bytes]).count(), 0, "{n_bytes}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            for message in messages(&bytes) {
                attributes(message.payload).for_each(drop);
            }
            attributes(&bytes).for_each(drop);
        }
    }
}
