//! systemd's units, over D-Bus: see org.freedesktop.systemd1(5). All questions of a scrape go over one kept connection,
//! many at a time. Times are microseconds there.

mod unit;

use crate::{
    collectors::prelude::*,
    source::dbus::{Address, Call, Client, ObjectPath, Reply, Variant},
};
use std::collections::BTreeMap;
use unit::{STATES, Unit};

metrics! {
    UNITS: Gauge "node_systemd_units" ["state"], "Units that systemd has loaded, by state.";
    STATE: Gauge "node_systemd_unit_state" ["name", "state", "type"], "1 for the state in which the unit is, 0 for the others; type is that of a service or of a mount.";
    RUNNING: Gauge "node_systemd_system_running" [], "Whether the system is up and no unit has failed, as `systemctl is-system-running` says.";
    VERSION: Gauge "node_systemd_version" ["version"], "systemd's version as a number, and as text in the label.";
    VIRTUALIZATION: Gauge "node_systemd_virtualization_info" ["virtualization_type"], "1, with the kind of virtual machine or container that systemd runs in; `none` on bare metal.";
    LAST_TRIGGER: Gauge "node_systemd_timer_last_trigger_seconds" ["name"], "Unix time at which the timer last fired; 0 if it never did.";
    ACCEPTED: Counter "node_systemd_socket_accepted_connections_total" ["name"], "Connections that systemd accepted at the socket.";
    CONNECTIONS: Gauge "node_systemd_socket_current_connections" ["name"], "Connections of the socket that are open.";
    REFUSED: Gauge "node_systemd_socket_refused_connections_total" ["name"], "Connections that systemd refused at the socket.";
    RESTARTS: Counter "node_systemd_service_restart_total" ["name"], "Times that systemd started the service again by its Restart= setting.";
    START_TIME: Gauge "node_systemd_unit_start_time_seconds" ["name"], "Unix time at which the unit became active; 0 while it is not.";
    TASKS: Gauge "node_systemd_unit_tasks_current" ["name"], "Tasks of the service.";
    MAX_TASKS: Gauge "node_systemd_unit_tasks_max" ["name"], "Tasks that the service may have.";
}

section! {
    pub(super) struct Config {
        /// Regex over units to show; matches whole names.
        unit_include: Pattern = ".+",
        /// Regex over units to leave out; matches whole names.
        unit_exclude: Option<Pattern> = r".+\.(automount|device|mount|scope|slice)",
        /// Shows the number of tasks of each service.
        enable_task_metrics: bool = false,
        /// Shows how often each service was restarted.
        enable_restarts_metrics: bool = false,
        /// Shows when each unit became active.
        enable_start_time_metrics: bool = false,
        /// Asks systemd itself instead of the system bus, which root alone may.
        private: bool = false,
    }
}

const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: [&str; 3] = ["Version", "Virtualization", "SystemState"];

pub(super) struct Systemd {
    client: Client,
    filter: Filter,
    config: Config,
    /// Those of the last list that are shown.
    units: Vec<Unit>,
}

/// As `ListUnits` tells of a unit: name, description, load state, active state, sub-state, whom it follows, its object,
/// and the job that waits for it.
type Listed<'a> =
    (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str, ObjectPath<'a>, u32, &'a str, ObjectPath<'a>);

impl Spec for Systemd {
    const SUMMARY: &'static str = "Units of systemd and their states, over D-Bus.";
    const ENABLED: bool = false;
    const CONNECTS: bool = true;
    const COST: &'static str = "a question to systemd for each service, socket and timer at each scrape";
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        let mut addresses = if config.private { Vec::new() } else { host.system_bus() };
        addresses.push(Address::Service(host.rootfs().join("run/systemd/private")));
        let exclude = config.unit_exclude.as_ref().map(Pattern::anchored);
        let filter = Filter::new(Some(config.unit_include.anchored()), exclude);
        Ok(Self { client: Client::new("systemd", addresses), filter, config, units: Vec::new() })
    }
}

