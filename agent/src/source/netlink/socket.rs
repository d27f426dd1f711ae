//! A netlink socket that is kept between requests.

use super::message::{Message, messages, read_u32};
use crate::source::Error;
use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{self, AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType},
};

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_MULTI: u16 = 0x2;
/// What was dumped changed while it was being dumped.
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

/// What to ask of the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// What is asked for, for errors: `list network interfaces`.
    pub(crate) call: &'static str,
    pub(crate) kind: u16,
    /// The fixed part and the attributes.
    pub(crate) payload: &'a [u8],
}

/// One socket of one netlink family. After an error a new one is opened, so that no answer meets another question.
#[derive(Debug)]
pub struct Socket {
    family: Option<Protocol>,
    kept: Option<OwnedFd>,
    /// Whether `kept` is of another network, so that there is no other one to be had.
    is_only: bool,
    sequence: u32,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Whether dumps of interfaces may ask for less; see [`super::Link::dump`].
    pub(super) skips_stats: bool,
}

impl Socket {
    /// The most that the kernel puts into one datagram of a dump.
    const ANSWER: usize = 32 << 10;
    /// How often a dump is asked for before one that changed meanwhile is good enough.
    const ATTEMPTS: usize = 4;

    /// Interfaces, addresses, neighbours: rtnetlink(7).
    pub(crate) fn route() -> Self {
        Self::new(None)
    }

    /// Families that came later, by name: see `Documentation/userspace-api/netlink/intro.rst` of the kernel.
    pub(crate) fn generic() -> Self {
        Self::new(Some(net::netlink::GENERIC))
    }

    /// Other sockets: sock_diag(7).
    pub(crate) fn diagnostics() -> Self {
        Self::new(Some(net::netlink::SOCK_DIAG))
    }

    fn new(family: Option<Protocol>) -> Self {
        Self {
            family,
            kept: None,
            is_only: false,
            sequence: 0,
            request: Vec::new(),
            answer: Vec::new(),
            skips_stats: true,
        }
    }

    /// Opens it, to be of the network that the calling thread is in for good.
    pub(in crate::source) fn opened_here(mut self) -> Result<Self, Errno> {
        self.descriptor()?;
        self.is_only = true;
        Ok(self)
    }

    /// Fills `rows` with all that the kernel has of a kind; `row` makes one out of a message, or leaves it out.
    ///
    /// Objects may come and go meanwhile: then it is asked again, a few times. What is in `rows` at the end is right,
    /// but may lack one or have it twice.
    pub(crate) fn dump<T>(
        &mut self,
        request: Request<'_>,
        rows: &mut Vec<T>,
        mut row: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<(), Error> {
        for _ in 0..Self::ATTEMPTS {
            rows.clear();
            let changed = self.ask(request, NLM_F_DUMP, |message| rows.extend(row(message)))?;
            if !changed {
                break;
            }
        }
        Ok(())
    }

    /// Hands over all that the kernel has of a kind, once, whatever comes and goes meanwhile.
    pub(crate) fn for_each(&mut self, request: Request<'_>, each: impl FnMut(&[u8])) -> Result<(), Error> {
        self.ask(request, NLM_F_DUMP, each).map(drop)
    }

    /// Asks for one object.
    pub(crate) fn get(&mut self, request: Request<'_>, each: impl FnMut(&[u8])) -> Result<(), Error> {
        self.ask(request, 0, each).map(drop)
    }

    /// The open socket, for calls that any socket answers.
    pub(crate) fn descriptor(&mut self) -> Result<&OwnedFd, Errno> {
        if self.kept.is_none() {
            let flags = SocketFlags::CLOEXEC;
            self.kept = Some(net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, self.family)?);
        }
        Ok(self.kept.as_ref().expect("it was opened if it was not"))
    }

    /// Sends one request and hands each message of the answer to `each`. Returns whether the objects changed meanwhile.
    fn ask(&mut self, request: Request<'_>, flags: u16, each: impl FnMut(&[u8])) -> Result<bool, Error> {
        let answer = self.exchange(request, flags, each);
        answer.map_err(|errno| {
            match self.is_only {
                true => self.drain(),
                false => self.kept = None,
            }
            Error::Call { call: request.call, source: errno.into() }
        })
    }

    /// Takes what is left of an answer.
    fn drain(&mut self) {
        let Self { kept: Some(fd), answer, .. } = self else { return };
        while net::recv(&*fd, answer.as_mut_slice(), RecvFlags::DONTWAIT).is_ok_and(|it| it.0 > 0) {}
    }

    fn exchange(&mut self, request: Request<'_>, flags: u16, each: impl FnMut(&[u8])) -> Result<bool, Errno> {
        self.descriptor()?;
        let Self { kept: Some(fd), sequence, request: bytes, answer, .. } = self else {
            return Err(Errno::BADF);
        };
        *sequence = sequence.wrapping_add(1);
        bytes.clear();
        let Request { kind, payload, .. } = request;
        Message { kind, flags: NLM_F_REQUEST | flags, sequence: *sequence, payload }.write(bytes);
        net::send(&*fd, bytes, SendFlags::empty())?;

        answer.resize(Self::ANSWER, 0);
        let is_list = flags & NLM_F_DUMP != 0;
        let mut reader = Reader { sequence: *sequence, is_list, changed: false, each };
        loop {
            let (n_bytes, n_sent) = match net::recv(&*fd, answer.as_mut_slice(), RecvFlags::TRUNC) {
                Err(Errno::INTR) => continue,
                result => result?,
            };
            if n_sent > n_bytes {
                return Err(Errno::MSGSIZE);
            }
            if reader.read(&answer[..n_bytes])? {
                return Ok(reader.changed);
            }
        }
    }
}

/// Follows the answer to one request through its datagrams.
struct Reader<F> {
    sequence: u32,
    /// Whether something says where it ends. Not all families say of each message that more may come.
    is_list: bool,
    /// Whether the kernel says that the answer is not of one moment.
    changed: bool,
    each: F,
}

impl<F: FnMut(&[u8])> Reader<F> {
    /// Takes in one datagram and returns whether the answer ended.
    fn read(&mut self, datagram: &[u8]) -> Result<bool, Errno> {
        for message in messages(datagram).filter(|it| it.sequence == self.sequence) {
            self.changed |= message.flags & NLM_F_DUMP_INTR != 0;
            match message.kind {
                NLMSG_NOOP => {}
                NLMSG_OVERRUN => return Err(Errno::OVERFLOW),
                NLMSG_ERROR | NLMSG_DONE => return check_status(message.payload).map(|()| true),
                _ => {
                    (self.each)(message.payload);
                    if !self.is_list && message.flags & NLM_F_MULTI == 0 {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
}

/// The status that ends an answer: 0, or an error's number negated.
fn check_status(payload: &[u8]) -> Result<(), Errno> {
    match read_u32(payload).map_or(0, u32::cast_signed) {
        0.. => Ok(()),
        negated => Err(Errno::from_raw_os_error(-negated)),
    }
}
