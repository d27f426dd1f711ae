//! A chart in the cells of a terminal: lines with a number and their course each, or a heat map.

use super::{theme::Theme, units::written};
use crate::recorder::{Drawn, Kind, Told};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Paragraph, Sparkline, SparklineBar, Widget as _, Wrap},
};

/// From nothing to most.
const HEAT: [&str; 5] = [" ", "░", "▒", "▓", "█"];

/// Cells of a number, `1023 MiB/s`.
const NUMBER: u16 = 10;

/// Sparklines count in whole numbers.
const FINE: f32 = 1000.0;

/// The last `seconds` of a chart.
pub(super) struct Chart<'a> {
    pub(super) drawn: &'a Drawn,
    pub(super) seconds: usize,
    pub(super) theme: &'a Theme,
}

impl Chart<'_> {
    pub(super) fn render(&self, area: Rect, out: &mut Buffer) {
        let lines = self.lines();
        if lines.is_empty() || area.is_empty() {
            let why = if self.drawn.missing.is_empty() { "No sample so far." } else { &self.drawn.missing };
            Paragraph::new(why).style(self.theme.dim).wrap(Wrap { trim: true }).render(area, out);
        } else if self.drawn.kind == Kind::Latency {
            self.heat_map(&lines, area, out);
        } else {
            self.courses(&lines, area, out);
        }
    }

    /// Those with a number in the time shown, the largest first where only some are to be shown.
    fn lines(&self) -> Vec<&Told> {
        let shown = |it: &Told| self.shown(&it.points).iter().flatten().copied().sum::<f32>();
        let mut lines: Vec<_> =
            self.drawn.lines.iter().filter(|it| self.shown(&it.points).iter().any(Option::is_some)).collect();
        if self.drawn.kind == Kind::Largest {
            lines.sort_by(|a, b| shown(b).total_cmp(&shown(a)));
        }
        lines
    }

    fn shown<'a>(&self, points: &'a [Option<f32>]) -> &'a [Option<f32>] {
        &points[points.len().saturating_sub(self.seconds)..]
    }

    /// A line for each: its name, its number now, and how it went.
    fn courses(&self, lines: &[&Told], area: Rect, out: &mut Buffer) {
        let lines = &lines[..lines.len().min(area.height.into())];
        let width = lines.iter().map(|it| it.name.chars().count()).max().unwrap_or(0) as u16;
        let width = width.min(area.width / 3);
        let most = match (self.drawn.kind, self.drawn.unit.as_str()) {
            (Kind::Stacked, "percent") => 1.0,
            (Kind::Stacked, _) => lines.iter().filter_map(|it| *it.points.last()?).sum(),
            _ => lines.iter().flat_map(|it| self.shown(&it.points)).flatten().copied().fold(0.0, f32::max),
        };
        let height = (area.height / lines.len() as u16).clamp(1, 4);
        for (n, line) in lines.iter().enumerate() {
            let row = Rect { y: area.y + n as u16 * height, height, ..area };
            let style = self.theme.line(n);
            let now = written(&self.drawn.unit, line.points.last().copied().flatten());
            let name: String = line.name.chars().take(width.into()).collect();
            let text = format!("{name:<0$} {now:>1$} ", usize::from(width), usize::from(NUMBER));
            out.set_stringn(row.x, row.y, &text, row.width.into(), style);
            let left = (width + NUMBER + 2).min(row.width);
            let course = Rect { x: row.x + left, width: row.width - left, ..row };
            let bars = self.columns(&line.points, course.width).into_iter().map(|it| {
                // What is there at all is to be seen.
                let part = |it: f32| (it / most * FINE).clamp(0.0, FINE) as u64;
                SparklineBar::from(it.map(|it| if it > 0.0 && most > 0.0 { part(it).max(1) } else { 0 }))
            });
            Sparkline::default().data(bars).max(FINE as u64).style(style).render(course, out);
        }
    }

    /// The quantiles in words, and how often which octave was hit: an octave or some a row, the longest at the top.
    fn heat_map(&self, lines: &[&Told], area: Rect, out: &mut Buffer) {
        let quantiles = lines.iter().enumerate().flat_map(|(n, it)| {
            let now = written(&self.drawn.unit, it.points.last().copied().flatten());
            [Span::styled(format!("{} {now}", it.name), self.theme.line(n)), Span::raw("  ")]
        });
        Paragraph::new(Line::from_iter(quantiles)).render(Rect { height: 1, ..area }, out);
        let rows = usize::from(area.height.saturating_sub(1));
        let mut octaves: Vec<_> = self.drawn.rows.iter().collect();
        octaves.sort_by(|a, b| b.upper.total_cmp(&a.upper));
        if rows == 0 || octaves.is_empty() {
            return;
        }
        let together = octaves.len().div_ceil(rows);
        let left = (NUMBER - 2).min(area.width);
        let columns = |it: &[Option<f32>]| self.columns(it, area.width - left);
        let rows: Vec<(f64, Vec<f32>)> = octaves
            .chunks(together)
            .map(|chunk| {
                let mut sum = vec![0.0; usize::from(area.width - left)];
                for octave in chunk {
                    let hits = columns(&octave.points);
                    sum.iter_mut().zip(hits).for_each(|(sum, it)| *sum += it.unwrap_or(0.0));
                }
                (chunk[0].upper, sum)
            })
            .collect();
        let most = rows.iter().flat_map(|it| &it.1).copied().fold(0.0, f32::max);
        for (n, (upper, hits)) in rows.iter().enumerate() {
            let y = area.y + 1 + n as u16;
            let label = written("seconds", Some(*upper as f32));
            out.set_stringn(
                area.x,
                y,
                format!("{label:>0$} ", usize::from(left) - 1),
                left.into(),
                self.theme.dim,
            );
            let heat: String = hits.iter().map(|it| HEAT[shade(*it, most)]).collect();
            out.set_stringn(area.x + left, y, heat, hits.len(), self.theme.heat);
        }
    }

    /// The largest of the points that fall into each column; the last one is now.
    fn columns(&self, points: &[Option<f32>], width: u16) -> Vec<Option<f32>> {
        let width = usize::from(width);
        let shown = self.shown(points);
        let before = self.seconds - shown.len();
        let at = |place: usize| *shown.get(place.checked_sub(before)?)?;
        let column = |n: usize| {
            let from = n * self.seconds / width;
            let to = ((n + 1) * self.seconds / width).max(from + 1);
            (from..to).filter_map(at).reduce(f32::max)
        };
        (0..width).map(column).collect()
    }
}

/// By the logarithm: a few long waits among thousands of short ones are to be seen.
fn shade(hits: f32, most: f32) -> usize {
    if hits <= 0.0 {
        return 0;
    }
    let part = hits.ln_1p() / most.ln_1p();
    1 + (part * (HEAT.len() - 2) as f32).round() as usize
}
