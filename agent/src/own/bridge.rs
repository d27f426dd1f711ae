//! From a prometheus-client registry to families. The library has one way out that needs no code generator at build
//! time, its OpenMetrics text; that is what is read here.

use crate::metric::{Families, Kind, Value};
use prometheus_client::{encoding::text::encode, registry::Registry};

/// Reads registries, with memory that is kept.
#[derive(Debug, Default)]
pub(super) struct Bridge {
    text: String,
}

impl Bridge {
    /// Its counters count since those of `out` do.
    pub(super) fn push(&mut self, registry: &Registry, out: &mut Families) {
        self.text.clear();
        encode(&mut self.text, registry).expect("a String takes any text");
        let mut family = Family { help: "", kind: Kind::Untyped };
        for line in self.text.lines() {
            if let Some(head) = line.strip_prefix("# HELP ") {
                family.help = head.split_once(' ').map_or("", |(_, help)| help);
            } else if let Some(head) = line.strip_prefix("# TYPE ") {
                family.kind = match head.rsplit(' ').next() {
                    Some("counter") => Kind::Counter,
                    Some("gauge") => Kind::Gauge,
                    _ => Kind::Untyped,
                };
            } else if !line.starts_with('#') {
                family.push_sample(line, out).expect("prometheus-client writes samples in its own format");
            }
        }
    }
}

struct Family<'a> {
    help: &'a str,
    kind: Kind,
}

impl Family<'_> {
    /// `name{label="value",…} number`; `None` for anything else. Label values here need no escapes.
    fn push_sample(&self, line: &str, out: &mut Families) -> Option<()> {
        let (series, number) = line.rsplit_once(' ')?;
        let (name, mut rest) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels = Vec::new();
        while rest != "}" {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = after.split_once('"')?;
            labels.push((label, value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        let value = Value::Number(number.parse().ok()?);
        out.push_foreign(name, self.kind, self.help, &labels, value, out.start());
        Some(())
    }
}
