//! Deflate (RFC 1951) of a text of which all but the values is known beforehand: how the rest is packed is found out once,
//! at length, and only written from then on. What is repeated lies nearer or farther as values before it are shorter or
//! longer, so distances are made anew each time.

use super::huffman::{Code, codes, lengths};

/// No number is longer.
const LONGEST_VALUE: usize = 24;
/// What all numbers are written with.
const NUMERALS: &[u8] = b"0123456789+-.eINafn";
const WINDOW: usize = 1 << 15;
/// How many earlier places are looked at for the longest repetition.
const PATIENCE: usize = 32;
/// A repetition as long as this is good enough.
const LONG: usize = 96;
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
/// Up to here it may be better to repeat less than could be.
const SHORT: usize = 16;
const END: usize = 256;
const N_LITERALS: usize = 286;
const N_DISTANCES: usize = 30;

/// One block with its head and end.
#[derive(Debug)]
pub(super) struct Tokens {
    steps: Vec<Step>,
    literals: Vec<Code>,
    distances: Vec<Code>,
}

/// Some bits, and what follows them.
#[derive(Debug)]
struct Step {
    bits: Code,
    then: Then,
}

#[derive(Debug)]
enum Then {
    More,
    /// The next value.
    Value,
    /// How far back something lies that is repeated.
    Distance {
        /// Without values.
        bare: u32,
        /// How many values stand before what is repeated.
        n_values: u32,
    },
}

/// A part of the text as deflate has it.
#[derive(Clone, Copy, Debug)]
enum Token {
    Literal(u8),
    /// So many bytes as stand at `source`.
    Repeat {
        len: u16,
        source: u32,
    },
}

impl Tokens {
    /// For `text` with a value before each byte whose index is in `places`, which ascend. `values` are examples.
    pub(super) fn new(text: &[u8], places: &[u32], values: &[u8]) -> Self {
        let text = Text::new(text, places);
        // Nothing is known of the codes' lengths yet: those of English.
        let mut literal_lengths = vec![6; N_LITERALS];
        let mut distance_lengths = vec![5; N_DISTANCES];
        let mut tokens = Vec::new();
        for _ in 0..2 {
            tokens = text.cheapest(&literal_lengths, &distance_lengths);
            let (literals, distances) = text.frequencies(&tokens, values);
            literal_lengths = lengths(&literals, 15);
            distance_lengths = lengths(&distances, 15);
        }
        let (literals, distances) = (codes(&literal_lengths), codes(&distance_lengths));
        let mut steps = Steps(Vec::new());
        steps.head(&literal_lengths, &distance_lengths);
        let mut at = 0;
        let mut places = places.iter().peekable();
        for token in tokens {
            while places.next_if(|&&place| place as usize == at).is_some() {
                steps.then(Then::Value);
            }
            match token {
                Token::Literal(byte) => {
                    steps.bits(literals[byte as usize]);
                    at += 1;
                }
                Token::Repeat { len, source } => {
                    let (symbol, extra) = length_symbol(len.into());
                    steps.bits(literals[symbol]);
                    steps.bits(extra);
                    let n_values = text.n_values[source as usize];
                    steps.then(Then::Distance { bare: at as u32 - source, n_values });
                    at += usize::from(len);
                }
            }
        }
        places.for_each(|_| steps.then(Then::Value));
        steps.bits(literals[END]);
        Self { steps: steps.0, literals, distances }
    }

    /// Appends the packed text. `values` gives each value; `lengths` how long all values before it are together, and
    /// all of them.
    pub(super) fn write<'a>(
        &self,
        mut values: impl Iterator<Item = &'a [u8]>,
        lengths: &[u32],
        out: &mut Vec<u8>,
    ) {
        let mut out = Bits { out, held: 0, n_held: 0 };
        let mut idx = 0;
        for step in &self.steps {
            out.put(step.bits);
            match step.then {
                Then::More => {}
                Then::Value => {
                    idx += 1;
                    for &byte in values.next().unwrap_or_default() {
                        out.put(self.literals[byte as usize]);
                    }
                }
                Then::Distance { bare, n_values } => {
                    let distance = bare + lengths[idx] - lengths[n_values as usize];
                    let (symbol, extra) = distance_symbol(distance);
                    out.put(self.distances[symbol]);
                    out.put(extra);
                }
            }
        }
        out.end();
    }
}

