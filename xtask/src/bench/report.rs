//! The figures of a bench as a table and as JSON.

use serde_json::{Value, json};

use super::usage::Memory;
use crate::table::Table;

/// The figures of one exporter; times in milliseconds.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) first_answer: f64,
    pub(crate) cpu_mean: f64,
    pub(crate) cpu_p50: f64,
    /// In a second without a scrape.
    pub(crate) cpu_idle: f64,
    pub(crate) wall_p50: f64,
    pub(crate) wall_p99: f64,
    /// Voluntary context switches a scrape.
    pub(crate) switches: f64,
    pub(crate) wire_bytes: usize,
    pub(crate) n_samples: usize,
    pub(crate) memory: Memory,
}

/// A row each; the ratios are to the first.
pub(crate) fn table(figures: &[Figures]) -> Table {
    let mut table = Table::default();
    table.row([
        "exporter", "cpu mean", "ratio", "cpu p50", "ratio", "idle/s", "wall p50", "wall p99", "switches",
        "bytes", "samples", "RSS", "ratio", "PSS", "anon", "peak", "threads", "start",
    ]);
    let Some(base) = figures.first() else { return table };
    let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
    for it in figures {
        table.row([
            it.name.clone(),
            format!("{:.3}", it.cpu_mean),
            format!("{:.3}", it.cpu_mean / base.cpu_mean),
            format!("{:.3}", it.cpu_p50),
            format!("{:.3}", it.cpu_p50 / base.cpu_p50),
            format!("{:.3}", it.cpu_idle),
            format!("{:.2}", it.wall_p50),
            format!("{:.2}", it.wall_p99),
            format!("{:.1}", it.switches),
            it.wire_bytes.to_string(),
            it.n_samples.to_string(),
            mib(it.memory.resident),
            format!("{:.3}", it.memory.resident as f64 / base.memory.resident as f64),
            mib(it.memory.proportional),
            mib(it.memory.anonymous),
            mib(it.memory.peak),
            it.memory.n_threads.to_string(),
            format!("{:.0}", it.first_answer),
        ]);
    }
    table
}

/// An object each, units in the keys.
pub(crate) fn json(figures: &[Figures]) -> Value {
    let object = |it: &Figures| {
        json!({
            "name": it.name,
            "start_ms": it.first_answer,
            "cpu_ms_mean": it.cpu_mean,
            "cpu_ms_p50": it.cpu_p50,
            "cpu_idle_ms_per_s": it.cpu_idle,
            "wall_ms_p50": it.wall_p50,
            "wall_ms_p99": it.wall_p99,
            "voluntary_switches": it.switches,
            "wire_bytes": it.wire_bytes,
            "samples": it.n_samples,
            "rss_kib": it.memory.resident,
            "pss_kib": it.memory.proportional,
            "anon_kib": it.memory.anonymous,
            "peak_kib": it.memory.peak,
            "threads": it.memory.n_threads,
        })
    };
    figures.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_ratios_to_the_first() {
        let of = |name: &str, cpu_mean| Figures { name: name.to_owned(), cpu_mean, ..Figures::default() };
        let text = table(&[of("base", 8.0), of("ours", 1.0)]).render();
        let ours: Vec<&str> = text.lines().last().unwrap().split_ascii_whitespace().collect();
        assert_eq!(ours[..3], ["ours", "1.000", "0.125"]);
    }
}
