//! A strict reader of OpenMetrics 2.0, written from its grammar and its rules: what they forbid it panics at.

use super::decode::{Exposition, sample};
use std::{collections::BTreeMap, iter::Peekable, str::Lines};

pub(super) fn decode(text: &str) -> Exposition {
    let body = text.strip_suffix("# EOF\n").expect("it ends with EOF and a line feed");
    assert!(body.is_empty() || body.ends_with('\n'), "EOF has a line of its own");
    let mut lines = body.lines().peekable();
    let mut out = Exposition::default();
    while lines.peek().is_some() {
        Family::head(&mut lines, &mut out).rows(&mut lines, &mut out);
    }
    out
}

struct Family {
    name: String,
    kind: String,
}

impl Family {
    /// TYPE, UNIT and HELP, in this order and at most once each, of one name that no family had before.
    fn head(lines: &mut Peekable<Lines<'_>>, out: &mut Exposition) -> Self {
        let mut field = |field: &str| {
            let mut it = Cursor(lines.next_if(|line| line.starts_with(field))?.strip_prefix(field)?);
            let name = if it.0.starts_with('"') { it.quoted() } else { it.word(is_name) };
            it.expect(" ");
            Some((name, it.0.to_owned()))
        };
        let (name, kind) = field("# TYPE ").expect("our families have types");
        let unit = field("# UNIT ");
        if let Some((of, unit)) = &unit {
            let base = name.strip_suffix("_total").unwrap_or(&name);
            assert!(*of == name && base.ends_with(&format!("_{unit}")), "{of} is in {unit}");
        }
        let (of, help) = field("# HELP ").expect("our families have helps");
        assert_eq!(of, name);
        let mut help = Cursor(&help);
        help.escaped();
        assert_eq!(help.0, "");
        match kind.as_str() {
            "counter" | "gauge" | "histogram" | "summary" | "unknown" => {}
            "info" => assert!(name.ends_with("_info") && unit.is_none()),
            kind => panic!("{name} is a {kind}"),
        }
        assert_eq!(out.types.insert(name.clone(), kind.clone()), None);
        Self { name, kind }
    }

    fn rows(&self, lines: &mut Peekable<Lines<'_>>, out: &mut Exposition) {
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let mut it = Cursor(line);
            let labels = self.labels(&mut it);
            it.expect(" ");
            match self.kind.as_str() {
                "histogram" => self.histogram(&mut it, &labels, out),
                "summary" => self.summary(&mut it, &labels, out),
                kind => {
                    let value = number(it.until(" "));
                    assert!(kind != "info" || value == 1.0);
                    assert!(kind != "counter" || value >= 0.0, "a counter at {value}");
                    sample(&self.name, &labels, None, value, &mut out.samples);
                }
            }
            if it.take(" st@") {
                assert!(["counter", "histogram", "summary"].contains(&self.kind.as_str()), "{line}");
                let start = (real(it.until(" ")) * 1e3).round() as i64;
                out.starts.insert((self.name.clone(), labels), start);
            }
            assert_eq!(it.0, "", "{line}");
        }
    }

    fn labels(&self, it: &mut Cursor<'_>) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        let mut is_first = true;
        if it.0.starts_with('{') {
            it.expect("{");
            assert_eq!(it.quoted(), self.name);
            is_first = false;
        } else {
            assert_eq!(it.word(is_name), self.name);
            if !it.take("{") {
                return labels;
            }
        }
        while !it.take("}") {
            if !is_first {
                it.expect(",");
            }
            is_first = false;
            let name = if it.0.starts_with('"') { it.quoted() } else { it.word(|c| is_name(c) && c != ':') };
            it.expect("=");
            assert_eq!(labels.insert(name, it.quoted()), None, "a label is given twice");
        }
        labels
    }

    fn histogram(&self, it: &mut Cursor<'_>, labels: &BTreeMap<String, String>, out: &mut Exposition) {
        it.expect("{count:");
        let count = whole(it.until(","));
        it.expect(",sum:");
        let sum = number(it.until(",}"));
        let mut has_buckets = false;
        if it.take(",schema:") {
            has_buckets = true;
            assert!((-4..=8).contains(&it.until(",").parse::<i8>().unwrap()));
            it.expect(",zero_threshold:");
            assert!(real(it.until(",")) >= 0.0);
            it.expect(",zero_count:");
            let mut total = whole(it.until(",}"));
            let mut native = BTreeMap::new();
            if it.take(",positive_spans:") {
                let spans = it.list();
                it.expect(",positive_buckets:");
                let mut counts = it.list().into_iter();
                let mut index = 0;
                for (nth, span) in spans.iter().enumerate() {
                    let (offset, length) = span.split_once(':').unwrap();
                    let offset: i32 = offset.parse().unwrap();
                    assert!(nth == 0 || offset >= 0, "{offset} goes back");
                    index += offset;
                    for _ in 0..whole(length) {
                        let count = whole(counts.next().expect("a span's length is of buckets"));
                        native.insert(index, count);
                        index += 1;
                    }
                }
                assert_eq!(counts.next(), None);
                total += native.values().sum::<u64>();
                native.retain(|_, count| *count > 0);
                assert!(!native.is_empty(), "there are no positive buckets");
            }
            assert_eq!(count, total);
            out.natives.push(native);
        }
        if it.take(",bucket:") {
            has_buckets = true;
            let mut before = (f64::NEG_INFINITY, 0);
            for bucket in it.list() {
                let (upper, count) = bucket.split_once(':').unwrap();
                let upper = if upper == "+Inf" { f64::INFINITY } else { real(upper) };
                let now = (upper, whole(count));
                assert!(before.0 < now.0 && before.1 <= now.1, "{bucket} after {before:?}");
                before = now;
                let bound = Some(("le", upper));
                sample(&format!("{}_bucket", self.name), labels, bound, now.1 as f64, &mut out.samples);
            }
            assert_eq!(before, (f64::INFINITY, count));
        }
        assert!(has_buckets);
        it.expect("}");
        self.sum_and_count(sum, count, labels, out);
    }

    fn summary(&self, it: &mut Cursor<'_>, labels: &BTreeMap<String, String>, out: &mut Exposition) {
        it.expect("{count:");
        let count = whole(it.until(","));
        it.expect(",sum:");
        let sum = number(it.until(","));
        it.expect(",quantile:");
        let mut before = f64::NEG_INFINITY;
        for quantile in it.list() {
            let (at, value) = quantile.split_once(':').unwrap();
            let at = real(at);
            assert!((0.0..=1.0).contains(&at), "the quantile {at}");
            assert!(before < at, "{at} after {before}");
            before = at;
            sample(&self.name, labels, Some(("quantile", at)), number(value), &mut out.samples);
        }
        it.expect("}");
        self.sum_and_count(sum, count, labels, out);
    }

    fn sum_and_count(&self, sum: f64, count: u64, labels: &BTreeMap<String, String>, out: &mut Exposition) {
        sample(&format!("{}_sum", self.name), labels, None, sum, &mut out.samples);
        sample(&format!("{}_count", self.name), labels, None, count as f64, &mut out.samples);
    }
}

