//! Fuzzing on stable Rust: seeds are damaged at random, the same way at each run, and what takes them must not panic.
//! There is no feedback from coverage, so seeds are to show every form that there is.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// How long one family is fuzzed, in seconds; ten when it is not set.
pub(crate) const SECONDS: &str = "HOSTLENS_FUZZ_SECONDS";

/// What breaks parsers: numbers at and beyond every bound, separators, escapes, text that is no UTF-8.
const WORDS: &[&[u8]] = &[
    b"0",
    b"-1",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"4294967296",
    b"1e400",
    b"-0.0",
    b"NaN",
    b"+Inf",
    b"0x",
    b"\\",
    b"\\040",
    b"\\777",
    b"%zz",
    b"%00",
    b"\"",
    b"'",
    b"''",
    b"=",
    b":",
    b"::",
    b";",
    b",",
    b"/",
    b"//",
    b"..",
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"#",
    b"*",
    b"&",
    b"~",
    b"\0",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\xff",
    b"\xc3",
    "é".as_bytes(),
    "\u{10ffff}".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{202e}".as_bytes(),
    &[0; 8],
    &[0xff; 8],
    &[0x7f, 0xff, 0xff, 0xff],
];

/// Hands damaged seeds to `run` for as long as [`SECONDS`] says.
#[track_caller]
pub(crate) fn fuzz(seeds: &[&[u8]], run: impl Fn(&[u8])) {
    let seconds = env::var(SECONDS).map_or(10.0, |text| text.parse().expect("a number of seconds"));
    let n_inputs = fuzz_for(Duration::from_secs_f64(seconds), seeds, run);
    assert!(n_inputs > 100, "{n_inputs} inputs in {seconds} s are too few to find anything");
}

/// Returns how many there were.
#[track_caller]
pub(crate) fn fuzz_for(time: Duration, seeds: &[&[u8]], run: impl Fn(&[u8])) -> u64 {
    let mut mutator = Mutator { state: 0x9e37_79b9_7f4a_7c15, seeds };
    let start = Instant::now();
    let mut n_inputs = 0;
    let plain = seeds.iter().map(|seed| seed.to_vec());
    for input in plain.chain(std::iter::from_fn(|| (start.elapsed() < time).then(|| mutator.next()))) {
        // The panic has told of itself.
        let survived = catch_unwind(AssertUnwindSafe(|| run(&input))).is_ok();
        assert!(survived, "input {n_inputs} is not survived: b\"{}\"", input.escape_ascii());
        n_inputs += 1;
    }
    n_inputs
}

struct Mutator<'a> {
    state: u64,
    seeds: &'a [&'a [u8]],
}

impl Mutator<'_> {
    /// Longer ones take time and show nothing new.
    const MAX_BYTES: usize = 1 << 16;

    fn next(&mut self) -> Vec<u8> {
        let mut input = self.seed().to_vec();
        for _ in 0..1 << self.below(5) {
            self.damage(&mut input);
        }
        input.truncate(Self::MAX_BYTES);
        input
    }

    fn seed(&mut self) -> &[u8] {
        self.seeds[self.below(self.seeds.len())]
    }

    fn damage(&mut self, input: &mut Vec<u8>) {
        let (a, b) = (self.below(input.len() + 1), self.below(input.len() + 1));
        let range = a.min(b)..a.max(b);
        let near = a..(a + 1 + self.below(8)).min(input.len()).max(a);
        match self.below(10) {
            0 => input.truncate(a),
            1 => drop(input.drain(near)),
            2 => drop(input.drain(range)),
            3 => input.iter_mut().skip(a).take(1).for_each(|byte| *byte ^= 1 << (b % 8)),
            4 => drop(input.splice(near, WORDS[self.below(WORDS.len())].iter().copied())),
            5 => drop(input.splice(a..a, WORDS[self.below(WORDS.len())].iter().copied())),
            6 => input.extend_from_within(range),
            7 => {
                // A part of another seed, or of the same.
                let other = self.seed().to_vec();
                let (c, d) = (self.below(other.len() + 1), self.below(other.len() + 1));
                drop(input.splice(near, other[c.min(d)..c.max(d)].iter().copied()));
            }
            8 => {
                let mut lines: Vec<&[u8]> = input.split_inclusive(|&byte| byte == b'\n').collect();
                if !lines.is_empty() {
                    let (one, other) = (self.below(lines.len()), self.below(lines.len()));
                    lines.swap(one, other);
                    lines.insert(other, lines[one]);
                    *input = lines.concat();
                }
            }
            _ => input.iter_mut().skip(a).take(1).for_each(|byte| *byte = b as u8),
        }
    }

    /// xorshift*: see Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled".
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

#[test]
fn inputs_are_the_same_at_each_run_and_differ_from_each_other() {
    let inputs = || {
        let mut mutator = Mutator { state: 1, seeds: &[b"one 1\ntwo 2\n", b""] };
        std::iter::repeat_with(|| mutator.next()).take(1000).collect::<Vec<_>>()
    };
    let first = inputs();
    assert_eq!(first, inputs());
    assert!(first.iter().collect::<std::collections::HashSet<_>>().len() > 500);
}
