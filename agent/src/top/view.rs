//! What is shown, and how it lies on the terminal: a head, what is wrong, panels, the keys.

use super::{chart::Chart, theme::Theme, units::written};
use crate::{
    http::{Status, duration},
    recorder::{Drawn, Group, GroupKind, N_POINTS, Recorded},
};
use ratatui::{
    buffer::Buffer,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Paragraph, Row, Table, Widget},
};
use std::time::{Duration, Instant};

/// Cells of a panel at least.
const WIDTH: u16 = 54;
const HEIGHT: u16 = 8;

/// The seconds that are shown, from fewest to most.
const SPANS: [usize; 3] = [60, 300, N_POINTS];

const KEYS: &str = " q quit  Tab/arrows select  Enter enlarge  +/- time  p pause  ? help";
const HELP: &str = "\
q, Ctrl-C    quit
Tab, arrows  select a panel
Enter        show the selected panel alone, or all again
Esc          show all again
+, -         show more or less time: 1, 5, 15 minutes
p, space     stop and go on
?            this help

Numbers are those of the last second; a column shows the
most of its time. Heat maps: the higher a row, the longer
the wait; the darker a cell, the more had it.";

pub(super) struct View {
    pub(super) theme: Theme,
    /// Where the numbers come from, and what is wrong with that.
    pub(super) origin: String,
    pub(super) trouble: String,
    status: Status,
    recorded: Recorded,
    groups: Groups,
    span: usize,
    selected: usize,
    is_large: bool,
    is_paused: bool,
    has_help: bool,
}

/// Two readings, and what was used between them.
#[derive(Default)]
struct Groups {
    last: Option<(Instant, Vec<Group>)>,
    used: Vec<(GroupKind, String, f32, Option<f32>)>,
}

enum Panel<'a> {
    Chart(&'a Drawn),
    Groups(GroupKind),
}

/// What a key does to the program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Quit,
    GoOn,
}

impl View {
    pub(super) fn new(theme: Theme, origin: String) -> Self {
        Self {
            theme,
            origin,
            trouble: "asking …".to_owned(),
            status: Status::default(),
            recorded: Recorded::default(),
            groups: Groups::default(),
            span: 0,
            selected: 0,
            is_large: false,
            is_paused: false,
            has_help: false,
        }
    }

    pub(super) fn take_status(&mut self, status: Status) {
        self.status = status;
    }

    /// The newest point that is here; `None` where no more is wanted.
    pub(super) fn since(&self) -> Option<u64> {
        (!self.is_paused).then(|| self.recorded.times.last().copied().unwrap_or(0))
    }

    pub(super) fn take(&mut self, recorded: Recorded) {
        self.trouble.clear();
        self.recorded.extend(recorded, N_POINTS);
    }

    pub(super) fn take_groups(&mut self, groups: Vec<Group>, now: Instant) {
        if let Some((time, before)) = &self.groups.last {
            let seconds = (now - *time).as_secs_f64();
            let rate = |it: &Group| {
                let before = before.iter().find(|other| (other.kind, &other.name) == (it.kind, &it.name))?;
                Some(((it.cpu_seconds? - before.cpu_seconds?) / seconds) as f32)
            };
            let used = groups.iter().filter_map(|it| {
                let memory = it.memory_bytes.map(|it| it as f32);
                Some((it.kind, it.name.clone(), rate(it)?.max(0.0), memory))
            });
            self.groups.used = used.collect();
            self.groups.used.sort_by(|a, b| b.2.total_cmp(&a.2));
        }
        self.groups.last = Some((now, groups));
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        let n_panels = self.panels().len().max(1);
        match key.code {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Next::Quit,
            KeyCode::Char('?' | 'h') => self.has_help = !self.has_help,
            _ if self.has_help => self.has_help = false,
            KeyCode::Esc => self.is_large = false,
            KeyCode::Enter => self.is_large = !self.is_large,
            KeyCode::Tab | KeyCode::Right | KeyCode::Down => self.selected = (self.selected + 1) % n_panels,
            KeyCode::BackTab | KeyCode::Left | KeyCode::Up => {
                self.selected = (self.selected + n_panels - 1) % n_panels;
            }
            KeyCode::Char('+') => self.span = (self.span + 1).min(SPANS.len() - 1),
            KeyCode::Char('-') => self.span = self.span.saturating_sub(1),
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            _ => {}
        }
        Next::GoOn
    }

