//! Bonds of network interfaces: `Documentation/networking/bonding.rst` of the kernel, and `/sys/class/net/bonding_masters`.

use crate::collectors::prelude::*;
use std::path::PathBuf;

metrics! {
    ACTIVE: Gauge "node_bonding_active" ["master"], "Interfaces of the bond that have a link.";
    SLAVES: Gauge "node_bonding_slaves" ["master"], "Interfaces of the bond.";
}

pub(super) struct Bonding {
    class: PathBuf,
    masters: File,
}

impl Spec for Bonding {
    const SUMMARY: &'static str = "How many interfaces of each bond have a link, from /sys/class/net.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let class = host.sys("class/net");
        Ok(Self { masters: File::new(class.join("bonding_masters")), class })
    }
}

impl Collector for Bonding {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let masters = match self.masters.read() {
            Err(error) if error.is_not_found() => return Err(Error::Absent(error.to_string())),
            masters => masters?,
        };
        let errors = FirstError::default();
        for master in source::words(masters).filter_map(|it| std::str::from_utf8(it).ok()) {
            let Some(folder) = errors.value(Folder::open(self.class.join(master))) else { continue };
            let mut slaves = File::new(folder.path().join("bonding/slaves"));
            let slaves = slaves.read_if_present().map(|text| text.map(<[u8]>::to_vec));
            let Some(slaves) = errors.value(slaves) else { continue };
            let links: Vec<_> =
                source::words(&slaves).map(|slave| has_link(&folder, slave, &errors)).collect();
            // Where one does not tell, nobody knows how many they are.
            let n_active = links.iter().map(|it| it.map(u64::from)).sum::<Option<u64>>();
            out.push(ACTIVE, [master], n_active);
            out.push(SLAVES, [master], links.len());
        }
        Ok(errors.end()?)
    }
}

/// Whether the interface, which is linked from the folder of its bond, has a link.
fn has_link(master: &Folder, slave: &[u8], errors: &FirstError) -> Option<bool> {
    let slave = std::str::from_utf8(slave).ok()?;
    // Kernels before 3.13 call the link `slave_…`.
    let files = ["lower", "slave"].map(|prefix| format!("{prefix}_{slave}/bonding_slave/mii_status"));
    let (file, status) = files.iter().find_map(|file| Some((file, errors.value(master.value(file))?)))?;
    match &*status {
        b"up" => Some(true),
        b"down" | b"going down" | b"going back" => Some(false),
        _ => {
            errors.note(master.unexpected(file, "a state of a link", &status));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 8] = [
        ("sys/class/net/bonding_masters", "bond0 dmz int\n"),
        ("sys/class/net/bond0/bonding/slaves", "\n"),
        ("sys/class/net/dmz/bonding/slaves", "eth0 eth4\n"),
        ("sys/class/net/dmz/lower_eth0/bonding_slave/mii_status", "up\n"),
        ("sys/class/net/dmz/lower_eth4/bonding_slave/mii_status", "up\n"),
        ("sys/class/net/int/bonding/slaves", "eth1 eth5\n"),
        ("sys/class/net/int/slave_eth1/bonding_slave/mii_status", "going down\n"),
        ("sys/class/net/int/slave_eth5/bonding_slave/mii_status", "up\n"),
    ];

    #[test]
    fn counts_interfaces_with_a_link() {
        check::<Bonding>(
            "",
            &FILES,
            expect![[r##"
            # HELP node_bonding_active Interfaces of the bond that have a link.
            # TYPE node_bonding_active gauge
            node_bonding_active{master="bond0"} 0
            node_bonding_active{master="dmz"} 2
            node_bonding_active{master="int"} 1
            # HELP node_bonding_slaves Interfaces of the bond.
            # TYPE node_bonding_slaves gauge
            node_bonding_slaves{master="bond0"} 0
            node_bonding_slaves{master="dmz"} 2
            node_bonding_slaves{master="int"} 2
        "##]],
        );
    }

    #[test]
    fn a_bond_that_vanishes_is_skipped() {
        check::<Bonding>(
            "",
            &FILES[..5],
            expect![[r##"
            # HELP node_bonding_active Interfaces of the bond that have a link.
            # TYPE node_bonding_active gauge
            node_bonding_active{master="bond0"} 0
            node_bonding_active{master="dmz"} 2
            # HELP node_bonding_slaves Interfaces of the bond.
            # TYPE node_bonding_slaves gauge
            node_bonding_slaves{master="bond0"} 0
            node_bonding_slaves{master="dmz"} 2
        "##]],
        );
    }

    #[test]
    fn a_host_without_bonds_is_no_fault() {
        check_error::<Bonding>(
            "",
            &[],
            expect![
                "not on this host: read sys/class/net/bonding_masters: No such file or directory (os error 2)"
            ],
        );
        check::<Bonding>("", &[("sys/class/net/bonding_masters", "")], expect![[""]]);
    }

    #[test]
    fn any_text_ends() {
        never_panics::<Bonding>("", &FILES);
    }
}
