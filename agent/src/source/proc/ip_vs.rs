//! `/proc/net/ip_vs_stats` and `/proc/net/ip_vs`: see `net/netfilter/ipvs/ip_vs_ctl.c`. Numbers of the former are
//! hexadecimal. The procfs crate knows neither.

use crate::source::{for_each_line, hex_number, lines, number, words};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Since boot: connections, packets in and out, bytes in and out.
pub(crate) type Totals = [u64; 5];

/// The line of numbers in the first table has the totals; the second table has the rates.
pub(crate) fn parse_totals(text: &[u8]) -> Result<Totals, usize> {
    let mut first_table = lines(text).take_while(|(_, line)| !line.trim_ascii().is_empty());
    let totals = |line| words(line).map(hex_number).collect::<Option<Vec<_>>>()?.try_into().ok();
    first_table.find_map(|(_, line)| totals(line)).ok_or(3)
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
    pub(crate) weight: u64,
    pub(crate) n_active: u64,
    pub(crate) n_inactive: u64,
}

/// Calls `each` with every backend and its service. A line that is wrong costs itself, and that of a service the backends
/// below it.
pub(crate) fn parse_backends(text: &[u8], mut each: impl FnMut(&Service, &Backend)) -> Result<(), usize> {
    let mut service = None;
    for_each_line(lines(text), |_, line| {
        let mut words = words(line);
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match (first, second) {
            (b"->", b"RemoteAddress:Port") | (b"IP", b"Virtual") | (b"Prot", _) => Some(()),
            (b"->", address) => {
                let service = service.as_ref()?;
                each(service, &parse_backend(address, words)?);
                Some(())
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
    let mut numbers = words.skip(1).map(number);
    let (weight, n_active, n_inactive) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some(Backend { address, port, weight, n_active, n_inactive })
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
