//! Neighbours, such as ARP entries: `RTM_NEWNEIGH` of rtnetlink(7) and `include/uapi/linux/neighbour.h`.

use super::{
    Link, Request, Socket,
    message::{read_u16, read_u32},
};
use crate::source::Error;
use rustix::{io::Errno, net::netdevice};

const RTM_GETNEIGH: u16 = 30;
const AF_INET: u8 = 2;
/// The neighbour needs no address resolution.
const NUD_NOARP: u16 = 0x40;

/// How many neighbours each interface has, by interface index, of those for whom ARP found or seeks an address.
pub(crate) fn count_arp_entries(socket: &mut Socket, counts: &mut Vec<(u32, u64)>) -> Result<(), Error> {
    /// Bytes of `struct ndmsg`, whose first is the family.
    const FIXED_PART: [u8; 12] = [AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let request = Request { call: "list neighbours", kind: RTM_GETNEIGH, payload: &FIXED_PART };
    socket.dump(request, counts, |message| Some((arp_entry(message)?, 1)))?;
    counts.sort_unstable();
    counts.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        kept.1 += if same { later.1 } else { 0 };
        same
    });
    Ok(())
}

/// The index of the neighbour's interface.
fn arp_entry(message: &[u8]) -> Option<u32> {
    let state = read_u16(message.get(8..)?)?;
    let interface = read_u32(&message[4..])?;
    (message[0] == AF_INET && state & NUD_NOARP == 0).then_some(interface)
}

/// The name of an interface; `None` when it is gone.
pub(crate) fn interface_name(socket: &mut Socket, index: u32) -> Result<Option<Vec<u8>>, Error> {
    match socket.descriptor().and_then(|fd| netdevice::index_to_name(fd, index)) {
        Ok(name) => Ok(Some(name.into_bytes())),
        Err(Errno::NODEV | Errno::NXIO) => Ok(None),
        // The name is not UTF-8.
        Err(Errno::ILSEQ) => {
            let mut names = Vec::new();
            Link::dump(socket, &mut names, |link| (link.index == index).then(|| link.name.to_vec()))?;
            Ok(names.pop())
        }
        Err(errno) => Err(Error::Call { call: "name a network interface", source: errno.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message::fuzz_payloads, *};
    use std::hint::black_box;

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_netlink_of_neighbours() {
        let mut payload = vec![AF_INET, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1];
        payload[4..8].copy_from_slice(&9_u32.to_ne_bytes());
        assert_eq!(arp_entry(&payload), Some(9));
        fuzz_payloads(&payload, |payload| {
            black_box(arp_entry(payload));
        });
    }
}
