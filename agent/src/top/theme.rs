//! Colours, of which a terminal has sixteen; none with `NO_COLOR` (no-color.org).

use ratatui::style::{Color, Modifier, Style};

const LINES: [Color; 6] = [Color::Blue, Color::Yellow, Color::Green, Color::Magenta, Color::Red, Color::Cyan];

pub(super) struct Theme {
    lines: Vec<Style>,
    pub(super) title: Style,
    pub(super) dim: Style,
    pub(super) heat: Style,
    pub(super) good: Style,
    pub(super) bad: Style,
    pub(super) focus: Style,
}

impl Theme {
    pub(super) fn new(no_color: Option<&str>) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        if no_color.is_some_and(|it| !it.is_empty()) {
            return Self {
                lines: vec![plain],
                title: bold,
                dim: plain,
                heat: plain,
                good: plain,
                bad: bold,
                focus: bold,
            };
        }
        Self {
            lines: LINES.iter().map(|it| plain.fg(*it)).collect(),
            title: bold,
            dim: plain.fg(Color::DarkGray),
            heat: plain.fg(Color::Cyan),
            good: plain.fg(Color::Green),
            bad: plain.fg(Color::Red),
            focus: plain.fg(Color::Cyan),
        }
    }

    pub(super) fn line(&self, n: usize) -> Style {
        self.lines[n % self.lines.len()]
    }
}
