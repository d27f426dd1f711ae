//! What drivers tell of network interfaces: settings of the link, who they are, statistics of their own. See
//! `include/uapi/linux/ethtool.h`.

use super::{
    Error,
    netlink::{
        Socket,
        message::{read_text, read_u32, read_u64},
    },
    sys::ethtool::Room,
};
use rustix::{fd::AsFd as _, io::Errno};
use std::io;

const ETHTOOL_GSET: u32 = 1;
const ETHTOOL_GDRVINFO: u32 = 3;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSTATS: u32 = 0x1d;
const ETH_SS_STATS: u32 = 1;

/// Bytes of `struct ethtool_cmd` and `struct ethtool_drvinfo`.
const SETTINGS: usize = 44;
const DRIVER: usize = 196;
/// Bytes of a statistic's name, and of a text of a driver.
const TEXT: usize = 32;
/// Bytes before the first name, and before the first number.
const NAMES: usize = 12;
const NUMBERS: usize = 8;

/// The question that all drivers answer, by any socket of the interfaces' network.
#[derive(Debug)]
pub(crate) struct Ethtool {
    room: Room,
}

/// How the link is set up. Sets are of `ETHTOOL_LINK_MODE_…_BIT`, the first 32 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) supported: u32,
    pub(crate) advertised: u32,
    /// 1 where the two ends of the link agree on the speed.
    pub(crate) autonegotiates: u8,
}

/// Who the driver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Driver<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) version: &'a [u8],
    pub(crate) firmware_version: &'a [u8],
    pub(crate) bus_info: &'a [u8],
    pub(crate) expansion_rom_version: &'a [u8],
    pub(crate) n_statistics: u32,
}

impl Ethtool {
    pub(crate) fn new() -> Result<Self, Error> {
        let room =
            Room::new().map_err(|source| Error::Call { call: "map memory for drivers' answers", source })?;
        Ok(Self { room })
    }

    pub(crate) fn settings(&mut self, socket: &mut Socket, interface: &[u8]) -> Result<Settings, Error> {
        let answer = self.ask(socket, interface, "ask a driver for its link's settings", &[ETHTOOL_GSET])?;
        Ok(Settings::parse(answer))
    }

    pub(crate) fn driver(&mut self, socket: &mut Socket, interface: &[u8]) -> Result<Driver<'_>, Error> {
        let answer = self.ask(socket, interface, "ask a driver who it is", &[ETHTOOL_GDRVINFO])?;
        Ok(Driver::parse(answer))
    }

    /// The names of the statistics, in the order of their numbers.
    pub(crate) fn names(
        &mut self,
        socket: &mut Socket,
        interface: &[u8],
        n: u32,
    ) -> Result<impl Iterator<Item = &[u8]>, Error> {
        let question = [ETHTOOL_GSTRINGS, ETH_SS_STATS, n];
        let answer = self.ask(socket, interface, "ask a driver for its statistics' names", &question)?;
        Ok(names(answer))
    }

    pub(crate) fn numbers(
        &mut self,
        socket: &mut Socket,
        interface: &[u8],
        n: u32,
    ) -> Result<impl Iterator<Item = u64>, Error> {
        let answer = self.ask(socket, interface, "ask a driver for its statistics", &[ETHTOOL_GSTATS, n])?;
        Ok(numbers(answer))
    }

    fn ask(
        &mut self,
        socket: &mut Socket,
        interface: &[u8],
        call: &'static str,
        question: &[u32],
    ) -> Result<&[u8], Error> {
        let fail = |source: io::Error| Error::Call { call, source };
        let socket = socket.descriptor().map_err(|errno: Errno| fail(errno.into()))?;
        self.room.ask(socket.as_fd(), interface, question).map_err(fail)
    }
}

