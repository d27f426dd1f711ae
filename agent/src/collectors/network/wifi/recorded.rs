//! A folder of JSON in place of nl80211: `interfaces.json`, and in a folder of each interface `bss.json` and
//! `stationinfo.json`. What is not there is 0, as Go reads it.

use super::*;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) struct Recorded(pub(super) PathBuf);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Interface {
    name: String,
    frequency: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Bss {
    ssid: String,
    bssid: String,
    status: u32,
}

/// Named as in the file; times are in nanoseconds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct StationInfo {
    hardwareaddr: String,
    connected: u64,
    inactive: u64,
    receivebitrate: u64,
    transmitbitrate: u64,
    receivedbytes: u64,
    transmittedbytes: u64,
    receivedpackets: u32,
    transmittedpackets: u32,
    signal: i32,
    transmitretries: u32,
    transmitfailed: u32,
    beaconloss: u32,
}

impl Recorded {
    pub(super) fn push(&self, out: &mut Families) -> Result<(), source::Error> {
        let errors = FirstError::default();
        for it in self.items::<Interface>("interfaces.json", &errors)?.iter().filter(|it| !it.name.is_empty())
        {
            let device = it.name.as_bytes();
            push_frequency(device, Some(it.frequency), out);
            let bss = self.read::<Bss>(&format!("{}/bss.json", it.name));
            if let Some(bss) = errors.value(bss.map(Some)) {
                let bssid = address(&bss.bssid).unwrap_or_default();
                let network = WifiNetwork { bssid, ssid: bss.ssid.into_bytes(), status: bss.status };
                push_network(device, &network, out);
            }
            let stations = self.items::<StationInfo>(&format!("{}/stationinfo.json", it.name), &errors);
            for it in errors.value(stations.map(Some)).unwrap_or_default() {
                push_station(device, &it.station(), out);
            }
        }
        errors.end()
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, source::Error> {
        let mut file = File::new(self.0.join(name));
        file.parse("the JSON of node_exporter's tests", |text| {
            serde_json::from_slice(text).map_err(|error| error.line())
        })
    }

    /// One bad item costs itself.
    fn items<T: DeserializeOwned>(&self, name: &str, errors: &FirstError) -> Result<Vec<T>, source::Error> {
        let items: Vec<Value> = self.read(name)?;
        let n_items = items.len();
        let items: Vec<T> = items.into_iter().filter_map(|it| serde_json::from_value(it).ok()).collect();
        if items.len() < n_items {
            let problem = format!("{} of {n_items} items are not as expected", n_items - items.len());
            errors.note(File::new(self.0.join(name)).parse_error(1, problem));
        }
        Ok(items)
    }
}

impl StationInfo {
    fn station(&self) -> Station {
        Station {
            address: address(&self.hardwareaddr).unwrap_or_default(),
            connected_seconds: Some(self.connected as f64 / 1e9),
            inactive_seconds: Some(self.inactive as f64 / 1e9),
            receive_bits_per_second: Some(self.receivebitrate as f64),
            transmit_bits_per_second: Some(self.transmitbitrate as f64),
            received_bytes: Some(self.receivedbytes),
            transmitted_bytes: Some(self.transmittedbytes),
            received_packets: Some(self.receivedpackets),
            transmitted_packets: Some(self.transmittedpackets),
            signal: Some(self.signal),
            transmit_retries: Some(self.transmitretries),
            transmit_failed: Some(self.transmitfailed),
            beacon_loss: Some(self.beaconloss),
        }
    }
}

/// The six bytes that eight characters of base 64 are.
fn address(text: &str) -> Option<HardwareAddress> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0;
    for byte in text.bytes() {
        bits = bits << 6 | DIGITS.iter().position(|it| *it == byte)? as u64;
    }
    let [_, _, address @ ..] = bits.to_be_bytes();
    (text.len() == 8).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERFACES: (&str, &str) = (
        "wifi/interfaces.json",
        r#"[
  {"name": "wlan0", "type": 2, "frequency": 2412},
  {"name": "wlan1", "type": 3},
  {"type": 10}
]
"#,
    );
    const BSS: (&str, &str) =
        ("wifi/wlan0/bss.json", "{\"ssid\": \"home\", \"bssid\": \"ABEiM0RV\", \"status\": 1}\n");
    const STATIONS: (&str, &str) = (
        "wifi/wlan0/stationinfo.json",
        "[{\"hardwareaddr\": \"qrvM3e7/\", \"connected\": 30000000000, \"inactive\": 400000000, \"signal\": -52, \"receivebitrate\": 128000000, \"transmitretries\": 10}]\n",
    );
    const SECTION: &str = "fixtures = \"ROOT/wifi\"";

    #[test]
    fn shows_interfaces_networks_and_stations() {
        check::<WifiStations>(
            SECTION,
            &[INTERFACES, BSS, STATIONS],
            expect![[r##"
                # HELP node_wifi_interface_frequency_hertz Frequency at which the interface works.
                # TYPE node_wifi_interface_frequency_hertz gauge
                node_wifi_interface_frequency_hertz{device="wlan0"} 2.412e+09
                node_wifi_interface_frequency_hertz{device="wlan1"} 0
                # HELP node_wifi_station_beacon_loss_total Times that beacons of the station were lost.
                # TYPE node_wifi_station_beacon_loss_total counter
                node_wifi_station_beacon_loss_total{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 0
                # HELP node_wifi_station_connected_seconds_total Seconds since the station connected.
                # TYPE node_wifi_station_connected_seconds_total counter
                node_wifi_station_connected_seconds_total{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 30
                # HELP node_wifi_station_inactive_seconds Seconds since something came from the station.
                # TYPE node_wifi_station_inactive_seconds gauge
                node_wifi_station_inactive_seconds{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 0.4
                # HELP node_wifi_station_info 1 for the network that the interface belongs to: the address and name of it, and whether as a client or ad-hoc.
                # TYPE node_wifi_station_info gauge
                node_wifi_station_info{bssid="00:11:22:33:44:55",device="wlan0",mode="client",ssid="home"} 1
                # HELP node_wifi_station_receive_bits_per_second Rate at which the station's packets come, in bits per second.
                # TYPE node_wifi_station_receive_bits_per_second gauge
                node_wifi_station_receive_bits_per_second{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 1.28e+08
                # HELP node_wifi_station_receive_bytes_total Bytes received from the station.
                # TYPE node_wifi_station_receive_bytes_total counter
                node_wifi_station_receive_bytes_total{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 0
                # HELP node_wifi_station_received_packets_total Packets received from the station.
                # TYPE node_wifi_station_received_packets_total counter
                node_wifi_station_received_packets_total{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 0
                # HELP node_wifi_station_signal_dbm Strength of the station's signal in decibel-milliwatts.
                # TYPE node_wifi_station_signal_dbm gauge
                node_wifi_station_signal_dbm{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} -52
                # HELP node_wifi_station_transmit_bits_per_second Rate at which packets go to the station, in bits per second.
                # TYPE node_wifi_station_transmit_bits_per_second gauge
                node_wifi_station_transmit_bits_per_second{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 0
                # HELP node_wifi_station_transmit_bytes_total Bytes sent to the station.
                # TYPE node_wifi_station_transmit_bytes_total counter
                node_wifi_station_transmit_bytes_total{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 0
                # HELP node_wifi_station_transmit_failed_total Packets that could not be sent to the station.
                # TYPE node_wifi_station_transmit_failed_total counter
                node_wifi_station_transmit_failed_total{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 0
                # HELP node_wifi_station_transmit_retries_total Times that a packet to the station was sent again.
                # TYPE node_wifi_station_transmit_retries_total counter
                node_wifi_station_transmit_retries_total{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 10
                # HELP node_wifi_station_transmitted_packets_total Packets sent to the station.
                # TYPE node_wifi_station_transmitted_packets_total counter
                node_wifi_station_transmitted_packets_total{device="wlan0",mac_address="aa:bb:cc:dd:ee:ff"} 0
            "##]],
        );
    }

    #[test]
    fn one_bad_item_costs_itself() {
        let interfaces = INTERFACES.1.replace("2412", "\"high\"");
        check_error::<WifiStations>(
            SECTION,
            &[(INTERFACES.0, &interfaces)],
            expect![[r##"
            # HELP node_wifi_interface_frequency_hertz Frequency at which the interface works.
            # TYPE node_wifi_interface_frequency_hertz gauge
            node_wifi_interface_frequency_hertz{device="wlan1"} 0
            parse wifi/interfaces.json, line 1: 1 of 3 items are not as expected"##]],
        );
        check_error::<WifiStations>(
            SECTION,
            &[INTERFACES, ("wifi/wlan1/stationinfo.json", "[7]")],
            expect![[r##"
                # HELP node_wifi_interface_frequency_hertz Frequency at which the interface works.
                # TYPE node_wifi_interface_frequency_hertz gauge
                node_wifi_interface_frequency_hertz{device="wlan0"} 2.412e+09
                node_wifi_interface_frequency_hertz{device="wlan1"} 0
                parse wifi/wlan1/stationinfo.json, line 1: 1 of 1 items are not as expected"##]],
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        check_error::<WifiStations>(
            SECTION,
            &[],
            expect!["read wifi/interfaces.json: No such file or directory (os error 2)"],
        );
        check_error::<WifiStations>(
            SECTION,
            &[INTERFACES, (BSS.0, "{\n")],
            expect![[r##"
            # HELP node_wifi_interface_frequency_hertz Frequency at which the interface works.
            # TYPE node_wifi_interface_frequency_hertz gauge
            node_wifi_interface_frequency_hertz{device="wlan0"} 2.412e+09
            node_wifi_interface_frequency_hertz{device="wlan1"} 0
            parse wifi/wlan0/bss.json, line 2: expected the JSON of node_exporter's tests"##]],
        );
    }

    #[test]
    fn addresses_are_of_six_bytes() {
        assert_eq!(address("qrvM3e7/"), Some([0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]));
        for text in ["", "qrvM", "qrvM3e7=", "qrvM3e7/qrvM", "qrvM3e7é"] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn any_text_ends() {
        never_panics::<WifiStations>(SECTION, &[INTERFACES, BSS, STATIONS]);
    }
}
