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
    pub(crate) events: [Option<u64>; N_EVENTS],
    pub(crate) bytes: [Option<u64>; N_BYTES],
    /// The connections to the server, one or more of the same protocol.
    pub(crate) transports: Vec<Transport<'a>>,
    pub(crate) operations: Vec<Operation<'a>>,
}

#[derive(Debug)]
pub(crate) struct Transport<'a> {
    pub(crate) protocol: &'a [u8],
    pub(crate) binds: Option<u64>,
    /// 0 for UDP, which never connects; so is how long the connection has been idle.
    pub(crate) connects: Option<u64>,
    pub(crate) idle_seconds: Option<u64>,
    pub(crate) sends: Option<u64>,
    pub(crate) receives: Option<u64>,
    pub(crate) bad_ids: Option<u64>,
    pub(crate) backlog: Option<u64>,
    /// The most slots, and the queues of what is sent and of what has no reply: those of TCP and UDP that `statvers=1.1`
    /// has.
    pub(crate) queues: [Option<u64>; 3],
}

/// Requests of one kind.
#[derive(Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) name: &'a [u8],
    /// Requests, transmissions, timeouts, bytes sent and received, and milliseconds waiting to be sent, until the reply,
    /// and in all.
    pub(crate) counts: [Option<u64>; 8],
}

/// Hands over each mount of NFS.
///
/// # Errors
/// The number of the first line with a word that is wrong; all others are handed over.
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
            let mut operation = Operation { name: first.strip_suffix(b":")?, counts: [None; 8] };
            let is_whole = numbers(words, &mut operation.counts);
            mount.operations.push(operation);
            return is_whole;
        }
        match first {
            b"age:" => mount.age_seconds = Some(decimal(words.next()?)?),
            b"events:" => return numbers(words, &mut mount.events),
            b"bytes:" => return numbers(words, &mut mount.bytes),
            b"xprt:" => {
                let (transport, is_whole) = transport(words)?;
                mount.transports.push(transport);
                return is_whole;
            }
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

/// So many numbers, and whatever newer kernels have behind them. `None` when one is missing or wrong.
fn numbers<'a>(mut words: impl Iterator<Item = &'a [u8]>, to: &mut [Option<u64>]) -> Option<()> {
    to.iter_mut().for_each(|it| *it = words.next().and_then(number));
    to.iter().all(Option::is_some).then_some(())
}

/// The transport, and `None` when a number that it needs is missing or wrong.
fn transport<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<(Transport<'a>, Option<()>)> {
    let protocol = words.next()?;
    let words: Vec<_> = words.collect();
    let at = |index: usize| words.get(index).copied().and_then(number::<u64>);
    // The port comes first.
    let (binds, connects, idle_seconds, next) =
        if protocol == b"udp" { (at(1), Some(0), Some(0), 2) } else { (at(1), at(2), at(4), 5) };
    let [sends, receives, bad_ids, backlog] = [0, 1, 2, 4].map(|index| at(next + index));
    // RDMA has other numbers here.
    let queues = [5, 6, 7].map(|index| at(next + index).filter(|_| protocol != b"rdma"));
    let has_queues = protocol != b"rdma" && words.len() > next + 5;
    let is_whole =
        [binds, connects, idle_seconds, sends, receives, bad_ids, backlog].iter().all(Option::is_some)
            && (!has_queues || queues.iter().all(Option::is_some));
    let transport =
        Transport { protocol, binds, connects, idle_seconds, sends, receives, bad_ids, backlog, queues };
    Some((transport, is_whole.then_some(())))
}
