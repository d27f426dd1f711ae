//! The system clock, the local time zone, and `/sys/devices/system/clocksource`: see
//! Documentation/timers/timekeeping.rst of the kernel.

use crate::{
    collectors::prelude::*,
    source::sys::clock::{Zone, local_zone},
};
use std::time::{Duration, SystemTime};

metrics! {
    AVAILABLE: Gauge "node_time_clocksource_available_info" ["device", "clocksource"], "1 for each hardware counter that the kernel could tell the time by.";
    CURRENT: Gauge "node_time_clocksource_current_info" ["device", "clocksource"], "1 for the hardware counter that the kernel tells the time by.";
    SECONDS: Gauge "node_time_seconds" [], "Unix time at which the scrape was taken, in seconds.";
    ZONE_OFFSET: Gauge "node_time_zone_offset_seconds" ["time_zone"], "Seconds by which local time is ahead of UTC.";
}

pub(super) struct Time {
    sources: Vec<Source>,
}

/// The kernel has one, `clocksource0`.
struct Source {
    available: File,
    current: File,
}

impl Spec for Time {
    const SUMMARY: &'static str = "The time, its zone and its hardware source.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        let Some(folder) = Folder::open(host.sys("devices/system/clocksource"))? else {
            return Ok(Self { sources: Vec::new() });
        };
        let mut names = folder.names()?;
        names.retain(|name| source::numbered(name, "clocksource").is_some());
        let file = |name: &String, file| File::new(folder.path().join(name).join(file));
        let sources = names.iter().map(|name| Source {
            available: file(name, "available_clocksource"),
            current: file(name, "current_clocksource"),
        });
        Ok(Self { sources: sources.collect() })
    }
}

impl Collector for Time {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let errors = FirstError::default();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        push_clock(now, errors.ok(local_zone(now.as_secs() as i64)).as_ref(), out);
        push_sources(&mut self.sources, &errors, out);
        Ok(errors.end()?)
    }
}

fn push_clock(unix_time: Duration, zone: Option<&Zone>, out: &mut Families) {
    out.push(SECONDS, (), unix_time.as_nanos() as f64 / 1e9);
    if let Some(zone) = zone {
        out.push(ZONE_OFFSET, [&zone.abbreviation], zone.offset);
    }
}

fn push_sources(sources: &mut [Source], errors: &FirstError, out: &mut Families) {
    for (device, Source { available, current }) in sources.iter_mut().enumerate() {
        let available = errors.value(available.read().map(Some)).unwrap_or_default();
        for clocksource in source::words(available) {
            out.push(AVAILABLE, (device, clocksource), true);
        }
        let current = errors.value(current.read().map(Some)).unwrap_or_default();
        for clocksource in source::words(current).take(1) {
            out.push(CURRENT, (device, clocksource), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, survives};

    const FOLDER: &str = "sys/devices/system/clocksource";

    #[test]
    fn gives_the_time_and_its_zone() {
        let mut out = Families::new(METRICS);
        let zone = Zone { abbreviation: "CEST".to_owned(), offset: 7200 };
        push_clock(Duration::new(1_700_005_500, 123_456_789), Some(&zone), &mut out);
        expect![[r##"
            # HELP node_time_seconds Unix time at which the scrape was taken, in seconds.
            # TYPE node_time_seconds gauge
            node_time_seconds 1.7000055001234567e+09
            # HELP node_time_zone_offset_seconds Seconds by which local time is ahead of UTC.
            # TYPE node_time_zone_offset_seconds gauge
            node_time_zone_offset_seconds{time_zone="CEST"} 7200
        "##]]
        .assert_eq(&TestHost::new(&[]).render(&out));
    }

    #[test]
    fn gives_clock_sources() {
        let host = TestHost::new(&[
            (&format!("{FOLDER}/clocksource0/available_clocksource"), "tsc hpet acpi_pm \n"),
            (&format!("{FOLDER}/clocksource0/current_clocksource"), "tsc\n"),
            (&format!("{FOLDER}/power/control"), "auto\n"),
        ]);
        let mut out = Families::new(METRICS);
        let errors = FirstError::default();
        push_sources(&mut host.open::<Time>("").unwrap().sources, &errors, &mut out);
        errors.end().unwrap();
        expect![[r##"
            # HELP node_time_clocksource_available_info 1 for each hardware counter that the kernel could tell the time by.
            # TYPE node_time_clocksource_available_info gauge
            node_time_clocksource_available_info{clocksource="acpi_pm",device="0"} 1
            node_time_clocksource_available_info{clocksource="hpet",device="0"} 1
            node_time_clocksource_available_info{clocksource="tsc",device="0"} 1
            # HELP node_time_clocksource_current_info 1 for the hardware counter that the kernel tells the time by.
            # TYPE node_time_clocksource_current_info gauge
            node_time_clocksource_current_info{clocksource="tsc",device="0"} 1
        "##]].assert_eq(&host.render(&out));
    }

    #[test]
    fn a_host_without_clock_sources_gives_the_time_alone() {
        let host = TestHost::new(&[]);
        let mut out = Families::new(METRICS);
        host.open::<Time>("").unwrap().collect(&mut out).unwrap();
        assert_eq!(out.n_samples(), 2);
    }

    #[test]
    fn a_source_may_not_tell_which_is_in_use() {
        let host = TestHost::new(&[(&format!("{FOLDER}/clocksource0/available_clocksource"), "tsc\n")]);
        let mut out = Families::new(METRICS);
        host.open::<Time>("").unwrap().collect(&mut out).unwrap();
        assert_eq!(out.n_samples(), 3);
    }

    #[test]
    fn a_wound_costs_what_comes_from_it() {
        let files = [
            ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet\n"),
            ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
        ];
        survives::<Time>("", &files);
    }

    #[test]
    fn never_panics_on_a_broken_file() {
        let available = format!("{FOLDER}/clocksource0/available_clocksource");
        let current = format!("{FOLDER}/clocksource0/current_clocksource");
        never_panics::<Time>("", &[(&available, "tsc hpet\n"), (&current, "tsc\n")]);
    }
}
