//! What a local NTP server says of itself, and whether to rely on it. The rules are those of node_exporter.

use crate::{
    collectors::prelude::*,
    source::ntp::{Answer, Question},
};
use std::{
    net::{IpAddr, ToSocketAddrs as _},
    time::Duration,
};

metrics! {
    SANITY: Gauge "node_ntp_sanity" [], "Whether the server can be relied on: by its answer, and within the limits of the config.";

    |it: &Answer| [];
    Gauge "node_ntp_stratum" = u64::from(it.stratum), "How many servers stand between the server and a reference clock.";
    Gauge "node_ntp_leap" = u64::from(it.leap), "What the server says of leap seconds: 0 none, 1 one is added today, 2 one is left out today, 3 its clock is not set.";
    Gauge "node_ntp_rtt_seconds" = it.round_trip, "Seconds from the question to the server to its answer, without its own time.";
    Gauge "node_ntp_offset_seconds" = it.offset, "Seconds that the server's clock is ahead of ours.";
    Gauge "node_ntp_reference_timestamp_seconds" = it.reference.unwrap_or(0.0).max(0.0), "Unix time at which the server's clock was last set; 0 if never.";
    Gauge "node_ntp_root_delay_seconds" = it.root_delay, "Seconds that the server's way to the reference clock and back takes.";
    Gauge "node_ntp_root_dispersion_seconds" = it.root_dispersion, "Largest error of the server against its reference clock, without the root delay, in seconds.";
}

const DAY: f64 = 86_400.0;

section! {
    pub(super) struct Config {
        /// The server's address; a name too if `server_is_local`.
        server: String = "127.0.0.1",
        /// UDP port of the server.
        server_port: u64 = 123,
        /// Version of NTP to speak: 2, 3 or 4.
        protocol_version: u64 = 4,
        /// Says that the server belongs to this host although its address is not on loopback: public servers must not
        /// be asked at each scrape.
        server_is_local: bool = false,
        /// How many routers a packet may pass.
        ip_ttl: u64 = 1,
        /// Largest distance to the reference clock at which the server is trusted.
        max_distance: Duration = "3.46608s",
        /// Largest difference between the clocks at which the server is trusted.
        local_offset_tolerance: Duration = "1ms",
    }
}

pub(super) struct Ntp {
    config: Config,
    /// The end of the last day that had another number of seconds, in Unix time.
    leap_midnight: f64,
}

impl Spec for Ntp {
    const SUMMARY: &'static str = "Time and state of a local NTP server, by asking it.";
    const ENABLED: bool = false;
    const CONNECTS: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn faults(config: &Config) -> Vec<Fault> {
        let out_of = |key, value: u64, first, last| Fault {
            key,
            message: format!("{value} is out of range"),
            remedy: format!("set it to {first} to {last}"),
        };
        let bounds = [
            ("protocol_version", config.protocol_version, 2, 4),
            ("server_port", config.server_port, 1, 0xffff),
            ("ip_ttl", config.ip_ttl, 1, 255),
        ];
        let is_out = |it: &(_, u64, u64, u64)| !(it.2..=it.3).contains(&it.1);
        let mut faults: Vec<_> =
            bounds.into_iter().filter(is_out).map(|it| out_of(it.0, it.1, it.2, it.3)).collect();
        let address = config.server.parse::<IpAddr>();
        if !config.server_is_local && !address.is_ok_and(|it| it.is_loopback()) {
            faults.push(Fault {
                key: "server",
                message: format!("`{}` is no loopback address", config.server),
                remedy: "set `server_is_local = true` if it is this host's: public servers must not be asked at each scrape".to_owned(),
            });
        }
        faults
    }

    fn open(config: Config, _: &Host) -> Result<Self, Error> {
        Ok(Self { config, leap_midnight: 0.0 })
    }
}

impl Collector for Ntp {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let answer = self.ask().map_err(|problem| {
            let Config { server, server_port, .. } = &self.config;
            source::Error::Asked { server: format!("the NTP server at {server}:{server_port}"), problem }
        })?;
        push_rows(&answer, (), out);
        out.push(SANITY, (), self.is_sane(&answer));
        Ok(())
    }
}

impl Ntp {
    fn ask(&self) -> Result<Answer, String> {
        let Config { server, server_port, protocol_version, ip_ttl, .. } = &self.config;
        let addresses = (server.as_str(), *server_port as u16).to_socket_addrs();
        let mut addresses = addresses.map_err(|error| error.to_string())?;
        let server = addresses.next().ok_or("it has no address")?;
        Question { server, version: *protocol_version as u8, ttl: *ip_ttl as u32 }.ask()
    }

