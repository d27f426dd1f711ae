//! The log on stderr, one line an event, as Go's slog writes it: logfmt or JSON, UTC times. Whoever logs never waits
//! for the reader, and no line comes so often that it fills a disk.

mod governor;
mod queue;

use crate::config::{Log, LogFormat, LogLevel};
use anstream::AutoStream;
use governor::Governor;
use prometheus_client::metrics::counter::Counter;
use queue::Queue;
use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};
use tracing::{
    Event, Level, Subscriber, error,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer as _, Registry,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt as _,
};

/// Changes the log while it is written.
#[derive(Clone)]
pub struct Control {
    level: reload::Handle<LevelFilter, Registry>,
    is_json: Arc<AtomicBool>,
    queue: Arc<Queue>,
}

/// Counts lines that are not written.
#[derive(Clone, Debug, Default)]
pub struct Dropped {
    /// Nobody read what was written before.
    pub unread: Counter,
    /// The same had been said too often.
    pub repeated: Counter,
}

/// Starts to log. Panics are logged, too: the standard library would wait until somebody reads what it writes.
#[must_use]
pub fn start(log: &Log, dropped: Dropped) -> Control {
    let (level, handle) = reload::Layer::new(filter(log.level));
    let is_json = Arc::new(AtomicBool::new(log.format == LogFormat::Json));
    let governor = Governor::new(dropped.repeated);
    let queue = Arc::new(Queue::new(dropped.unread));
    let lines = Lines { is_json: Arc::clone(&is_json), governor };
    let layer = tracing_subscriber::fmt::layer()
        .event_format(lines)
        .with_writer(Arc::clone(&queue))
        .log_internal_errors(false);
    tracing_subscriber::registry().with(layer.with_filter(level)).init();
    std::panic::set_hook(Box::new(|panic| error!("{panic}")));
    Control { level: handle, is_json, queue }
}

impl Control {
    /// Logs as `log` says from now on.
    pub fn change(&self, log: &Log) {
        self.is_json.store(log.format == LogFormat::Json, Ordering::Relaxed);
        self.level.reload(filter(log.level)).expect("the log is written until the process ends");
    }

    /// Lets a thread of its own write from now on. Until then who logs writes, as far as that needs no waiting.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn write_by_thread(&self) -> io::Result<()> {
        Arc::clone(&self.queue).start()
    }

    /// Waits until all is written, for a second at most.
    pub fn end(&self) {
        self.queue.drain(PATIENCE);
    }
}

/// How long the end waits for the log's reader.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes to stderr why the process cannot go on, without the log; coloured only for a terminal. Where nobody reads it
/// ends all the same.
pub fn last_words(text: &str) {
    let mut words = AutoStream::new(Vec::new(), AutoStream::choice(&io::stderr()));
    words.write_all(text.as_bytes()).expect("there is room in memory");
    queue::write_within(&mut words.into_inner(), PATIENCE);
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

/// Writes events as lines.
struct Lines {
    is_json: Arc<AtomicBool>,
    governor: Governor,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(n_held_back) = self.governor.pass(event.metadata(), Instant::now()) else { return Ok(()) };
        let style = if self.is_json.load(Ordering::Relaxed) { Style::Json } else { Style::Logfmt };
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        out.write_str(&line(style, since_epoch, event, n_held_back))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Logfmt,
    Json,
}

/// `n_held_back`: lines of the same place in the source that were not written before this one.
fn line(style: Style, since_epoch: Duration, event: &Event<'_>, n_held_back: u64) -> String {
    let metadata = event.metadata();
    let level = match *metadata.level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    };
    let path = metadata.file().unwrap_or_default();
    let source =
        format!("{}:{}", path.rsplit('/').next().unwrap_or(path), metadata.line().unwrap_or_default());
    let mut fields = Fields::default();
    event.record(&mut fields);
    let mut line = Line { style, text: String::new() };
    line.field("time", &Value::Text(timestamp(since_epoch, style)));
    line.field("level", &Value::Text(level.to_owned()));
    line.field("source", &Value::Text(source));
    line.field("msg", &Value::Text(fields.message));
    for (name, value) in &fields.others {
        line.field(name, value);
    }
    if n_held_back > 0 {
        line.field("left_out_before", &Value::Plain(n_held_back.to_string()));
    }
    line.end()
}