/// The rest of a line.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn take(&mut self, text: &str) -> bool {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    #[track_caller]
    fn expect(&mut self, text: &str) {
        assert!(self.take(text), "{text:?} is not where {:?} is", self.0);
    }

    /// Up to one of these, which stay, or to the end.
    fn until(&mut self, ends: &str) -> &'a str {
        let (text, rest) = self.0.split_at(self.0.find(|c| ends.contains(c)).unwrap_or(self.0.len()));
        self.0 = rest;
        text
    }

    fn word(&mut self, fits: impl Fn(char) -> bool) -> String {
        let (word, rest) = self.0.split_at(self.0.find(|c| !fits(c)).unwrap_or(self.0.len()));
        self.0 = rest;
        assert!(!word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()), "{word:?}");
        word.to_owned()
    }

    fn quoted(&mut self) -> String {
        self.expect("\"");
        let text = self.escaped();
        self.expect("\"");
        text
    }

    /// Text up to a quote that is not escaped. Of escapes only those that say something are ours.
    fn escaped(&mut self) -> String {
        let mut text = String::new();
        loop {
            text.push_str(self.until("\\\""));
            if !self.take("\\") {
                return text;
            }
            let escapes = [("n", '\n'), ("\"", '"'), ("\\", '\\')];
            let known = escapes.into_iter().find(|(escape, _)| self.take(escape));
            text.push(known.expect("an escape that exists").1);
        }
    }

    fn list(&mut self) -> Vec<&'a str> {
        self.expect("[");
        let items = self.until("]");
        self.expect("]");
        if items.is_empty() { Vec::new() } else { items.split(',').collect() }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn number(text: &str) -> f64 {
    match text.to_ascii_lowercase().trim_start_matches(['+', '-']) {
        "inf" | "infinity" | "nan" => text.parse().unwrap(),
        _ => real(text),
    }
}

fn real(text: &str) -> f64 {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let is_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    let unsigned = |text: &str| text.strip_prefix(['+', '-']).unwrap_or(text).to_owned();
    assert!(is_digits(&unsigned(mantissa).replacen('.', "", 1)) && is_digits(&unsigned(exponent)), "{text}");
    text.parse().unwrap()
}

fn whole(text: &str) -> u64 {
    text.parse().unwrap()
}
