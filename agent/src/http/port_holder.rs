//! Who listens on a port already: `/proc/net/tcp`, `/proc/net/tcp6` (see proc_net_tcp(5)) and `/proc/<pid>/fd`.

use std::fs;

/// `comm (pid N)` of the process that listens on `port`, as far as this one may see it.
pub(super) fn find(port: u16) -> Option<String> {
    let inodes = listening_inodes(port);
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holder = pids.into_iter().find(|pid| holds(*pid, &inodes))?;
    let comm = fs::read_to_string(format!("/proc/{holder}/comm")).unwrap_or_default();
    Some(format!("{} (pid {holder})", comm.trim_end()))
}

/// The sockets that listen on `port`, as `/proc/<pid>/fd` names them.
fn listening_inodes(port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let mut inodes = Vec::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = fs::read_to_string(path).unwrap_or_default();
        for line in table.lines().skip(1) {
            let mut fields = line.split_ascii_whitespace();
            let (Some(local), Some(state)) = (fields.nth(1), fields.nth(1)) else { continue };
            let is_ours =
                local.rsplit_once(':').and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok()) == Some(port);
            if is_ours && state == LISTEN {
                inodes.extend(fields.nth(5).map(|inode| format!("socket:[{inode}]")));
            }
        }
    }
    inodes
}

fn holds(pid: u32, inodes: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_the_process_that_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = super::find(port).unwrap();
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
        drop(listener);
        assert_eq!(super::find(port), None);
    }
}
