//! How a collector fares.

use crate::collector::Error;

/// What became of a collector's last run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    /// This host lacks what it reads.
    Absent {
        reason: String,
    },
    Failed {
        reason: String,
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
            error => Self::Failed { reason: error.to_string() },
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Absent { .. } => "absent",
            Self::Failed { .. } => "failed",
            Self::Unavailable { .. } => "unavailable",
            Self::OverBudget => "over_budget",
            Self::Late => "late",
            Self::Skipped => "skipped",
        }
    }

    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Running => "",
            Self::Absent { reason } | Self::Failed { reason } | Self::Unavailable { reason, .. } => reason,
            Self::OverBudget => "its probe cost more than [ebpf.budget] allows, and is detached for now",
            Self::Late => "did not end before the deadline of the scrape",
            Self::Skipped => "the deadline of the scrape came before its turn",
        }
    }

    #[must_use]
    pub fn remedy(&self) -> &str {
        match self {
            Self::Unavailable { remedy, .. } => remedy,
            Self::OverBudget => "raise `max_cpu` in [ebpf.budget], or disable the collector",
            _ => "",
        }
    }
}