    fn panels(&self) -> Vec<Panel<'_>> {
        let charts = self.recorded.charts.iter().map(Panel::Chart);
        let kinds = [GroupKind::Processes, GroupKind::Cgroup].into_iter();
        let kinds = kinds.filter(|kind| self.groups.used.iter().any(|it| it.0 == *kind));
        charts.chain(kinds.map(Panel::Groups)).collect()
    }

    pub(super) fn render(&self, area: Rect, out: &mut Buffer) {
        let mut wrong = self.wrong(area.width.into());
        let n_lines = (wrong.len() as u16).min(area.height / 3);
        if let Some(n_more @ 1..) = wrong.len().checked_sub(n_lines.into()) {
            wrong[usize::from(n_lines).saturating_sub(1)] =
                Line::from(format!("… and {} lines more", n_more + 1));
        }
        let parts =
            [Constraint::Length(1), Constraint::Length(n_lines), Constraint::Min(0), Constraint::Length(1)];
        let [head, problems, body, foot] = Layout::vertical(parts).areas(area);
        Paragraph::new(self.head()).render(head, out);
        Paragraph::new(wrong).render(problems, out);
        self.render_body(body, out);
        Paragraph::new(KEYS).style(self.theme.dim).render(foot, out);
        if self.has_help {
            let [width, height] = [62.min(area.width), 14.min(area.height)];
            let place = Rect {
                x: area.x + (area.width - width) / 2,
                y: area.y + (area.height - height) / 2,
                width,
                height,
            };
            Clear.render(place, out);
            Paragraph::new(HELP).block(Block::bordered().title(" Keys ")).render(place, out);
        }
    }

    fn head(&self) -> Line<'_> {
        let status = &self.status;
        let up = duration(Duration::from_secs(status.uptime_seconds));
        let running = duration(Duration::from_secs(status.running_seconds));
        let facts = format!(
            "  Linux {} · {} · up {up} · hostlens {}, running for {running}",
            status.kernel, status.machine, status.version
        );
        let minutes = format!("  last {} min", SPANS[self.span] / 60);
        let paused = if self.is_paused { "  paused" } else { "" };
        Line::from_iter([
            Span::styled(&status.host, self.theme.title),
            Span::styled(facts, self.theme.dim),
            Span::raw(minutes),
            Span::styled(paused, self.theme.bad),
        ])
    }

    fn wrong(&self, width: usize) -> Vec<Line<'_>> {
        let styled =
            |text: &str, style| wrapped(text, width).into_iter().map(move |it| Line::styled(it, style));
        let origin = styled(&self.origin, self.theme.dim).chain(styled(&self.trouble, self.theme.bad));
        let problems = &self.status.problems;
        let unknown = self.status.unknown();
        if problems.is_empty() && self.trouble.is_empty() && unknown.is_none() {
            return origin.chain([Line::styled("Nothing is wrong", self.theme.good)]).collect();
        }
        let unknown = unknown.into_iter().flat_map(|it| wrapped(&it, width)).map(Line::from);
        let lines = problems.iter().flat_map(|it| {
            let what = wrapped(&format!("{}: {}", it.what, it.reason.trim_end()), width);
            let what = what.into_iter().map(|it| Line::styled(it, self.theme.bad));
            let helps = wrapped(&format!("  what helps: {}", it.remedy), width);
            what.chain(helps.into_iter().map(Line::from))
        });
        origin.chain(unknown).chain(lines).collect()
    }

    /// As many panels beside each other as there is room for, from the row on that leaves the selected one in sight.
    fn render_body(&self, area: Rect, out: &mut Buffer) {
        let panels = self.panels();
        let selected = self.selected.min(panels.len().saturating_sub(1));
        if self.is_large {
            if let Some(panel) = panels.get(selected) {
                self.render_panel(panel, true, area, out);
            }
            return;
        }
        let n_columns = (area.width / WIDTH).max(1);
        let n_rows = (area.height / HEIGHT).max(1);
        let rows: Vec<_> = panels.chunks(n_columns.into()).collect();
        let its_row = selected / usize::from(n_columns);
        let first = (its_row + 1).saturating_sub(n_rows.into());
        let shown = rows.iter().enumerate().skip(first).take(n_rows.into());
        let heights = Layout::vertical((0..n_rows).map(|_| Constraint::Fill(1))).split(area);
        for ((n, row), place) in shown.zip(heights.iter()) {
            let widths = Layout::horizontal((0..n_columns).map(|_| Constraint::Fill(1))).split(*place);
            for (m, (panel, place)) in row.iter().zip(widths.iter()).enumerate() {
                let is_selected = n * usize::from(n_columns) + m == selected;
                self.render_panel(panel, is_selected, *place, out);
            }
        }
    }

    fn render_panel(&self, panel: &Panel<'_>, is_selected: bool, area: Rect, out: &mut Buffer) {
        let (title, beside) = match panel {
            Panel::Chart(it) => (it.title.as_str(), self.aside(it)),
            Panel::Groups(GroupKind::Processes) => ("Processes with most CPU", String::new()),
            Panel::Groups(GroupKind::Cgroup) => ("Units and pods with most CPU", String::new()),
        };
        let title = Span::styled(format!(" {title} "), self.theme.title);
        let mut block = Block::bordered().title(title).border_style(self.theme.dim);
        if is_selected {
            block = block.border_type(BorderType::Thick).border_style(self.theme.focus);
        }
        if !beside.is_empty() {
            block = block.title(Line::from(format!(" {beside} ")).right_aligned());
        }
        let inside = block.inner(area);
        block.render(area, out);
        match panel {
            Panel::Chart(drawn) => {
                Chart { drawn, seconds: SPANS[self.span], theme: &self.theme }.render(inside, out);
            }
            Panel::Groups(kind) => self.render_groups(*kind, inside, out),
        }
    }

    /// What is told beside a chart's title.
    fn aside(&self, chart: &Drawn) -> String {
        let now = |points: &[Option<f32>]| points.last().copied().flatten();
        if chart.rows.is_empty() {
            let aside = chart.aside.as_ref().filter(|it| now(&it.points).is_some_and(|it| it > 0.0));
            return aside.map_or(String::new(), |it| {
                format!("{} {}", it.name, written(&chart.unit, now(&it.points)))
            });
        }
        written("each", Some(chart.rows.iter().filter_map(|it| now(&it.points)).sum()))
    }

    fn render_groups(&self, kind: GroupKind, area: Rect, out: &mut Buffer) {
        let used = self.groups.used.iter().filter(|it| it.0 == kind);
        let rows = used.map(|(_, name, cpu, memory)| {
            Row::new([name.clone(), written("percent", Some(*cpu)), written("bytes", *memory)])
        });
        let widths = [Constraint::Fill(1), Constraint::Length(8), Constraint::Length(10)];
        let head = Row::new(["Name", "CPU", "Memory"]).style(self.theme.dim);
        Widget::render(Table::new(rows, widths).header(head), area, out);
    }
}

/// The lines of `text`, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut part = String::new();
        for word in line.split_inclusive(' ') {
            if !part.is_empty() && part.chars().count() + word.trim_end().chars().count() > width {
                lines.push(std::mem::replace(&mut part, "    ".to_owned()));
            }
            part.push_str(word);
        }
        lines.push(part);
    }
    lines
}

#[cfg(test)]
mod tests;