impl Settings {
    /// Of an answer that is shorter than the kernel's, what is not there is 0.
    fn parse(answer: &[u8]) -> Self {
        let mut bytes = [0; SETTINGS];
        bytes.iter_mut().zip(answer).for_each(|(byte, it)| *byte = *it);
        let number = |at: usize| read_u32(&bytes[at..]).unwrap_or(0);
        Self { supported: number(4), advertised: number(8), autonegotiates: bytes[18] }
    }
}

impl<'a> Driver<'a> {
    fn parse(answer: &'a [u8]) -> Self {
        let text = |idx: usize| {
            let bytes = answer.get(4 + TEXT * idx..).unwrap_or_default();
            read_text(&bytes[..bytes.len().min(TEXT)])
        };
        let n_statistics = answer.get(DRIVER - 16..).and_then(read_u32);
        Self {
            name: text(0),
            version: text(1),
            firmware_version: text(2),
            bus_info: text(3),
            expansion_rom_version: text(4),
            n_statistics: n_statistics.unwrap_or(0),
        }
    }
}

/// As many as the kernel says that it wrote.
fn names(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let n = answer.get(8..).and_then(read_u32).unwrap_or(0) as usize;
    answer.get(NAMES..).unwrap_or_default().chunks_exact(TEXT).take(n).map(read_text)
}

fn numbers(answer: &[u8]) -> impl Iterator<Item = u64> {
    let n = answer.get(4..).and_then(read_u32).unwrap_or(0) as usize;
    answer.get(NUMBERS..).unwrap_or_default().chunks_exact(8).take(n).filter_map(read_u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fuzz;
    use std::hint::black_box;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|it| it.to_ne_bytes()).collect()
    }

    fn texts(texts: &[&str]) -> Vec<u8> {
        let padded = texts.iter().flat_map(|it| it.bytes().chain(std::iter::repeat(0)).take(TEXT));
        padded.collect()
    }

    fn driver() -> Vec<u8> {
        let texts = texts(&["e1000e", "6.1.0", "0.5-4", "0000:00:1f.6", ""]);
        [words(&[ETHTOOL_GDRVINFO]), texts, vec![0; 12], words(&[0, 46, 0, 0, 0])].concat()
    }

    #[test]
    fn answers_are_taken_apart() {
        let driver = driver();
        assert_eq!(driver.len(), DRIVER);
        let driver = Driver::parse(&driver);
        assert_eq!((driver.name, driver.bus_info), (&b"e1000e"[..], &b"0000:00:1f.6"[..]));
        assert_eq!((driver.expansion_rom_version, driver.n_statistics), (&b""[..], 46));

        let mut settings = words(&[ETHTOOL_GSET, 0x60ff, 0x60cf, 0x0103_ffff, 0, 0, 0, 0, 0, 0, 0]);
        settings[18] = 1;
        let expected = Settings { supported: 0x60ff, advertised: 0x60cf, autonegotiates: 1 };
        assert_eq!(Settings::parse(&settings), expected);
    }

    #[test]
    fn what_the_driver_has_not_got_is_not_read() {
        let room =
            [words(&[ETHTOOL_GSTRINGS, ETH_SS_STATS, 2]), texts(&["one", "two", "of another"])].concat();
        assert_eq!(names(&room).collect::<Vec<_>>(), [&b"one"[..], b"two"]);
        let room = words(&[ETHTOOL_GSTATS, 1, 7, 0, 9, 0]);
        assert_eq!(
            numbers(&room).collect::<Vec<_>>(),
            [u64::from_ne_bytes(*room[8..].first_chunk().unwrap())]
        );
    }

    #[test]
    #[ignore = "fuzzes for ten seconds"]
    fn fuzzed_answers_of_drivers() {
        let named = [words(&[ETHTOOL_GSTRINGS, ETH_SS_STATS, 2]), texts(&["one", "two"])].concat();
        fuzz(&[&driver(), &named, &words(&[ETHTOOL_GSTATS, 1, 7, 0])], |bytes| {
            black_box((Settings::parse(bytes), Driver::parse(bytes)));
            black_box((names(bytes).count(), numbers(bytes).count()));
        });
    }
}