struct Text<'a> {
    bytes: &'a [u8],
    /// How many values stand before each byte.
    n_values: Vec<u32>,
    /// Where the next value stands, or the end.
    ends: Vec<u32>,
    /// Where the same three bytes, or few others, stand before.
    earlier: Vec<u32>,
}

/// No place.
const NOWHERE: u32 = u32::MAX;

impl<'a> Text<'a> {
    fn new(bytes: &'a [u8], places: &[u32]) -> Self {
        let mut n_values = Vec::with_capacity(bytes.len());
        let mut ends = Vec::with_capacity(bytes.len());
        let mut idx = 0;
        for at in 0..bytes.len() as u32 {
            while places.get(idx).is_some_and(|&place| place <= at) {
                idx += 1;
            }
            n_values.push(idx as u32);
            ends.push(places.get(idx).map_or(bytes.len() as u32, |&place| place));
        }
        let mut last = vec![NOWHERE; 1 << 15];
        let earlier = bytes.windows(SHORTEST).zip(0..).map(|(key, at)| {
            let hash = key.iter().fold(0, |hash, &byte| (hash << 5) ^ usize::from(byte)) % last.len();
            std::mem::replace(&mut last[hash], at)
        });
        let earlier = earlier.collect();
        Self { bytes, n_values, ends, earlier }
    }

    /// What could be repeated at a place: ever longer, and ever farther away.
    fn repeats(&self, at: usize, found: &mut Vec<(usize, usize)>) {
        found.clear();
        let mut longest = SHORTEST - 1;
        let mut source = self.earlier.get(at);
        for _ in 0..PATIENCE {
            let Some(&from) = source.filter(|&&from| from != NOWHERE) else { return };
            let from = from as usize;
            if !self.is_within_reach(from, at) {
                return;
            }
            // Most of them are no longer than what is found already.
            let may_be_longer = self.bytes.get(at + longest) == self.bytes.get(from + longest);
            let len = if may_be_longer { self.common(from, at) } else { 0 };
            if len > longest {
                found.push((len, from));
                longest = len;
            }
            if longest >= LONG {
                return;
            }
            source = self.earlier.get(from);
        }
    }

    /// However long the values between them may get.
    fn is_within_reach(&self, from: usize, at: usize) -> bool {
        let n_between = (self.n_values[at] - self.n_values[from]) as usize;
        at - from + n_between * LONGEST_VALUE <= WINDOW
    }

    /// How many bytes are the same from both places on, up to a value in either.
    fn common(&self, from: usize, at: usize) -> usize {
        let end = self.ends[at] as usize;
        let source = &self.bytes[from..];
        let len =
            if self.n_values[from] == self.n_values[at] { LONGEST } else { self.ends[from] as usize - from };
        let pairs = self.bytes[at..end].iter().zip(source).take(len.min(LONGEST));
        pairs.take_while(|(a, b)| a == b).count()
    }

    /// The way through the text that takes the fewest bits, if codes are as long as that.
    fn cheapest(&self, literals: &[u8], distances: &[u8]) -> Vec<Token> {
        let price = |len: u8, extra: Code| u32::from(if len == 0 { 15 } else { len } + extra.len);
        let price_of_len = |len| {
            let (symbol, extra) = length_symbol(len);
            price(literals[symbol], extra)
        };
        let prices: Vec<u32> = (SHORTEST..=LONGEST).map(price_of_len).collect();
        let mut rest = vec![0; self.bytes.len() + 1];
        let mut best: Vec<_> = self.bytes.iter().map(|&byte| Token::Literal(byte)).collect();
        let mut repeats = Vec::new();
        for at in (0..self.bytes.len()).rev() {
            rest[at] = price(literals[self.bytes[at] as usize], Code::default()) + rest[at + 1];
            let mut shorter = SHORTEST - 1;
            self.repeats(at, &mut repeats);
            for &(longest, source) in &repeats {
                let (symbol, extra) = distance_symbol((at - source) as u32);
                let distance = price(distances[symbol], extra);
                // Of long ones it is the longest.
                for len in (shorter + 1..=longest.min(SHORT)).chain([longest]) {
                    let total = prices[len - SHORTEST] + distance + rest[at + len];
                    if total < rest[at] {
                        rest[at] = total;
                        best[at] = Token::Repeat { len: len as u16, source: source as u32 };
                    }
                }
                shorter = longest;
            }
        }
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(&token) = best.get(at) {
            tokens.push(token);
            at += if let Token::Repeat { len, .. } = token { usize::from(len) } else { 1 };
        }
        tokens
    }

