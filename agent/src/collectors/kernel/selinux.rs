//! Whether SELinux is on, from selinuxfs and `/etc/selinux/config`: see selinux(8).

use crate::collectors::prelude::*;

metrics! {
    CONFIG_MODE: Gauge "node_selinux_config_mode" [], "Mode that /etc/selinux/config asks for: 1 enforcing, 0 permissive, -1 disabled.";
    CURRENT_MODE: Gauge "node_selinux_current_mode" [], "Mode of SELinux: 1 enforcing, 0 permissive.";
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
        let errors = FirstError::default();
        // SELinux is off when its files are not there, or no policy was ever loaded.
        let Some(mode) = self.enforce.read_if_present()? else {
            out.push(ENABLED, (), false);
            return Ok(());
        };
        let mode = source::number::<i32>(mode.trim_ascii());
        let has_policy = self.label.parse("a label such as `user:role:type`", |text| match text {
            b"kernel" | b"kernel\0" => Ok(false),
            _ if text.contains(&b':') => Ok(true),
            _ => Err(1),
        });
        let has_policy = errors.ok(has_policy);
        out.push(ENABLED, (), has_policy);
        if has_policy == Some(true) {
            if mode.is_none() {
                errors.note(self.enforce.parse_error(1, "expected a number"));
            }
            out.push(CURRENT_MODE, (), mode);
            out.push(CONFIG_MODE, (), errors.value(self.config.parse("a mode", configured_mode)));
        }
        Ok(errors.end()?)
    }
}

/// The first `SELINUX=` holds.
fn configured_mode(text: &[u8]) -> Result<Option<i32>, usize> {
    let mut values = source::lines(text)
        .filter_map(|(number, line)| Some((number, line.trim_ascii().strip_prefix(b"SELINUX=")?)));
    match values.next() {
        None => Ok(None),
        Some((_, b"enforcing" | b"\"enforcing\"")) => Ok(Some(1)),
        Some((_, b"permissive" | b"\"permissive\"")) => Ok(Some(0)),
        Some((_, b"disabled" | b"\"disabled\"")) => Ok(Some(-1)),
        Some((number, _)) => Err(number),
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
            # HELP node_selinux_config_mode Mode that /etc/selinux/config asks for: 1 enforcing, 0 permissive, -1 disabled.
            # TYPE node_selinux_config_mode gauge
            node_selinux_config_mode 0
            # HELP node_selinux_current_mode Mode of SELinux: 1 enforcing, 0 permissive.
            # TYPE node_selinux_current_mode gauge
            node_selinux_current_mode 1
            # HELP node_selinux_enabled 1 if SELinux is on, else 0.
            # TYPE node_selinux_enabled gauge
            node_selinux_enabled 1
        "#]],
        );
    }

    #[test]
    fn does_not_guess() {
        check_error::<Selinux>(
            "",
            &[("sys/fs/selinux/enforce", "x"), LABEL],
            expect![[r#"
                # HELP node_selinux_enabled 1 if SELinux is on, else 0.
                # TYPE node_selinux_enabled gauge
                node_selinux_enabled 1
                parse sys/fs/selinux/enforce, line 1: expected a number"#]],
        );
        check_error::<Selinux>(
            "",
            &[("sys/fs/selinux/enforce", "1"), (LABEL.0, "")],
            expect!["parse proc/self/attr/current, line 1: expected a label such as `user:role:type`"],
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
