//! Wireless interfaces, the networks that they belong to, and the stations at the other end, by nl80211. See iw(8).

mod recorded;

use crate::{
    collectors::prelude::*,
    source::netlink::{HardwareAddress, Socket, Station, Wifi, WifiNetwork},
};
use recorded::Recorded;
use rustix::io::Errno;
use std::path::PathBuf;

metrics! {
    FREQUENCY: Gauge "node_wifi_interface_frequency_hertz" ["device"], "Frequency at which the interface works.";
    NETWORK: Gauge "node_wifi_station_info" ["device", "bssid", "ssid", "mode"], "1 for the network that the interface belongs to: the address and name of it, and whether as a client or ad-hoc.";

    |it: &Station| ["device", "mac_address"];
    Counter "node_wifi_station_beacon_loss_total" = it.beacon_loss, "Times that beacons of the station were lost.";
    Counter "node_wifi_station_connected_seconds_total" = it.connected_seconds, "Seconds since the station connected.";
    Gauge "node_wifi_station_inactive_seconds" = it.inactive_seconds, "Seconds since something came from the station.";
    Gauge "node_wifi_station_receive_bits_per_second" = it.receive_bits_per_second, "Rate at which the station's packets come, in bits per second.";
    Counter "node_wifi_station_receive_bytes_total" = it.received_bytes, "Bytes received from the station.";
    Counter "node_wifi_station_received_packets_total" = it.received_packets, "Packets received from the station.";
    Gauge "node_wifi_station_signal_dbm" = it.signal, "Strength of the station's signal in decibel-milliwatts.";
    Gauge "node_wifi_station_transmit_bits_per_second" = it.transmit_bits_per_second, "Rate at which packets go to the station, in bits per second.";
    Counter "node_wifi_station_transmit_bytes_total" = it.transmitted_bytes, "Bytes sent to the station.";
    Counter "node_wifi_station_transmit_failed_total" = it.transmit_failed, "Packets that could not be sent to the station.";
    Counter "node_wifi_station_transmit_retries_total" = it.transmit_retries, "Times that a packet to the station was sent again.";
    Counter "node_wifi_station_transmitted_packets_total" = it.transmitted_packets, "Packets sent to the station.";
}

section! {
    pub(super) struct Config {
        /// Shows what `interfaces.json` of this folder and the files beside it say, as node_exporter's own tests do.
        fixtures: PathBuf = "",
    }
}

pub(super) enum WifiStations {
    Kernel(Wifi),
    Recorded(Recorded),
    /// The kernel knows no wireless interfaces, or tells us of none.
    None,
}

impl Spec for WifiStations {
    const SUMMARY: &'static str =
        "Wireless interfaces, networks and stations: rates, signal and traffic, by nl80211.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        if !config.fixtures.as_os_str().is_empty() {
            return Ok(Self::Recorded(Recorded(config.fixtures)));
        }
        match Wifi::open(host.netlink(Socket::generic())?) {
            Ok(wifi) => Ok(wifi.map_or(Self::None, Self::Kernel)),
            Err(error) if error.is_errno(Errno::PERM) || error.is_errno(Errno::ACCESS) => Ok(Self::None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Collector for WifiStations {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let wifi = match self {
            Self::Kernel(wifi) => wifi,
            Self::Recorded(recorded) => return Ok(recorded.push(out)?),
            Self::None => return Err(Error::Absent("the kernel has no nl80211".to_owned())),
        };
        let errors = FirstError::default();
        let mut interfaces = wifi.interfaces()?;
        interfaces.sort_unstable_by_key(|it| it.name);
        interfaces.dedup_by_key(|it| it.name);
        for it in interfaces.iter().filter(|it| !it.name.is_empty()) {
            push_frequency(&it.name, it.frequency, out);
            if let Some(network) = errors.value(wifi.network(it.index)) {
                push_network(&it.name, &network, out);
            }
            let stations = errors.value(wifi.stations(it.index).map(Some)).unwrap_or_default();
            stations.iter().for_each(|station| push_station(&it.name, station, out));
        }
        Ok(errors.end()?)
    }
}

fn push_frequency(device: &[u8], megahertz: Option<u32>, out: &mut Families) {
    out.push(FREQUENCY, [device], megahertz.map(|it| f64::from(it) * 1e6));
}

fn push_network(device: &[u8], network: &WifiNetwork, out: &mut Families) {
    let mode = match network.status {
        0 | 1 => "client",
        2 => "ad-hoc",
        _ => "unknown",
    };
    // As Go reads it: each byte that is no UTF-8 is a character that nobody knows.
    let mut ssid = String::new();
    for chunk in network.ssid.utf8_chunks() {
        ssid.push_str(chunk.valid());
        ssid.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out.push(NETWORK, (device, text(network.bssid), ssid, mode), 1_u64);
}

fn push_station(device: &[u8], station: &Station, out: &mut Families) {
    let address = text(station.address);
    push_rows(station, [device, address.as_bytes()], out);
}

/// `02:00:00:00:01:00`
fn text(address: HardwareAddress) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}
