//! Sessions of systemd-logind, over D-Bus: see org.freedesktop.login1(5).

use crate::{
    collectors::prelude::*,
    source::dbus::{Call, Client, ObjectPath, Variant},
};
use std::collections::HashMap;

metrics! {
    SESSIONS: Gauge "node_logind_sessions" ["seat", "remote", "type", "class"], "Sessions that logind knows, by seat, type and class.";
}

const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: [&str; 3] = ["Remote", "Type", "Class"];
const REMOTE: [&str; 2] = ["true", "false"];
/// The first stands for all that are not known.
const TYPES: [&str; 7] = ["other", "unspecified", "tty", "x11", "wayland", "mir", "web"];
const CLASSES: [&str; 5] = ["other", "user", "greeter", "lock-screen", "background"];

pub(super) struct Logind(Client);

/// As `ListSessions` tells of one: its name, its user's number and name, its seat, its object.
type Listed<'a> = (&'a str, u32, &'a str, &'a str, ObjectPath<'a>);

#[derive(Default)]
struct Session {
    path: String,
    seat: String,
    /// Which of [`REMOTE`], [`TYPES`] and [`CLASSES`].
    kind: [Option<usize>; 3],
}

impl Spec for Logind {
    const SUMMARY: &'static str = "Sessions of systemd-logind, over D-Bus.";
    const ENABLED: bool = false;
    const CONNECTS: bool = true;
    const COST: &'static str = "three questions to logind for each session at each scrape";
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(Client::new("logind", host.system_bus())))
    }
}

impl Collector for Logind {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(mut bus) = self.0.session()? else {
            return Err(Error::Absent("no socket of a system bus".to_owned()));
        };
        let (mut seats, mut sessions) = (None, Vec::new());
        let lists = ["ListSeats", "ListSessions"];
        let calls = lists.map(|method| call("/org/freedesktop/login1", MANAGER, method, &[]));
        bus.ask(calls.into_iter(), |index, reply| {
            if index == 0 {
                let listed: Option<Vec<(&str, ObjectPath<'_>)>> = reply.get()?;
                seats = listed.map(|it| it.into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
                return Ok(());
            }
            let listed: Vec<Listed<'_>> = reply.get()?.unwrap_or_default();
            sessions = listed
                .into_iter()
                .map(|(_, _, _, seat, path)| Session {
                    path: path.to_string(),
                    seat: seat.to_owned(),
                    ..Session::default()
                })
                .collect();
            Ok(())
        })?;
        let Some(mut seats) = seats else { return Err(Error::Absent("logind does not run".to_owned())) };
        // Sessions from afar have none.
        seats.push(String::new());
        let arguments = PROPERTIES.map(|name| [SESSION, name]);
        let paths: Vec<_> = sessions.iter().map(|it| it.path.clone()).collect();
        let calls = paths.iter().flat_map(|path| {
            arguments.iter().map(|it| call(path, "org.freedesktop.DBus.Properties", "Get", it))
        });
        let asked = bus.ask(calls, |index, reply| {
            let place = &mut sessions[index / PROPERTIES.len()].kind[index % PROPERTIES.len()];
            *place = match (reply.get::<Variant<'_>>()?, index % PROPERTIES.len()) {
                (Some(Variant::Bool(is_remote)), 0) => Some(usize::from(!is_remote)),
                (Some(Variant::Str(word)), 1) => Some(known_or_other(&TYPES, &word)),
                (Some(Variant::Str(word)), 2) => Some(known_or_other(&CLASSES, &word)),
                _ => None,
            };
            Ok(())
        });
        push_sessions(&seats, &sessions, out);
        Ok(asked?)
    }
}

fn call<'a>(object: &'a str, interface: &'a str, method: &'a str, arguments: &'a [&'a str]) -> Call<'a> {
    Call { service: "org.freedesktop.login1", object, interface, method, arguments }
}

fn known_or_other(known: &[&str], word: &str) -> usize {
    known.iter().position(|it| *it == word).unwrap_or(0)
}

/// Pushes a number for all that can be, so that each series is always there.
fn push_sessions(seats: &[String], sessions: &[Session], out: &mut Families) {
    let mut counts: HashMap<(&str, [Option<usize>; 3]), u64> = HashMap::new();
    for session in sessions {
        *counts.entry((&session.seat, session.kind)).or_default() += 1;
    }
    for (r, remote) in REMOTE.iter().enumerate() {
        for (t, kind) in TYPES.iter().enumerate() {
            for (c, class) in CLASSES.iter().enumerate() {
                for seat in seats {
                    let count = counts.get(&(seat.as_str(), [r, t, c].map(Some))).copied().unwrap_or(0);
                    out.push(SESSIONS, [seat.as_str(), remote, kind, class], count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        source::dbus::peer::{Answer, Asked, property, serve, value},
        testing::TestHost,
    };

    fn logind(asked: &Asked) -> Answer {
        let object = |path| ObjectPath::try_from(path).unwrap();
        let last = asked.arguments.last().map(String::as_str);
        match (&*asked.method, &*asked.object, last) {
            ("ListSeats", ..) => value(&vec![("seat0", object("/seat/0"))]),
            ("ListSessions", ..) => value(&vec![
                ("1", 0u32, "root", "seat0", object("/session/1")),
                ("2", 0u32, "root", "", object("/session/2")),
                ("3", 0u32, "root", "", object("/session/3")),
                ("4", 0u32, "root", "", object("/session/4")),
            ]),
            // It ended meanwhile.
            (_, "/session/4", _) => Answer::Error("org.freedesktop.DBus.Error.UnknownObject"),
            (_, session, Some("Remote")) => property(session != "/session/1"),
            (_, _, Some("Type")) => property("tty"),
            (_, "/session/1", _) => property("greeter"),
            _ => property("a new one"),
        }
    }

    fn scrape(answer: fn(&Asked) -> Answer) -> (String, Result<(), Error>) {
        let host = TestHost::new(&[]);
        serve(&host.path().join("run/dbus/system_bus_socket"), answer);
        let mut out = Families::new(METRICS);
        let result = host.open::<Logind>("").unwrap().collect(&mut out);
        (host.render(&out), result)
    }

    #[test]
    fn counts_sessions() {
        let (text, result) = scrape(logind);
        result.unwrap();
        let samples: Vec<_> = text.lines().filter(|it| !it.starts_with('#')).collect();
        assert_eq!(samples.len(), 2 * 7 * 5 * 2, "all that can be");
        let some: Vec<_> = samples.into_iter().filter(|it| !it.ends_with(" 0")).collect();
        expect![[r#"
            node_logind_sessions{class="greeter",remote="false",seat="seat0",type="tty"} 1
            node_logind_sessions{class="other",remote="true",seat="",type="tty"} 2"#]]
        .assert_eq(&some.join("\n"));
    }

    #[test]
    fn a_bus_without_logind_is_no_fault() {
        let (text, result) = scrape(|_| Answer::Error("org.freedesktop.DBus.Error.ServiceUnknown"));
        assert_eq!(text, "");
        assert_eq!(result.unwrap_err().to_string(), "not on this host: logind does not run");
    }

    #[test]
    fn a_host_without_a_bus_is_no_fault() {
        check_error::<Logind>("", &[], expect!["not on this host: no socket of a system bus"]);
    }
}
