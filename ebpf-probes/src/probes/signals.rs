//! Signals that are sent, and what becomes of them.

use ebpf_probes::{maps::CounterBy, probe};

probe! {
    name: "signals",
    constants {}
    maps {
        /// By the signal's number times [`RESULTS`], and the result.
        SENT: CounterBy<KINDS>;
    }
    programs {
        tp_btf("signal_generate") fn sent(args, cpu) {
            let (signal, result) = (args.number(0) as u32, args.number(4) as u32);
            let is_known = signal < SIGNALS as u32 && result < RESULTS as u32;
            SENT.add(if is_known { signal * RESULTS as u32 + result } else { KINDS as u32 }, cpu, 1);
        }
    }
}

/// Signals are numbered from 1 to 64.
const SIGNALS: usize = 65;

/// `enum` in include/trace/events/signal.h, the same since 3.4.
pub const RESULTS: usize = 5;

/// What signals are told apart by.
pub const KINDS: usize = SIGNALS * RESULTS;
