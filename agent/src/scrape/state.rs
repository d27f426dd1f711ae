//! How a collector fares.

use crate::{collector::Error, source};
use std::io::ErrorKind;

/// What became of a collector's last run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is open, and nothing has asked for it.
    NotRun,
    Running,
    /// This host lacks what it reads.
    Absent {
        reason: String,
    },
    Failed {
        reason: String,
        remedy: &'static str,
    },
    /// It could not be opened, and this would help.
    Unavailable {
        reason: String,
        remedy: String,
    },
    /// Its probe costs too much and is detached for now.
    OverBudget,
    /// Its run did not end in time; it is left to end, and holds one thread until then.
    Late,
    /// The scrape's time was over before it had its own.
    Skipped,
}

impl State {
    pub(super) fn of_open_error(error: Error) -> Self {
        match error {
            Error::Unavailable { reason, remedy } | Error::Forbidden { reason, remedy } => {
                Self::Unavailable { reason, remedy }
            }
            Error::Absent(reason) => Self::Absent { reason },
            error => Self::failed(&error),
        }
    }

    pub(super) fn failed(error: &Error) -> Self {
        Self::Failed { reason: error.to_string(), remedy: remedy_of(error) }
    }

    pub(super) fn panicked(reason: String) -> Self {
        let remedy =
            "report it, as it is a fault of hostlens; a reload or a restart tries the collector again";
        Self::Failed { reason, remedy }
    }

    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotRun => "not_run",
            Self::Running => "running",
            Self::Absent { .. } => "absent",
            Self::Failed { .. } => "failed",
            Self::Unavailable { .. } => "unavailable",
            Self::OverBudget => "over_budget",
            Self::Late => "late",
            Self::Skipped => "skipped",
        }
    }

    /// One of each.
    pub(crate) fn each() -> [Self; 8] {
        let reason = String::new;
        [
            Self::Running,
            Self::Absent { reason: reason() },
            Self::Unavailable { reason: reason(), remedy: reason() },
            Self::Failed { reason: reason(), remedy: "" },
            Self::Late,
            Self::Skipped,
            Self::OverBudget,
            Self::NotRun,
        ]
    }

    /// For the reader of a dashboard: what it means, and what to do.
    pub(crate) fn meaning(&self) -> &'static str {
        match self {
            Self::NotRun => {
                "No scrape has asked for it yet. Only the page and `/api/v1/status` have this state: each scrape of all \
                 collectors ends it."
            }
            Self::Running => "It gave all that it has.",
            Self::Absent { .. } => {
                "The host lacks what it reads, such as a kind of hardware or a file system. No fault; `hostlens doctor` \
                 says what was looked for."
            }
            Self::Failed { .. } => {
                "It runs, and its last run met something that it could not read or understand; what it gave besides is in \
                 the answer. The next scrape tries again."
            }
            Self::Unavailable { .. } => {
                "It could not be opened: a capability, a file, a feature of the kernel or a server is missing. The remedy \
                 says which."
            }
            Self::OverBudget => {
                "Its eBPF probe cost more than `[ebpf.budget]` allows, and is detached for a while; its counters stand still."
            }
            Self::Late => {
                "It did not end before the scrape's deadline. What it waits for, such as a dead mount, holds one thread."
            }
            Self::Skipped => {
                "The scrape's deadline came before it had its turn: another collector is slow, or the time too short."
            }
        }
    }

    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::NotRun | Self::Running => "",
            Self::Absent { reason } | Self::Failed { reason, .. } | Self::Unavailable { reason, .. } => {
                reason
            }
            Self::OverBudget => "its probe cost more than [ebpf.budget] allows, and is detached for now",
            Self::Late => "did not end before the deadline of the scrape",
            Self::Skipped => "the deadline of the scrape came before its turn",
        }
    }

    #[must_use]
    pub fn remedy(&self) -> &str {
        match self {
            Self::Unavailable { remedy, .. } => remedy,
            Self::Failed { remedy, .. } => remedy,
            Self::OverBudget => "raise `max_cpu` in [ebpf.budget], or disable the collector",
            Self::Late => {
                "see what its source waits for, such as a dead network mount, or disable the collector"
            }
            Self::Skipped => "raise scrape_timeout, or see which collector is slow",
            Self::NotRun | Self::Running | Self::Absent { .. } => "",
        }
    }

    /// As a word of a sentence.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::NotRun => "not run yet",
            Self::OverBudget => "over budget",
            state => state.as_str(),
        }
    }
}

fn remedy_of(error: &Error) -> &'static str {
    let Error::Source(error) = error else { return "" };
    match error {
        source::Error::Read { source, .. } | source::Error::Call { source, .. }
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            "run hostlens as root, or give it CAP_DAC_READ_SEARCH"
        }
        source::Error::Parse { .. } => {
            "report it with that line of the file, as hostlens should understand it"
        }
        source::Error::Asked { .. } => {
            "check that the server runs, or change its address in the collector's section of the config"
        }
        source::Error::Read { source, .. } if source.kind() == ErrorKind::NotFound => {
            "check that its file system is mounted, and where [path] in the config says that it is; or disable the collector"
        }
        source::Error::Read { .. } | source::Error::Call { .. } => {
            "see the kernel's log (`dmesg`) for that device or file system, or disable the collector"
        }
    }
}
