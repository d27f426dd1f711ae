//! What was recorded, as it is told: times, and charts with their lines.

use serde::{Deserialize, Serialize};

/// What came since somebody looked last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recorded {
    /// Unix time in milliseconds of each point.
    pub times: Vec<u64>,
    pub charts: Vec<Drawn>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Drawn {
    pub title: String,
    /// Of what the lines say: percent (as a ratio), bytes, rate (bytes a second), each (a second), seconds.
    pub unit: String,
    pub kind: Kind,
    /// Where that is missing there is nothing to draw.
    pub family: String,
    pub lines: Vec<Told>,
    /// How often each octave of a latency is hit in a second, by the octave's upper bound in seconds.
    pub rows: Vec<Octave>,
    /// What is told beside the title.
    pub aside: Option<Told>,
    /// Why there is nothing to draw, if something is wrong.
    pub missing: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The lines are parts of a whole.
    Stacked,
    Lines,
    /// Lines of which those with most are to be drawn.
    Largest,
    /// A heat map, and quantiles over it.
    Latency,
}

/// A line; parallel to the times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    pub name: String,
    pub points: Vec<Option<f32>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Octave {
    pub upper: f64,
    pub points: Vec<Option<f32>>,
}

/// With four digits: more are not to be seen, and make the answer long.
pub(super) fn points(all: impl IntoIterator<Item = f32>) -> Vec<Option<f32>> {
    all.into_iter().map(|it| it.is_finite().then(|| shortened(it))).collect()
}

fn shortened(it: f32) -> f32 {
    if it == 0.0 {
        return 0.0;
    }
    let exact = f64::from(it);
    let power = 10_f64.powi(3 - exact.abs().log10().floor() as i32);
    ((exact * power).round() / power) as f32
}

impl Recorded {
    /// Appends what came after this, and leaves the last `n_kept` points.
    pub fn extend(&mut self, newer: Self, n_kept: usize) {
        let (before, after) = (self.times.len(), self.times.len() + newer.times.len());
        self.times.extend(newer.times);
        for chart in newer.charts {
            let Some(mine) = self.charts.iter_mut().find(|it| it.title == chart.title) else {
                self.charts.push(padded(chart, before));
                continue;
            };
            mine.missing = chart.missing;
            for line in chart.lines {
                let is_same = |it: &&mut Told| it.name == line.name;
                match mine.lines.iter_mut().find(is_same) {
                    Some(it) => it.points.extend(line.points),
                    None => mine.lines.push(Told { points: late(before, line.points), ..line }),
                }
            }
            for row in chart.rows {
                match mine.rows.iter_mut().find(|it| it.upper == row.upper) {
                    Some(it) => it.points.extend(row.points),
                    None => mine.rows.push(Octave { points: late(before, row.points), ..row }),
                }
            }
            match (&mut mine.aside, chart.aside) {
                (Some(it), Some(newer)) => it.points.extend(newer.points),
                (it @ None, Some(newer)) => *it = Some(Told { points: late(before, newer.points), ..newer }),
                (_, None) => {}
            }
        }
        let n_gone = after.saturating_sub(n_kept);
        self.times.drain(..n_gone);
        for points in self.charts.iter_mut().flat_map(Drawn::all_points) {
            points.resize(after, None);
            points.drain(..n_gone);
        }
    }
}

impl Drawn {
    fn all_points(&mut self) -> impl Iterator<Item = &mut Vec<Option<f32>>> {
        let lines = self.lines.iter_mut().chain(&mut self.aside).map(|it| &mut it.points);
        lines.chain(self.rows.iter_mut().map(|it| &mut it.points))
    }
}

fn padded(mut chart: Drawn, before: usize) -> Drawn {
    chart.all_points().for_each(|points| *points = late(before, std::mem::take(points)));
    chart
}

/// `points` of something that was not there for so many points `before`.
fn late(before: usize, points: Vec<Option<f32>>) -> Vec<Option<f32>> {
    std::iter::repeat_n(None, before).chain(points).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(times: &[u64], lines: &[(&str, &[f32])]) -> Recorded {
        let told = |(name, all): &(&str, &[f32])| Told {
            name: (*name).to_owned(),
            points: points(all.iter().copied()),
        };
        let chart = Drawn {
            title: "Disks".to_owned(),
            unit: "rate".to_owned(),
            kind: Kind::Largest,
            family: String::new(),
            lines: lines.iter().map(told).collect(),
            rows: Vec::new(),
            aside: None,
            missing: String::new(),
        };
        Recorded { times: times.to_vec(), charts: vec![chart] }
    }

    #[test]
    fn lines_that_come_and_go_stay_beside_their_times() {
        let mut all = recorded(&[1, 2], &[("a", &[1.0, 2.0])]);
        all.extend(recorded(&[3], &[("b", &[3.0])]), 10);
        all.extend(recorded(&[4], &[("a", &[4.0]), ("b", &[5.0])]), 3);
        assert_eq!(all.times, [2, 3, 4]);
        let lines = &all.charts[0].lines;
        assert_eq!(lines[0].points, [Some(2.0), None, Some(4.0)]);
        assert_eq!(lines[1].points, [None, Some(3.0), Some(5.0)]);
    }

    #[test]
    fn numbers_have_four_digits() {
        let all = [1_234_567.8, -0.000_123_456, 0.0, f32::NAN, f32::INFINITY, 1e38];
        assert_eq!(
            serde_json::to_string(&points(all)).unwrap(),
            "[1235000.0,-0.0001235,0.0,null,null,1e+38]"
        );
    }
}
