//! The NFS client, from `/proc/net/rpc/nfs`. Methods have the names that node_exporter gives them; the kernel's own are
//! in `fs/nfs/nfs2xdr.c`, `fs/nfs/nfs3xdr.c` and `fs/nfs/nfs4xdr.c`, in the same order.

use crate::{
    collectors::prelude::*,
    source::proc::rpc::{Lines, Numbers},
};

metrics! {
    CONNECTIONS: Counter "node_nfs_connections_total" [], "TCP connections made.";
    PACKETS: Counter "node_nfs_packets_total" ["protocol"], "Packets sent and received, by transport protocol.";
    REQUESTS: Counter "node_nfs_requests_total" ["proto", "method"], "Requests sent, by version of NFS.";
    REFRESHES: Counter "node_nfs_rpc_authentication_refreshes_total" [], "Times that credentials were refreshed.";
    RETRANSMISSIONS: Counter "node_nfs_rpc_retransmissions_total" [], "Requests sent again because no answer came.";
    RPCS: Counter "node_nfs_rpcs_total" [], "Remote procedure calls made.";
}

const LINES: &[(&str, Numbers)] = &[
    ("net", Numbers::First(4)),
    ("rpc", Numbers::First(3)),
    ("proc2", Numbers::Counted(METHODS_2.len())),
    ("proc3", Numbers::Counted(METHODS_3.len())),
    ("proc4", Numbers::Counted(0)),
];

#[rustfmt::skip]
const METHODS_2: [&str; 18] = [
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove", "Rename",
    "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];

#[rustfmt::skip]
const METHODS_3: [&str; 22] = [
    "Null", "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir", "SymLink", "MkNod",
    "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat", "FsInfo", "PathConf", "Commit",
];

#[rustfmt::skip]
const METHODS_4: [&str; 59] = [
    "Null", "Read", "Write", "Commit", "Open", "OpenConfirm", "OpenNoattr", "OpenDowngrade", "Close", "Setattr", "FsInfo",
    "Renew", "SetClientID", "SetClientIDConfirm", "Lock", "Lockt", "Locku", "Access", "Getattr", "Lookup", "LookupRoot",
    "Remove", "Rename", "Link", "Symlink", "Create", "Pathconf", "StatFs", "ReadLink", "ReadDir", "ServerCaps",
    "DelegReturn", "GetACL", "SetACL", "FsLocations", "ReleaseLockowner", "Secinfo", "FsidPresent", "ExchangeID",
    "CreateSession", "DestroySession", "Sequence", "GetLeaseTime", "ReclaimComplete", "GetDeviceInfo", "LayoutGet",
    "LayoutCommit", "LayoutReturn", "SecinfoNoName", "TestStateID", "FreeStateID", "GetDeviceList", "BindConnToSession",
    "DestroyClientID", "Seek", "Allocate", "DeAllocate", "LayoutStats", "Clone",
];

pub(super) struct Nfs {
    file: File,
    lines: Lines,
}

impl Spec for Nfs {
    const SUMMARY: &'static str = "Requests of the NFS client, from /proc/net/rpc/nfs.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { file: host.net("rpc/nfs"), lines: Lines::new(LINES) })
    }
}

impl Collector for Nfs {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { file, lines } = self;
        lines.clear();
        let parsed = file.parse_lines("a known word and its numbers", |_, line| lines.add(line));
        if let Err(error) = &parsed
            && error.is_not_found()
        {
            return Err(Error::Absent(error.to_string()));
        }
        out.push(PACKETS, ["udp"], lines.get("net", 1));
        out.push(PACKETS, ["tcp"], lines.get("net", 2));
        out.push(CONNECTIONS, (), lines.get("net", 3));
        out.push(RPCS, (), lines.get("rpc", 0));
        out.push(RETRANSMISSIONS, (), lines.get("rpc", 1));
        out.push(REFRESHES, (), lines.get("rpc", 2));
        let versions: [(&str, &str, &[&str]); 3] =
            [("proc2", "2", &METHODS_2), ("proc3", "3", &METHODS_3), ("proc4", "4", &METHODS_4)];
        for (line, version, methods) in versions {
            for (index, method) in methods.iter().enumerate() {
                out.push(REQUESTS, [version, method], lines.get(line, index + 1));
            }
        }
        Ok(parsed?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, costs, survives};

