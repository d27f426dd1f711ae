//! How many bytes of IP went through the network namespace of this process, from `/proc/self/net/netstat`: see
//! proc_pid_net(5). The kernel sums hundreds of counters over all CPUs to write that file, so a number that has just been
//! read of it is taken instead.

use super::{File, Host};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Received and sent.
type Octets = [f64; 2];

/// Those that somebody has read, and when. Of the process, as its network namespace is.
static LAST: Mutex<Option<(Instant, Octets)>> = Mutex::new(None);

const FRESH: Duration = Duration::from_secs(1);

/// For who reads `net/netstat` of `host` anyway: tells what it says, if it is about this process' network.
#[derive(Debug)]
pub struct Teller {
    is_own: bool,
}

impl Teller {
    #[must_use]
    pub fn new(host: &Host) -> Self {
        Self { is_own: host.shows_own_network() }
    }

    pub fn tell(&self, octets: Octets) {
        if self.is_own {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), octets));
        }
    }
}

/// Asks the kernel when nobody has just done so.
#[derive(Debug)]
pub struct IpOctets {
    file: File,
}

impl Default for IpOctets {
    fn default() -> Self {
        Self { file: File::new("/proc/self/net/netstat".into()) }
    }
}

impl IpOctets {
    /// `None` where they cannot be read.
    pub fn read(&mut self) -> Option<Octets> {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        match last.filter(|(at, _)| at.elapsed() < FRESH) {
            Some((_, octets)) => Some(octets),
            None => parse(self.file.read().ok()?),
        }
    }
}

/// `InOctets` and `OutOctets` of `IpExt`: a line of names, then one of values.
fn parse(text: &[u8]) -> Option<Octets> {
    let mut lines = super::lines(text).filter_map(|(_, line)| line.strip_prefix(b"IpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |name: &[u8]| {
        let mut pairs = super::words(names).zip(super::words(values));
        pairs.find(|(it, _)| *it == name).and_then(|(_, value)| super::decimal(value))
    };
    Some([value(b"InOctets")?, value(b"OutOctets")?])
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn finds_the_two_among_the_others() {
        let text = b"TcpExt: InOctets\nTcpExt: 1\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 7 460 512\n";
        assert_eq!(parse(text), Some([460.0, 512.0]));
        assert_eq!(parse(b"IpExt: InOctets\nIpExt: 460\n"), None);
        assert_eq!(parse(b"IpExt: InOctets OutOctets\nIpExt: 460 x\n"), None);
        assert_eq!(parse(b""), None);
    }
}
