//! From families to the bytes of an answer: which format ([`negotiate`]), written how (one file a format family),
//! packed how ([`compress`]).

mod compress;
mod names;
mod negotiate;
mod number;
mod protobuf;
mod text;

pub use compress::Compressor;
pub use negotiate::{Coding, Format, Offer};

use crate::metric::{Conflict, Families};
use negotiate::Syntax;
use text::Dialect;

/// What protobuf answers hold of a histogram that has native buckets; the line formats can hold classic ones only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Histograms {
    #[default]
    Native,
    NativeAndClassic,
}

/// How to write one answer.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    pub format: Format,
    pub histograms: Histograms,
    /// Only families of these names; all when it is empty.
    pub names: Vec<String>,
}

impl Encoder {
    /// Appends all samples of `parts` in the order of `client_golang`. Returns what contradicts something of an
    /// earlier part, and so had to be left out.
    pub fn write(&self, parts: &[&Families], out: &mut Vec<u8>) -> Vec<Conflict> {
        let wants = |name: &str| self.names.is_empty() || self.names.iter().any(|it| it == name);
        let Format { syntax, escaping } = self.format;
        match syntax {
            Syntax::Text => text::write(parts, Dialect::Prometheus, escaping, wants, out),
            Syntax::OpenMetrics(_) => text::write(parts, Dialect::OpenMetrics, escaping, wants, out),
            Syntax::Protobuf => protobuf::write(parts, self.histograms, escaping, wants, out),
        }
    }
}

#[cfg(test)]
mod tests;
