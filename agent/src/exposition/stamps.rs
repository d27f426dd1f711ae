//! Start timestamps as a format writes them. Most rows of an answer began together, so what was written last is kept.

pub(super) struct Stamps {
    /// Unix time of the boot, in seconds.
    epoch: f64,
    /// Appends a Unix time in milliseconds.
    write: fn(u64, &mut Vec<u8>),
    last: f64,
    bytes: Vec<u8>,
}

impl Stamps {
    pub(super) fn new(epoch: f64, write: fn(u64, &mut Vec<u8>)) -> Self {
        Self { epoch, write, last: f64::NAN, bytes: Vec::new() }
    }

    /// That of what counts since so many seconds after the boot.
    pub(super) fn of(&mut self, start: f64) -> &[u8] {
        if start != self.last {
            self.last = start;
            self.bytes.clear();
            (self.write)(((self.epoch + start) * 1e3).round() as u64, &mut self.bytes);
        }
        &self.bytes
    }
}

/// Seconds with three digits after the point.
pub(super) fn write_seconds(ms: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(ms / 1000).as_bytes());
    out.push(b'.');
    out.extend([ms / 100, ms / 10, ms].map(|it| b'0' + (it % 10) as u8));
}
