//! One connection to a bus, or to a service itself.

use super::{
    Error,
    message::{self, Call, Reply},
};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    io::{self, Read as _, Write as _},
    path::Path,
    time::Instant,
};

/// So many calls are under way at once. More would fill the buffers of a peer that waits for us to read.
const AT_ONCE: usize = 64;

/// A client proves who it is by the credentials of its socket: `EXTERNAL` without a name. systemd's own clients send it
/// all at once, too.
const GREETING: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
const MAX_LINE: usize = 4096;

const HELLO: Call<'_> = Call {
    service: "org.freedesktop.DBus",
    object: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    method: "Hello",
    arguments: &[],
};

pub(super) struct Connection {
    socket: Socket,
    serial: u32,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// What of `received` has been dealt with.
    done: usize,
}

impl Connection {
    /// A connection to a bus, which has to be greeted.
    pub(super) fn to_bus(path: &Path, deadline: Instant) -> Result<Self, Error> {
        let mut connection = Self::to_service(path, deadline)?;
        connection.ask(std::iter::once(HELLO), deadline, |_, _| {})?;
        Ok(connection)
    }

    /// A connection that ends at the service itself.
    pub(super) fn to_service(path: &Path, deadline: Instant) -> Result<Self, Error> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // It holds for connecting, too: a peer that does not accept lets its queue fill up.
        socket.set_write_timeout(Some(left(deadline)?))?;
        socket.connect(&SockAddr::unix(path)?)?;
        let mut connection = Self { socket, serial: 0, sent: Vec::new(), received: Vec::new(), done: 0 };
        connection.sent.extend_from_slice(GREETING);
        connection.send(deadline)?;
        while connection.line(deadline)? == b"DATA" {}
        Ok(connection)
    }

    /// Whether the peer has not closed it.
    pub(super) fn is_open(&self) -> bool {
        let (socket, mut byte) = (&self.socket, [std::mem::MaybeUninit::uninit()]);
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        match socket.recv_with_flags(&mut byte, flags) {
            Ok(n_bytes) => n_bytes > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    /// Sends all `calls` and hands over each reply, in any order, with the number of its call from 0. After an error the
    /// connection is of no use.
    pub(super) fn ask<'a>(
        &mut self,
        mut calls: impl Iterator<Item = Call<'a>>,
        deadline: Instant,
        mut each: impl FnMut(usize, Reply<'_>),
    ) -> Result<(), Error> {
        let mut n_done = 0;
        loop {
            let first = self.serial + 1;
            for call in calls.by_ref().take(AT_ONCE) {
                self.serial += 1;
                call.write(self.serial, &mut self.sent)?;
            }
            let n_calls = self.serial + 1 - first;
            if n_calls == 0 {
                return Ok(());
            }
            self.send(deadline)?;
            let mut n_left = n_calls;
            while n_left > 0 {
                let length = self.message(deadline)?;
                let bytes = &self.received[self.done..self.done + length];
                self.done += length;
                // The bus sends signals as well.
                let Some((serial, reply)) = message::reply(bytes)? else { continue };
                let index = serial.checked_sub(first).filter(|it| *it < n_calls).ok_or(Error::Malformed)?;
                each(n_done + index as usize, reply);
                n_left -= 1;
            }
            n_done += n_calls as usize;
        }
    }

    /// Writes what is to be sent.
    fn send(&mut self, deadline: Instant) -> Result<(), Error> {
        self.socket.set_write_timeout(Some(left(deadline)?))?;
        self.socket.write_all(&self.sent)?;
        self.sent.clear();
        Ok(())
    }

    /// Reads until a message is whole; its length.
    fn message(&mut self, deadline: Instant) -> Result<usize, Error> {
        loop {
            let bytes = &self.received[self.done..];
            match message::length(bytes)? {
                Some(length) if length <= bytes.len() => return Ok(length),
                _ => self.receive(deadline)?,
            }
        }
    }

    /// Reads one line of the greeting's answer: `DATA`, or `OK` and a name.
    fn line(&mut self, deadline: Instant) -> Result<&[u8], Error> {
        let length = loop {
            let bytes = &self.received[self.done..];
            match bytes.windows(2).position(|it| it == b"\r\n") {
                Some(length) => break length,
                None if bytes.len() > MAX_LINE => return Err(Error::Malformed),
                None => self.receive(deadline)?,
            }
        };
        let line = &self.received[self.done..self.done + length];
        self.done += length + 2;
        if line == b"DATA" || line.starts_with(b"OK ") { Ok(line) } else { Err(Error::Refused) }
    }

    /// Reads what is there, and waits for it if there is nothing.
    fn receive(&mut self, deadline: Instant) -> Result<(), Error> {
        self.received.drain(..self.done);
        self.done = 0;
        self.socket.set_read_timeout(Some(left(deadline)?))?;
        let n_before = self.received.len();
        self.received.resize(n_before + ROOM, 0);
        let result = self.socket.read(&mut self.received[n_before..]);
        self.received.truncate(n_before + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(Error::Closed),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// How much is read at once.
const ROOM: usize = 32 << 10;

/// What is left of the time.
fn left(deadline: Instant) -> Result<std::time::Duration, Error> {
    deadline.checked_duration_since(Instant::now()).filter(|it| !it.is_zero()).ok_or(Error::Late)
}
