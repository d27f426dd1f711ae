//! Which folder of procfs shows the host's network. Each network namespace has its own entries below `/proc/<pid>/net`,
//! and each entry an inode number of its own (`fs/proc/generic.c`), so the numbers tell whether two processes share a
//! namespace; unlike `/proc/<pid>/ns/net`, anybody may look at them.

use super::file::is_kernel_file_system;
use crate::config::NetworkNamespace;
use rustix::{
    io::Errno,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use std::{
    fs, io,
    os::fd::AsFd as _,
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread,
};

/// Why the kernel's answers to our sockets cannot be about the host's network.
#[derive(Debug, thiserror::Error)]
#[error("netlink shows this container's network, and the host's cannot be entered: {0}")]
pub struct Foreign(#[from] io::Error);

/// `<procfs>/net` or `<procfs>/1/net`. Where process 1 cannot be looked at (hidepid=, a recorded host), `auto` takes
/// the former.
pub(super) fn folder(procfs: &Path, whose: NetworkNamespace) -> PathBuf {
    let own = procfs.join("net");
    let first = procfs.join("1/net");
    match whose {
        NetworkNamespace::Own => own,
        NetworkNamespace::Pid1 => first,
        NetworkNamespace::Auto => match (identity(&first), identity(&own)) {
            (Some(first_identity), own_identity) if own_identity != Some(first_identity) => first,
            _ => own,
        },
    }
}

/// Whether `folder` belongs to another namespace than ours. A recorded host's is taken for ours, as node_exporter does.
pub(super) fn is_foreign(folder: &Path) -> bool {
    is_our_network(folder) == Some(false)
}

/// Whether `folder` is the kernel's own, and belongs to our namespace.
pub(super) fn is_own(folder: &Path) -> bool {
    is_our_network(folder) == Some(true)
}

/// Whether `folder`, such as /proc/1/net, is of our network; `None` for a recorded host's, and where it cannot be seen.
pub fn is_our_network(folder: &Path) -> Option<bool> {
    if !is_kernel_file_system(&folder.join("dev")) {
        return None;
    }
    Some(identity(folder)? == identity(Path::new("/proc/self/net"))?)
}

/// Opens something in the network that `folder` shows, on a thread of its own: what is opened stays of that network.
/// Takes CAP_SYS_ADMIN, and the right to look into that process.
pub(super) fn open_in<T: Send>(
    folder: &Path,
    open: impl FnOnce() -> Result<T, Errno> + Send,
) -> Result<T, Foreign> {
    let namespace = fs::File::open(folder.with_file_name("ns/net"))?;
    let enter_and_open = || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(open()?)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, enter_and_open)?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
    .map_err(|error: io::Error| error.into())
}

fn identity(folder: &Path) -> Option<u64> {
    rustix::fs::stat(folder.join("dev")).ok().map(|stat| stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    fn chosen(files: &[(&str, &str)], whose: NetworkNamespace) -> String {
        let host = TestHost::new(files);
        let procfs = host.path().join("proc");
        folder(&procfs, whose).strip_prefix(&procfs).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn auto_is_the_network_of_process_1_where_that_is_another() {
        let both = [("proc/1/net/dev", ""), ("proc/self/net/dev", ""), ("proc/net", "-> self/net")];
        assert_eq!(chosen(&both, NetworkNamespace::Auto), "1/net");
        let same = [("proc/1/net/dev", ""), ("proc/self", "-> 1"), ("proc/net", "-> self/net")];
        assert_eq!(chosen(&same, NetworkNamespace::Auto), "net");
        let no_self = [("proc/1/net/dev", ""), ("proc/net", "-> self/net")];
        assert_eq!(chosen(&no_self, NetworkNamespace::Auto), "1/net");
        assert_eq!(chosen(&[("proc/net/dev", "")], NetworkNamespace::Auto), "net");
    }

    #[test]
    fn the_other_words_mean_what_they_say() {
        let both = [("proc/1/net/dev", ""), ("proc/net/dev", "")];
        assert_eq!(chosen(&both, NetworkNamespace::Own), "net");
        assert_eq!(chosen(&both, NetworkNamespace::Pid1), "1/net");
    }

    #[test]
    fn a_recorded_network_is_neither_foreign_nor_ours() {
        let host = TestHost::new(&[("proc/1/net/dev", "")]);
        assert!(!is_foreign(&host.path().join("proc/1/net")));
        assert!(!is_own(&host.path().join("proc/1/net")));
    }
}
