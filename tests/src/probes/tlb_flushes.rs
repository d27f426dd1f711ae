//! Memory that is given back to the kernel.

use anyhow::{Result, ensure};

use super::{Check, growth};
use crate::Agent;

pub(super) const CHECKS: &[Check] = &[Check {
    collector: "tlb_flushes",
    claim: "each piece of memory that is given back is one",
    run: unmaps,
}];

const PIECES: usize = 1000;
/// So much that it goes back at once.
const PIECE: usize = 64 << 20;

fn unmaps(agent: &Agent) -> Result<String> {
    let flushes = growth(agent, "node_tlb_flushes_total", &[], || {
        for _ in 0..PIECES {
            let mut memory: Vec<u8> = Vec::with_capacity(PIECE);
            memory.push(1);
            std::hint::black_box(&memory);
        }
        Ok(())
    })?;
    ensure!(flushes >= PIECES as f64, "{flushes} flushes for {PIECES} pieces");
    Ok(format!("{flushes}, {PIECES} pieces"))
}