impl Collector for Systemd {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(mut session) = self.client.session()? else {
            return Err(Error::Absent("no socket of a system bus or of systemd".to_owned()));
        };
        self.units.clear();
        let units = &mut self.units;
        let mut is_there = false;
        let list = Call { interface: MANAGER, method: "ListUnits", ..get("/org/freedesktop/systemd1", &[]) };
        let properties = PROPERTIES.map(|name| [MANAGER, name]);
        let properties = properties.iter().map(|it| get("/org/freedesktop/systemd1", it));
        let known =
            session.ask(std::iter::once(list).chain(properties), |index, reply| match index.checked_sub(1) {
                None => note_units(reply, &self.filter, units, out).map(|it| is_there = it),
                Some(property) => push_property(PROPERTIES[property], reply, out),
            });
        if known.is_ok() && !is_there {
            return Err(Error::Absent("systemd is not on the bus".to_owned()));
        }
        let questions = unit::questions(units, &self.config, out);
        let arguments: Vec<_> = questions.iter().map(|(_, it)| it.arguments()).collect();
        let calls = questions.iter().zip(&arguments).map(|((unit, _), it)| get(&unit.path, it));
        let answered = session.ask(calls, |index, reply| {
            let (unit, question) = questions[index];
            unit::push_answer(unit, question, reply, out)
        });
        Ok(known.and(answered)?)
    }
}

/// `Properties.Get` with an interface and a property.
fn get<'a>(object: &'a str, arguments: &'a [&'a str]) -> Call<'a> {
    Call {
        service: "org.freedesktop.systemd1",
        object,
        interface: "org.freedesktop.DBus.Properties",
        method: "Get",
        arguments,
    }
}

/// Counts units by state, and notes those to show. Whether there is somebody who knows units.
fn note_units(
    reply: &Reply<'_>,
    filter: &Filter,
    units: &mut Vec<Unit>,
    out: &mut Families,
) -> Result<bool, String> {
    let Some(listed) = reply.get::<Vec<Listed<'_>>>()? else { return Ok(false) };
    let mut counts: BTreeMap<&str, u64> = STATES.iter().map(|state| (*state, 0)).collect();
    for (name, _, load_state, state, _, _, path, ..) in &listed {
        *counts.entry(state).or_default() += 1;
        if *load_state == "loaded" && filter.keeps(name) {
            let state = STATES.iter().position(|it| it == state);
            units.push(Unit { name: (*name).to_owned(), path: path.to_string(), state });
        }
    }
    counts.iter().for_each(|(state, count)| out.push(UNITS, [state], *count));
    Ok(true)
}

fn push_property(name: &str, reply: &Reply<'_>, out: &mut Families) -> Result<(), String> {
    let value = reply.get::<Variant<'_>>()?;
    let Some(Variant::Str(text)) = &value else { return Ok(()) };
    match name {
        "Version" => out.push(VERSION, [text.as_str()], version_number(text)),
        "Virtualization" if text.is_empty() => out.push(VIRTUALIZATION, ["none"], 1u64),
        "Virtualization" => out.push(VIRTUALIZATION, [text.as_str()], 1u64),
        _ => out.push(RUNNING, (), *text == "running"),
    }
    Ok(())
}

