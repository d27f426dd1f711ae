//! What has been recorded, and how it is told.

use super::{
    N_POINTS,
    charts::{CHARTS, Chart},
    latency::Latency,
    line::{Counter, Line},
    told::{Drawn, Octave, Recorded, Told, points},
    wanted::{How, WANTED, Wanted},
};
use crate::metric::{Families, Row, Value, gather};
use std::{
    collections::BTreeMap,
    time::{Instant, SystemTime},
};

/// Lines of a family at most; what is beyond them is one line.
const MAX_LINES: usize = 12;

/// What stands for all that has no line of its own.
const OTHER: &str = "~other";

pub(super) struct Tape {
    /// Unix time in milliseconds of each point.
    times: Box<[u64]>,
    /// Points that were ever written; the last [`N_POINTS`] are there.
    n_points: usize,
    last: Option<Instant>,
    /// Parallel to [`WANTED`].
    tracks: Vec<Track>,
}

enum Track {
    Lines(BTreeMap<String, (Counter, Line)>),
    Latency(Box<Latency>),
}

impl Default for Tape {
    fn default() -> Self {
        let track = |it: &Wanted| match it.how {
            How::Latency => Track::Latency(Box::default()),
            How::Value | How::Rate => Track::Lines(BTreeMap::new()),
        };
        Self {
            times: vec![0; N_POINTS].into(),
            n_points: 0,
            last: None,
            tracks: WANTED.iter().map(track).collect(),
        }
    }
}

impl Tape {
    /// Writes the next point out of what collectors gave.
    pub(super) fn record(&mut self, parts: &[&Families], now: Instant, time: SystemTime) {
        let seconds = self.last.map_or(f64::NAN, |last| (now - last).as_secs_f64());
        let place = self.n_points;
        let mut is_put = [false; WANTED.len()];
        gather(parts, |family, rows| {
            let Some(index) = WANTED.iter().position(|it| it.family == family.name) else { return };
            is_put[index] = true;
            self.tracks[index].put(place, &WANTED[index], rows, seconds);
        });
        for (index, _) in is_put.iter().enumerate().filter(|(_, is_put)| !**is_put) {
            self.tracks[index].put(place, &WANTED[index], &[], seconds);
        }
        let unix = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.times[place % N_POINTS] = unix.as_millis() as u64;
        self.n_points += 1;
        self.last = Some(now);
    }

    /// The points after `since`.
    pub(super) fn told(&self, since: u64) -> Recorded {
        let places = self.n_points.saturating_sub(N_POINTS)..self.n_points;
        let places: Vec<usize> = places.filter(|place| self.times[place % N_POINTS] > since).collect();
        Recorded {
            times: places.iter().map(|place| self.times[place % N_POINTS]).collect(),
            charts: CHARTS.iter().map(|chart| self.draw(chart, &places)).collect(),
        }
    }

    fn draw(&self, chart: &Chart, places: &[usize]) -> Drawn {
        let track = |family: &str| {
            let index = WANTED.iter().position(|it| it.family == family)?;
            Some(&self.tracks[index])
        };
        let lines_of = |family: &str| match track(family) {
            Some(Track::Lines(lines)) => {
                lines.iter().map(|(label, (_, line))| (label.as_str(), line)).collect()
            }
            _ => Vec::new(),
        };
        let line = |line: &Line| points(places.iter().map(|place| line.at(*place)));
        let lines = chart.made.lines(chart.family, places, lines_of);
        let mut drawn = Drawn {
            title: chart.title.to_owned(),
            unit: chart.unit.to_owned(),
            kind: chart.kind,
            family: chart.family.to_owned(),
            lines: lines.into_iter().map(|(name, all)| Told { name, points: points(all) }).collect(),
            rows: Vec::new(),
            aside: chart.aside.as_ref().and_then(|it| {
                Some(Told { name: it.name.to_owned(), points: points(it.points(places, &lines_of)?) })
            }),
            missing: String::new(),
        };
        if let Some(Track::Latency(it)) = track(chart.family) {
            let words = |quantile| match quantile {
                0.5 => "half within".to_owned(),
                part => format!("{} % within", part * 100.0),
            };
            let is_hit = it.rows().next().is_some();
            let quantiles = it.quantiles().filter(|_| is_hit);
            drawn.lines = quantiles.map(|(q, it)| Told { name: words(q), points: line(it) }).collect();
            drawn.rows = it.rows().map(|(upper, it)| Octave { upper, points: line(it) }).collect();
        }
        drawn
    }
}

