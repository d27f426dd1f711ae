//! The system clock as the kernel steers it, the host's monotonic clock, and the local time zone.
#![expect(unsafe_code, reason = "calls libc")]

use crate::source::Error;
use rustix::time::{ClockId, clock_gettime};
use std::{ffi::CStr, fs, io, mem::MaybeUninit, sync::LazyLock};

/// What adjtimex(2) says; the units are those of the manual, whatever `status` makes of them.
#[derive(Clone, Debug, Default)]
pub struct Timex {
    /// `TIME_OK` … `TIME_ERROR`: what the call returns.
    pub state: i32,
    pub status: i32,
    pub offset: i64,
    pub freq: i64,
    pub maxerror: i64,
    pub esterror: i64,
    pub constant: i64,
    pub tick: i64,
    pub ppsfreq: i64,
    pub jitter: i64,
    pub shift: i32,
    pub stabil: i64,
    pub jitcnt: i64,
    pub calcnt: i64,
    pub errcnt: i64,
    pub stbcnt: i64,
    pub tai: i32,
}

/// Reads the state of the clock and changes nothing.
///
/// # Errors
/// When a sandbox forbids it.
pub fn adjtimex() -> Result<Timex, Error> {
    let timex = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: it is made of integers only, for which zeros are values.
    let mut timex = unsafe { timex.assume_init() };
    // glibc and musl call clock_adjtime(2) instead, which older container runtimes forbid while they allow this one.
    // SAFETY: the kernel writes one `struct timex` where the pointer says, which lives until the call returns.
    let mut state = unsafe { libc::syscall(libc::SYS_adjtimex, &raw mut timex) };
    if state < 0 {
        // SAFETY: as above.
        state = unsafe { libc::adjtimex(&raw mut timex) }.into();
    }
    if state < 0 {
        return Err(Error::Call { call: "adjtimex", source: io::Error::last_os_error() });
    }
    Ok(Timex {
        state: state as i32,
        status: timex.status,
        offset: timex.offset,
        freq: timex.freq,
        maxerror: timex.maxerror,
        esterror: timex.esterror,
        constant: timex.constant,
        tick: timex.tick,
        ppsfreq: timex.ppsfreq,
        jitter: timex.jitter,
        shift: timex.shift,
        stabil: timex.stabil,
        jitcnt: timex.jitcnt,
        calcnt: timex.calcnt,
        errcnt: timex.errcnt,
        stbcnt: timex.stbcnt,
        tai: timex.tai,
    })
}

/// Nanoseconds of the monotonic clock as the host has it, and programs of eBPF: without what a time namespace adds to
/// ours, see time_namespaces(7).
pub fn monotonic() -> u64 {
    static ADDED: LazyLock<i64> = LazyLock::new(|| {
        // Before Linux 5.6 there is none.
        let offsets = fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
        added(&offsets).unwrap_or_default()
    });
    let now = clock_gettime(ClockId::Monotonic);
    nanoseconds(now.tv_sec, now.tv_nsec).wrapping_sub(*ADDED).cast_unsigned()
}

/// The nanoseconds that a time namespace adds to the monotonic clock.
fn added(offsets: &str) -> Option<i64> {
    let line = offsets.lines().find_map(|it| it.strip_prefix("monotonic"))?;
    let mut numbers = line.split_ascii_whitespace().map(|it| it.parse().ok());
    Some(nanoseconds(numbers.next()??, numbers.next()??))
}

const fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds * 1_000_000_000 + nanoseconds
}

/// A time zone at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Such as `CEST`.
    pub abbreviation: String,
    /// Seconds east of Greenwich.
    pub offset: i64,
}

/// The zone of `TZ`, else of `/etc/localtime`, else UTC; its rules are read once.
///
/// # Errors
/// When the year of the time is beyond what libc counts.
pub fn local_zone(unix_seconds: i64) -> Result<Zone, Error> {
    let local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: integers and a pointer, for which zeros are values.
    let mut local = unsafe { local.assume_init() };
    // SAFETY: both pointers are to values that live until the call returns. Nothing in this process sets `TZ`.
    if unsafe { libc::localtime_r(&raw const unix_seconds, &raw mut local) }.is_null() {
        return Err(Error::Call { call: "localtime_r", source: io::Error::last_os_error() });
    }
    let abbreviation = if local.tm_zone.is_null() {
        String::new()
    } else {
        // SAFETY: libc's own string, ended by NUL, which stays until the zone's rules are read anew: they never are.
        unsafe { CStr::from_ptr(local.tm_zone) }.to_string_lossy().into_owned()
    };
    Ok(Zone { abbreviation, offset: local.tm_gmtoff })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_clock_without_a_privilege() {
        let timex = adjtimex().unwrap();
        // A tick is 10 ms, and adjtimex(2) lets it be moved by a tenth.
        assert!((9_000..=11_000).contains(&timex.tick), "{timex:?}");
        assert!((0..=5).contains(&timex.state), "{timex:?}");
    }

    #[test]
    fn a_time_namespace_adds_to_the_clock() {
        assert_eq!(
            added("monotonic      100000         5\nboottime            0         0\n"),
            Some(100_000_000_000_005)
        );
        assert_eq!(added("monotonic          -1         0\n"), Some(-1_000_000_000));
        assert_eq!(added(""), None);
    }

    #[test]
    fn knows_the_local_zone() {
        let Zone { abbreviation, offset } = local_zone(0).unwrap();
        assert!(!abbreviation.is_empty());
        assert!(offset.abs() <= 15 * 3600);
        local_zone(i64::MAX).unwrap_err();
    }
}