/// `252.38` of `252.38-1~deb12u1`: three digits or more, and a fraction.
fn version_number(text: &str) -> Option<f64> {
    let mut parts = text.split(|it: char| !it.is_ascii_digit() && it != '.');
    let part = parts.find(|it| it.split('.').next().is_some_and(|digits| digits.len() >= 3))?;
    let mut numbers = part.split('.');
    let whole = numbers.next()?;
    let fraction = numbers.next().filter(|it| !it.is_empty()).unwrap_or("0");
    format!("{whole}.{fraction}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        source::dbus::peer::{Answer, Asked, property, serve, value},
        testing::TestHost,
    };

    const BUS: &str = "run/dbus/system_bus_socket";

    fn object(path: &str) -> ObjectPath<'_> {
        ObjectPath::try_from(path).unwrap()
    }

    fn units() -> Answer {
        let unit =
            |name, load, state, path| (name, "", load, state, "", "", object(path), 0u32, "", object("/"));
        value(&vec![
            unit("a.service", "loaded", "active", "/unit/a"),
            unit("b.service", "loaded", "failed", "/unit/b"),
            unit("absent.service", "not-found", "inactive", "/unit/absent"),
            unit("c.timer", "loaded", "active", "/unit/c"),
            unit("d.socket", "loaded", "reloading", "/unit/d"),
            unit("x.slice", "loaded", "active", "/unit/x"),
        ])
    }

    fn systemd(asked: &Asked) -> Answer {
        if asked.method == "ListUnits" {
            assert_eq!((&*asked.object, &*asked.interface), ("/org/freedesktop/systemd1", MANAGER));
            return units();
        }
        let arguments: Vec<_> = asked.arguments.iter().map(|it| it.rsplit('.').next().unwrap()).collect();
        assert_eq!((&*asked.method, &*asked.interface), ("Get", "org.freedesktop.DBus.Properties"));
        match (&*asked.object, &*arguments) {
            ("/org/freedesktop/systemd1", ["Manager", "Version"]) => property("252.38-1~deb12u1"),
            ("/org/freedesktop/systemd1", ["Manager", "Virtualization"]) => property(""),
            ("/org/freedesktop/systemd1", ["Manager", "SystemState"]) => property("running"),
            ("/unit/a", ["Service", "Type"]) => property("notify"),
            ("/unit/b", ["Service", "Type"]) => Answer::Error("org.freedesktop.systemd1.NoSuchUnit"),
            ("/unit/a", ["Service", "NRestarts"]) => property(3u32),
            ("/unit/a" | "/unit/b", ["Service", "TasksCurrent"]) => property(7u64),
            ("/unit/a" | "/unit/b", ["Service", "TasksMax"]) => property(u64::MAX),
            ("/unit/a", ["Unit", "ActiveEnterTimestamp"]) => property(1_700_000_000_500_000_u64),
            ("/unit/c", ["Timer", "LastTriggerUSec"]) => property(1_700_000_000_250_000_u64),
            ("/unit/d", ["Socket", "NAccepted"]) => property(12u32),
            ("/unit/d", ["Socket", "NConnections"]) => property(2u32),
            // NRefused, and what NRestarts was before.
            _ => Answer::Error("org.freedesktop.DBus.Error.UnknownProperty"),
        }
    }

    fn host(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> TestHost {
        let host = TestHost::new(&[]);
        serve(&host.path().join(BUS), answer);
        host
    }

    /// The samples of a scrape, and what went wrong.
    fn scrape(host: &TestHost, collector: &mut Systemd) -> String {
        let mut out = Families::new(METRICS);
        let result = collector.collect(&mut out);
        let samples: Vec<_> =
            host.render(&out).lines().filter(|it| !it.starts_with('#')).map(str::to_owned).collect();
        samples.join("\n") + &result.err().map_or_else(String::new, |error| format!("\n{error}"))
    }

    #[test]
    fn shows_units_and_what_they_count() {
        let host = host(systemd);
        let keys =
            "enable_task_metrics = true\nenable_restarts_metrics = true\nenable_start_time_metrics = true";
        let mut collector = host.open::<Systemd>(keys).unwrap();
        let first = scrape(&host, &mut collector);
        expect![[r#"
            node_systemd_service_restart_total{name="a.service"} 3
            node_systemd_socket_accepted_connections_total{name="d.socket"} 12
            node_systemd_socket_current_connections{name="d.socket"} 2
            node_systemd_system_running 1
            node_systemd_timer_last_trigger_seconds{name="c.timer"} 1.70000000025e+09
            node_systemd_unit_start_time_seconds{name="a.service"} 1.7000000005e+09
            node_systemd_unit_start_time_seconds{name="b.service"} 0
            node_systemd_unit_start_time_seconds{name="d.socket"} 0
            node_systemd_unit_state{name="a.service",state="activating",type="notify"} 0
            node_systemd_unit_state{name="a.service",state="active",type="notify"} 1"#]]
        .assert_eq(&first.lines().take(10).collect::<Vec<_>>().join("\n"));
        assert!(first.contains("node_systemd_unit_tasks_current{name=\"a.service\"} 7"), "{first}");
        assert!(!first.contains("tasks_max"), "all ones are no limit: {first}");
        assert_eq!(scrape(&host, &mut collector), first);
    }

    #[test]
    fn shows_states_alone_by_default() {
        let host = host(systemd);
        let mut collector = host.open::<Systemd>("unit_include = \"[ab].service\"").unwrap();
        expect![[r#"
            node_systemd_system_running 1
            node_systemd_unit_state{name="a.service",state="activating",type="notify"} 0
            node_systemd_unit_state{name="a.service",state="active",type="notify"} 1
            node_systemd_unit_state{name="a.service",state="deactivating",type="notify"} 0
            node_systemd_unit_state{name="a.service",state="failed",type="notify"} 0
            node_systemd_unit_state{name="a.service",state="inactive",type="notify"} 0
            node_systemd_unit_state{name="b.service",state="activating",type=""} 0
            node_systemd_unit_state{name="b.service",state="active",type=""} 0
            node_systemd_unit_state{name="b.service",state="deactivating",type=""} 0
            node_systemd_unit_state{name="b.service",state="failed",type=""} 1
            node_systemd_unit_state{name="b.service",state="inactive",type=""} 0
            node_systemd_units{state="activating"} 0
            node_systemd_units{state="active"} 3
            node_systemd_units{state="deactivating"} 0
            node_systemd_units{state="failed"} 1
            node_systemd_units{state="inactive"} 1
            node_systemd_units{state="reloading"} 1
            node_systemd_version{version="252.38-1~deb12u1"} 252.38
            node_systemd_virtualization_info{virtualization_type="none"} 1"#]]
        .assert_eq(&scrape(&host, &mut collector));
    }

    #[test]
    fn patterns_match_whole_names() {
        let host = host(systemd);
        let mut collector = host.open::<Systemd>("unit_include = \"[ab]\"").unwrap();
        assert!(!scrape(&host, &mut collector).contains("node_systemd_unit_state"));
        let mut collector = host.open::<Systemd>("unit_exclude = \"a|slice\"").unwrap();
        let shown = scrape(&host, &mut collector);
        assert!(shown.contains("name=\"a.service\"") && shown.contains("name=\"x.slice\""), "{shown}");
    }

    #[test]
    fn one_that_says_nothing_costs_five_seconds_and_its_own_series() {
        let host = host(|asked| match &*asked.method {
            "ListUnits" => units(),
            _ => Answer::Silence,
        });
        let mut collector = host.open::<Systemd>("").unwrap();
        expect![[r#"
            node_systemd_unit_state{name="c.timer",state="activating",type=""} 0
            node_systemd_unit_state{name="c.timer",state="active",type=""} 1
            node_systemd_unit_state{name="c.timer",state="deactivating",type=""} 0
            node_systemd_unit_state{name="c.timer",state="failed",type=""} 0
            node_systemd_unit_state{name="c.timer",state="inactive",type=""} 0
            node_systemd_unit_state{name="d.socket",state="activating",type=""} 0
            node_systemd_unit_state{name="d.socket",state="active",type=""} 0
            node_systemd_unit_state{name="d.socket",state="deactivating",type=""} 0
            node_systemd_unit_state{name="d.socket",state="failed",type=""} 0
            node_systemd_unit_state{name="d.socket",state="inactive",type=""} 0
            node_systemd_units{state="activating"} 0
            node_systemd_units{state="active"} 3
            node_systemd_units{state="deactivating"} 0
            node_systemd_units{state="failed"} 1
            node_systemd_units{state="inactive"} 1
            node_systemd_units{state="reloading"} 1
            ask systemd: no answer within 5 s"#]]
        .assert_eq(&scrape(&host, &mut collector));
    }

    #[test]
    fn what_is_refused_costs_itself() {
        let host = host(|asked| match &asked.arguments[..] {
            [_, name] if name == "Version" => Answer::Error("org.freedesktop.DBus.Error.AccessDenied"),
            _ => systemd(asked),
        });
        let mut collector = host.open::<Systemd>("unit_include = \"b.*\"").unwrap();
        expect![[r#"
            node_systemd_system_running 1
            node_systemd_unit_state{name="b.service",state="activating",type=""} 0
            node_systemd_unit_state{name="b.service",state="active",type=""} 0
            node_systemd_unit_state{name="b.service",state="deactivating",type=""} 0
            node_systemd_unit_state{name="b.service",state="failed",type=""} 1
            node_systemd_unit_state{name="b.service",state="inactive",type=""} 0
            node_systemd_units{state="activating"} 0
            node_systemd_units{state="active"} 3
            node_systemd_units{state="deactivating"} 0
            node_systemd_units{state="failed"} 1
            node_systemd_units{state="inactive"} 1
            node_systemd_units{state="reloading"} 1
            node_systemd_virtualization_info{virtualization_type="none"} 1
            ask systemd: AccessDenied: x"#]]
        .assert_eq(&scrape(&host, &mut collector));
    }

    #[test]
    fn connects_again_when_the_bus_was_started_again() {
        let host = host(systemd);
        let mut collector = host.open::<Systemd>("").unwrap();
        let before = scrape(&host, &mut collector);
        std::fs::remove_file(host.path().join(BUS)).unwrap();
        assert_eq!(scrape(&host, &mut collector), before, "the connection is kept");
        serve(&host.path().join(BUS), |asked| match &*asked.method {
            "ListUnits" => Answer::HangUp,
            _ => systemd(asked),
        });
        let mut other = host.open::<Systemd>("").unwrap();
        assert_eq!(scrape(&host, &mut other), "\nask systemd: the connection was closed");
        std::fs::remove_file(host.path().join(BUS)).unwrap();
        assert!(scrape(&host, &mut other).starts_with("\nnot on this host"));
        serve(&host.path().join(BUS), systemd);
        assert_eq!(scrape(&host, &mut other), before);
    }

    #[test]
    fn noise_ends_the_connection() {
        let host = host(|_| Answer::Noise);
        let mut collector = host.open::<Systemd>("").unwrap();
        assert_eq!(scrape(&host, &mut collector), "\nask systemd: the answer is no message of D-Bus");
    }

    #[test]
    fn asks_systemd_itself_where_there_is_no_bus() {
        let host = TestHost::new(&[]);
        serve(&host.path().join("run/systemd/private"), systemd);
        let mut collector = host.open::<Systemd>("private = true").unwrap();
        assert!(scrape(&host, &mut collector).contains("node_systemd_system_running 1"));
    }

    #[test]
    fn a_host_without_systemd_is_no_fault() {
        check_error::<Systemd>("", &[], expect!["not on this host: no socket of a system bus or of systemd"]);
    }

    #[test]
    fn takes_the_number_from_a_version() {
        let versions = ["252.38-1~deb12u1", "257", "v256.1-2.fc41", "systemd 99", "255.4-1ubuntu8"];
        assert_eq!(versions.map(version_number), [Some(252.38), Some(257.0), Some(256.1), None, Some(255.4)]);
    }
}
