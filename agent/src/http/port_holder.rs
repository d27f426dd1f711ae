//! Who listens on a port already, by procfs: see proc_net_tcp(5) and proc_pid_fd(5).

use std::{fs, os::unix::fs::MetadataExt as _};

use procfs::{
    net::{TcpState, tcp, tcp6},
    process::{FDTarget, Process, all_processes},
};

/// A process that listens.
#[derive(Debug, thiserror::Error)]
#[error("{comm} (pid {pid})")]
pub struct Holder {
    pub comm: String,
    pid: i32,
}

impl Holder {
    /// Whether it runs this very program, by whatever name: packages link node_exporter's to it.
    pub fn is_hostlens(&self) -> bool {
        let file =
            |process: &str| fs::metadata(format!("/proc/{process}/exe")).map(|it| (it.dev(), it.ino())).ok();
        let own = file("self");
        self.comm == "hostlens" || (own.is_some() && own == file(&self.pid.to_string()))
    }
}

/// The process that listens on `port`, as far as this one may see it.
pub(super) fn find(port: u16) -> Option<Holder> {
    let sockets = [tcp(), tcp6()].into_iter().flatten().flatten();
    let ours = sockets.filter(|it| it.state == TcpState::Listen && it.local_address.port() == port);
    let inodes: Vec<u64> = ours.map(|it| it.inode).collect();
    let holder = all_processes().ok()?.flatten().find(|it| holds(it, &inodes))?;
    Some(Holder { comm: holder.stat().map(|it| it.comm).unwrap_or_default(), pid: holder.pid })
}

fn holds(process: &Process, inodes: &[u64]) -> bool {
    let targets = process.fd().into_iter().flatten().flatten().map(|it| it.target);
    targets.into_iter().any(|it| matches!(it, FDTarget::Socket(inode) if inodes.contains(&inode)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_the_process_that_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = super::find(port).unwrap();
        assert!(holder.to_string().ends_with(&format!("(pid {})", std::process::id())), "{holder}");
        assert!(holder.is_hostlens(), "it is this program");
        drop(listener);
        assert!(super::find(port).is_none());
    }
}
