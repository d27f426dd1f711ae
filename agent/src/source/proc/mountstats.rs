//! `/proc/<pid>/mountstats`: what each NFS mount did; see `nfs_show_stats` of `fs/nfs/super.c`, and
//! `xs_tcp_print_stats` of `net/sunrpc/xprtsock.c`. The procfs crate loses the transports.

use crate::source::{decimal, number, words};

/// The counts of an `events:` line: `enum nfs_stat_eventcounters` of `include/linux/nfs_iostat.h`.
pub(crate) const N_EVENTS: usize = 27;
pub(crate) const N_BYTES: usize = 8;

/// One mount of NFS.
#[derive(Debug, Default)]
pub(crate) struct NfsMount<'a> {
    /// How many mounts stand before it in the file: the same as in mountinfo.
    pub(crate) index: usize,
    /// `server:/export`, escaped as in mountinfo.
    pub(crate) export: &'a [u8],
    pub(crate) mount_point: &'a [u8],
    pub(crate) age_seconds: Option<f64>,
    pub(crate) events: Option<[u64; N_EVENTS]>,
    pub(crate) bytes: Option<[u64; N_BYTES]>,
    /// The connections to the server, one or more of the same protocol.
    pub(crate) transports: Vec<Transport<'a>>,
    pub(crate) operations: Vec<Operation<'a>>,
}

#[derive(Debug)]
pub(crate) struct Transport<'a> {
    pub(crate) protocol: &'a [u8],
    pub(crate) binds: u64,
    /// 0 for UDP, which never connects; so is how long the connection has been idle.
    pub(crate) connects: u64,
    pub(crate) idle_seconds: u64,
    pub(crate) sends: u64,
    pub(crate) receives: u64,
    pub(crate) bad_ids: u64,
    pub(crate) backlog: u64,
    /// Those of TCP and UDP that `statvers=1.1` has.
    pub(crate) queues: Option<Queues>,
}

#[derive(Debug)]
pub(crate) struct Queues {
    pub(crate) max_slots: u64,
    pub(crate) sending: u64,
    pub(crate) pending: u64,
}

/// Requests of one kind.
#[derive(Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) name: &'a [u8],
    /// Requests, transmissions, timeouts, bytes sent and received, and milliseconds waiting to be sent, until the reply,
    /// and in all.
    pub(crate) counts: [u64; 8],
}

/// Hands over each mount of NFS.
///
/// # Errors
/// The number of the first line that is wrong; what the others say is handed over.
pub(crate) fn parse<'a>(text: &'a [u8], mut each: impl FnMut(&NfsMount<'a>)) -> Result<(), usize> {
    let mut mount: Option<NfsMount<'a>> = None;
    let (mut n_mounts, mut lists_operations) = (0, false);
    let parsed = crate::source::for_each_line(crate::source::lines(text), |_, line| {
        if line.starts_with(b"device ") || line.starts_with(b"no device ") {
            mount.take().iter().for_each(&mut each);
            (mount, lists_operations) = (device(line, n_mounts)?, false);
            n_mounts += 1;
            return Some(());
        }
        let mut words = words(line);
        let Some(first) = words.next() else {
            mount.take().iter().for_each(&mut each);
            return Some(());
        };
        let Some(mount) = &mut mount else { return Some(()) };
        if lists_operations {
            let name = first.strip_suffix(b":")?;
            mount.operations.push(Operation { name, counts: numbers(words)? });
            return Some(());
        }
        match first {
            b"age:" => mount.age_seconds = Some(decimal(words.next()?)?),
            b"events:" => mount.events = Some(numbers(words)?),
            b"bytes:" => mount.bytes = Some(numbers(words)?),
            b"xprt:" => mount.transports.push(transport(words)?),
            b"per-op" => lists_operations = true,
            _ => {}
        }
        Some(())
    });
    mount.iter().for_each(each);
    parsed
}

/// `device X mounted on Y with fstype T statvers=1.1`: `Some(None)` for one that is no NFS.
fn device(line: &[u8], index: usize) -> Option<Option<NfsMount<'_>>> {
    let words: Vec<_> = words(line).collect();
    match words[..] {
        [b"device", export, b"mounted", b"on", mount_point, b"with", b"fstype", b"nfs" | b"nfs4", _] => {
            Some(Some(NfsMount { index, export, mount_point, ..NfsMount::default() }))
        }
        [b"device", _, b"mounted", b"on", _, b"with", b"fstype", ..] | [b"no", b"device", ..] => Some(None),
        _ => None,
    }
}

/// So many numbers, and whatever newer kernels have behind them.
fn numbers<'a, const N: usize>(words: impl Iterator<Item = &'a [u8]>) -> Option<[u64; N]> {
    words.take(N).map(number).collect::<Option<Vec<u64>>>()?.try_into().ok()
}

fn transport<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<Transport<'a>> {
    let protocol = words.next()?;
    let mut numbers = words.map(number::<u64>);
    let mut next = || numbers.next().flatten();
    let (_port, binds) = (next()?, next()?);
    let (connects, _connecting, idle_seconds) =
        if protocol == b"udp" { (0, 0, 0) } else { (next()?, next()?, next()?) };
    let (sends, receives, bad_ids, _active, backlog) = (next()?, next()?, next()?, next()?, next()?);
    // RDMA has other numbers here.
    let queues = match (next(), next(), next()) {
        (Some(max_slots), Some(sending), Some(pending)) if protocol != b"rdma" => {
            Some(Queues { max_slots, sending, pending })
        }
        _ => None,
    };
    Some(Transport { protocol, binds, connects, idle_seconds, sends, receives, bad_ids, backlog, queues })
}
