//! The command line: node_exporter's flags, one for every key of the config, and verbs.

mod args;
mod check;
mod command;
mod complete;
mod help;
mod list;
mod manual;
mod once;
mod password;
#[cfg(test)]
mod tests;

pub use args::{Invocation, Stop, Verb, parse};
pub use check::{checked, faults, forgotten_textfiles, remarks};
pub use list::{to_json as collectors_as_json, to_text as collectors_as_text};
pub use once::{Once, examine, once};
pub use password::hash_password;

/// The first line is what tools that know node_exporter look at: the third word is the version.
#[must_use]
pub fn version() -> String {
    format!(
        "hostlens, version {} (branch: {}, revision: {})\n  platform: {}/{}\n",
        env!("CARGO_PKG_VERSION"),
        option_env!("HOSTLENS_BRANCH").unwrap_or("unknown"),
        option_env!("HOSTLENS_REVISION").unwrap_or("unknown"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}
