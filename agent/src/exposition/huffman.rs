//! Huffman codes as deflate (RFC 1951, 3.2.2) has them.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Up to 32 bits; the first to be written is the lowest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Code {
    pub(super) bits: u32,
    pub(super) len: u8,
}

impl Code {
    pub(super) const LONGEST: u8 = 32;

    /// The `n` lowest bits of a number.
    pub(super) fn low(number: u32, n: u32) -> Self {
        Self { bits: number & ((1 << n) - 1), len: n as u8 }
    }
}

/// How many bits each symbol's code has, at most `longest`; 0 for symbols that do not occur. At least two do.
pub(super) fn lengths(frequencies: &[u32], longest: u8) -> Vec<u8> {
    let mut frequencies = frequencies.to_vec();
    loop {
        let lengths = unbounded_lengths(&frequencies);
        if lengths.iter().all(|&len| len <= longest) {
            return lengths;
        }
        // The more alike they are, the more alike are the lengths.
        frequencies.iter_mut().filter(|it| **it > 0).for_each(|it| *it = *it / 2 + 1);
    }
}

fn unbounded_lengths(frequencies: &[u32]) -> Vec<u8> {
    let occur = frequencies.iter().enumerate().filter(|(_, frequency)| **frequency > 0);
    let mut rarest: BinaryHeap<_> = occur.map(|(node, &frequency)| Reverse((frequency, node))).collect();
    let mut parents = vec![None; frequencies.len()];
    while let Some(Reverse((frequency, node))) = rarest.pop()
        && let Some(Reverse((next_frequency, next))) = rarest.pop()
    {
        let parent = parents.len();
        parents.push(None);
        (parents[node], parents[next]) = (Some(parent), Some(parent));
        rarest.push(Reverse((frequency + next_frequency, parent)));
    }
    // A parent comes after its children.
    let mut depths = vec![0_u8; parents.len()];
    for node in (0..parents.len()).rev() {
        depths[node] = parents[node].map_or(0, |parent: usize| depths[parent] + 1);
    }
    depths.truncate(frequencies.len());
    depths
}

/// The canonical codes of these lengths.
pub(super) fn codes(lengths: &[u8]) -> Vec<Code> {
    let mut codes = vec![Code::default(); lengths.len()];
    let mut next = 0_u32;
    for len in 1..=15 {
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, it)| **it == len) {
            *code = Code { bits: next.reverse_bits() >> (32 - len), len };
            next += 1;
        }
        next <<= 1;
    }
    codes
}
