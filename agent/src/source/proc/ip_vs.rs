//! `/proc/net/ip_vs_stats` and `/proc/net/ip_vs`: see `net/netfilter/ipvs/ip_vs_ctl.c`. Numbers of the former are
//! hexadecimal. The procfs crate knows neither.

use crate::source::{for_each_line, hex_number, lines, number, words};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Since boot: connections, packets in and out, bytes in and out.
pub(crate) type Totals = [Option<u64>; 5];

/// Sets `totals` by the first line with a number, which stands below two of headings; the second table has the rates.
pub(crate) fn parse_totals(text: &[u8], totals: &mut Totals) -> Result<(), usize> {
    let mut first_table = lines(text).take_while(|(_, line)| !line.trim_ascii().is_empty());
    let found = first_table.find(|(_, line)| words(line).any(|it| hex_number(it).is_some()));
    let (number, mut words) = found.map_or((3, None), |(number, line)| (number, Some(words(line))));
    totals.iter_mut().for_each(|it| *it = words.as_mut().and_then(Iterator::next).and_then(hex_number));
    if totals.iter().all(Option::is_some) { Ok(()) } else { Err(number) }
}

/// What clients connect to: an address and a port, or a mark of the firewall.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Service {
    /// `TCP`, `UDP`, `SCTP`, or `FWM` for a mark.
    pub(crate) protocol: String,
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) mark: String,
}

/// A server that connections are passed on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// Its weight, and its active and inactive connections.
    pub(crate) numbers: [Option<u64>; 3],
}

/// Calls `each` with every backend and its service. A number that is wrong costs itself, an address its line, and that
/// of a service the backends below it.
pub(crate) fn parse_backends(text: &[u8], mut each: impl FnMut(&Service, &Backend)) -> Result<(), usize> {
    let mut service = None;
    for_each_line(lines(text), |_, line| {
        let mut words = words(line);
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match (first, second) {
            (b"->", b"RemoteAddress:Port") | (b"IP", b"Virtual") | (b"Prot", _) => Some(()),
            (b"->", address) => {
                let backend = parse_backend(address, words)?;
                each(service.as_ref()?, &backend);
                backend.numbers.iter().all(Option::is_some).then_some(())
            }
            _ => {
                service = parse_service(first, second);
                service.as_ref().map(|_| ())
            }
        }
    })
}

fn parse_service(protocol: &[u8], address: &[u8]) -> Option<Service> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    match protocol {
        b"TCP" | b"UDP" | b"SCTP" => {
            let (address, port) = parse_address(address)?;
            Some(Service { protocol: text(protocol), address: Some(address), port, mark: String::new() })
        }
        b"FWM" => {
            let mark = hex_number(address).map(|_| text(address))?;
            Some(Service { protocol: text(protocol), address: None, port: 0, mark })
        }
        _ => None,
    }
}

fn parse_backend<'a>(address: &[u8], words: impl Iterator<Item = &'a [u8]>) -> Option<Backend> {
    let (address, port) = parse_address(address)?;
    // The way of forwarding comes first.
    let mut words = words.skip(1);
    Some(Backend { address, port, numbers: std::array::from_fn(|_| words.next().and_then(number)) })
}

/// `C0A80016:0CEA` or `[2620:0000:0000:0000:0000:0000:0000:0001]:0050`.
fn parse_address(text: &[u8]) -> Option<(IpAddr, u16)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, port) = text.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        None => Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?).into(),
    };
    Some((address, port))
}
