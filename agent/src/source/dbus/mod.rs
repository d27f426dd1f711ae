//! D-Bus, for callers that ask and wait: see the specification on dbus.freedesktop.org.
//!
//! The zbus crate writes and reads the values. Its connections want an async runtime, which collectors have none of, and
//! take 0.9 MB of code; the rustbus crate's have no time limit while they are made. So the socket is ours.

mod connection;
mod message;
#[cfg(test)]
pub(crate) mod peer;

pub(crate) use message::{Call, Reply};
pub(crate) use zbus::{ObjectPath, Variant};

use crate::source;
use connection::Connection;
use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long all questions of one scrape may take. systemd stops for seconds when it reads its units anew.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no answer within {} s", LIMIT.as_secs())]
    Late,
    #[error("the connection was closed")]
    Closed,
    #[error("the user is not let in")]
    Refused,
    #[error("the answer is no message of D-Bus")]
    Malformed,
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A Unix socket says so when the time is up.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Late,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<zbus::Error> for Error {
    fn from(_: zbus::Error) -> Self {
        Self::Malformed
    }
}

/// A socket to connect to.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Bus(PathBuf),
    Service(PathBuf),
}

impl Address {
    pub(crate) fn path(&self) -> &Path {
        let (Self::Bus(path) | Self::Service(path)) = self;
        path
    }
}

/// Asks over one connection, which is kept, and made anew when the peer was.
pub(crate) struct Client {
    /// Who is asked, for errors.
    server: &'static str,
    /// The first that exists is taken.
    addresses: Vec<Address>,
    kept: Option<Connection>,
}

/// The questions of one scrape, which have one time limit.
pub(crate) struct Session<'a> {
    server: &'static str,
    kept: &'a mut Option<Connection>,
    deadline: Instant,
}

impl Client {
    pub(crate) fn new(server: &'static str, addresses: Vec<Address>) -> Self {
        Self { server, addresses, kept: None }
    }

    /// Connects, unless the connection still holds. `None` where there is no socket.
    ///
    /// # Errors
    /// When there is one, and nobody who answers.
    pub(crate) fn session(&mut self) -> Result<Option<Session<'_>>, source::Error> {
        let Self { server, addresses, kept } = self;
        let deadline = Instant::now() + LIMIT;
        if !kept.as_ref().is_some_and(Connection::is_open) {
            let Some(address) = addresses.iter().find(|it| it.path().exists()) else { return Ok(None) };
            let connection = match address {
                Address::Bus(path) => Connection::to_bus(path, deadline),
                Address::Service(path) => Connection::to_service(path, deadline),
            };
            *kept = Some(connection.map_err(|error| asked(server, error))?);
        }
        Ok(Some(Session { server, kept, deadline }))
    }
}

impl Session<'_> {
    /// Sends all `calls` and hands over each reply with the number of its call from 0.
    ///
    /// # Errors
    /// When not all replies came: the connection is given up then. Or the first that `each` has.
    pub(crate) fn ask<'a>(
        &mut self,
        calls: impl Iterator<Item = Call<'a>>,
        mut each: impl FnMut(usize, &Reply<'_>) -> Result<(), String>,
    ) -> Result<(), source::Error> {
        let mut first_problem = Ok(());
        let Some(connection) = self.kept else { return Err(asked(self.server, Error::Closed)) };
        let result = connection.ask(calls, self.deadline, |index, reply| {
            let result = each(index, &reply);
            if first_problem.is_ok() {
                first_problem = result;
            }
        });
        if let Err(error) = result {
            *self.kept = None;
            return Err(asked(self.server, error));
        }
        first_problem.map_err(|problem| source::Error::Asked { server: self.server.to_owned(), problem })
    }
}

fn asked(server: &str, error: Error) -> source::Error {
    source::Error::Asked { server: server.to_owned(), problem: error.to_string() }
}
