//! The kernel's names: see uname(2).

use crate::collectors::prelude::*;
use std::ffi::CStr;

metrics! {
    INFO: Gauge "node_uname_info" ["sysname", "release", "version", "machine", "nodename", "domainname"], "1, with what uname(2) says of the kernel and the host.";
}

section! {
    pub(super) struct Config {
        /// Name to give instead of the host's own. A container without hostNetwork has a host name of its own.
        nodename: String = "",
    }
}

pub(super) struct Uname(Config);

impl Spec for Uname {
    const SUMMARY: &'static str = "Kernel release and host name, from uname(2).";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, _: &Host) -> Result<Self, Error> {
        Ok(Self(config))
    }
}

impl Collector for Uname {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let it = rustix::system::uname();
        let Config { nodename } = &self.0;
        let nodename = if nodename.is_empty() { it.nodename().to_bytes() } else { nodename.as_bytes() };
        let [sysname, release, version, machine, domainname] =
            [it.sysname(), it.release(), it.version(), it.machine(), it.domainname()].map(CStr::to_bytes);
        out.push(INFO, [sysname, release, version, machine, nodename, domainname], true);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    #[test]
    fn gives_all_names_in_one_sample() {
        let host = TestHost::new(&[]);
        let mut out = Families::new(METRICS);
        host.open::<Uname>("").unwrap().collect(&mut out).unwrap();
        let text = host.render(&out);
        // What stands between quotes is this machine's.
        let shape: Vec<_> = text.split('"').step_by(2).collect();
        expect![[r#"
            # HELP node_uname_info 1, with what uname(2) says of the kernel and the host.
            # TYPE node_uname_info gauge
            node_uname_info{domainname=_,machine=_,nodename=_,release=_,sysname=_,version=_} 1
        "#]]
        .assert_eq(&shape.join("_"));
    }

    #[test]
    fn gives_the_name_that_it_is_told() {
        let host = TestHost::new(&[]);
        let mut out = Families::new(METRICS);
        host.open::<Uname>("nodename = 'a-node'").unwrap().collect(&mut out).unwrap();
        assert!(host.render(&out).contains("nodename=\"a-node\""));
    }
}
