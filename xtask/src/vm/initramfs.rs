//! A root file system for the kernel to unpack, as a "newc" cpio archive:
//! Documentation/driver-api/early-userspace/buffer-format.rst.

/// A file in the root folder.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// The archive of these files, each executable and owned by root.
pub(crate) fn archive(files: &[Entry<'_>]) -> Vec<u8> {
    const REGULAR_EXECUTABLE: usize = 0o100_755;
    let mut out = Vec::new();
    for (idx, file) in files.iter().enumerate() {
        member(&mut out, idx + 1, REGULAR_EXECUTABLE, file);
    }
    member(&mut out, 0, 0, &Entry { name: "TRAILER!!!", bytes: &[] });
    out
}

fn member(out: &mut Vec<u8>, inode: usize, mode: usize, file: &Entry<'_>) {
    out.extend(b"070701");
    // inode, mode, uid, gid, links, mtime, size, device (2), device of the node (2), size of the name, check sum
    let fields = [inode, mode, 0, 0, 1, 0, file.bytes.len(), 0, 0, 0, 0, file.name.len() + 1, 0];
    for field in fields {
        out.extend(format!("{field:08x}").bytes());
    }
    out.extend(file.name.bytes());
    out.push(0);
    pad(out);
    out.extend(file.bytes);
    pad(out);
}

/// The header with its name, and the bytes, each end on a multiple of four.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_members_as_cpio_reads_them() {
        let out = archive(&[Entry { name: "init", bytes: b"#!/bin/x\n" }]);
        let header = "070701000000010000\
                      81ed00000000000000000000000100000000000000090000000000000000000000000000000000000005\
                      00000000init\0";
        assert!(out.starts_with(header.as_bytes()), "{}", String::from_utf8_lossy(&out));
        assert!(out[116..].starts_with(b"#!/bin/x\n\0\0\x00070701"));
        assert!(String::from_utf8_lossy(&out).trim_end_matches('\0').ends_with("TRAILER!!!"));
        assert_eq!(out.len() % 4, 0);
    }
}
