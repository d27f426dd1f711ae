//! What has been recorded, and how it is told.

use super::{
    N_POINTS,
    latency::Latency,
    line::{Counter, Line},
    wanted::{How, WANTED, Wanted},
};
use crate::metric::{Families, Row, Value, gather};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
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

    /// The points after `since`: their times, lines by family, and latencies.
    pub(super) fn to_json(&self, since: u64) -> Vec<u8> {
        let places = self.n_points.saturating_sub(N_POINTS)..self.n_points;
        let places = || places.clone().filter(|place| self.times[place % N_POINTS] > since);
        let mut lines = String::new();
        let mut latencies = String::new();
        for (wanted, track) in WANTED.iter().zip(&self.tracks) {
            let out = match track {
                Track::Lines(_) => &mut lines,
                Track::Latency(_) => &mut latencies,
            };
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(&quoted(wanted.family));
            out.push_str(":{");
            match track {
                Track::Lines(by_label) => {
                    write_all(by_label.iter().map(|(label, (_, line))| (quoted(label), line)), places, out);
                }
                Track::Latency(it) => {
                    out.push_str("\"quantiles\":{");
                    write_all(it.quantiles().map(|(q, line)| (format!("\"{q}\""), line)), places, out);
                    out.push_str("},\"rows\":{");
                    write_all(it.rows().map(|(upper, line)| (format!("\"{upper:e}\""), line)), places, out);
                    out.push('}');
                }
            }
            out.push('}');
        }
        let times: Vec<String> = places().map(|place| self.times[place % N_POINTS].to_string()).collect();
        format!("{{\"times\":[{}],\"lines\":{{{lines}}},\"latencies\":{{{latencies}}}}}\n", times.join(","))
            .into_bytes()
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

fn write_all<'a, I: Iterator<Item = usize>>(
    lines: impl Iterator<Item = (String, &'a Line)>,
    places: impl Fn() -> I,
    out: &mut String,
) {
    for (n, (name, line)) in lines.enumerate() {
        let comma = if n > 0 { "," } else { "" };
        write!(out, "{comma}{name}:").expect("a String takes any text");
        line.write(places(), out);
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::metrics;
    use std::time::Duration;

    metrics! {
        READ: Counter "node_disk_read_bytes_total" ["device"], "Bytes read.";
        TOTAL: Gauge "node_memory_MemTotal_bytes" [], "Memory.";
    }

    /// Records a second with `n_devices`, each of which read its number in bytes since the second before.
    fn record(tape: &mut Tape, second: u32, n_devices: u32) {
        let mut families = Families::new(METRICS);
        families.push(TOTAL, (), 1024_u64);
        for device in 1..=n_devices {
            families.push(READ, [format!("d{device:02}")], f64::from(device * second));
        }
        let passed = Duration::from_secs(second.into());
        let began = tape.last.unwrap_or_else(Instant::now);
        let now = if second == 0 { began } else { began + Duration::from_secs(1) };
        tape.record(&[&families], now, SystemTime::UNIX_EPOCH + passed);
    }

    fn told(tape: &Tape, since: u64) -> serde_json::Value {
        serde_json::from_slice(&tape.to_json(since)).unwrap()
    }

    #[test]
    fn tells_rates_and_values_of_each_second() {
        let mut tape = Tape::default();
        (0..3).for_each(|second| record(&mut tape, second, 2));
        let all = told(&tape, 0);
        assert_eq!(all["times"], serde_json::json!([1000, 2000]));
        assert_eq!(all["lines"]["node_disk_read_bytes_total"]["d02"], serde_json::json!([2.0, 2.0]));
        assert_eq!(all["lines"]["node_memory_MemTotal_bytes"][""], serde_json::json!([1024.0, 1024.0]));
        assert_eq!(told(&tape, 1000)["times"], serde_json::json!([2000]));
    }

    #[test]
    fn the_largest_have_a_line_and_the_others_one_together() {
        let mut tape = Tape::default();
        (1..4).for_each(|second| record(&mut tape, second, 20));
        let lines = &told(&tape, 2000)["lines"]["node_disk_read_bytes_total"];
        assert_eq!(lines.as_object().unwrap().len(), MAX_LINES + 1);
        assert_eq!(lines["d20"], serde_json::json!([20.0]));
        assert_eq!(lines["~other"], serde_json::json!([f64::from((1..=8).sum::<u32>())]));
    }

    #[test]
    fn keeps_a_quarter_of_an_hour_in_a_mebibyte() {
        let mut tape = Tape::default();
        (0..1000).for_each(|second| record(&mut tape, second, 1));
        let times = &told(&tape, 0)["times"];
        assert_eq!(times.as_array().unwrap().len(), N_POINTS);
        assert_eq!((times[0].clone(), times[899].clone()), (100_000.into(), 999_000.into()));
        let n_lines = WANTED.len() * (MAX_LINES + 1) + 2 * 30;
        assert!(n_lines * N_POINTS * size_of::<f32>() < 1_100_000);
    }
}
