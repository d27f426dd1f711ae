//! `/proc/net/sockstat` and `/proc/net/sockstat6`: see proc_pid_net(5). `mem` is in pages, `memory` in bytes.

use crate::collectors::prelude::*;

metrics! {
    USED: Gauge "node_sockstat_sockets_used" [], "Sockets of all kinds and protocols in use.";
    ALLOC: Gauge "node_sockstat_*_alloc" [], "Sockets of the protocol that are allocated, connected or not.";
    FRAGMENTED: Gauge "node_sockstat_FRAG*_inuse" [], "Packets being put together from fragments.";
    INUSE: Gauge "node_sockstat_*_inuse" [], "Sockets of the protocol in use.";
    MEM: Gauge "node_sockstat_*_mem" [], "Memory of the protocol's socket buffers, in pages.";
    MEM_BYTES: Gauge "node_sockstat_*_mem_bytes" [], "Memory of the protocol's socket buffers, in bytes.";
    MEMORY: Gauge "node_sockstat_*_memory" [], "Memory of fragments that wait for the rest of their packet, in bytes.";
    ORPHAN: Gauge "node_sockstat_*_orphan" [], "Sockets of the protocol that no process holds any more.";
    TW: Gauge "node_sockstat_*_tw" [], "Sockets of the protocol in TIME_WAIT.";
}

pub(super) struct Sockstat {
    ipv4: File,
    ipv6: File,
    page_bytes: i64,
}

impl Spec for Sockstat {
    const SUMMARY: &'static str =
        "Sockets and their memory by protocol, from /proc/net/sockstat and /proc/net/sockstat6.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let page_bytes = rustix::param::page_size() as i64;
        Ok(Self { ipv4: host.net("sockstat"), ipv6: host.net("sockstat6"), page_bytes })
    }
}

impl Collector for Sockstat {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        for (file, is_ipv4) in [(&mut self.ipv4, true), (&mut self.ipv6, false)] {
            let parsed = file.parse_lines("`protocol:` and pairs of a name and a number", |_, line| {
                let mut values = Values::default();
                let (protocol, parsed) = parse_line(line, &mut values)?;
                match protocol {
                    "sockets" if is_ipv4 => out.push(USED, (), values.used),
                    "sockets" => {}
                    _ => push(protocol, &values, self.page_bytes, out),
                }
                parsed
            });
            // The kernel may have no such protocols.
            errors.value(parsed.map(Some));
        }
        Ok(errors.end()?)
    }
}

#[derive(Default)]
struct Values {
    alloc: Option<i64>,
    inuse: Option<i64>,
    mem: Option<i64>,
    memory: Option<i64>,
    orphan: Option<i64>,
    tw: Option<i64>,
    used: Option<i64>,
}

/// The protocol, and whether all of its values are numbers; those that are get into `values`.
fn parse_line<'a>(line: &'a [u8], values: &mut Values) -> Option<(&'a str, Option<()>)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let protocol = words.next()?.strip_suffix(':')?;
    let is_name = protocol.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut is_whole = is_name && !protocol.is_empty();
    let mut n_values = 0;
    while let Some(name) = words.next() {
        let value = words.next().and_then(|word| word.parse().ok());
        is_whole &= value.is_some();
        n_values += 1;
        match name {
            "alloc" => values.alloc = value,
            "inuse" => values.inuse = value,
            "mem" => values.mem = value,
            "memory" => values.memory = value,
            "orphan" => values.orphan = value,
            "tw" => values.tw = value,
            "used" => values.used = value,
            _ => {}
        }
    }
    (is_name && n_values > 0).then_some((protocol, is_whole.then_some(())))
}

fn push(protocol: &str, values: &Values, page_bytes: i64, out: &mut Families) {
    out.push_named(ALLOC, protocol, (), values.alloc);
    match protocol.strip_prefix("FRAG") {
        Some(version) => out.push_named(FRAGMENTED, version, (), values.inuse),
        None => out.push_named(INUSE, protocol, (), values.inuse),
    }
    out.push_named(MEM, protocol, (), values.mem);
    out.push_named(MEM_BYTES, protocol, (), values.mem.map(|pages| pages.wrapping_mul(page_bytes)));
    out.push_named(MEMORY, protocol, (), values.memory);
    out.push_named(ORPHAN, protocol, (), values.orphan);
    out.push_named(TW, protocol, (), values.tw);
}

#[cfg(test)]
mod tests {
    use super::*;

    const IPV4: &str = "\
sockets: used 229
TCP: inuse 4 orphan 1 tw 4 alloc 17 mem 0
UDP: inuse 0 mem 0
UDPLITE: inuse 0
FRAG: inuse 0 memory 8192
";

