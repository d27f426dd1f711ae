//! Protocol counters of `/proc/net/netstat`, `/proc/net/snmp` and `/proc/net/snmp6`: see proc_pid_net(5) and
//! `Documentation/networking/snmp_counter.rst` of the kernel. Read by hand: the procfs crate refuses a file that lacks
//! one of the names that it knows.

use crate::{collectors::prelude::*, source::ip_octets::Teller};

metrics! {
    STATISTIC: Untyped "node_netstat_*" [], "Value of that name in /proc/net/netstat, snmp or snmp6.";
}

section! {
    pub(super) struct Config {
        /// Which values to show, by `<protocol>_<name>`.
        fields: Pattern = "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
    }
}

pub(super) struct Netstat {
    netstat: File,
    snmp: File,
    snmp6: File,
    fields: Fields,
    /// The agent's own metrics show two of the numbers as well.
    teller: Teller,
}

impl Spec for Netstat {
    const SUMMARY: &'static str =
        "Counters of IP, ICMP, TCP and UDP, from /proc/net/netstat, /proc/net/snmp and /proc/net/snmp6.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self {
            netstat: host.net("netstat"),
            snmp: host.net("snmp"),
            snmp6: host.net("snmp6"),
            fields: Fields { pattern: config.fields, known: Vec::new(), next: 0, octets: [None; 2] },
            teller: Teller::new(host),
        })
    }
}

impl Collector for Netstat {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Self { netstat, snmp, snmp6, fields, teller } = self;
        let errors = FirstError::default();
        fields.next = 0;
        fields.octets = [None; 2];
        for file in [netstat, snmp] {
            let expected = "a line of names and then one of as many numbers";
            errors.ok(file.parse(expected, |text| fields.push_pairs(text, out)));
        }
        let parsed = snmp6.parse_lines("a name and a number", |_, line| {
            let mut words = source::words(line);
            let (Some(name), Some(value)) = (words.next(), words.next()) else { return Some(()) };
            let Some(six) = name.iter().position(|&byte| byte == b'6') else { return Some(()) };
            let (protocol, name) = name.split_at(six + 1);
            fields.push(protocol, name, value, out)
        });
        if let [Some(received), Some(sent)] = fields.octets {
            teller.tell([received, sent]);
        }
        // The kernel may have no IPv6.
        errors.value(parsed.map(Some));
        Ok(errors.end()?)
    }
}

/// Which fields are shown. The regex is asked once a field: a kernel has the same fields at each scrape, in the same
/// order.
struct Fields {
    pattern: Pattern,
    known: Vec<Field>,
    /// Which of `known` comes next.
    next: usize,
    /// `InOctets` and `OutOctets` of `IpExt`.
    octets: [Option<f64>; 2],
}

struct Field {
    protocol: Box<[u8]>,
    name: Box<[u8]>,
    /// Its part of the family's name, when it is shown.
    shown: Option<Box<str>>,
    /// Which of `octets` it is.
    octets_idx: Option<usize>,
}

impl Fields {
    /// Pairs of lines that begin with the same `protocol:`.
    fn push_pairs(&mut self, text: &[u8], out: &mut Families) -> Result<(), usize> {
        let mut lines = source::lines(text).peekable();
        let mut first_wrong = None;
        while let Some((number, names)) = lines.next() {
            let values = lines.next_if(|(_, values)| {
                let mut words = source::words(values);
                words.next() == source::words(names).next()
                    && words.next().is_none_or(|word| source::decimal(word).is_some())
            });
            if values.and_then(|(_, values)| self.push_pair(names, values, out)).is_none() {
                first_wrong = first_wrong.or(Some(number));
            }
        }
        first_wrong.map_or(Ok(()), Err)
    }

    /// `None` when the two lines do not fit together, or a value is no number.
    fn push_pair(&mut self, names: &[u8], values: &[u8], out: &mut Families) -> Option<()> {
        if source::words(names).count() != source::words(values).count() {
            return None;
        }
        let mut names = source::words(names);
        let protocol = names.next()?.strip_suffix(b":")?;
        let mut is_whole = true;
        for (name, value) in names.zip(source::words(values).skip(1)) {
            is_whole &= self.push(protocol, name, value, out).is_some();
        }
        is_whole.then_some(())
    }

    /// `None` when the value is no number.
    fn push(&mut self, protocol: &[u8], name: &[u8], value: &[u8], out: &mut Families) -> Option<()> {
        let value = source::decimal(value)?;
        let index = self.next;
        self.next += 1;
        let is_known = |it: &Field| *it.protocol == *protocol && *it.name == *name;
        if !self.known.get(index).is_some_and(is_known) {
            self.known.truncate(index);
            let shown = self.shown(protocol, name);
            let octets = [&b"InOctets"[..], b"OutOctets"];
            let octets_idx = octets.iter().position(|it| *it == name).filter(|_| protocol == b"IpExt");
            self.known.push(Field { protocol: protocol.into(), name: name.into(), shown, octets_idx });
        }
        let field = &self.known[index];
        if let Some(idx) = field.octets_idx {
            self.octets[idx] = Some(value);
        }
        if let Some(part) = &field.shown {
            out.push_named(STATISTIC, part, (), value);
        }
        Some(())
    }