/// A field's value, so far as it matters how it is quoted.
enum Value {
    Text(String),
    /// A number or a boolean.
    Plain(String),
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text) | Value::Plain(text)) => self.message = text,
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, Value::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, Value::Text(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Plain(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Plain(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Plain(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity.
        let text = value.to_string();
        self.push(field, if value.is_finite() { Value::Plain(text) } else { Value::Text(text) });
    }
}

struct Line {
    style: Style,
    text: String,
}

impl Line {
    fn field(&mut self, name: &str, value: &Value) {
        match self.style {
            Style::Logfmt => {
                self.text.push_str(if self.text.is_empty() { "" } else { " " });
                self.text.push_str(name);
                self.text.push('=');
                match value {
                    Value::Text(text) if needs_quotes(text) => self.quoted(text),
                    Value::Text(text) | Value::Plain(text) => self.text.push_str(text),
                }
            }
            Style::Json => {
                self.text.push(if self.text.is_empty() { '{' } else { ',' });
                self.quoted(name);
                self.text.push(':');
                match value {
                    Value::Text(text) => self.quoted(text),
                    Value::Plain(text) => self.text.push_str(text),
                }
            }
        }
    }

    /// A string that is one in Go and in JSON; a line break would forge a line.
    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                c if c.is_control() => {
                    write!(self.text, "\\u{:04x}", u32::from(c)).expect("a string takes all");
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    fn end(mut self) -> String {
        self.text.push_str(match self.style {
            Style::Logfmt => "\n",
            Style::Json => "}\n",
        });
        self.text
    }
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty() || text.contains(|c: char| c <= ' ' || matches!(c, '=' | '"') || c.is_control())
}

/// `2026-11-22T07:12:11.027Z`; JSON has nanoseconds.
fn timestamp(since_epoch: Duration, style: Style) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let fraction = match style {
        Style::Logfmt => format!("{:03}", since_epoch.subsec_millis()),
        Style::Json => format!("{:09}", since_epoch.subsec_nanos()),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}Z")
}

/// Year, month and day of the `days`-th day since 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that a leap day is the last of its year; 400 years have 146097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = (months_since_march + 2) % 12 + 1;
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::sync::Mutex;
    use tracing::{info, subscriber::with_default, warn};

    /// Keeps the lines of all events.
    struct Keep(Style, Arc<Mutex<String>>);

    impl<S: Subscriber> tracing_subscriber::Layer<S> for Keep {
        fn on_event(&self, event: &Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let text = line(self.0, Duration::new(1_795_331_531, 27_000_009), event, 0);
            let (before, after) = text.split_once("mod.rs:").unwrap();
            let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
            self.1.lock().unwrap().push_str(&format!("{before}mod.rs:LINE{after}"));
        }
    }

    fn lines(style: Style) -> String {
        let kept = Arc::new(Mutex::new(String::new()));
        with_default(tracing_subscriber::registry().with(Keep(style, Arc::clone(&kept))), || {
            info!(n = 3_u64, share = 0.5, on = true, "two words");
            warn!(path = %"/a b", empty = "", what = "x=1", error = ?"tab\tend", "forged\nlevel=ERROR \u{1b}[0m");
        });

        kept.lock().unwrap().clone()
    }

    #[test]
    fn writes_logfmt() {
        expect![[r#"
            time=2026-11-22T07:12:11.027Z level=INFO source=mod.rs:LINE msg="two words" n=3 share=0.5 on=true
            time=2026-11-22T07:12:11.027Z level=WARN source=mod.rs:LINE msg="forged\nlevel=ERROR \u001b[0m" path="/a b" empty="" what="x=1" error="\"tab\\tend\""
        "#]]
        .assert_eq(&lines(Style::Logfmt));
    }

    #[test]
    fn writes_json() {
        let text = lines(Style::Json);
        expect![[r#"
            {"time":"2026-11-22T07:12:11.027000009Z","level":"INFO","source":"mod.rs:LINE","msg":"two words","n":3,"share":0.5,"on":true}
            {"time":"2026-11-22T07:12:11.027000009Z","level":"WARN","source":"mod.rs:LINE","msg":"forged\nlevel=ERROR \u001b[0m","path":"/a b","empty":"","what":"x=1","error":"\"tab\\tend\""}
        "#]]
        .assert_eq(&text);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn knows_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_782), (2024, 2, 29));
        assert_eq!(date(19_783), (2024, 3, 1));
        assert_eq!(date(47_540), (2100, 2, 28));
        assert_eq!(date(47_541), (2100, 3, 1));
    }
}
