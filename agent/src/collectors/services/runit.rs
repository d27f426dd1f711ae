//! runit's services, from `supervise/status` of each: see runsv(8). The 20 bytes are the time of the last change (8 of
//! TAI64, 4 of nanoseconds), the process (4), and one each for paused, wanted, terminated and the state.

use crate::collectors::prelude::*;
use std::path::PathBuf;

metrics! {
    STATE: Gauge "node_service_state" ["service", "supervisor"], "State of the service: 0 down, 1 up, 2 finishing.";
    DESIRED: Gauge "node_service_desired_state" ["service", "supervisor"], "State in which the service is wanted: 0 down, 1 up.";
    NORMAL: Gauge "node_service_normal_state" ["service", "supervisor"], "State in which the service starts: 0 down, 1 up.";
    CHANGED: Gauge "node_service_state_last_change_timestamp_seconds" ["service", "supervisor"], "Unix time at which the state changed last.";
}

/// TAI64 counts from 2^62, and ten leap seconds ahead of Unix time as runit has it.
const TAI_OF_UNIX_EPOCH: u64 = (1 << 62) + 10;

section! {
    pub(super) struct Config {
        /// Where runit's services are.
        servicedir: PathBuf = "/etc/service",
    }
}

pub(super) struct Runit {
    folder: PathBuf,
    buffer: Vec<u8>,
}

impl Spec for Runit {
    const SUMMARY: &'static str = "Services that runit looks after, from /etc/service.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, _: &Host) -> Result<Self, Error> {
        Ok(Self { folder: config.servicedir, buffer: Vec::new() })
    }
}

impl Collector for Runit {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(services) = Folder::open(&self.folder)? else {
            return Err(Error::Absent(format!("{} does not exist", self.folder.display())));
        };
        let errors = FirstError::default();
        for name in services.names()?.iter().filter(|it| !it.starts_with('.')) {
            let Some(service) = errors.value(services.folder(name)) else { continue };
            // Without one nobody looks after it.
            let Some(supervise) = errors.value(service.folder("supervise")) else { continue };
            let labels = [name.as_str(), "runit"];
            let files = errors.ok(service.attributes());
            out.push(NORMAL, labels, files.map(|it| !it.exists("down")));
            let Some(bytes) = errors.value(supervise.text("status", &mut self.buffer)) else { continue };
            let Some([time @ .., _, _, _, _, _, _, _, _, _, wanted, _, state]) = bytes.first_chunk::<20>()
            else {
                errors.note(supervise.parse_error("status", 1, "expected 20 bytes"));
                continue;
            };
            let changed = u64::from_be_bytes(*time).checked_sub(TAI_OF_UNIX_EPOCH);
            out.push(STATE, labels, u64::from(*state));
            out.push(DESIRED, labels, *wanted == b'u');
            out.push(CHANGED, labels, changed);
        }
        Ok(errors.end()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestHost, survives};

    const UP: &str = "@\0\0\0\x65\x20\x10\x0aNANO\x01\0\0\0\0u\0\x01";
    const FINISHING: &str = "@\0\0\0\x65\x20\x10\x0bNANO\x01\0\0\0\0d\x01\x02";

    fn scrape(host: &TestHost) -> String {
        let folder = host.path().join("service");
        let mut out = Families::new(METRICS);
        let result = host
            .open::<Runit>(&format!("servicedir = {folder:?}"))
            .and_then(|mut collector| collector.collect(&mut out));
        let text = host.render(&out);
        let samples: Vec<_> = text.lines().filter(|it| !it.starts_with('#')).collect();
        let error = result.err().map(|it| it.to_string().replace(host.path().to_str().unwrap(), ""));
        samples.join("\n") + &error.map_or_else(String::new, |error| format!("\n{error}"))
    }

    #[test]
    fn shows_services() {
        let host = TestHost::new(&[
            ("service/a/supervise/status", UP),
            ("elsewhere/b/supervise/status", FINISHING),
            ("elsewhere/b/down", ""),
            ("service/b", "-> ../elsewhere/b"),
            ("service/.hidden/supervise/status", UP),
            ("service/idle/run", "#!/bin/sh"),
            ("service/gone", "-> nowhere"),
            ("service/file", ""),
        ]);
        expect![[r#"
            node_service_desired_state{service="a",supervisor="runit"} 1
            node_service_desired_state{service="b",supervisor="runit"} 0
            node_service_normal_state{service="a",supervisor="runit"} 1
            node_service_normal_state{service="b",supervisor="runit"} 0
            node_service_state{service="a",supervisor="runit"} 1
            node_service_state{service="b",supervisor="runit"} 2
            node_service_state_last_change_timestamp_seconds{service="a",supervisor="runit"} 1.696600064e+09
            node_service_state_last_change_timestamp_seconds{service="b",supervisor="runit"} 1.696600065e+09"#]].assert_eq(&scrape(&host));
    }

    #[test]
    fn loses_what_is_spoilt_and_no_more() {
        let files = [
            ("service/a/supervise/status", UP),
            ("service/a/down", ""),
            ("service/b/supervise/status", FINISHING),
        ];
        survives::<Runit>("servicedir = 'ROOT/service'", &files);
    }

    #[test]
    fn a_broken_status_costs_its_service() {
        let host =
            TestHost::new(&[("service/a/supervise/status", "short"), ("service/b/supervise/status", UP)]);
        expect![[r#"
            node_service_desired_state{service="b",supervisor="runit"} 1
            node_service_normal_state{service="a",supervisor="runit"} 1
            node_service_normal_state{service="b",supervisor="runit"} 1
            node_service_state{service="b",supervisor="runit"} 1
            node_service_state_last_change_timestamp_seconds{service="b",supervisor="runit"} 1.696600064e+09
            parse /service/a/supervise/status, line 1: expected 20 bytes"#]]
        .assert_eq(&scrape(&host));
    }

    #[test]
    fn a_host_without_runit_is_no_fault() {
        expect![[r#"

            not on this host: /service does not exist"#]]
        .assert_eq(&scrape(&TestHost::new(&[])));
    }
}
