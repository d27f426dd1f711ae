//! From families to the bytes of an answer: which format ([`negotiate`]), written how (one file a format family),
//! packed how ([`compress`]). What stays the same from one answer to the next is made once ([`template`]).

mod compress;
mod huffman;
mod names;
mod negotiate;
mod number;
mod openmetrics2;
mod protobuf;
mod stamps;
mod template;
mod text;
mod tokens;

pub use compress::Compressor;
pub use negotiate::{Coding, Format, Offer};
pub use template::Templates;

use crate::metric::{Conflict, Families};
use negotiate::{OpenMetricsVersion, Syntax};
use stamps::{Stamps, write_seconds};
use text::{Dialect, Mark, Writer};

/// What protobuf answers hold of a histogram that has native buckets; the line formats can hold classic ones only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Histograms {
    #[default]
    Native,
    NativeAndClassic,
}

/// Whether OpenMetrics 1.0 has a sample `…_created` for each counter, histogram and summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Created {
    #[default]
    LeftOut,
    Sampled,
}

/// How to write one answer.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    pub format: Format,
    pub histograms: Histograms,
    /// Unix time of the boot, in seconds.
    pub epoch: f64,
    pub created: Created,
    /// Only families of these names; all when it is empty.
    pub names: Vec<String>,
}

impl Encoder {
    /// Appends all samples of `parts` in the order of `client_golang`. Returns what contradicts something of an
    /// earlier part, and so had to be left out.
    pub fn write(&self, parts: &[&Families], out: &mut Vec<u8>) -> Vec<Conflict> {
        self.write_marking(parts, out, None)
    }

    /// Tells `marks` as well where the numbers of a line format stand.
    fn write_marking(
        &self,
        parts: &[&Families],
        out: &mut Vec<u8>,
        marks: Option<&mut Vec<Mark>>,
    ) -> Vec<Conflict> {
        let wants = |name: &str| self.names.is_empty() || self.names.iter().any(|it| it == name);
        let Format { syntax, escaping } = self.format;
        let stamps = Stamps::new(self.epoch, write_seconds);
        match syntax {
            Syntax::Text => text::write(parts, Dialect::Prometheus, escaping, None, wants, out, marks),
            Syntax::OpenMetrics(OpenMetricsVersion::V2_0_0) => {
                let writer = Writer::new(Dialect::Prometheus, escaping, out);
                openmetrics2::write(parts, self.histograms, stamps, writer, wants)
            }
            Syntax::OpenMetrics(_) => {
                let created = (self.created == Created::Sampled).then_some(stamps);
                text::write(parts, Dialect::OpenMetrics, escaping, created, wants, out, marks)
            }
            Syntax::Protobuf => protobuf::write(parts, self.histograms, escaping, self.epoch, wants, out),
        }
    }

    /// That of an answer which holds nothing that changes but the numbers that are marked.
    fn dialect(&self) -> Option<Dialect> {
        match self.format.syntax {
            Syntax::Text => Some(Dialect::Prometheus),
            Syntax::OpenMetrics(OpenMetricsVersion::V2_0_0) | Syntax::Protobuf => None,
            Syntax::OpenMetrics(_) if self.created == Created::Sampled => None,
            Syntax::OpenMetrics(_) => Some(Dialect::OpenMetrics),
        }
    }
}

#[cfg(test)]
mod tests;
