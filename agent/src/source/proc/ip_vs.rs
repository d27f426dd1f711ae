//! `/proc/net/ip_vs_stats` and `/proc/net/ip_vs`: see `net/netfilter/ipvs/ip_vs_ctl.c`. Numbers of the former are
//! hexadecimal. The procfs crate knows neither.

use crate::source::{hex_number, number, words};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Since boot: connections, packets in and out, bytes in and out.
pub(crate) type Totals = [u64; 5];

/// The third line has the totals.
pub(crate) fn parse_totals(text: &[u8]) -> Result<Totals, usize> {
    let line = text.split(|&byte| byte == b'\n').nth(2).ok_or(1_usize)?;
    let mut totals = [0; 5];
    let mut words = words(line);
    for total in &mut totals {
        *total = words.next().and_then(hex_number).ok_or(3_usize)?;
    }
    if words.next().is_some() { Err(3) } else { Ok(totals) }
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

/// Calls `each` with every backend and its service.
pub(crate) fn parse_backends(text: &[u8], mut each: impl FnMut(&Service, &Backend)) -> Result<(), usize> {
    let mut service = Service::default();
    for (number, line) in crate::source::lines(text) {
        let mut words = words(line);
        let (Some(first), Some(second)) = (words.next(), words.next()) else { continue };
        match first {
            b"TCP" | b"UDP" | b"SCTP" => {
                let (address, port) = parse_address(second).ok_or(number)?;
                let protocol = String::from_utf8_lossy(first).into_owned();
                service = Service { protocol, address: Some(address), port, mark: String::new() };
            }
            b"FWM" => {
                let mark = String::from_utf8_lossy(second).into_owned();
                service = Service { protocol: "FWM".to_owned(), address: None, port: 0, mark };
            }
            b"->" if second != b"RemoteAddress:Port" => {
                each(&service, &parse_backend(second, words).ok_or(number)?);
            }
            _ => {}
        }
    }
    Ok(())
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