impl Track {
    fn put(&mut self, place: usize, wanted: &Wanted, rows: &[Row<'_>], seconds: f64) {
        let rows =
            rows.iter().filter(|row| wanted.but.0.is_empty() || row.labels().all(|it| it != wanted.but));
        match self {
            Self::Latency(latency) => {
                for row in rows {
                    if let Value::Histogram(it) = row.value()
                        && let Some(native) = &it.native
                    {
                        latency.add(native);
                    }
                }
                latency.put(place, seconds);
            }
            Self::Lines(lines) => {
                let mut sums = BTreeMap::new();
                for row in rows {
                    if let Value::Number(number) = row.value() {
                        let label = row.labels().find(|(name, _)| *name == wanted.by);
                        *sums.entry(label.map_or("", |(_, value)| value)).or_insert(0.0) += number;
                    }
                }
                make_room(lines, &mut sums);
                for (label, (counter, line)) in lines {
                    let value = sums.get(label.as_str()).copied();
                    let point = match wanted.how {
                        How::Rate => counter.rate(value, seconds),
                        How::Value | How::Latency => value.unwrap_or(f64::NAN),
                    };
                    line.put(place, point);
                }
            }
        }
    }
}

/// Makes lines for those of `sums` that have none, the largest first; sums up what finds no room.
fn make_room<'a>(lines: &mut BTreeMap<String, (Counter, Line)>, sums: &mut BTreeMap<&'a str, f64>) {
    let mut new: Vec<(&'a str, f64)> = sums
        .iter()
        .filter(|(label, _)| !lines.contains_key(**label))
        .map(|(label, sum)| (*label, *sum))
        .collect();
    if new.is_empty() {
        return;
    }
    if lines.len() + new.len() > MAX_LINES {
        lines.retain(|label, (_, line)| {
            label == OTHER || sums.contains_key(label.as_str()) || !line.is_empty()
        });
    }
    new.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
    let n_free = MAX_LINES.saturating_sub(lines.len());
    for (label, sum) in new.split_off(n_free.min(new.len())) {
        sums.remove(label);
        *sums.entry(OTHER).or_insert(0.0) += sum;
        lines.entry(OTHER.to_owned()).or_default();
    }
    lines.extend(new.into_iter().map(|(label, _)| (label.to_owned(), <(Counter, Line)>::default())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::metrics;
    use std::time::Duration;

    metrics! {
        READ: Counter "node_disk_read_bytes_total" ["device"], "Bytes read.";
        TOTAL: Gauge "node_memory_MemTotal_bytes" [], "Memory.";
        AVAILABLE: Gauge "node_memory_MemAvailable_bytes" [], "Memory that can be had.";
    }

    /// Records a second with `n_devices`, each of which read its number in bytes since the second before.
    fn record(tape: &mut Tape, second: u32, n_devices: u32) {
        let mut families = Families::new(METRICS);
        families.push(TOTAL, (), 1024_u64);
        families.push(AVAILABLE, (), 256_u64);
        for device in 1..=n_devices {
            families.push(READ, [format!("d{device:02}")], f64::from(device * second));
        }
        let passed = Duration::from_secs(second.into());
        let began = tape.last.unwrap_or_else(Instant::now);
        let now = if second == 0 { began } else { began + Duration::from_secs(1) };
        tape.record(&[&families], now, SystemTime::UNIX_EPOCH + passed);
    }

    fn chart(tape: &Tape, since: u64, title: &str) -> Drawn {
        tape.told(since).charts.into_iter().find(|it| it.title == title).unwrap()
    }

    fn line(chart: &Drawn, name: &str) -> Vec<Option<f32>> {
        chart.lines.iter().find(|it| it.name == name).unwrap().points.clone()
    }

    #[test]
    fn tells_rates_and_values_of_each_second() {
        let mut tape = Tape::default();
        (0..3).for_each(|second| record(&mut tape, second, 2));
        assert_eq!(tape.told(0).times, [1000, 2000]);
        assert_eq!(line(&chart(&tape, 0, "Disk traffic"), "d02 read"), [Some(2.0), Some(2.0)]);
        let memory = chart(&tape, 0, "Memory");
        assert_eq!(line(&memory, "used"), [Some(768.0), Some(768.0)]);
        assert!(memory.lines.iter().all(|it| it.name == "used"), "nothing is known of the rest");
        assert_eq!(tape.told(1000).times, [2000]);
    }

    #[test]
    fn the_largest_have_a_line_and_the_others_one_together() {
        let mut tape = Tape::default();
        (1..4).for_each(|second| record(&mut tape, second, 20));
        let disks = chart(&tape, 2000, "Disk traffic");
        assert_eq!(disks.lines.len(), MAX_LINES + 1);
        assert_eq!(line(&disks, "d20 read"), [Some(20.0)]);
        assert_eq!(line(&disks, "~other read"), [Some((1..=8).sum::<u8>().into())]);
    }

    #[test]
    fn shares_of_the_cpus_are_of_all_that_passed() {
        metrics! {
            CPU: Counter "node_cpu_seconds_total" ["cpu", "mode"], "CPU time.";
        }
        let mut tape = Tape::default();
        let began = Instant::now();
        for second in 0..2_u32 {
            let mut families = Families::new(METRICS);
            for cpu in ["0", "1"] {
                families.push(CPU, (cpu, "user"), f64::from(second) * 0.5);
                families.push(CPU, (cpu, "nice"), f64::from(second) * 0.1);
                families.push(CPU, (cpu, "idle"), f64::from(second) * 0.4);
            }
            let passed = Duration::from_secs(second.into());
            tape.record(&[&families], began + passed, SystemTime::UNIX_EPOCH + passed);
        }
        let cpu = chart(&tape, 0, "CPU");
        assert_eq!(line(&cpu, "user"), [Some(0.6)]);
        assert_eq!(line(&cpu, "stolen"), [Some(0.0)]);
    }

    #[test]
    fn keeps_a_quarter_of_an_hour_in_a_mebibyte() {
        let mut tape = Tape::default();
        (0..1000).for_each(|second| record(&mut tape, second, 1));
        let times = tape.told(0).times;
        assert_eq!(times.len(), N_POINTS);
        assert_eq!((times[0], times[899]), (100_000, 999_000));
        let n_lines = WANTED.len() * (MAX_LINES + 1) + 2 * 30;
        assert!(n_lines * N_POINTS * size_of::<f32>() < 1_100_000);
    }
}