    const FILE: &str = "\
net 70 71 69 45
rpc 1218785755 374636 1218815394
proc2 18 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18
proc3 22 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22
proc4 3 41 42 43
";

    #[test]
    fn a_word_that_is_no_count_costs_one_value() {
        for (word, is_fine) in [("-9", true), ("x", false)] {
            let lost = "node_nfs_requests_total{method=\"Write\",proto=\"4\"} 43";
            assert_eq!(costs::<Nfs>("", ("proc/net/rpc/nfs", FILE), ("43", word), lost), is_fine, "{word}");
        }
    }

    #[test]
    fn shows_what_each_version_was_asked() {
        let host = TestHost::new(&[("proc/net/rpc/nfs", FILE)]);
        let mut out = Families::new(METRICS);
        host.open::<Nfs>("").unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        // Of each version the first and last that the file has, and the first that it lacks.
        let chosen = ["\"Null\"", "\"FsStat\"", "\"Commit\"", "method=\"Write\",proto=\"4\""];
        let is_chosen = |line: &&str| !line.contains("method=") || chosen.iter().any(|it| line.contains(it));
        let lines: Vec<_> = text.lines().filter(|it| !it.starts_with("# HELP")).filter(is_chosen).collect();
        expect![[r##"
            # TYPE node_nfs_connections_total counter
            node_nfs_connections_total 45
            # TYPE node_nfs_packets_total counter
            node_nfs_packets_total{protocol="tcp"} 69
            node_nfs_packets_total{protocol="udp"} 71
            # TYPE node_nfs_requests_total counter
            node_nfs_requests_total{method="Commit",proto="3"} 22
            node_nfs_requests_total{method="Commit",proto="4"} 0
            node_nfs_requests_total{method="FsStat",proto="2"} 18
            node_nfs_requests_total{method="FsStat",proto="3"} 19
            node_nfs_requests_total{method="Null",proto="2"} 1
            node_nfs_requests_total{method="Null",proto="3"} 1
            node_nfs_requests_total{method="Null",proto="4"} 41
            node_nfs_requests_total{method="Write",proto="4"} 43
            # TYPE node_nfs_rpc_authentication_refreshes_total counter
            node_nfs_rpc_authentication_refreshes_total 1.218815394e+09
            # TYPE node_nfs_rpc_retransmissions_total counter
            node_nfs_rpc_retransmissions_total 374636
            # TYPE node_nfs_rpcs_total counter
            node_nfs_rpcs_total 1.218785755e+09"##]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_host_without_the_client_is_no_fault() {
        check_error::<Nfs>(
            "",
            &[],
            expect!["not on this host: read proc/net/rpc/nfs: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn refuses_a_word_that_it_does_not_know() {
        check_error::<Nfs>(
            "",
            &[("proc/net/rpc/nfs", "net 1 2 3 4\nproc5 1 2\n")],
            expect![[r##"
                # HELP node_nfs_connections_total TCP connections made.
                # TYPE node_nfs_connections_total counter
                node_nfs_connections_total 4
                # HELP node_nfs_packets_total Packets sent and received, by transport protocol.
                # TYPE node_nfs_packets_total counter
                node_nfs_packets_total{protocol="tcp"} 3
                node_nfs_packets_total{protocol="udp"} 2
                parse proc/net/rpc/nfs, line 2: expected a known word and its numbers"##]],
        );
    }

    #[test]
    fn refuses_another_count_than_the_line_says() {
        check_error::<Nfs>(
            "",
            &[("proc/net/rpc/nfs", "proc4 3 1 2\n")],
            expect!["parse proc/net/rpc/nfs, line 1: expected a known word and its numbers"],
        );
    }

    #[test]
    fn a_wound_costs_what_comes_from_it() {
        survives::<Nfs>("", &[("proc/net/rpc/nfs", FILE)]);
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Nfs>("", &[("proc/net/rpc/nfs", FILE)]);
    }
}
