//! What a link is capable of and offers: bits of `ethtool_link_mode_bit_indices`, of which drivers tell 32 in this way.

use super::*;
use crate::source::ethtool::Settings;

const AUTONEGOTIATION: u32 = 6;
const PAUSE: u32 = 13;
const ASYMMETRIC_PAUSE: u32 = 14;

const PORTS: [(u32, &str); 6] =
    [(7, "TP"), (8, "AUI"), (9, "MII"), (10, "FIBRE"), (11, "BNC"), (16, "Backplane")];

/// Bit, megabits per second, duplex, name. Bit 15, `2500baseX`, is not among node_exporter's.
const MODES: [(u32, u32, &str, &str); 22] = [
    (0, 10, "half", "10baseT"),
    (1, 10, "full", "10baseT"),
    (2, 100, "half", "100baseT"),
    (3, 100, "full", "100baseT"),
    (4, 1000, "half", "1000baseT"),
    (5, 1000, "full", "1000baseT"),
    (12, 10_000, "full", "10000baseT"),
    (17, 1000, "full", "1000baseKX"),
    (18, 10_000, "full", "10000baseKX4"),
    (19, 10_000, "full", "10000baseKR"),
    (20, 10_000, "full", "10000baseR_FEC"),
    (21, 20_000, "full", "20000baseMLD2"),
    (22, 20_000, "full", "20000baseKR2"),
    (23, 40_000, "full", "40000baseKR4"),
    (24, 40_000, "full", "40000baseCR4"),
    (25, 40_000, "full", "40000baseSR4"),
    (26, 40_000, "full", "40000baseLR4"),
    (27, 56_000, "full", "56000baseKR4"),
    (28, 56_000, "full", "56000baseCR4"),
    (29, 56_000, "full", "56000baseSR4"),
    (30, 56_000, "full", "56000baseLR4"),
    (31, 25_000, "full", "25000baseCR"),
];

pub(super) fn push(settings: Settings, device: &[u8], out: &mut Families) {
    let Settings { supported, advertised, autonegotiates } = settings;
    let has = |set: u32, bit: u32| set >> bit & 1 == 1;
    for (set, speed, autonegotiate, pause, asymmetric_pause) in [
        (supported, SUPPORTED_SPEED, AUTONEGOTIATE_SUPPORTED, PAUSE_SUPPORTED, ASYMMETRIC_PAUSE_SUPPORTED),
        (
            advertised,
            ADVERTISED_SPEED,
            AUTONEGOTIATE_ADVERTISED,
            PAUSE_ADVERTISED,
            ASYMMETRIC_PAUSE_ADVERTISED,
        ),
    ] {
        for (_, megabits, duplex, mode) in MODES.iter().filter(|it| has(set, it.0)) {
            out.push(speed, (device, *duplex, *mode), f64::from(*megabits) * 1e6 / 8.0);
        }
        out.push(autonegotiate, [device], has(set, AUTONEGOTIATION));
        out.push(pause, [device], has(set, PAUSE));
        out.push(asymmetric_pause, [device], has(set, ASYMMETRIC_PAUSE));
    }
    for (_, port) in PORTS.iter().filter(|it| has(supported, it.0)) {
        out.push(PORT, (device, *port), 1_u64);
    }
    out.push(AUTONEGOTIATES, [device], u64::from(autonegotiates));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    #[test]
    fn bits_are_shown_by_their_names() {
        // 10baseT/Half, 1000baseT/Full, autonegotiation, TP, MII, pause, asymmetric pause, 25000baseCR; of which the last
        // one and pause are not offered.
        let supported = 0x8000_62e1;
        let settings = Settings { supported, advertised: supported & 0x7fff_dfff, autonegotiates: 1 };
        let mut out = Families::new(METRICS);
        push(settings, b"eth0", &mut out);
        expect![[r##"
            # HELP node_network_advertised_speed_bytes Bytes per second of each mode that the interface offers to the other end of its link.
            # TYPE node_network_advertised_speed_bytes gauge
            node_network_advertised_speed_bytes{device="eth0",duplex="full",mode="1000baseT"} 1.25e+08
            node_network_advertised_speed_bytes{device="eth0",duplex="half",mode="10baseT"} 1.25e+06
            # HELP node_network_asymmetricpause_advertised 1 when the interface offers pause frames in one direction.
            # TYPE node_network_asymmetricpause_advertised gauge
            node_network_asymmetricpause_advertised{device="eth0"} 1
            # HELP node_network_asymmetricpause_supported 1 when the interface is capable of pause frames in one direction.
            # TYPE node_network_asymmetricpause_supported gauge
            node_network_asymmetricpause_supported{device="eth0"} 1
            # HELP node_network_autonegotiate 1 when the interface and the other end of its link agree on the speed.
            # TYPE node_network_autonegotiate gauge
            node_network_autonegotiate{device="eth0"} 1
            # HELP node_network_autonegotiate_advertised 1 when the interface offers to agree on the speed.
            # TYPE node_network_autonegotiate_advertised gauge
            node_network_autonegotiate_advertised{device="eth0"} 1
            # HELP node_network_autonegotiate_supported 1 when the interface is capable of agreeing on the speed.
            # TYPE node_network_autonegotiate_supported gauge
            node_network_autonegotiate_supported{device="eth0"} 1
            # HELP node_network_pause_advertised 1 when the interface offers to send and obey pause frames.
            # TYPE node_network_pause_advertised gauge
            node_network_pause_advertised{device="eth0"} 0
            # HELP node_network_pause_supported 1 when the interface is capable of pause frames.
            # TYPE node_network_pause_supported gauge
            node_network_pause_supported{device="eth0"} 1
            # HELP node_network_supported_port_info 1 for each kind of port that the interface can have.
            # TYPE node_network_supported_port_info gauge
            node_network_supported_port_info{device="eth0",type="MII"} 1
            node_network_supported_port_info{device="eth0",type="TP"} 1
            # HELP node_network_supported_speed_bytes Bytes per second of each mode that the interface is capable of.
            # TYPE node_network_supported_speed_bytes gauge
            node_network_supported_speed_bytes{device="eth0",duplex="full",mode="1000baseT"} 1.25e+08
            node_network_supported_speed_bytes{device="eth0",duplex="full",mode="25000baseCR"} 3.125e+09
            node_network_supported_speed_bytes{device="eth0",duplex="half",mode="10baseT"} 1.25e+06
        "##]].assert_eq(&TestHost::new(&[]).render(&out));
    }
}
