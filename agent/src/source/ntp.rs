//! One question to an NTP server, as a simple client asks it: RFC 5905. Times are 32.32 fixed-point seconds since 1900.

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

const LIMIT: Duration = Duration::from_secs(1);
const BYTES: usize = 48;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;

/// From 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;
/// Earlier times are taken for those after the counter's turn in 2036.
const TURN: u64 = 1 << 31;

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) server: SocketAddr,
    pub(crate) version: u8,
    pub(crate) ttl: u32,
}

/// What the server said, and what the clocks say of it. All in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// 1: a second is added today, 2: one is left out, 3: the clock is not set.
    pub(crate) leap: u8,
    pub(crate) stratum: u8,
    pub(crate) root_delay: f64,
    pub(crate) root_dispersion: f64,
    /// When the server's clock was last set, in Unix time; `None` if never.
    pub(crate) reference: Option<f64>,
    /// When the server answered, in Unix time.
    pub(crate) time: f64,
    pub(crate) round_trip: f64,
    /// How far the server's clock is ahead.
    pub(crate) offset: f64,
    /// How far the clocks differ at least: the answer seems to come before the question.
    pub(crate) min_error: f64,
}

impl Answer {
    /// How wrong the time may be by all that stands between us and a reference clock.
    pub(crate) fn root_distance(&self) -> f64 {
        /// MINDISP
        const LEAST_DELAY: f64 = 0.01;
        (self.round_trip + self.root_delay).max(LEAST_DELAY) / 2.0 + self.root_dispersion
    }

    /// Whether the server's time can be relied on at all.
    pub(crate) fn is_valid(&self) -> bool {
        const MAX_STRATUM: u8 = 15;
        const MAX_DISPERSION: f64 = 16.0;
        /// 2^17 seconds: the longest time between two polls.
        const MAX_AGE: f64 = 131_072.0;
        const NOT_SET: u8 = 3;
        let age = self.reference.map(|it| self.time - it);
        (1..=MAX_STRATUM).contains(&self.stratum)
            && self.leap != NOT_SET
            && self.root_delay / 2.0 + self.root_dispersion <= MAX_DISPERSION
            && age.is_some_and(|age| (0.0..=MAX_AGE).contains(&age))
    }
}

impl Question {
    /// Asks once.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn ask(&self) -> Result<Answer, String> {
        let (bytes, sent, received) =
            self.exchange().map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::AGAIN) => format!("no answer within {} s", LIMIT.as_secs()),
                _ => error.to_string(),
            })?;
        read(&bytes, sent, received)
    }

    /// The answer, and when the question was sent and the answer received, in NTP's time.
    fn exchange(&self) -> io::Result<([u8; BYTES], u64, u64)> {
        let socket = Socket::new(Domain::for_address(self.server), Type::DGRAM, Some(Protocol::UDP))?;
        match self.server {
            SocketAddr::V4(_) => socket.set_ttl_v4(self.ttl)?,
            SocketAddr::V6(_) => socket.set_unicast_hops_v6(self.ttl)?,
        }
        socket.connect(&self.server.into())?;
        let mut question = [0; BYTES];
        question[0] = self.version << 3 | CLIENT;
        // A number that nobody can guess comes back as the time of the question.
        let random = ring::rand::generate::<[u8; 8]>(&ring::rand::SystemRandom::new());
        let random = random.map_err(|_| io::Error::other("no random numbers"))?.expose();
        question[40..].copy_from_slice(&random);
        let (began, clock) = (SystemTime::now(), Instant::now());
        socket.send(&question)?;
        let socket = std::net::UdpSocket::from(socket);
        loop {
            let left = LIMIT.checked_sub(clock.elapsed()).filter(|it| !it.is_zero());
            socket.set_read_timeout(Some(left.ok_or(Errno::AGAIN)?))?;
            let mut answer = [0; BYTES];
            let n_bytes = socket.recv(&mut answer)?;
            let took = clock.elapsed();
            if n_bytes == BYTES && answer[24..32] == random {
                return Ok((answer, from_unix(began), from_unix(began + took)));
            }
        }
    }
}