    fn shown(&self, protocol: &[u8], name: &[u8]) -> Option<Box<str>> {
        let part = [protocol, name].join(&b'_');
        let is_legal = part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        String::from_utf8(part).ok().filter(|it| is_legal && self.pattern.is_match(it)).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    const FILES: [(&str, &str); 3] = [
        (
            "proc/net/netstat",
            "TcpExt: SyncookiesSent ListenDrops DelayedACKs\nTcpExt: 0 7 9\nIpExt: InOctets\nIpExt: 18446744073709551615\n",
        ),
        ("proc/net/snmp", "Tcp: MaxConn ActiveOpens InErrs\nTcp: -1 3 5\nUdpLite: InErrors\nUdpLite: 2\n"),
        (
            "proc/net/snmp6",
            "Ip6InOctets                     \t460\nIcmp6InType134 \t1\nUdp6NoPorts\t4\nnoipv\t9\nIp6\n",
        ),
    ];

    #[test]
    fn shows_the_fields_that_match() {
        check::<Netstat>(
            "",
            &FILES,
            expect![[r#"
            # HELP node_netstat_Ip6_InOctets Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_Ip6_InOctets untyped
            node_netstat_Ip6_InOctets 460
            # HELP node_netstat_IpExt_InOctets Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_IpExt_InOctets untyped
            node_netstat_IpExt_InOctets 1.8446744073709552e+19
            # HELP node_netstat_TcpExt_ListenDrops Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_TcpExt_ListenDrops untyped
            node_netstat_TcpExt_ListenDrops 7
            # HELP node_netstat_TcpExt_SyncookiesSent Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_TcpExt_SyncookiesSent untyped
            node_netstat_TcpExt_SyncookiesSent 0
            # HELP node_netstat_Tcp_ActiveOpens Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_Tcp_ActiveOpens untyped
            node_netstat_Tcp_ActiveOpens 3
            # HELP node_netstat_Tcp_InErrs Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_Tcp_InErrs untyped
            node_netstat_Tcp_InErrs 5
            # HELP node_netstat_Udp6_NoPorts Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_Udp6_NoPorts untyped
            node_netstat_Udp6_NoPorts 4
            # HELP node_netstat_UdpLite_InErrors Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_UdpLite_InErrors untyped
            node_netstat_UdpLite_InErrors 2
        "#]],
        );
    }

    #[test]
    fn the_pattern_is_matched_anywhere() {
        check::<Netstat>(
            "fields = \"p_M|6_InT\"",
            &FILES,
            expect![[r#"
            # HELP node_netstat_Icmp6_InType134 Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_Icmp6_InType134 untyped
            node_netstat_Icmp6_InType134 1
            # HELP node_netstat_Tcp_MaxConn Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_Tcp_MaxConn untyped
            node_netstat_Tcp_MaxConn -1
        "#]],
        );
    }

    #[test]
    fn ipv6_may_be_missing() {
        check::<Netstat>(
            "",
            &[("proc/net/netstat", ""), ("proc/net/snmp", "Icmp: InMsgs OutMsgs\nIcmp: 1 2\n")],
            expect![[r#"
                # HELP node_netstat_Icmp_InMsgs Value of that name in /proc/net/netstat, snmp or snmp6.
                # TYPE node_netstat_Icmp_InMsgs untyped
                node_netstat_Icmp_InMsgs 1
                # HELP node_netstat_Icmp_OutMsgs Value of that name in /proc/net/netstat, snmp or snmp6.
                # TYPE node_netstat_Icmp_OutMsgs untyped
                node_netstat_Icmp_OutMsgs 2
            "#]],
        );
    }

    #[test]
    fn follows_fields_that_appear() {
        let host = TestHost::new(&[
            ("proc/net/netstat", ""),
            ("proc/net/snmp", "Icmp: InMsgs OutMsgs\nIcmp: 1 2\n"),
        ]);
        let mut netstat = host.open::<Netstat>("").unwrap();
        let mut out = Families::new(METRICS);
        netstat.collect(&mut out).unwrap();
        host.write("proc/net/snmp", "IcmpMsg: InType0\nIcmpMsg: 8\nIcmp: InErrors InMsgs\nIcmp: 3 4\n");
        out.clear();
        netstat.collect(&mut out).unwrap();
        expect![[r#"
            # HELP node_netstat_Icmp_InErrors Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_Icmp_InErrors untyped
            node_netstat_Icmp_InErrors 3
            # HELP node_netstat_Icmp_InMsgs Value of that name in /proc/net/netstat, snmp or snmp6.
            # TYPE node_netstat_Icmp_InMsgs untyped
            node_netstat_Icmp_InMsgs 4
        "#]]
        .assert_eq(&host.render(&out));
    }

    #[test]
    fn refuses_fewer_numbers_than_names() {
        let files = [("proc/net/netstat", "A: a b\nA: 1 2\nTcpExt: a b\nTcpExt: 1\n")];
        check_error::<Netstat>(
            "",
            &files,
            expect![
                "parse proc/net/netstat, line 3: expected a line of names and then one of as many numbers"
            ],
        );
    }

    #[test]
    fn refuses_more_numbers_than_names() {
        check_error::<Netstat>(
            "",
            &[("proc/net/netstat", "TcpExt: a\nTcpExt: 1 2\n")],
            expect![
                "parse proc/net/netstat, line 1: expected a line of names and then one of as many numbers"
            ],
        );
    }

    #[test]
    fn refuses_names_without_numbers() {
        check_error::<Netstat>(
            "",
            &[("proc/net/netstat", "TcpExt: a\n")],
            expect![
                "parse proc/net/netstat, line 1: expected a line of names and then one of as many numbers"
            ],
        );
    }

    #[test]
    fn refuses_what_is_no_number() {
        let files = [FILES[0], FILES[1], ("proc/net/snmp6", "Ip6InOctets x\n")];
        check_error::<Netstat>(
            "fields = \"^$\"",
            &files,
            expect!["parse proc/net/snmp6, line 1: expected a name and a number"],
        );
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        check_error::<Netstat>(
            "",
            &[("proc/net/netstat", "")],
            expect!["read proc/net/snmp: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Netstat>("fields = \"\\\\.*\"", &FILES);
    }
}