    fn is_sane(&mut self, answer: &Answer) -> bool {
        if matches!(answer.leap, 1 | 2) {
            self.leap_midnight = (answer.time / DAY).floor() * DAY + DAY;
        }
        // Some servers spread a leap second over the day before or after.
        let smears = (answer.time - self.leap_midnight).abs() < DAY;
        let tolerance = self.config.local_offset_tolerance.as_secs_f64() + if smears { 1.0 } else { 0.0 };
        answer.is_valid()
            && answer.root_distance() <= self.config.max_distance.as_secs_f64()
            && answer.min_error <= tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;
    use std::{
        net::UdpSocket,
        thread,
        time::{SystemTime, UNIX_EPOCH},
    };

    /// A server that answers questions with leap, stratum, and its clock ahead by milliseconds.
    fn serve(answers: Vec<(u8, u8, u64)>) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        thread::spawn(move || {
            for (leap, stratum, ahead) in answers {
                let mut packet = [0; 64];
                let (n_bytes, peer) = socket.recv_from(&mut packet).unwrap();
                assert_eq!((n_bytes, packet[0]), (48, 4 << 3 | 3));
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 + ahead;
                let time = |milliseconds: u64| {
                    let seconds = milliseconds / 1000 + 2_208_988_800;
                    ((seconds << 32) | (((milliseconds % 1000) << 32) / 1000)).to_be_bytes()
                };
                let mut answer = [0; 48];
                answer[..4].copy_from_slice(&[leap << 6 | 4 << 3 | 4, stratum, 6, 0xec]);
                answer[4..8].copy_from_slice(&[0, 0, 0x80, 0]);
                answer[8..12].copy_from_slice(&[0, 0, 0x40, 0]);
                answer[16..24].copy_from_slice(&time(now - 60_000));
                answer[24..32].copy_from_slice(&packet[40..48]);
                answer[32..40].copy_from_slice(&time(now));
                answer[40..48].copy_from_slice(&time(now));
                socket.send_to(&answer, peer).unwrap();
            }
        });
        port
    }

    fn scrape(host: &TestHost, collector: &mut Ntp, chosen: &[&str]) -> String {
        let mut out = Families::new(METRICS);
        let result = collector.collect(&mut out);
        let text = host.render(&out);
        let is_chosen = |line: &&str| chosen.iter().any(|it| line.starts_with(&format!("node_ntp_{it} ")));
        let samples: Vec<_> = text.lines().filter(is_chosen).collect();
        samples.join("\n") + &result.err().map_or_else(String::new, |error| format!("\n{error}"))
    }

    fn open(answers: Vec<(u8, u8, u64)>) -> (TestHost, Ntp) {
        let host = TestHost::new(&[]);
        // The test's own clock has milliseconds.
        let section = format!("server_port = {}\nlocal_offset_tolerance = \"10ms\"", serve(answers));
        let collector = host.open::<Ntp>(&section).unwrap();
        (host, collector)
    }

    #[test]
    fn shows_what_the_server_says() {
        let (host, mut ntp) = open(vec![(0, 2, 0)]);
        let chosen = ["stratum", "leap", "root_delay_seconds", "root_dispersion_seconds", "sanity"];
        expect![[r#"
            node_ntp_leap 0
            node_ntp_root_delay_seconds 0.5
            node_ntp_root_dispersion_seconds 0.25
            node_ntp_sanity 1
            node_ntp_stratum 2"#]]
        .assert_eq(&scrape(&host, &mut ntp, &chosen));
    }

    #[test]
    fn a_clock_that_is_ahead_is_not_sane() {
        let (host, mut ntp) = open(vec![(0, 2, 500), (1, 2, 500), (0, 2, 500), (0, 0, 0)]);
        let mut sanity = || scrape(&host, &mut ntp, &["sanity"]);
        assert_eq!(sanity(), "node_ntp_sanity 0");
        assert_eq!(sanity(), "node_ntp_sanity 1", "the day of a leap second");
        assert_eq!(sanity(), "node_ntp_sanity 1", "and the rest of it");
        assert_eq!(sanity(), "node_ntp_sanity 0", "it says that it has no time");
    }

    #[test]
    fn waits_a_second_for_an_answer() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let host = TestHost::new(&[]);
        let mut ntp = host.open::<Ntp>(&format!("server_port = {port}")).unwrap();
        let said = scrape(&host, &mut ntp, &[]);
        assert_eq!(said, format!("\nask the NTP server at 127.0.0.1:{port}: no answer within 1 s"));
    }

    #[test]
    fn asks_no_server_of_others() {
        for section in
            ["server = \"192.0.2.1\"", "server = \"pool.example\"", "protocol_version = 5", "ip_ttl = 0"]
        {
            assert!(TestHost::new(&[]).open::<Ntp>(section).is_err(), "{section}");
        }
    }
}
