//! What a driver's statistics are called as metrics.

use crate::{
    config::Pattern,
    metric::{label_text, legal_name},
};
use std::collections::BTreeMap;

/// Those that most drivers have, which got better names.
const COMMON: [(&[u8], &str); 7] = [
    (b"rx_bytes", "received_bytes_total"),
    (b"rx_dropped", "received_dropped_total"),
    (b"rx_errors", "received_errors_total"),
    (b"rx_packets", "received_packets_total"),
    (b"tx_bytes", "transmitted_bytes_total"),
    (b"tx_errors", "transmitted_errors_total"),
    (b"tx_packets", "transmitted_packets_total"),
];

/// The names of an interface's statistics. They stay while interface, driver and number do.
pub(super) struct Kept {
    /// The interface's index, the driver's name, and how many statistics it has.
    of: (u32, Vec<u8>, u32),
    /// The places of their numbers, in order, and what names their families.
    families: Vec<(usize, String)>,
}

impl Kept {
    /// Of several whose metrics would have one name, none is kept: nobody could tell which is shown.
    pub(super) fn new<'a>(
        of: (u32, Vec<u8>, u32),
        names: impl Iterator<Item = &'a [u8]>,
        wanted: &Pattern,
    ) -> Self {
        let is_shown = |it: &(usize, &[u8])| !it.1.is_empty() && wanted.is_match(it.1);
        // Of several with one name, the last.
        let by_name: BTreeMap<_, _> =
            names.enumerate().filter(is_shown).map(|(place, name)| (name, place)).collect();
        let mut by_family: BTreeMap<String, Vec<(usize, &[u8])>> = BTreeMap::new();
        for (name, place) in by_name {
            by_family.entry(family(name)).or_default().push((place, name));
        }
        let mut of_common = BTreeMap::new();
        for (family, statistics) in by_family {
            if let ([(place, name)], false) = (&statistics[..], family.is_empty()) {
                let common = COMMON.iter().find(|it| it.0 == *name).map(|it| it.1.to_owned());
                of_common.entry(common.unwrap_or(family)).or_insert(*place);
            }
        }
        let mut families: Vec<_> = of_common.into_iter().map(|(family, place)| (place, family)).collect();
        families.sort_unstable();
        Self { of, families }
    }

    pub(super) fn is_of(&self, index: u32, driver: &[u8], n: u32) -> bool {
        (self.of.0, self.of.1.as_slice(), self.of.2) == (index, driver, n)
    }

    pub(super) fn families(&self) -> impl Iterator<Item = (usize, &str)> {
        self.families.iter().map(|(place, family)| (*place, family.as_str()))
    }
}

/// `rx_queue[0].drops` becomes `received_queue_0_drops`, as node_exporter has it.
fn family(name: &[u8]) -> String {
    let name = legal_name(&label_text(name)).to_ascii_lowercase();
    let mut words: Vec<&str> = name.trim_start_matches('_').split('_').collect();
    for (short, long) in [("rx", "received"), ("tx", "transmitted")] {
        let mut was_replaced = false;
        for word in &mut words {
            // Of two in a row the second stays.
            was_replaced = *word == short && !was_replaced;
            if was_replaced {
                *word = long;
            }
        }
    }
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(names: &[&str], wanted: &str) -> Vec<(usize, String)> {
        let names = names.iter().map(|it| it.as_bytes());
        Kept::new((1, Vec::new(), 0), names, &Pattern::new(wanted).unwrap()).families
    }

    #[test]
    fn names_are_node_exporters() {
        for (name, expected) in [
            ("port.rx_errors", "port_received_errors"),
            ("Queue[0] AllocFails", "queue_0_allocfails"),
            ("Tx LPI entry count", "transmitted_lpi_entry_count"),
            ("[3]: tx_bytes", "3_transmitted_bytes"),
            ("     err", "err"),
            ("rx", "received"),
            ("rx_xdp_tx", "received_xdp_transmitted"),
            ("tx_tx_timeouts", "transmitted_tx_timeouts"),
            ("rx_rx_rx", "received_rx_received"),
            ("rx0_drops", "rx0_drops"),
            ("grüße", "gr_e"),
            ("???", ""),
        ] {
            assert_eq!(family(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn common_ones_have_better_names() {
        let names = ["tx_packets", "rx_errors", "rx_errors_total", "x"];
        let expected = ["transmitted_packets_total", "received_errors_total", "x"];
        let kept = kept(&names, "");
        assert_eq!(kept.iter().map(|it| it.1.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(kept.iter().map(|it| it.0).collect::<Vec<_>>(), [0, 1, 3]);
    }

    #[test]
    fn what_is_not_wanted_or_not_clear_is_left_out() {
        let names = ["duplicate metric", "align_errors", "duplicate_metric", "", "Duplicate-Metric"];
        assert_eq!(kept(&names, ""), [(1, "align_errors".to_owned())]);
        assert_eq!(kept(&names, "^duplicate_"), [(2, "duplicate_metric".to_owned())]);
        assert_eq!(kept(&["twice", "twice"], ""), [(1, "twice".to_owned())]);
    }

    #[test]
    fn another_interface_driver_or_number_has_other_names() {
        let kept = Kept::new((7, b"veth".to_vec(), 9), std::iter::empty(), &Pattern::new("").unwrap());
        assert!(kept.is_of(7, b"veth", 9));
        for (index, driver, n) in [(8, "veth", 9), (7, "tun", 9), (7, "veth", 10)] {
            assert!(!kept.is_of(index, driver.as_bytes(), n));
        }
    }
}
