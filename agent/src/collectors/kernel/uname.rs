//! The kernel's names: see uname(2).

use crate::collectors::prelude::*;

metrics! {
    INFO: Gauge "node_uname_info" ["sysname", "release", "version", "machine", "nodename", "domainname"], "1, with what uname(2) says of the kernel and the host.";
}

pub(super) struct Uname;

impl Spec for Uname {
    const SUMMARY: &'static str = "Kernel release and host name, from uname(2).";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, _: &Host) -> Result<Self, Error> {
        Ok(Self)
    }
}

impl Collector for Uname {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let it = rustix::system::uname();
        let names = [it.sysname(), it.release(), it.version(), it.machine(), it.nodename(), it.domainname()];
        out.push(INFO, names.map(|name| name.to_bytes()), true);
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
}
