//! `/proc/<pid>/mountinfo`: see proc_pid_mountinfo(5). By hand: the procfs crate refuses the whole file when one
//! mount point is not UTF-8, and loses a source that is called `none`.

use crate::source::number;

/// One line, its fields as they stand there.
#[derive(Clone, Copy, Debug)]
pub struct Mount<'a> {
    /// The device number of the file system, which several mounts may share.
    pub device: (u32, u32),
    /// Seen from the process's root, escaped; see [`unescape_path`].
    pub mount_point: &'a [u8],
    pub fs_type: &'a [u8],
    /// What was mounted: a device, `server:/export`, or any word.
    pub source: &'a [u8],
    options: &'a [u8],
    super_options: &'a [u8],
}

impl<'a> Mount<'a> {
    /// What the file system says of itself behind `key=`; the last one holds.
    pub(crate) fn super_option(&self, key: &[u8]) -> Option<&'a [u8]> {
        let options = self.super_options.split(|&it| it == b',');
        options.filter_map(|it| it.strip_prefix(key)?.strip_prefix(b"=")).next_back()
    }

    /// Whether writes are refused through this mount, whatever its file system would do.
    #[must_use]
    pub fn is_readonly(&self) -> bool {
        has(self.options, b"ro")
    }

    /// Whether the file system is read-only. ext4 says `emergency_ro` (Linux 6.15) when an error made it refuse writes.
    #[must_use]
    pub fn has_readonly_file_system(&self) -> bool {
        has(self.super_options, b"ro") || has(self.super_options, b"emergency_ro")
    }
}

fn has(options: &[u8], word: &[u8]) -> bool {
    options.split(|&it| it == b',').any(|it| it == word)
}

/// `None` when the line is not as documented.
#[must_use]
pub fn parse_line(line: &[u8]) -> Option<Mount<'_>> {
    let separator = line.windows(3).position(|it| it == b" - ")?;
    let mut before = line[..separator].split(|&it| it == b' ');
    let (_id, _parent) = (number::<u32>(before.next()?)?, number::<u32>(before.next()?)?);
    let (major, minor) = split_once(before.next()?, b':')?;
    let _root = before.next()?;
    let (mount_point, options) = (before.next()?, before.next()?);
    // A source may be the empty string: then two blanks follow each other.
    let (fs_type, rest) = split_once(&line[separator + 3..], b' ')?;
    let (source, super_options) = split_once(rest, b' ')?;
    let device = (number(major)?, number(minor)?);
    Some(Mount { device, mount_point, fs_type, source, options, super_options })
}

/// Undoes the two escapes that node_exporter undoes, so that label values are the same: `\040` is a blank, `\011` a
/// tab.
#[must_use]
pub fn unescape_label(text: &[u8]) -> Vec<u8> {
    unescape(text, |byte| byte == b' ' || byte == b'\t')
}

/// Undoes all escapes, as one who asks for the path has to. Beside the two the kernel writes `\012` for a newline and
/// `\134` for a backslash.
#[must_use]
pub fn unescape_path(text: &[u8]) -> Vec<u8> {
    unescape(text, |_| true)
}

/// Three octal digits behind a backslash are the byte of that number, if it is one of those to be undone.
fn unescape(text: &[u8], is_undone: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|digits| first == b'\\' && digits.iter().all(u8::is_ascii_digit));
        let escaped = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok())
            .filter(|&byte| is_undone(byte));
        out.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    out
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|&it| it == at)?;
    Some((&text[..position], &text[position + 1..]))
}
