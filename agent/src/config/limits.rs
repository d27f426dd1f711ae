//! Keys that every collector's table has.

use super::section;
use std::time::Duration;

section! {
    /// `[collector.<name>]`, beside the collector's own keys and `enabled`
    pub struct CollectorLimits {
        /// How long a scrape waits for this collector; 0: up to the scrape's deadline.
        timeout: Duration = "0",
        /// Answers scrapes from what was read last while it is no older than this; 0: reads at each scrape.
        min_interval: Duration = "0",
        /// Series it may give in one scrape; those beyond it are left out and counted. 0: no limit.
        max_series: u64 = 0,
    }
}
