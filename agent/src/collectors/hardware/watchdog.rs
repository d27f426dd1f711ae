//! `/sys/class/watchdog`: timers that reset the host. See Documentation/ABI/testing/sysfs-class-watchdog.

use crate::{collectors::prelude::*, source::Attributes};
use std::{io::ErrorKind, path::PathBuf};

metrics! {
    INFO: Gauge "node_watchdog_info" ["name", "options", "identity", "state", "status", "pretimeout_governor"], "1 for each watchdog, with what its driver says about it.";

    |it: &Attributes<'_>| ["name"];
    Gauge "node_watchdog_access_cs0" = it.number("access_cs0"), "1 if the watchdog booted from its second flash chip and can switch back to the first.";
    Gauge "node_watchdog_bootstatus" = it.number("bootstatus"), "Status bits at boot, such as 32 after a reset by the watchdog; WDIOF_ flags of linux/watchdog.h.";
    Gauge "node_watchdog_fw_version" = it.number("fw_version"), "Version of the watchdog's firmware.";
    Gauge "node_watchdog_nowayout" = it.number("nowayout"), "1 if the watchdog cannot be stopped once it was started.";
    Gauge "node_watchdog_pretimeout_seconds" = it.number("pretimeout"), "Time before the reset at which the watchdog warns, in seconds.";
    Gauge "node_watchdog_timeleft_seconds" = it.number("timeleft"), "Time left until the watchdog resets the host, in seconds.";
    Gauge "node_watchdog_timeout_seconds" = it.number("timeout"), "Time without a sign of life after which the watchdog resets the host, in seconds.";
}

pub(super) struct Watchdog {
    class: PathBuf,
}

impl Spec for Watchdog {
    const SUMMARY: &'static str = "Hardware and software watchdogs, from /sys/class/watchdog.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { class: host.sys("class/watchdog") })
    }
}

impl Collector for Watchdog {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(class) = Folder::open(&self.class)? else {
            return Err(Error::Absent(format!("{} does not exist", self.class.display())));
        };
        let pushed = class.for_each_folder(
            |_| true,
            |name, device| {
                let attributes = device.attributes()?;
                let texts = ["options", "identity", "state", "status", "pretimeout_governor"];
                let texts = texts.map(|file| attributes.value(file));
                let [options, identity, state, status, governor] =
                    texts.each_ref().map(|text| text.as_deref().unwrap_or_default());
                out.push(INFO, (name, options, identity, state, status, governor), 1_u64);
                push_rows(&attributes, [name], out);
                attributes.end()
            },
        );
        match pushed {
            // Some of the files are root's.
            Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => {
                Err(Error::Absent(error.to_string()))
            }
            pushed => Ok(pushed?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_errno;
    use rustix::io::Errno;

    const HOST: &[(&str, &str)] = &[
        ("sys/class/watchdog/watchdog0/bootstatus", "32\n"),
        ("sys/class/watchdog/watchdog0/fw_version", "0x10\n"),
        ("sys/class/watchdog/watchdog0/identity", "iTCO_wdt\n"),
        ("sys/class/watchdog/watchdog0/nowayout", "0\n"),
        ("sys/class/watchdog/watchdog0/options", "0x8180\n"),
        ("sys/class/watchdog/watchdog0/state", "active\n"),
        ("sys/class/watchdog/watchdog0/status", "0x8000\n"),
        ("sys/class/watchdog/watchdog0/timeleft", "27\n"),
        ("sys/class/watchdog/watchdog0/timeout", "30\n"),
    ];

    #[test]
    fn reads_what_the_driver_offers() {
        check::<Watchdog>(
            "",
            HOST,
            expect![[r##"
            # HELP node_watchdog_bootstatus Status bits at boot, such as 32 after a reset by the watchdog; WDIOF_ flags of linux/watchdog.h.
            # TYPE node_watchdog_bootstatus gauge
            node_watchdog_bootstatus{name="watchdog0"} 32
            # HELP node_watchdog_fw_version Version of the watchdog's firmware.
            # TYPE node_watchdog_fw_version gauge
            node_watchdog_fw_version{name="watchdog0"} 16
            # HELP node_watchdog_info 1 for each watchdog, with what its driver says about it.
            # TYPE node_watchdog_info gauge
            node_watchdog_info{identity="iTCO_wdt",name="watchdog0",options="0x8180",pretimeout_governor="",state="active",status="0x8000"} 1
            # HELP node_watchdog_nowayout 1 if the watchdog cannot be stopped once it was started.
            # TYPE node_watchdog_nowayout gauge
            node_watchdog_nowayout{name="watchdog0"} 0
            # HELP node_watchdog_timeleft_seconds Time left until the watchdog resets the host, in seconds.
            # TYPE node_watchdog_timeleft_seconds gauge
            node_watchdog_timeleft_seconds{name="watchdog0"} 27
            # HELP node_watchdog_timeout_seconds Time without a sign of life after which the watchdog resets the host, in seconds.
            # TYPE node_watchdog_timeout_seconds gauge
            node_watchdog_timeout_seconds{name="watchdog0"} 30
        "##]],
        );
    }

    #[test]
    fn shows_a_watchdog_of_which_nothing_is_known() {
        check::<Watchdog>(
            "",
            &[("sys/class/watchdog/watchdog1/", "")],
            expect![[r##"
            # HELP node_watchdog_info 1 for each watchdog, with what its driver says about it.
            # TYPE node_watchdog_info gauge
            node_watchdog_info{identity="",name="watchdog1",options="",pretimeout_governor="",state="",status=""} 1
        "##]],
        );
    }

    #[test]
    fn refuses_a_timeout_that_is_no_number() {
        check_error::<Watchdog>(
            "",
            &[("sys/class/watchdog/watchdog0/timeout", "soon\n")],
            expect![[r##"
            # HELP node_watchdog_info 1 for each watchdog, with what its driver says about it.
            # TYPE node_watchdog_info gauge
            node_watchdog_info{identity="",name="watchdog0",options="",pretimeout_governor="",state="",status=""} 1
            parse sys/class/watchdog/watchdog0/timeout, line 1: expected a number, found `soon`"##]],
        );
    }

    #[test]
    fn a_host_without_the_class_has_none() {
        check_error::<Watchdog>("", &[], expect!["not on this host: sys/class/watchdog does not exist"]);
    }

    #[test]
    fn a_driver_that_does_not_know_the_time_left_costs_that() {
        check_errno::<Watchdog>(
            &HOST[5..],
            ("sys/class/watchdog/watchdog0/timeleft", Errno::OPNOTSUPP),
            expect![[r##"
                # HELP node_watchdog_info 1 for each watchdog, with what its driver says about it.
                # TYPE node_watchdog_info gauge
                node_watchdog_info{identity="",name="watchdog0",options="",pretimeout_governor="",state="active",status="0x8000"} 1
                # HELP node_watchdog_timeout_seconds Time without a sign of life after which the watchdog resets the host, in seconds.
                # TYPE node_watchdog_timeout_seconds gauge
                node_watchdog_timeout_seconds{name="watchdog0"} 30
            "##]],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Watchdog>("", HOST);
    }
}
