//! The NFS server, from `/proc/net/rpc/nfsd`. Methods have the names that node_exporter gives them; operations of NFS 4
//! are numbered in RFC 7530, section 16.

use crate::{
    collectors::prelude::*,
    source::proc::rpc::{Lines, Numbers},
};

metrics! {
    PACKETS: Counter "node_nfsd_packets_total" ["proto"], "Packets received and sent, by transport protocol.";
    REQUESTS: Counter "node_nfsd_requests_total" ["proto", "method"], "Requests received, by version of NFS.";
    ERRORS: Counter "node_nfsd_rpc_errors_total" ["error"], "Calls refused: of a wrong format (fmt), not authenticated (auth), or from an unknown client (cInt).";

    |it: &Lines| [];
    Counter "node_nfsd_connections_total" = it.get("net", 3), "TCP connections accepted.";
    Counter "node_nfsd_disk_bytes_read_total" = it.get("io", 0), "Bytes read for clients.";
    Counter "node_nfsd_disk_bytes_written_total" = it.get("io", 1), "Bytes written for clients.";
    Counter "node_nfsd_file_handles_stale_total" = it.get("fh", 0), "Requests for files that are gone.";
    Counter "node_nfsd_read_ahead_cache_not_found_total" = it.get("ra", 11), "Reads of files that were not in the read-ahead cache, until Linux 5.3.";
    Gauge "node_nfsd_read_ahead_cache_size_blocks" = it.get("ra", 0), "Size of the read-ahead cache, in files, until Linux 5.3.";
    Counter "node_nfsd_reply_cache_hits_total" = it.get("rc", 0), "Requests that a client repeated, answered again.";
    Counter "node_nfsd_reply_cache_misses_total" = it.get("rc", 1), "Requests whose answer was kept in case that the client repeats them.";
    Counter "node_nfsd_reply_cache_nocache_total" = it.get("rc", 2), "Requests that may be repeated without harm.";
    Counter "node_nfsd_server_rpcs_total" = it.get("rpc", 0), "Remote procedure calls received.";
    Gauge "node_nfsd_server_threads" = it.get("th", 0), "Threads of the server.";
}

const LINES: &[(&str, Numbers)] = &[
    ("rc", Numbers::First(3)),
    ("fh", Numbers::First(5)),
    ("io", Numbers::First(2)),
    ("th", Numbers::First(2)),
    ("ra", Numbers::First(12)),
    ("net", Numbers::First(4)),
    ("rpc", Numbers::First(5)),
    ("proc2", Numbers::Counted(METHODS_2.len())),
    ("proc3", Numbers::Counted(METHODS_3.len())),
    ("proc4", Numbers::Counted(2)),
    ("proc4ops", Numbers::Counted(OPERATIONS_4.len() - 1)),
    ("wdeleg_getattr", Numbers::First(1)),
];

/// Not shown.
const NOT: &str = "";

#[rustfmt::skip]
const METHODS_2: [&str; 18] = [
    NOT, "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove", "Rename",
    "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];

#[rustfmt::skip]
const METHODS_3: [&str; 22] = [
    NOT, "GetAttr", "SetAttr", "Lookup", "Access", "ReadLink", "Read", "Write", "Create", "MkDir", "SymLink", "MkNod",
    "Remove", "RmDir", "Rename", "Link", "ReadDir", "ReadDirPlus", "FsStat", "FsInfo", "PathConf", "Commit",
];

/// By number; the last one is missing from some kernels.
#[rustfmt::skip]
const OPERATIONS_4: [&str; 40] = [
    NOT, NOT, NOT, "Access", "Close", "Commit", "Create", "DelegPurge", "DelegReturn", "GetAttr", "GetFH", "Link", "Lock",
    "Lockt", "Locku", "Lookup", "LookupRoot", "Nverify", "Open", "OpenAttr", "OpenConfirm", "OpenDgrd", "PutFH", NOT, NOT,
    "Read", "ReadDir", "ReadLink", "Remove", "Rename", "Renew", "RestoreFH", "SaveFH", "SecInfo", "SetAttr",
    "SetClientID", "SetClientIDConfirm", "Verify", "Write", "RelLockOwner",
];

pub(super) struct Nfsd {
    file: File,
    lines: Lines,
}

impl Spec for Nfsd {
    const SUMMARY: &'static str =
        "Requests to the NFS server, its caches and threads, from /proc/net/rpc/nfsd.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { file: host.net("rpc/nfsd"), lines: Lines::new(LINES) })
    }
}

