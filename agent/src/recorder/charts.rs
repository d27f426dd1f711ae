//! What the charts are made of: families that are recorded, added up and set against each other.

use super::{line::Line, told::Kind};

/// A chart of the page and of `hostlens top`.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) kind: Kind,
    /// Where that is missing there is nothing to draw.
    pub(super) family: &'static str,
    pub(super) made: Made,
    /// What is told beside the title.
    pub(super) aside: Option<Difference>,
}

/// How its lines come about.
pub(super) enum Made {
    /// Parts of the sum over all labels of the family: a name, and the labels that it stands for.
    Shares(&'static [(&'static str, &'static [&'static str])]),
    Differences(&'static [Difference]),
    /// A line for each label of these families, with a word behind it.
    Labels(&'static [(&'static str, &'static str)]),
    Latency,
}

/// One family without another, if there is another.
pub(super) struct Difference {
    pub(super) name: &'static str,
    pub(super) of: &'static str,
    pub(super) but: &'static str,
}

const fn difference(name: &'static str, of: &'static str, but: &'static str) -> Difference {
    Difference { name, of, but }
}

const fn chart(
    title: &'static str,
    unit: &'static str,
    kind: Kind,
    family: &'static str,
    made: Made,
) -> Chart {
    Chart { title, unit, kind, family, made, aside: None }
}

const TOTAL: &str = "node_memory_MemTotal_bytes";
const AVAILABLE: &str = "node_memory_MemAvailable_bytes";
const FREE: &str = "node_memory_MemFree_bytes";

pub(super) const CHARTS: &[Chart] = &[
    chart(
        "CPU",
        "percent",
        Kind::Stacked,
        "node_cpu_seconds_total",
        Made::Shares(&[
            ("user", &["user", "nice"]),
            ("system", &["system"]),
            ("interrupts", &["irq", "softirq"]),
            ("waits for disks", &["iowait"]),
            ("stolen", &["steal"]),
        ]),
    ),
    Chart {
        aside: Some(difference("swap used", "node_memory_SwapTotal_bytes", "node_memory_SwapFree_bytes")),
        ..chart(
            "Memory",
            "bytes",
            Kind::Stacked,
            TOTAL,
            Made::Differences(&[
                difference("used", TOTAL, AVAILABLE),
                difference("can be freed", AVAILABLE, FREE),
                difference("free", FREE, ""),
            ]),
        )
    },
    chart(
        "Pressure: time in which tasks wait",
        "percent",
        Kind::Lines,
        "node_pressure_cpu_waiting_seconds_total",
        Made::Differences(&[
            difference("for a CPU", "node_pressure_cpu_waiting_seconds_total", ""),
            difference("for memory", "node_pressure_memory_waiting_seconds_total", ""),
            difference("for disks", "node_pressure_io_waiting_seconds_total", ""),
        ]),
    ),
    chart("Wait for a CPU", "seconds", Kind::Latency, "node_sched_runqueue_latency_seconds", Made::Latency),
    chart("Requests to disks", "seconds", Kind::Latency, "node_block_io_latency_seconds", Made::Latency),
    chart(
        "Disk traffic",
        "rate",
        Kind::Largest,
        "node_disk_read_bytes_total",
        Made::Labels(&[
            ("node_disk_read_bytes_total", " read"),
            ("node_disk_written_bytes_total", " written"),
        ]),
    ),
    chart(
        "Disks busy",
        "percent",
        Kind::Largest,
        "node_disk_io_time_seconds_total",
        Made::Labels(&[("node_disk_io_time_seconds_total", "")]),
    ),
    chart(
        "Network traffic",
        "rate",
        Kind::Largest,
        "node_network_receive_bytes_total",
        Made::Labels(&[
            ("node_network_receive_bytes_total", " in"),
            ("node_network_transmit_bytes_total", " out"),
        ]),
    ),
    chart(
        "Packets dropped, by reason",
        "each",
        Kind::Largest,
        "node_packet_drops_total",
        Made::Labels(&[("node_packet_drops_total", "")]),
    ),
];

impl Made {
    /// The lines at these `places`, by name. `lines_of` gives the lines of a family, by label.
    pub(super) fn lines<'a>(
        &self,
        family: &str,
        places: &[usize],
        lines_of: impl Fn(&str) -> Vec<(&'a str, &'a Line)>,
    ) -> Vec<(String, Vec<f32>)> {
        match self {
            Self::Shares(parts) => {
                let all = lines_of(family);
                let sum = |labels: Option<&[&str]>, place: usize| -> f32 {
                    let wanted = all.iter().filter(|(label, _)| labels.is_none_or(|it| it.contains(label)));
                    wanted.map(|(_, line)| line.at(place)).filter(|it| !it.is_nan()).sum()
                };
                if all.is_empty() {
                    return Vec::new();
                }
                // Without time that passed there is no share, and 0 / 0 is no number.
                let share = |labels: &[&str], place| sum(Some(labels), place) / sum(None, place);
                let points =
                    |labels: &[&str]| places.iter().map(|place| share(labels, *place)).collect::<Vec<_>>();
                parts.iter().map(|(name, labels)| ((*name).to_owned(), points(labels))).collect()
            }
            Self::Differences(all) => all
                .iter()
                .filter_map(|it| Some((it.name.to_owned(), it.points(places, &lines_of)?)))
                .collect(),
            Self::Labels(families) => {
                let lines = |&(family, word): &(&str, &str)| {
                    let points = |line: &Line| places.iter().map(|place| line.at(*place)).collect();
                    let all = lines_of(family).into_iter();
                    all.map(|(label, line)| (format!("{label}{word}"), points(line))).collect::<Vec<_>>()
                };
                families.iter().flat_map(lines).collect()
            }
            Self::Latency => Vec::new(),
        }
    }
}

impl Difference {
    /// `None` where one of the families has no line.
    pub(super) fn points<'a>(
        &self,
        places: &[usize],
        lines_of: &impl Fn(&str) -> Vec<(&'a str, &'a Line)>,
    ) -> Option<Vec<f32>> {
        let (_, of) = *lines_of(self.of).first()?;
        if self.but.is_empty() {
            return Some(places.iter().map(|place| of.at(*place)).collect());
        }
        let (_, but) = *lines_of(self.but).first()?;
        Some(places.iter().map(|place| of.at(*place) - but.at(*place)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::wanted::WANTED;

    #[test]
    fn all_that_is_drawn_is_recorded() {
        for chart in CHARTS {
            let differences = match &chart.made {
                Made::Differences(all) => all.iter().chain(&chart.aside).collect(),
                _ => Vec::new(),
            };
            let families = differences.iter().flat_map(|it| [it.of, it.but]).filter(|it| !it.is_empty());
            let labels = match chart.made {
                Made::Labels(all) => all.iter().map(|it| it.0).collect(),
                _ => Vec::new(),
            };
            for family in families.chain(labels).chain([chart.family]) {
                assert!(WANTED.iter().any(|it| it.family == family), "{family}");
            }
        }
    }
}