    #[test]
    fn gives_the_values_of_each_protocol() {
        let files = [
            ("proc/net/sockstat", IPV4),
            ("proc/net/sockstat6", "TCP6: inuse 17\nFRAG6: inuse 0 memory 0\n"),
        ];
        check::<Sockstat>(
            "",
            &files,
            expect![[r#"
                # HELP node_sockstat_FRAG6_inuse Packets being put together from fragments.
                # TYPE node_sockstat_FRAG6_inuse gauge
                node_sockstat_FRAG6_inuse 0
                # HELP node_sockstat_FRAG6_memory Memory of fragments that wait for the rest of their packet, in bytes.
                # TYPE node_sockstat_FRAG6_memory gauge
                node_sockstat_FRAG6_memory 0
                # HELP node_sockstat_FRAG_inuse Packets being put together from fragments.
                # TYPE node_sockstat_FRAG_inuse gauge
                node_sockstat_FRAG_inuse 0
                # HELP node_sockstat_FRAG_memory Memory of fragments that wait for the rest of their packet, in bytes.
                # TYPE node_sockstat_FRAG_memory gauge
                node_sockstat_FRAG_memory 8192
                # HELP node_sockstat_TCP6_inuse Sockets of the protocol in use.
                # TYPE node_sockstat_TCP6_inuse gauge
                node_sockstat_TCP6_inuse 17
                # HELP node_sockstat_TCP_alloc Sockets of the protocol that are allocated, connected or not.
                # TYPE node_sockstat_TCP_alloc gauge
                node_sockstat_TCP_alloc 17
                # HELP node_sockstat_TCP_inuse Sockets of the protocol in use.
                # TYPE node_sockstat_TCP_inuse gauge
                node_sockstat_TCP_inuse 4
                # HELP node_sockstat_TCP_mem Memory of the protocol's socket buffers, in pages.
                # TYPE node_sockstat_TCP_mem gauge
                node_sockstat_TCP_mem 0
                # HELP node_sockstat_TCP_mem_bytes Memory of the protocol's socket buffers, in bytes.
                # TYPE node_sockstat_TCP_mem_bytes gauge
                node_sockstat_TCP_mem_bytes 0
                # HELP node_sockstat_TCP_orphan Sockets of the protocol that no process holds any more.
                # TYPE node_sockstat_TCP_orphan gauge
                node_sockstat_TCP_orphan 1
                # HELP node_sockstat_TCP_tw Sockets of the protocol in TIME_WAIT.
                # TYPE node_sockstat_TCP_tw gauge
                node_sockstat_TCP_tw 4
                # HELP node_sockstat_UDPLITE_inuse Sockets of the protocol in use.
                # TYPE node_sockstat_UDPLITE_inuse gauge
                node_sockstat_UDPLITE_inuse 0
                # HELP node_sockstat_UDP_inuse Sockets of the protocol in use.
                # TYPE node_sockstat_UDP_inuse gauge
                node_sockstat_UDP_inuse 0
                # HELP node_sockstat_UDP_mem Memory of the protocol's socket buffers, in pages.
                # TYPE node_sockstat_UDP_mem gauge
                node_sockstat_UDP_mem 0
                # HELP node_sockstat_UDP_mem_bytes Memory of the protocol's socket buffers, in bytes.
                # TYPE node_sockstat_UDP_mem_bytes gauge
                node_sockstat_UDP_mem_bytes 0
                # HELP node_sockstat_sockets_used Sockets of all kinds and protocols in use.
                # TYPE node_sockstat_sockets_used gauge
                node_sockstat_sockets_used 229
            "#]],
        );
    }

    #[test]
    fn protocols_that_the_kernel_lacks_are_missing() {
        check::<Sockstat>(
            "",
            &[("proc/net/sockstat6", "RAW6: inuse 1\n")],
            expect![[r#"
                # HELP node_sockstat_RAW6_inuse Sockets of the protocol in use.
                # TYPE node_sockstat_RAW6_inuse gauge
                node_sockstat_RAW6_inuse 1
            "#]],
        );
        check::<Sockstat>("", &[], expect![[""]]);
    }

    #[test]
    fn refuses_a_name_without_a_number() {
        check_error::<Sockstat>(
            "",
            &[("proc/net/sockstat", "sockets: used 229\nTCP: inuse 4 orphan\n")],
            expect![[r#"
                # HELP node_sockstat_TCP_inuse Sockets of the protocol in use.
                # TYPE node_sockstat_TCP_inuse gauge
                node_sockstat_TCP_inuse 4
                # HELP node_sockstat_sockets_used Sockets of all kinds and protocols in use.
                # TYPE node_sockstat_sockets_used gauge
                node_sockstat_sockets_used 229
                parse proc/net/sockstat, line 2: expected `protocol:` and pairs of a name and a number"#]],
        );
    }

    #[test]
    fn refuses_an_empty_line() {
        check_error::<Sockstat>(
            "",
            &[("proc/net/sockstat", "sockets: used 229\n\nTCP: inuse 4\n")],
            expect![[r#"
                # HELP node_sockstat_TCP_inuse Sockets of the protocol in use.
                # TYPE node_sockstat_TCP_inuse gauge
                node_sockstat_TCP_inuse 4
                # HELP node_sockstat_sockets_used Sockets of all kinds and protocols in use.
                # TYPE node_sockstat_sockets_used gauge
                node_sockstat_sockets_used 229
                parse proc/net/sockstat, line 2: expected `protocol:` and pairs of a name and a number"#]],
        );
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Sockstat>("", &[("proc/net/sockstat", IPV4)]);
    }
}
