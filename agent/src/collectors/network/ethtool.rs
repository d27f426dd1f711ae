//! What drivers of network interfaces tell by ioctl(2) `SIOCETHTOOL`: settings of the link, who they are, and statistics
//! that they name themselves. See ethtool(8).

mod link;
mod statistics;

use crate::{
    collectors::prelude::*,
    source::{
        ethtool::Ethtool,
        netlink::{Link, LinkName, Socket},
    },
};
use statistics::Kept;
use std::collections::BTreeMap;

metrics! {
    INFO: Gauge "node_ethtool_info" ["bus_info", "device", "driver", "expansion_rom_version", "firmware_version", "version"], "1 for each interface, labelled with its driver, firmware and bus address.";
    STATISTIC: Untyped "node_ethtool_*" ["device"], "A statistic that the metric is named after, as the interface's driver counts it.";
    PORT: Gauge "node_network_supported_port_info" ["device", "type"], "1 for each kind of port that the interface can have.";
    ADVERTISED_SPEED: Gauge "node_network_advertised_speed_bytes" ["device", "duplex", "mode"], "Bytes per second of each mode that the interface offers to the other end of its link.";
    SUPPORTED_SPEED: Gauge "node_network_supported_speed_bytes" ["device", "duplex", "mode"], "Bytes per second of each mode that the interface is capable of.";
    AUTONEGOTIATES: Gauge "node_network_autonegotiate" ["device"], "1 when the interface and the other end of its link agree on the speed.";
    AUTONEGOTIATE_ADVERTISED: Gauge "node_network_autonegotiate_advertised" ["device"], "1 when the interface offers to agree on the speed.";
    AUTONEGOTIATE_SUPPORTED: Gauge "node_network_autonegotiate_supported" ["device"], "1 when the interface is capable of agreeing on the speed.";
    PAUSE_ADVERTISED: Gauge "node_network_pause_advertised" ["device"], "1 when the interface offers to send and obey pause frames.";
    PAUSE_SUPPORTED: Gauge "node_network_pause_supported" ["device"], "1 when the interface is capable of pause frames.";
    ASYMMETRIC_PAUSE_ADVERTISED: Gauge "node_network_asymmetricpause_advertised" ["device"], "1 when the interface offers pause frames in one direction.";
    ASYMMETRIC_PAUSE_SUPPORTED: Gauge "node_network_asymmetricpause_supported" ["device"], "1 when the interface is capable of pause frames in one direction.";
}

section! {
    pub(super) struct Config {
        /// Interfaces to show.
        device_include: Option<Pattern> = "",
        /// Interfaces to leave out.
        device_exclude: Option<Pattern> = "",
        /// Statistics to show, by the names that the driver uses.
        metrics_include: Pattern = ".*",
    }
}

pub(super) struct EthtoolStatistics {
    filter: Filter,
    wanted: Pattern,
    socket: Socket,
    ethtool: Ethtool,
    interfaces: Vec<(LinkName, u32)>,
    kept: BTreeMap<LinkName, Kept>,
}

impl Spec for EthtoolStatistics {
    const SUMMARY: &'static str =
        "Statistics, versions and link settings that drivers of network interfaces tell, by ethtool's ioctl.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self {
            filter: Filter::new(config.device_include, config.device_exclude),
            wanted: config.metrics_include,
            socket: host.netlink(Socket::route())?,
            ethtool: Ethtool::new()?,
            interfaces: Vec::new(),
            kept: BTreeMap::new(),
        })
    }
}

impl Collector for EthtoolStatistics {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let mut interfaces = std::mem::take(&mut self.interfaces);
        Link::dump(&mut self.socket, &mut interfaces, |link| {
            self.filter.keeps(link.name).then(|| (LinkName::new(link.name), link.index))
        })?;
        interfaces.sort_unstable();
        interfaces.dedup_by_key(|it| it.0);
        self.kept.retain(|name, _| interfaces.binary_search_by_key(name, |it| it.0).is_ok());
        let errors = FirstError::default();
        for &(name, index) in &interfaces {
            let settings = self.ethtool.settings(&mut self.socket, &name).map(Some);
            if let Some(settings) = errors.value(settings) {
                link::push(settings, &name, out);
            }
            errors.value(self.push_statistics(name, index, out).map(Some));
        }
        self.interfaces = interfaces;
        Ok(errors.end()?)
    }
}

impl EthtoolStatistics {
    /// Who the driver is, and what it counts.
    fn push_statistics(
        &mut self,
        name: LinkName,
        index: u32,
        out: &mut Families,
    ) -> Result<(), source::Error> {
        let Self { socket, ethtool, kept, wanted, .. } = self;
        let driver = ethtool.driver(socket, &name)?;
        let labels = (
            driver.bus_info,
            &*name,
            driver.name,
            driver.expansion_rom_version,
            driver.firmware_version,
            driver.version,
        );
        out.push(INFO, labels, 1_u64);
        let n = driver.n_statistics;
        if n == 0 {
            return Ok(());
        }
        let is_known = kept.get(&name).is_some_and(|it| it.is_of(index, driver.name, n));
        if !is_known {
            let driver = driver.name.to_owned();
            kept.insert(name, Kept::new((index, driver, n), ethtool.names(socket, &name, n)?, wanted));
        }
        let mut numbers = ethtool.numbers(socket, &name, n)?;
        let mut n_taken = 0;
        for (place, family) in kept[&name].families() {
            let Some(number) = numbers.nth(place - n_taken) else { break };
            n_taken = place + 1;
            out.push_named(STATISTIC, family, [&*name], number);
        }
        Ok(())
    }
}