fn read(bytes: &[u8; BYTES], sent: u64, received: u64) -> Result<Answer, String> {
    let long = |at: usize| u64::from_be_bytes(std::array::from_fn(|idx| bytes[at + idx]));
    let short =
        |at: usize| f64::from(u32::from_be_bytes(std::array::from_fn(|idx| bytes[at + idx]))) / 65536.0;
    let (reference, arrived, answered) = (long(16), long(32), long(40));
    if bytes[0] & 7 != SERVER {
        return Err("the answer is no server's".to_owned());
    }
    if answered == 0 || arrived > answered {
        return Err("the answer's times make no sense".to_owned());
    }
    Ok(Answer {
        leap: bytes[0] >> 6,
        stratum: bytes[1],
        root_delay: short(4),
        root_dispersion: short(8),
        reference: (reference != 0).then(|| to_unix(reference)),
        time: to_unix(answered),
        round_trip: (difference(received, sent) - difference(answered, arrived)).max(0.0),
        offset: (difference(arrived, sent) + difference(answered, received)) / 2.0,
        min_error: difference(sent, arrived).max(difference(answered, received)).max(0.0),
    })
}

fn from_unix(time: SystemTime) -> u64 {
    let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
    (time.as_secs().wrapping_add(UNIX_EPOCH) << 32) | fraction
}

fn to_unix(time: u64) -> f64 {
    let seconds = time >> 32;
    let seconds = if seconds < TURN { seconds + (1 << 32) } else { seconds };
    let nanoseconds = ((time & u64::from(u32::MAX)) * 1_000_000_000) >> 32;
    ((seconds as i64 - UNIX_EPOCH as i64) * 1_000_000_000 + nanoseconds as i64) as f64 / 1e9
}

/// `a - b`, also over the counter's turn.
fn difference(a: u64, b: u64) -> f64 {
    a.wrapping_sub(b).cast_signed() as f64 / (1u64 << 32) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;

    fn packet(first: u8, times: [u64; 4]) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[0] = first;
        bytes[1] = 2;
        bytes[4..8].copy_from_slice(&0x8000_u32.to_be_bytes());
        bytes[8..12].copy_from_slice(&0x4000_u32.to_be_bytes());
        for (at, time) in [16, 24, 32, 40].into_iter().zip(times) {
            bytes[at..at + 8].copy_from_slice(&time.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn compares_clocks() {
        // Sent at 100, there at 110.25, answered at 110.5, back at 101, by a clock that is 9.875 s ahead.
        let now = 4_000_000_000 * SECOND;
        let at = |seconds: f64| now + (seconds * SECOND as f64) as u64;
        let answer =
            read(&packet(4 << 3 | 4, [at(40.5), 0, at(110.25), at(110.5)]), at(100.0), at(101.0)).unwrap();
        assert_eq!((answer.offset, answer.round_trip, answer.min_error), (9.875, 0.75, 9.5));
        assert_eq!((answer.root_delay, answer.root_dispersion, answer.leap), (0.5, 0.25, 0));
        assert_eq!(answer.root_distance(), 0.875);
        assert_eq!(answer.time, 1_791_011_310.5);
        assert!(answer.is_valid());
    }

    #[test]
    fn knows_a_server_that_is_not_to_be_relied_on() {
        let now = 4_000_000_000 * SECOND;
        let good = read(&packet(0x24, [now, 0, now, now]), now, now).unwrap();
        assert!(good.is_valid());
        let bad = [
            Answer { leap: 3, ..good },
            Answer { stratum: 0, ..good },
            Answer { stratum: 16, ..good },
            Answer { root_dispersion: 16.0, ..good },
            Answer { reference: None, ..good },
            Answer { reference: Some(good.time + 1.0), ..good },
            Answer { reference: Some(good.time - 131_073.0), ..good },
        ];
        assert!(bad.iter().all(|it| !it.is_valid()));
        assert!(read(&packet(0x23, [now, 0, now, now]), now, now).is_err(), "a client");
        assert!(read(&packet(0x24, [now, 0, now, 0]), now, now).is_err());
        assert!(read(&packet(0x24, [now, 0, now + 1, now]), now, now).is_err());
    }

    #[test]
    fn the_counters_turn_is_no_end() {
        let before = u64::MAX - SECOND + 1;
        assert_eq!(to_unix(1) - to_unix(before), 1.0);
        assert_eq!(difference(SECOND, before), 2.0);
    }
}