impl Collector for Nfsd {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { file, lines } = self;
        lines.clear();
        let parsed = file.parse_lines("a known word and its numbers", |_, line| lines.add(line));
        if let Err(error) = &parsed
            && error.is_not_found()
        {
            return Err(Error::Absent(error.to_string()));
        }
        push_rows(lines, (), out);
        out.push(PACKETS, ["udp"], lines.get("net", 1));
        out.push(PACKETS, ["tcp"], lines.get("net", 2));
        out.push(ERRORS, ["fmt"], lines.get("rpc", 2));
        out.push(ERRORS, ["auth"], lines.get("rpc", 3));
        out.push(ERRORS, ["cInt"], lines.get("rpc", 4));
        let versions: [(&str, &str, &[&str]); 3] =
            [("proc2", "2", &METHODS_2), ("proc3", "3", &METHODS_3), ("proc4ops", "4", &OPERATIONS_4)];
        for (line, version, methods) in versions {
            for (index, method) in methods.iter().enumerate().filter(|(_, method)| **method != NOT) {
                out.push(REQUESTS, [version, method], lines.get(line, index + 1));
            }
        }
        out.push(REQUESTS, ["4", "WdelegGetattr"], lines.get("wdeleg_getattr", 0));
        Ok(parsed?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, survives};

    const FILE: &str = "\
rc 1 6 18622
fh 2 0 0 0 0
io 157286400 72864
th 8 0 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000 0.000
ra 32 0 0 0 0 0 0 0 0 0 0 3
net 972 55 917 1
rpc 18628 6 1 2 3
proc2 18 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18
proc3 22 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22
proc4 2 2 10853
proc4ops 39 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39
wdeleg_getattr 15
";

