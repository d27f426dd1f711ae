//! The mounts of the host, as those who read file systems want them: under the paths of the host, each once.

use super::{
    Error, File, Host, lines,
    proc::mountinfo::{parse_line, unescape},
    statfs::Device,
};
use std::{
    collections::HashSet,
    ffi::CString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The mount table of the host's first process; our own where it is hidden, as by a proc mounted with hidepid.
#[derive(Debug)]
pub struct MountTable {
    of_init: File,
    of_self: File,
    rootfs: PathBuf,
    /// What was read last; it changes rarely.
    text: Option<Vec<u8>>,
}

impl MountTable {
    #[must_use]
    pub fn new(host: &Host) -> Self {
        Self {
            of_init: host.proc("1/mountinfo"),
            of_self: host.proc("self/mountinfo"),
            rootfs: host.rootfs().to_owned(),
            text: None,
        }
    }

    /// The mounts, unless they are those of the last call.
    ///
    /// # Errors
    /// When the table cannot be read, or is not as documented.
    pub fn changed(&mut self) -> Result<Option<Vec<Mount>>, Error> {
        let of_init = self.of_init.read_if_present()?;
        let is_hidden = of_init.is_none();
        let text = match of_init {
            Some(text) => text,
            None => self.of_self.read()?,
        };
        if self.text.as_deref() == Some(text) {
            return Ok(None);
        }
        let mut kept = self.text.take().unwrap_or_default();
        match parse(text, &self.rootfs) {
            Ok(mounts) => {
                text.clone_into(&mut kept);
                self.text = Some(kept);
                Ok(Some(mounts))
            }
            Err(line) => {
                let file = if is_hidden { &self.of_self } else { &self.of_init };
                Err(file.parse_error(line, "not as proc_pid_mountinfo(5) has it"))
            }
        }
    }
}

/// One mount; texts as the kernel gives them, which need not be UTF-8.
#[derive(Debug)]
pub struct Mount {
    pub device: Device,
    pub source: Vec<u8>,
    pub fs_type: Vec<u8>,
    /// As the host sees it.
    pub mount_point: Vec<u8>,
    /// As the agent sees it.
    pub path: CString,
    pub is_readonly: bool,
    /// Whether asking it, or walking to it, may block for ever.
    pub may_hang: bool,
}

/// The mounts in `text`, a `mountinfo` file, those that differ in nothing shown here once. `rootfs` is where the
/// agent sees the host's root; where mount points begin with it, it is cut off.
/// On a line that is not as documented, its number.
fn parse(text: &[u8], rootfs: &Path) -> Result<Vec<Mount>, usize> {
    let rootfs = rootfs.as_os_str().as_bytes();
    let rootfs = rootfs.strip_suffix(b"/").unwrap_or(rootfs);
    let mut mounts = Vec::new();
    let mut hanging = Vec::new();
    let mut seen = HashSet::new();
    for (number, line) in lines(text) {
        let line = parse_line(line).ok_or(number)?;
        if !seen.insert((line.source, line.mount_point, line.fs_type, line.device)) {
            continue;
        }
        let mut mount_point = Vec::with_capacity(line.mount_point.len());
        unescape(line.mount_point, &mut mount_point);
        if let Some(stripped) = mount_point.strip_prefix(rootfs) {
            mount_point = if stripped.is_empty() { b"/".to_vec() } else { stripped.to_vec() };
        }
        if may_hang(line.fs_type) {
            hanging.push(mount_point.clone());
        }
        mounts.push(Mount {
            device: line.device,
            source: line.source.to_owned(),
            fs_type: line.fs_type.to_owned(),
            path: CString::new([rootfs, &mount_point].concat()).map_err(|_| number)?,
            mount_point,
            is_readonly: line.is_readonly(),
            may_hang: false,
        });
    }
    for mount in &mut mounts {
        mount.may_hang = hanging.iter().any(|it| is_below(&mount.mount_point, it));
    }
    Ok(mounts)
}

/// Whether a server or a daemon answers for file systems of this type.
fn may_hang(fs_type: &[u8]) -> bool {
    const TYPES: [&str; 27] = [
        "9p",
        "acfs",
        "afs",
        "autofs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "wekafs",
    ];
    (fs_type.starts_with(b"fuse") && fs_type != b"fusectl") || TYPES.iter().any(|it| it.as_bytes() == fs_type)
}

/// Whether the way to `path` goes through the folder `above`.
fn is_below(path: &[u8], above: &[u8]) -> bool {
    let above = above.strip_suffix(b"/").unwrap_or(above);
    path.strip_prefix(above).is_some_and(|rest| rest.first().is_none_or(|&it| it == b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths_that_may_hang(text: &str) -> Vec<String> {
        let mounts = parse(text.as_bytes(), Path::new("/")).unwrap();
        let hanging = mounts.into_iter().filter(|it| it.may_hang);
        hanging.map(|it| it.path.into_string().unwrap()).collect()
    }

    #[test]
    fn what_lies_below_a_server_may_hang_as_well() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    2 1 0:50 / /srv/a rw - nfs4 server:/a rw\n\
                    3 2 0:51 / /srv/a/scratch rw - tmpfs tmpfs rw\n\
                    4 1 0:52 / /srv/ab rw - tmpfs tmpfs rw\n\
                    5 1 0:53 / /data rw - fuse.sshfs host: rw\n\
                    6 1 0:54 / /sys/fs/fuse/connections rw - fusectl fusectl rw\n";
        assert_eq!(paths_that_may_hang(text), ["/srv/a", "/srv/a/scratch", "/data"]);
    }

    #[test]
    fn all_of_a_host_with_its_root_on_nfs_may_hang() {
        let text = "1 0 0:20 / / rw - nfs server:/root rw\n2 1 0:21 / /run rw - tmpfs tmpfs rw\n";
        assert_eq!(paths_that_may_hang(text), ["/", "/run"]);
    }
}
