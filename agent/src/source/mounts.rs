//! The mounts of the host, as those who read file systems want them: under the paths of the host, each once.

use super::{
    Error, File, Host, lines,
    proc::mountinfo::{parse_line, unescape_label, unescape_path},
    statfs::Device,
};
use std::{
    collections::HashSet,
    ffi::CString,
    io::ErrorKind,
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
    wrong_line: Option<usize>,
    is_hidden: bool,
}

impl MountTable {
    #[must_use]
    pub fn new(host: &Host) -> Self {
        Self {
            of_init: host.proc("1/mountinfo"),
            of_self: host.proc("self/mountinfo"),
            rootfs: host.rootfs().to_owned(),
            text: None,
            wrong_line: None,
            is_hidden: false,
        }
    }

    /// The mounts, unless they are those of the last call. The kernel tells when the table has changed (`mounts_poll` of
    /// `fs/proc_namespace.c`), but for a file system that became read-only by itself.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn changed(&mut self) -> Result<Option<Vec<Mount>>, Error> {
        let is_known = self.text.is_some() && !self.is_hidden;
        if is_known && !self.of_init.may_have_changed() { Ok(None) } else { self.read() }
    }

    /// As [`changed`](Self::changed), whatever the kernel tells.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn read(&mut self) -> Result<Option<Vec<Mount>>, Error> {
        let text = match self.of_init.read_if_present() {
            Ok(Some(text)) => {
                self.is_hidden = false;
                text
            }
            Err(error) if error.io_kind() != Some(ErrorKind::PermissionDenied) => return Err(error),
            Ok(None) | Err(_) => {
                self.is_hidden = true;
                self.of_self.read()?
            }
        };
        if self.text.as_deref() == Some(text) {
            return Ok(None);
        }
        text.clone_into(self.text.get_or_insert_default());
        let mounts;
        (mounts, self.wrong_line) = parse(text, &self.rootfs);
        Ok(Some(mounts))
    }

    /// Whether all of the table could be understood. The mounts are without the lines that could not.
    ///
    /// # Errors
    /// The first of those.
    pub fn check(&self) -> Result<(), Error> {
        let file = if self.is_hidden { &self.of_self } else { &self.of_init };
        let wrong = self.wrong_line.map(|line| file.parse_error(line, "not as proc_pid_mountinfo(5) has it"));
        wrong.map_or(Ok(()), Err)
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

/// The mounts in `text`, a `mountinfo` file, those that differ in nothing shown here once, and the number of the first
/// line that is not as documented. `rootfs` is where the agent sees the host's root; where mount points lie below it,
/// it is cut off.
fn parse(text: &[u8], rootfs: &Path) -> (Vec<Mount>, Option<usize>) {
    let rootfs = rootfs.as_os_str().as_bytes();
    let rootfs = rootfs.strip_suffix(b"/").unwrap_or(rootfs);
    // A container may see the host's root through a mount that is read-only: that says nothing of the host.
    let is_seen_readonly = lines(text).filter_map(|(_, line)| parse_line(line)).any(|it| {
        it.is_readonly() && !it.has_readonly_file_system() && unescape_path(it.mount_point) == rootfs
    });
    let mut mounts = Vec::new();
    let mut hanging = Vec::new();
    let mut seen = HashSet::new();
    let mut wrong_line = None;
    for (number, line) in lines(text) {
        let Some(line) = parse_line(line) else {
            wrong_line = wrong_line.or(Some(number));
            continue;
        };
        if !seen.insert((line.source, line.mount_point, line.fs_type, line.device)) {
            continue;
        }
        let (label, path) = (unescape_label(line.mount_point), unescape_path(line.mount_point));
        let mount_point = as_host_sees(&label, rootfs).to_owned();
        let Ok(path) = CString::new([rootfs, as_host_sees(&path, rootfs)].concat()) else { continue };
        if may_hang(line.fs_type) {
            hanging.push(mount_point.clone());
        }
        let is_seen_readonly = is_seen_readonly && is_below(&label, rootfs);
        mounts.push(Mount {
            device: line.device,
            source: line.source.to_owned(),
            fs_type: line.fs_type.to_owned(),
            path,
            mount_point,
            is_readonly: line.has_readonly_file_system() || (line.is_readonly() && !is_seen_readonly),
            may_hang: false,
        });
    }
    for mount in &mut mounts {
        mount.may_hang = hanging.iter().any(|it| is_below(&mount.mount_point, it));
    }
    (mounts, wrong_line)
}

/// The path without `rootfs` in front.
fn as_host_sees<'a>(path: &'a [u8], rootfs: &[u8]) -> &'a [u8] {
    match path.strip_prefix(rootfs) {
        Some(b"") => b"/",
        Some(rest) if is_below(path, rootfs) => rest,
        _ => path,
    }
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
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

    fn paths_that_may_hang(text: &str) -> Vec<String> {
        let (mounts, _) = parse(text.as_bytes(), Path::new("/"));
        let hanging = mounts.into_iter().filter(|it| it.may_hang);
        hanging.map(|it| it.path.into_string().unwrap()).collect()
    }

    /// Mount points, paths and whether they are read-only, seen with the host's root at /host.
    fn seen_below_host(text: &str) -> String {
        let (mounts, wrong) = parse(text.as_bytes(), Path::new("/host"));
        assert_eq!(wrong, None);
        let show = |it: &Mount| {
            let readonly = if it.is_readonly { "ro" } else { "rw" };
            format!("{} {:?} {readonly}\n", String::from_utf8_lossy(&it.mount_point), it.path)
        };
        mounts.iter().map(show).collect()
    }

    #[test]
    fn the_root_is_cut_off_where_a_path_lies_below_it() {
        let text = "1 0 8:1 / /host rw - ext4 /dev/sda1 rw\n\
                    2 1 8:2 / /host/srv ro - ext4 /dev/sda2 rw\n\
                    3 1 8:3 / /hostdata rw - ext4 /dev/sda3 ro\n";
        expect_test::expect![[r#"
            / "/host/" rw
            /srv "/host/srv" ro
            /hostdata "/host/hostdata" ro
        "#]]
        .assert_eq(&seen_below_host(text));
    }

    #[test]
    fn a_root_that_is_seen_through_a_readonly_mount_tells_of_file_systems_alone() {
        let text = "1 0 8:1 / /host ro,relatime - ext4 /dev/sda1 rw\n\
                    2 1 8:2 / /host/srv ro - ext4 /dev/sda2 rw\n\
                    3 1 8:3 / /host/iso ro - iso9660 /dev/sr0 ro\n\
                    4 0 0:9 / /run/secrets ro - tmpfs tmpfs rw\n";
        expect_test::expect![[r#"
            / "/host/" rw
            /srv "/host/srv" rw
            /iso "/host/iso" ro
            /run/secrets "/host/run/secrets" ro
        "#]]
        .assert_eq(&seen_below_host(text));
    }

    #[test]
    fn paths_are_asked_for_as_they_are_and_shown_as_node_exporter_shows_them() {
        let text = "1 0 8:1 / /a\\040b\\011c\\012d\\134e\\134040f rw - ext4 /dev/sda1 rw\n";
        expect_test::expect![[r#"
            /a b	c\012d\134e\134040f "/host/a b\tc\nd\\e\\040f" rw
        "#]]
        .assert_eq(&seen_below_host(text));
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

    #[test]
    #[ignore = "mounts: needs root"]
    fn the_kernel_tells_of_every_mount() {
        let folder = tempfile::tempdir().unwrap();
        let config = crate::config::Config::default();
        let mut table = MountTable::new(&Host::new(config.section(), config.section()));
        assert!(table.changed().unwrap().is_some(), "the first time");
        let mut is_there = || {
            let mounts = table.changed().unwrap().expect("it has changed");
            mounts.iter().any(|it| it.mount_point == folder.path().as_os_str().as_bytes())
        };
        mount("nothing", folder.path(), "tmpfs", MountFlags::empty(), None).unwrap();
        assert!(is_there());
        unmount(folder.path(), UnmountFlags::empty()).unwrap();
        assert!(!is_there());
    }
}
