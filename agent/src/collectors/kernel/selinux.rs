//! Whether SELinux is on, from selinuxfs and `/etc/selinux/config`: see selinux(8).

use crate::collectors::prelude::*;

metrics! {
    CONFIG_MODE: Gauge "node_selinux_config_mode" [], "Mode that /etc/selinux/config asks for: 1 enforcing, 0 permissive, -1 none of them.";
    CURRENT_MODE: Gauge "node_selinux_current_mode" [], "Mode of SELinux: 1 enforcing, 0 permissive, -1 unknown.";
    ENABLED: Gauge "node_selinux_enabled" [], "1 if SELinux is on, else 0.";
}

pub(super) struct Selinux {
    enforce: File,
    /// The label of this process, `kernel` as long as no policy is loaded.
    label: File,
    config: File,
}

impl Spec for Selinux {
    const SUMMARY: &'static str = "Whether SELinux is on and enforces its policy.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self {
            enforce: File::new(host.sys("fs/selinux/enforce")),
            label: host.proc("self/attr/current"),
            config: File::new(host.rootfs().join("etc/selinux/config")),
        })
    }
}

impl Collector for Selinux {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        // SELinux is off when its files are not there, or hidden from us, or no policy was ever loaded.
        let mode = self.enforce.read().map(|text| source::number::<i32>(text.trim_ascii()));
        let mut has_policy = || !matches!(self.label.read(), Ok(b"kernel" | b"kernel\0"));
        let is_enabled = mode.is_ok() && has_policy();
        out.push(ENABLED, (), is_enabled);
        if let (Ok(mode), true) = (mode, is_enabled) {
            out.push(CURRENT_MODE, (), mode.unwrap_or(-1));
            out.push(CONFIG_MODE, (), self.config.read().map_or(-1, configured_mode));
        }
        Ok(())
    }
}

/// The first `SELINUX=` holds.
fn configured_mode(text: &[u8]) -> i32 {
    let mut values = source::lines(text).filter_map(|(_, line)| line.trim_ascii().strip_prefix(b"SELINUX="));
    match values.next() {
        Some(b"enforcing" | b"\"enforcing\"") => 1,
        Some(b"permissive" | b"\"permissive\"") => 0,
        _ => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: (&str, &str) = ("proc/self/attr/current", "system_u:system_r:init_t:s0\0");

    #[test]
    fn gives_the_mode_now_and_at_boot() {
        let config = "# a comment\nSELINUXTYPE=targeted\n  SELINUX=permissive \nSELINUX=enforcing\n";
        let files = [("sys/fs/selinux/enforce", "1"), LABEL, ("etc/selinux/config", config)];
        check::<Selinux>(
            "",
            &files,
            expect![[r#"
            # HELP node_selinux_config_mode Mode that /etc/selinux/config asks for: 1 enforcing, 0 permissive, -1 none of them.
            # TYPE node_selinux_config_mode gauge
            node_selinux_config_mode 0
            # HELP node_selinux_current_mode Mode of SELinux: 1 enforcing, 0 permissive, -1 unknown.
            # TYPE node_selinux_current_mode gauge
            node_selinux_current_mode 1
            # HELP node_selinux_enabled 1 if SELinux is on, else 0.
            # TYPE node_selinux_enabled gauge
            node_selinux_enabled 1
        "#]],
        );
    }

    #[test]
    fn does_not_guess_modes() {
        check::<Selinux>(
            "",
            &[("sys/fs/selinux/enforce", "x"), LABEL],
            expect![[r#"
            # HELP node_selinux_config_mode Mode that /etc/selinux/config asks for: 1 enforcing, 0 permissive, -1 none of them.
            # TYPE node_selinux_config_mode gauge
            node_selinux_config_mode -1
            # HELP node_selinux_current_mode Mode of SELinux: 1 enforcing, 0 permissive, -1 unknown.
            # TYPE node_selinux_current_mode gauge
            node_selinux_current_mode -1
            # HELP node_selinux_enabled 1 if SELinux is on, else 0.
            # TYPE node_selinux_enabled gauge
            node_selinux_enabled 1
        "#]],
        );
    }

    #[test]
    fn a_host_without_it_says_so() {
        check::<Selinux>(
            "",
            &[],
            expect![[r#"
            # HELP node_selinux_enabled 1 if SELinux is on, else 0.
            # TYPE node_selinux_enabled gauge
            node_selinux_enabled 0
        "#]],
        );
    }

    #[test]
    fn is_off_without_a_policy() {
        let files = [("sys/fs/selinux/enforce", "0"), (LABEL.0, "kernel\0")];
        check::<Selinux>(
            "",
            &files,
            expect![[r#"
            # HELP node_selinux_enabled 1 if SELinux is on, else 0.
            # TYPE node_selinux_enabled gauge
            node_selinux_enabled 0
        "#]],
        );
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        never_panics::<Selinux>(
            "",
            &[("sys/fs/selinux/enforce", "1"), ("etc/selinux/config", "SELINUX=enforcing\n")],
        );
    }
}
