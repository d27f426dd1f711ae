//! Answers as the ones before them, but for the numbers: nearly all of an answer's text stays the same while a host has
//! the same devices. What stays is kept, as text and as packed by gzip; an answer that is not like the last two of its
//! kind is written from scratch.

use super::{
    Encoder,
    text::{Dialect, Figure, Mark},
    tokens::Tokens,
};
use crate::metric::{Conflict, Families};
use std::{iter::zip, ops::RangeInclusive};

/// How many kinds of answers are kept: scrapers may ask for different formats, or collectors.
const MAX_KINDS: usize = 2;
/// Longer answers are written from scratch each time: what is kept takes twice their memory.
const MAX_BYTES: usize = 1 << 20;
/// How many answers a text must have served for before it is packed for good, which takes as long as some ten answers: the
/// more the less it lasts.
const WORTH_PACKING: RangeInclusive<u32> = 4..=64;

/// What is known of answers, for those to come.
#[derive(Debug, Default)]
pub struct Templates {
    kinds: Vec<Kind>,
    /// Which of them was written last, if it was by its template.
    last: Option<usize>,
    /// How long the values before each place of the last answer are together, and all of them.
    lengths: Vec<u32>,
    /// How many texts have been packed for good.
    n_packed: u32,
}

/// Answers to the same question.
#[derive(Debug)]
struct Kind {
    encoder: Encoder,
    /// The samples of the last one.
    parts: Vec<Families>,
    /// How many answers a template must have served for before it is packed.
    worth_packing: u32,
    template: Option<Template>,
}

#[derive(Debug)]
struct Template {
    dialect: Dialect,
    /// Without values.
    text: Vec<u8>,
    /// Where in `text` the values belong.
    places: Vec<u32>,
    values: Vec<(u32, Figure)>,
    n_served: u32,
    packed: Option<Tokens>,
}

impl Templates {
    /// Appends to the empty `out` what [`Encoder::write`] does.
    pub fn write(&mut self, encoder: &Encoder, parts: &[&Families], out: &mut Vec<u8>) -> Vec<Conflict> {
        self.last = None;
        let Some(dialect) = encoder.dialect() else { return encoder.write(parts, out) };
        // There the kind of a family hangs on its values.
        if dialect == Dialect::OpenMetrics && !parts.iter().all(|it| it.counters_count()) {
            return encoder.write(parts, out);
        }
        let is_known = |kind: &Kind| {
            (kind.encoder.format, &kind.encoder.names) == (encoder.format, &encoder.names)
                && kind.parts.len() == parts.len()
                && zip(&kind.parts, parts).all(|(a, b)| a.has_same_origin(b))
        };
        let Some(idx) = self.kinds.iter().position(is_known) else {
            if self.kinds.len() == MAX_KINDS {
                self.kinds.remove(0);
            }
            self.kinds.push(Kind {
                encoder: encoder.clone(),
                parts: parts.iter().map(|&it| it.clone()).collect(),
                worth_packing: *WORTH_PACKING.start(),
                template: None,
            });
            return encoder.write(parts, out);
        };
        let kind = &mut self.kinds[idx];
        if !zip(&kind.parts, parts).all(|(a, b)| a.is_alike(b)) {
            kind.parts = parts.iter().map(|&it| it.clone()).collect();
            kind.forget();
            return encoder.write(parts, out);
        }
        if let Some(template) = &mut kind.template {
            template.write(parts, &mut self.lengths, out);
            self.last = Some(idx);
            return Vec::new();
        }
        let mut marks = Vec::new();
        let conflicts = encoder.write_marking(parts, out, Some(&mut marks));
        if conflicts.is_empty() && out.len() <= MAX_BYTES {
            kind.template = Some(Template::new(dialect, out, &marks));
        }
        conflicts
    }

    /// Packs `plain`, the answer written last, by deflate, if its template can.
    pub fn deflate(&mut self, plain: &[u8], out: &mut Vec<u8>) -> bool {
        let Self { kinds, last, lengths, n_packed } = self;
        let Some(kind) = last.and_then(|idx| kinds.get_mut(idx)) else { return false };
        let Some(template) = &mut kind.template else { return false };
        let was_packed = template.packed.is_some();
        let is_packed = template.deflate(plain, lengths, kind.worth_packing, out);
        *n_packed += u32::from(is_packed && !was_packed);
        is_packed
    }

    /// How many texts have been packed for good so far: that takes much memory for a while.
    pub fn n_packed(&self) -> u32 {
        self.n_packed
    }
}

impl Kind {
    /// The host is not as it was.
    fn forget(&mut self) {
        if let Some(Template { packed: Some(_), n_served, .. }) = self.template.take() {
            let (least, most) = WORTH_PACKING.into_inner();
            self.worth_packing = if n_served < most { most.min(2 * self.worth_packing) } else { least };
        }
    }
}

impl Template {
    fn new(dialect: Dialect, answer: &[u8], marks: &[Mark]) -> Self {
        let mut text = Vec::with_capacity(answer.len());
        let mut places = Vec::with_capacity(marks.len());
        let mut end = 0;
        for mark in marks {
            text.extend_from_slice(&answer[end..mark.start]);
            places.push(text.len() as u32);
            end = mark.end;
        }
        text.extend_from_slice(&answer[end..]);
        let values = marks.iter().map(|mark| (mark.sample, mark.figure)).collect();
        Self { dialect, text, places, values, n_served: 0, packed: None }
    }

    fn write(&mut self, parts: &[&Families], lengths: &mut Vec<u32>, out: &mut Vec<u8>) {
        let values: Vec<_> = parts.iter().flat_map(|part| part.values()).collect();
        lengths.clear();
        let mut before = 0;
        for (&place, &(sample, figure)) in zip(&self.places, &self.values) {
            out.extend_from_slice(&self.text[before as usize..place as usize]);
            lengths.push(out.len() as u32 - place);
            self.dialect.write_figure(&values[sample as usize], figure, out);
            before = place;
        }
        lengths.push(out.len() as u32 - before);
        out.extend_from_slice(&self.text[before as usize..]);
        self.n_served = self.n_served.saturating_add(1);
    }

    fn deflate(&mut self, plain: &[u8], lengths: &[u32], worth_packing: u32, out: &mut Vec<u8>) -> bool {
        let Self { text, places, packed, .. } = self;
        let values = zip(&*places, lengths.windows(2)).map(|(place, lengths)| {
            let [start, end] = [place + lengths[0], place + lengths[1]];
            &plain[start as usize..end as usize]
        });
        if packed.is_none() && self.n_served >= worth_packing {
            let examples: Vec<u8> = values.clone().flatten().copied().collect();
            *packed = Some(Tokens::new(text, places, &examples));
        }
        if let Some(tokens) = packed {
            tokens.write(values, lengths, out);
        }
        packed.is_some()
    }
}
