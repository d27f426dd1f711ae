//! What is asked about each unit, by its type, and what the answers show.

use super::{
    ACCEPTED, CONNECTIONS, Config, LAST_TRIGGER, MAX_TASKS, REFUSED, RESTARTS, START_TIME, STATE, TASKS,
};
use crate::{
    collectors::prelude::*,
    source::dbus::{Reply, Variant},
};

pub(super) const STATES: [&str; 5] = ["active", "activating", "deactivating", "inactive", "failed"];

pub(super) struct Unit {
    pub(super) name: String,
    pub(super) path: String,
    /// Which of [`STATES`].
    pub(super) state: Option<usize>,
}

/// A property of a unit that is asked for.
#[derive(Clone, Copy)]
pub(super) enum Question {
    ServiceType,
    MountType,
    Restarts,
    Tasks,
    MaxTasks,
    StartTime,
    LastTrigger,
    Accepted,
    Connections,
    Refused,
}

/// What is to be asked about each unit. Of those that are of no type the state is pushed at once.
pub(super) fn questions<'a>(
    units: &'a [Unit],
    config: &Config,
    out: &mut Families,
) -> Vec<(&'a Unit, Question)> {
    let mut questions = Vec::new();
    for unit in units {
        let mut ask = |wanted: &[Question]| questions.extend(wanted.iter().map(|it| (unit, *it)));
        match unit.name.rsplit('.').next().unwrap_or_default() {
            "service" => {
                ask(&[Question::ServiceType]);
                if config.enable_restarts_metrics {
                    ask(&[Question::Restarts]);
                }
                if config.enable_task_metrics {
                    ask(&[Question::Tasks, Question::MaxTasks]);
                }
            }
            "mount" => ask(&[Question::MountType]),
            kind => {
                push_states(unit, "", out);
                match kind {
                    "timer" => ask(&[Question::LastTrigger]),
                    "socket" => ask(&[Question::Accepted, Question::Connections, Question::Refused]),
                    _ => {}
                }
            }
        }
        match unit.state {
            _ if !config.enable_start_time_metrics => {}
            Some(0) => ask(&[Question::StartTime]),
            _ => out.push(START_TIME, [&unit.name], 0u64),
        }
    }
    questions
}

impl Question {
    /// Interface and name of the property.
    pub(super) fn arguments(self) -> [&'static str; 2] {
        match self {
            Self::ServiceType => ["org.freedesktop.systemd1.Service", "Type"],
            Self::MountType => ["org.freedesktop.systemd1.Mount", "Type"],
            // Since systemd 235.
            Self::Restarts => ["org.freedesktop.systemd1.Service", "NRestarts"],
            Self::Tasks => ["org.freedesktop.systemd1.Service", "TasksCurrent"],
            Self::MaxTasks => ["org.freedesktop.systemd1.Service", "TasksMax"],
            Self::StartTime => ["org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp"],
            Self::LastTrigger => ["org.freedesktop.systemd1.Timer", "LastTriggerUSec"],
            Self::Accepted => ["org.freedesktop.systemd1.Socket", "NAccepted"],
            Self::Connections => ["org.freedesktop.systemd1.Socket", "NConnections"],
            // Since systemd 239.
            Self::Refused => ["org.freedesktop.systemd1.Socket", "NRefused"],
        }
    }
}

pub(super) fn push_answer(
    unit: &Unit,
    question: Question,
    reply: &Reply<'_>,
    out: &mut Families,
) -> Result<(), String> {
    let answer = reply.get::<Variant<'_>>();
    if matches!(question, Question::ServiceType | Question::MountType) {
        let kind = if let Ok(Some(Variant::Str(kind))) = &answer { kind.as_str() } else { "" };
        push_states(unit, kind, out);
        return answer.map(drop);
    }
    let number = match answer? {
        Some(Variant::U32(number)) => Some(number.into()),
        Some(Variant::U64(number)) => Some(number),
        _ => None,
    };
    let (labels, seconds) = ([&unit.name], number.map(|it: u64| it as f64 / 1e6));
    // All ones stand for "not counted" and "no limit".
    let limited = number.filter(|it| *it != u64::MAX);
    match question {
        Question::Restarts => out.push(RESTARTS, labels, number),
        Question::Tasks => out.push(TASKS, labels, limited),
        Question::MaxTasks => out.push(MAX_TASKS, labels, limited),
        Question::StartTime => out.push(START_TIME, labels, seconds),
        Question::LastTrigger => out.push(LAST_TRIGGER, labels, seconds),
        Question::Accepted => out.push(ACCEPTED, labels, number),
        Question::Connections => out.push(CONNECTIONS, labels, number),
        Question::Refused => out.push(REFUSED, labels, number),
        Question::ServiceType | Question::MountType => {}
    }
    Ok(())
}

fn push_states(unit: &Unit, kind: &str, out: &mut Families) {
    for (index, state) in STATES.into_iter().enumerate() {
        out.push(STATE, [&unit.name, state, kind], unit.state == Some(index));
    }
}
