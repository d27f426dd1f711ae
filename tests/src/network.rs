//! Network namespaces of a thread's own, what the kernel counts there, and sockets that lose packets: all without a
//! program, a module or a device, so that guests have it, too.

use std::{fs, io, os::fd::AsFd, thread};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sched::{CloneFlags, unshare};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink, recv, sendto, socket};
use socket2::{SockFilter, SockRef};

/// Runs `work` on a thread that has a network of its own, with nothing but loopback in it. Threads that it starts are in
/// the same.
pub fn in_own_namespace<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("leave the network namespace")?;
            set_loopback_up()?;
            work()
        });
        running.join().map_err(|_| anyhow!("the thread panicked"))?
    })
}

/// What the kernel has counted in the thread's namespace: a number of snmp or netstat in proc_pid_net(5), such as
/// `("Tcp", "RetransSegs")`.
pub fn counter(table: &str, name: &str) -> Result<u64> {
    for file in ["snmp", "netstat"] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{file}"))?;
        let mut lines = text.lines().filter(|it| it.split(':').next() == Some(table));
        if let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let place = names.split(' ').position(|it| it == name);
            let place = place.with_context(|| format!("the kernel does not count {table} {name}"))?;
            return Ok(values.split(' ').nth(place).context("a number for each name")?.parse()?);
        }
    }
    bail!("the kernel has no table {table}")
}

/// Has a socket lose all that comes for it, until [`take_again`].
pub fn lose_all<S: AsFd>(socket: &S) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])
}

/// Has a socket take all that comes for it, by a filter.
pub fn take_all<S: AsFd>(socket: &S) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&[SockFilter::new(RETURN, 0, 0, u32::MAX)])
}

/// Has a TCP socket lose each segment whose data begins with this byte, until [`take_again`]. See
/// Documentation/networking/filter.rst.
pub fn lose_beginning_with<S: AsFd>(socket: &S, byte: u8) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&[
        // X: the length of the header, which a filter sees first, from its data offset.
        SockFilter::new(0x30, 0, 0, 12),
        SockFilter::new(0x74, 0, 0, 4),
        SockFilter::new(0x64, 0, 0, 2),
        SockFilter::new(0x07, 0, 0, 0),
        // Without data it is taken.
        SockFilter::new(0x80, 0, 0, 0),
        SockFilter::new(0x2d, 0, 2, 0),
        SockFilter::new(0x50, 0, 0, 0),
        SockFilter::new(0x15, 1, 0, byte.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ])
}

/// Ends what [`lose_all`] and [`lose_beginning_with`] began.
pub fn take_again<S: AsFd>(socket: &S) -> io::Result<()> {
    SockRef::from(socket).detach_filter()
}

/// How many bytes of a packet are taken.
const RETURN: u16 = 0x06;

/// `ip link set lo up`: the kernel then adds 127.0.0.1 by itself.
pub fn set_loopback_up() -> Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const IFF_UP: u32 = 0x1;

    // struct ifinfomsg: family and type, index, flags, which of the flags to change.
    ask(RTM_NEWLINK, 0, [0, LOOPBACK_INDEX, IFF_UP, IFF_UP]).context("set lo up")
}

/// `tc qdisc add dev lo root pfifo limit 0`: a queue that is full, as it has no room at all.
pub fn fill_queue_of_loopback() -> Result<()> {
    const RTM_NEWQDISC: u16 = 36;
    const CREATE: u16 = 0x400;
    const TC_H_ROOT: u32 = u32::MAX;
    // struct rtattr: length and type.
    const KIND: u32 = 10 | 1 << 16;
    const OPTIONS: u32 = 8 | 2 << 16;

    let [pfifo, limit] = [[u32::from_ne_bytes(*b"pfif"), u32::from_ne_bytes(*b"o\0\0\0")], [OPTIONS, 0]];
    // struct tcmsg: family, index, handle, parent, unused.
    let message = [0, LOOPBACK_INDEX, 0, TC_H_ROOT, 0, KIND, pfifo[0], pfifo[1], limit[0], limit[1]];
    ask(RTM_NEWQDISC, CREATE, message).context("give lo a queue")
}

const LOOPBACK_INDEX: u32 = 1;

/// Asks the kernel for something, see rtnetlink(7).
fn ask<const N: usize>(kind: u16, flags: u16, words: [u32; N]) -> Result<()> {
    const REQUEST_AND_ACK: u16 = 0x1 | 0x4;

    let mut message = Vec::new();
    // struct nlmsghdr: length, type, flags, sequence, port.
    message.extend((16 + 4 * N as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((REQUEST_AND_ACK | flags).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(words.iter().flat_map(|it| it.to_ne_bytes()));

    // No protocol is 0, NETLINK_ROUTE.
    let route = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    sendto(route.as_fd(), &message, SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 128];
    let (n_read, _) = recv(route.as_fd(), &mut answer[..], RecvFlags::empty())?;
    // struct nlmsgerr: the header, then a negative error number or 0.
    let Some(code) = answer[..n_read].get(16..20) else { bail!("a short answer from the kernel") };
    let code = i32::from_ne_bytes(code.try_into()?);
    ensure!(code == 0, io::Error::from_raw_os_error(-code));
    Ok(())
}