    /// How often each code is needed. Values may hold any numeral, and lie anywhere.
    fn frequencies(&self, tokens: &[Token], values: &[u8]) -> (Vec<u32>, Vec<u32>) {
        let mut literals = vec![0; N_LITERALS];
        let mut distances = vec![1; N_DISTANCES];
        literals[END] = 1;
        let bytes = values.iter().chain(NUMERALS).copied();
        bytes.for_each(|byte| literals[byte as usize] += 1);
        let mut at = 0_u32;
        for token in tokens {
            match *token {
                Token::Literal(byte) => {
                    literals[byte as usize] += 1;
                    at += 1;
                }
                Token::Repeat { len, source } => {
                    literals[length_symbol(len.into()).0] += 1;
                    distances[distance_symbol(at - source).0] += 1;
                    at += u32::from(len);
                }
            }
        }
        (literals, distances)
    }
}

/// Steps in the making: short ones are joined.
struct Steps(Vec<Step>);

impl Steps {
    fn bits(&mut self, bits: Code) {
        match self.0.last_mut() {
            _ if bits.len == 0 => {}
            Some(Step { bits: before, then: Then::More }) if before.len + bits.len <= Code::LONGEST => {
                before.bits |= bits.bits << before.len;
                before.len += bits.len;
            }
            _ => self.0.push(Step { bits, then: Then::More }),
        }
    }

    fn then(&mut self, then: Then) {
        match self.0.last_mut() {
            Some(step) if matches!(step.then, Then::More) => step.then = then,
            _ => self.0.push(Step { bits: Code::default(), then }),
        }
    }

    /// A last block with codes of its own, and how long they are.
    fn head(&mut self, literals: &[u8], distances: &[u8]) {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let all = || literals.iter().chain(distances).copied().map(usize::from);
        let mut frequencies = vec![0; ORDER.len()];
        all().for_each(|len| frequencies[len] += 1);
        let of_lengths = lengths(&frequencies, 7);
        self.bits(Code { bits: 0b101, len: 3 });
        self.bits(Code { bits: (N_LITERALS - 257) as u32, len: 5 });
        self.bits(Code { bits: (N_DISTANCES - 1) as u32, len: 5 });
        self.bits(Code { bits: (ORDER.len() - 4) as u32, len: 4 });
        ORDER.iter().for_each(|&it| self.bits(Code { bits: of_lengths[it].into(), len: 3 }));
        let codes = codes(&of_lengths);
        all().for_each(|len| self.bits(codes[len]));
    }
}

/// The symbol of a length from 3 to 258, and the bits after its code.
fn length_symbol(len: usize) -> (usize, Code) {
    let above = (len - SHORTEST) as u32;
    match above {
        0..8 => (257 + above as usize, Code::default()),
        255 => (285, Code::default()),
        _ => {
            let n_extra = above.ilog2() - 2;
            let symbol = 257 + 4 * (n_extra + 1) + ((above >> n_extra) & 3);
            (symbol as usize, Code::low(above, n_extra))
        }
    }
}

/// The symbol of a distance from 1 to 32768, and the bits after its code.
fn distance_symbol(distance: u32) -> (usize, Code) {
    let above = distance - 1;
    if above < 4 {
        return (above as usize, Code::default());
    }
    let n_extra = above.ilog2() - 1;
    ((2 * (n_extra + 1) + ((above >> n_extra) & 1)) as usize, Code::low(above, n_extra))
}

/// Writes bits, the lowest first.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    /// Fewer than 32.
    n_held: u32,
}

impl Bits<'_> {
    fn put(&mut self, code: Code) {
        self.held |= u64::from(code.bits) << self.n_held;
        self.n_held += u32::from(code.len);
        if self.n_held >= 32 {
            self.out.extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.n_held -= 32;
        }
    }

    fn end(self) {
        let n_bytes = self.n_held.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.held.to_le_bytes()[..n_bytes]);
    }
}
