//! Interfaces by rtnetlink, their speed by ethtool's netlink, and from sysfs what neither tells.

use super::{Config, interface::Interface};
use crate::{
    collectors::prelude::*,
    source::{
        KeptClass,
        netlink::{Link, LinkModes, Socket},
        prefixed_number,
    },
};

pub(super) struct ByNetlink {
    links: Socket,
    modes: LinkModes,
    class: KeptClass,
    ignored: Pattern,
    with_stats: bool,
}

impl ByNetlink {
    pub(super) fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Ok(Self {
            links: host.netlink(Socket::route())?,
            modes: LinkModes::open(host.netlink(Socket::generic())?)?,
            class: KeptClass::new(host.sys("class/net")),
            ignored: config.ignored_devices,
            with_stats: config.rtnl_with_stats,
        })
    }

    pub(super) fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let mut modes = Vec::new();
        self.modes.dump(&mut modes)?;
        modes.sort_unstable_by_key(|it| it.link);
        let mut interfaces = Vec::new();
        Link::dump(&mut self.links, &mut interfaces, |link| {
            let mode = modes.binary_search_by_key(&link.index, |it| it.link).ok().map(|index| &modes[index]);
            (!self.ignored.is_match(link.name)).then(|| Interface::new(link, mode))
        })?;
        interfaces.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        interfaces.dedup_by(|a, b| a.name == b.name);
        let read = self.read_sysfs(&mut interfaces);
        for interface in &interfaces {
            interface.push(self.with_stats, out);
        }
        read
    }

    /// Adds what netlink does not tell.
    fn read_sysfs(&mut self, interfaces: &mut [Interface]) -> Result<(), Error> {
        let find = |interfaces: &[Interface], name: &[u8]| {
            interfaces.binary_search_by(|it| (*it.name).cmp(name)).ok()
        };
        let mut rows = Vec::new();
        let read = self.class.for_each(
            |name| find(interfaces, name).is_some(),
            |name, files| {
                let mut number = |file| files.number(file, prefixed_number);
                rows.push((
                    name.to_vec(),
                    [number("addr_assign_type")?, number("dev_id")?, number("name_assign_type")?],
                ));
                Ok(())
            },
        );
        for (name, numbers) in rows {
            let Some(index) = find(interfaces, &name) else { continue };
            let properties = &mut interfaces[index].properties;
            [properties.address_assign_type, properties.device_id, properties.name_assign_type] = numbers;
        }
        match read {
            // Without sysfs there is less to tell.
            Err(error) if error.is_not_found() => Ok(()),
            read => Ok(read?),
        }
    }
}