    #[test]
    fn shows_what_each_version_was_asked() {
        let host = TestHost::new(&[("proc/net/rpc/nfsd", FILE)]);
        let mut out = Families::new(METRICS);
        host.open::<Nfsd>("").unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        // Of each version the first and last that is shown, and what is around those of version 4 that are not.
        let chosen = [
            "2\",proto",
            "\"Null",
            "\"FsStat",
            "\"Commit",
            "\"Access",
            "\"PutFH",
            "\"Read\",proto=\"4",
            "\"Write\",proto=\"4",
            "\"RelLock",
            "Wdeleg",
            "\"GetAttr",
        ];
        let is_chosen = |line: &&str| !line.contains("method=") || chosen.iter().any(|it| line.contains(it));
        let lines: Vec<_> = text.lines().filter(|it| !it.starts_with('#')).filter(is_chosen).collect();
        expect![[r#"
            node_nfsd_connections_total 1
            node_nfsd_disk_bytes_read_total 1.572864e+08
            node_nfsd_disk_bytes_written_total 72864
            node_nfsd_file_handles_stale_total 2
            node_nfsd_packets_total{proto="tcp"} 917
            node_nfsd_packets_total{proto="udp"} 55
            node_nfsd_read_ahead_cache_not_found_total 3
            node_nfsd_read_ahead_cache_size_blocks 32
            node_nfsd_reply_cache_hits_total 1
            node_nfsd_reply_cache_misses_total 6
            node_nfsd_reply_cache_nocache_total 18622
            node_nfsd_requests_total{method="Access",proto="3"} 5
            node_nfsd_requests_total{method="Access",proto="4"} 4
            node_nfsd_requests_total{method="Commit",proto="3"} 22
            node_nfsd_requests_total{method="Commit",proto="4"} 6
            node_nfsd_requests_total{method="FsStat",proto="2"} 18
            node_nfsd_requests_total{method="FsStat",proto="3"} 19
            node_nfsd_requests_total{method="GetAttr",proto="2"} 2
            node_nfsd_requests_total{method="GetAttr",proto="3"} 2
            node_nfsd_requests_total{method="GetAttr",proto="4"} 10
            node_nfsd_requests_total{method="PutFH",proto="4"} 23
            node_nfsd_requests_total{method="Read",proto="4"} 26
            node_nfsd_requests_total{method="RelLockOwner",proto="4"} 0
            node_nfsd_requests_total{method="WdelegGetattr",proto="4"} 15
            node_nfsd_requests_total{method="Write",proto="4"} 39
            node_nfsd_rpc_errors_total{error="auth"} 2
            node_nfsd_rpc_errors_total{error="cInt"} 3
            node_nfsd_rpc_errors_total{error="fmt"} 1
            node_nfsd_server_rpcs_total 18628
            node_nfsd_server_threads 8"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_host_without_the_server_is_no_fault() {
        check_error::<Nfsd>(
            "",
            &[],
            expect!["not on this host: read proc/net/rpc/nfsd: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn refuses_a_line_that_is_cut() {
        check_error::<Nfsd>(
            "",
            &[("proc/net/rpc/nfsd", "rc 0 6 18622\nth 8\n")],
            expect![[r#"
                # HELP node_nfsd_reply_cache_hits_total Requests that a client repeated, answered again.
                # TYPE node_nfsd_reply_cache_hits_total counter
                node_nfsd_reply_cache_hits_total 0
                # HELP node_nfsd_reply_cache_misses_total Requests whose answer was kept in case that the client repeats them.
                # TYPE node_nfsd_reply_cache_misses_total counter
                node_nfsd_reply_cache_misses_total 6
                # HELP node_nfsd_reply_cache_nocache_total Requests that may be repeated without harm.
                # TYPE node_nfsd_reply_cache_nocache_total counter
                node_nfsd_reply_cache_nocache_total 18622
                parse proc/net/rpc/nfsd, line 2: expected a known word and its numbers"#]],
        );
    }

    #[test]
    fn a_word_that_it_does_not_know_costs_itself_and_is_named() {
        check_error::<Nfsd>(
            "",
            &[("proc/net/rpc/nfsd", "rc 0 6 18622\nwdeleg_getattr 16\nnew 1 2 3\nth 8 0\n")],
            expect![[r##"
                # HELP node_nfsd_reply_cache_hits_total Requests that a client repeated, answered again.
                # TYPE node_nfsd_reply_cache_hits_total counter
                node_nfsd_reply_cache_hits_total 0
                # HELP node_nfsd_reply_cache_misses_total Requests whose answer was kept in case that the client repeats them.
                # TYPE node_nfsd_reply_cache_misses_total counter
                node_nfsd_reply_cache_misses_total 6
                # HELP node_nfsd_reply_cache_nocache_total Requests that may be repeated without harm.
                # TYPE node_nfsd_reply_cache_nocache_total counter
                node_nfsd_reply_cache_nocache_total 18622
                # HELP node_nfsd_requests_total Requests received, by version of NFS.
                # TYPE node_nfsd_requests_total counter
                node_nfsd_requests_total{method="WdelegGetattr",proto="4"} 16
                # HELP node_nfsd_server_threads Threads of the server.
                # TYPE node_nfsd_server_threads gauge
                node_nfsd_server_threads 8
                parse proc/net/rpc/nfsd, line 3: expected a known word and its numbers"##]],
        );
    }

    #[test]
    fn a_wound_costs_what_comes_from_it() {
        survives::<Nfsd>("", &[("proc/net/rpc/nfsd", FILE)]);
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Nfsd>("", &[("proc/net/rpc/nfsd", FILE)]);
    }
}
