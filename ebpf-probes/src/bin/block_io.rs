//! How long requests to disks took, from their making to their completion, by disk and operation.
//!
//! The kernel stamps each request when it makes it (`start_time_ns`, on the clock of `bpf_ktime_get_ns`), so nothing
//! need be kept between two hooks. What counts is what the kernel's own statistics count (`/proc/diskstats`,
//! block/blk-mq.c: `blk_account_io_done`, `blk_account_io_flush`): each request once, when its last part is done;
//! of a write that the kernel surrounds with flushes the whole, when the last of them is done; flushes of the disk's
//! cache apart. Commands that bypass the block layer's files (`SG_IO`, NVMe admin) are left out.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]
#![cfg_attr(target_arch = "bpf", expect(unsafe_code, reason = "a probe reads kernel memory"))]

#[cfg(target_arch = "bpf")]
mod probe {
    use core::{arch::asm, ptr};

    use aya_ebpf::{
        bindings::{BPF_F_MMAPABLE, BPF_NOEXIST},
        btf_maps::{Array, HashMap},
        helpers::bpf_ktime_get_ns,
        macros::{btf_map, btf_tracepoint},
        programs::BtfTracePointContext,
    };
    use ebpf_probes::{Object, field, globals, present, programs};
    use probe_abi::{
        Histogram,
        block::{Key, Operation},
        histogram::slot,
    };

    globals! {
        /// `request.start_time_ns`: 0 if the queue keeps no statistics.
        START_TIME,
        /// `request.__data_len`: bytes that are not done yet.
        DATA_LEN,
        /// `request.cmd_flags`, the operation in its low byte.
        CMD_FLAGS,
        /// `request.rq_flags`
        RQ_FLAGS,
        /// The bit of `rq_flags` that says: in a sequence with flushes.
        FLUSH_SEQ_BIT,
        /// The bit of `rq_flags` that says: counted in the disk's statistics.
        IO_STAT_BIT,
        /// The number of the operation that appends to a zone.
        ZONE_APPEND,
        /// `request.rq_disk`, before 5.17.
        RQ_DISK,
        /// `request.q`
        QUEUE,
        /// `request_queue.disk`, from 5.17.
        QUEUE_DISK,
        /// `gendisk.major`
        MAJOR,
        /// `gendisk.first_minor`
        FIRST_MINOR,
        /// How many rows can have a key; the row after them takes the rest.
        ROWS,
        /// Banks less one. A row has a power of two of them, that CPUs may count without sharing cache lines.
        BANK_MASK,
    }

    /// `request` operations, include/linux/blk_types.h; the same since 4.10.
    const REQ_OP_READ: u32 = 0;
    const REQ_OP_WRITE: u32 = 1;
    const REQ_OP_FLUSH: u32 = 2;
    const REQ_OP_DISCARD: u32 = 3;
    /// From SCSI_IN to DRV_OUT: commands of drivers and user space.
    const PASSTHROUGH: core::ops::RangeInclusive<u32> = 32..=35;

    /// How many rows are tried for a key before it is counted among the rest: enough while a third of the rows is
    /// free. The verifier's work grows with the square of it; 16 take it 4 ms.
    const MAX_TRIES: u32 = 16;

    /// `ROWS + 1` rows of `BANK_MASK + 1` banks each; the loader sets the number.
    #[btf_map]
    static LATENCIES: Array<Histogram, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

    /// The key of each row, as [`Key::encode`] has it; 0 is a free row. The loader sets the number.
    #[btf_map]
    static KEYS: Array<u64, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

    /// Whose row it is: decides between CPUs that want the same one. The loader sets the number.
    #[btf_map]
    static CLAIMS: HashMap<u32, u64, 1> = HashMap::new();

    /// Requests that were not counted because their queue keeps no statistics (`queue/iostats` is 0).
    #[btf_map]
    static SKIPPED: Array<u64, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

    programs! {
        #[btf_tracepoint(function = "block_rq_complete")]
        fn block_rq_complete(ctx: BtfTracePointContext, cpu) {
            let request: Object = ctx.arg(0);
            let n_bytes: u32 = ctx.arg(2);
            // SAFETY: the hook's first argument is a request; each offset is of the struct that its path names.
            unsafe {
                // A driver may complete a request in parts: the hook fires for each, before the part is taken off.
                if n_bytes < field(request, &DATA_LEN) {
                    return;
                }
                let op = field::<u32>(request, &CMD_FLAGS) & 0xff;
                if PASSTHROUGH.contains(&op) {
                    return;
                }
                let flags: u32 = field(request, &RQ_FLAGS);
                let in_sequence = flags >> FLUSH_SEQ_BIT.load() & 1 != 0;
                let counted = flags >> IO_STAT_BIT.load() & 1 != 0;
                // A flush of the cache is the kernel's own request, in its sequence and without the other flag.
                let is_flush = op == REQ_OP_FLUSH;
                if in_sequence && !is_flush {
                    // The data part: the request completes again, after the flush that follows.
                    return;
                }
                let start: u64 = field(request, &START_TIME);
                if start != 0 && (counted || is_flush) {
                    count(cpu, request, operation(op), start);
                } else if let Some(skipped) = SKIPPED.get_ptr_mut(0) {
                    add(skipped, 1);
                }
            }
        }
    }

    #[inline(always)]
    fn operation(op: u32) -> Operation {
        match op {
            REQ_OP_READ => Operation::Read,
            REQ_OP_WRITE => Operation::Write,
            REQ_OP_FLUSH => Operation::Flush,
            REQ_OP_DISCARD => Operation::Discard,
            _ if op == ZONE_APPEND.load() => Operation::Write,
            _ => Operation::Other,
        }
    }

    /// Adds a request that completes now, on `cpu`, to its row.
    ///
    /// # Safety
    ///
    /// `request` is the hook's argument.
    #[inline(always)]
    unsafe fn count(cpu: u32, request: Object, operation: Operation, start: u64) {
        // SAFETY: the caller's request, and objects it points to.
        let key = unsafe {
            let disk: Object = if present(&RQ_DISK) {
                field(request, &RQ_DISK)
            } else {
                field(field::<Object>(request, &QUEUE), &QUEUE_DISK)
            };
            Key { major: field(disk, &MAJOR), minor: field(disk, &FIRST_MINOR), operation }.encode()
        };
        // SAFETY: the helper has no obligations.
        let latency = unsafe { bpf_ktime_get_ns() }.saturating_sub(start);
        let bank = cpu & BANK_MASK.load();
        let Some(row) = LATENCIES.get_ptr_mut(row_of(key) * (BANK_MASK.load() + 1) + bank) else { return };
        // SAFETY: the map outlives the program. Other CPUs may count in the same bank, so no reference is made and
        // all additions are atomic.
        unsafe {
            let slots = (&raw mut (*row).slots).cast::<u64>();
            let slot = slot(latency);
            if slot < probe_abi::histogram::SLOTS {
                add(slots.add(slot), 1);
                add(&raw mut (*row).sum, latency);
            }
        }
    }

    /// The row of a key, claimed if need be; the last one if none is to be had.
    ///
    /// Rows are tried in an order that only the key decides, and keep their key for ever. So CPUs that bring the same
    /// new key come to the same free row.
    #[inline(always)]
    fn row_of(key: u64) -> u32 {
        let rows = ROWS.load();
        // Multiplicative hashing: the high half of the product is well mixed.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut row = (hash * rows as u64 >> 32) as u32;
        for _ in 0..MAX_TRIES {
            let Some(word) = KEYS.get_ptr_mut(row) else { break };
            // SAFETY: the map outlives the program; a key is one word, written once.
            let found = unsafe { ptr::read_volatile(word) };
            if found == key {
                return row;
            }
            if found == 0 {
                return if claim(row, key, word) { row } else { rows };
            }
            row += 1;
            if row == rows {
                row = 0;
            }
        }
        rows
    }

    /// Takes a free row for a key. If two CPUs want it, the hash map lets one of them in; whether the other had the
    /// same key it finds there. One with another key is counted among the rest this once, and goes on to the next row
    /// the next time. So is one that cannot lock the map, as its CPU holds the lock in what the hook interrupted.
    #[inline(always)]
    fn claim(row: u32, key: u64, word: *mut u64) -> bool {
        if CLAIMS.insert(row, key, BPF_NOEXIST as u64).is_ok() {
            // SAFETY: the word is the row's, which is ours.
            unsafe { ptr::write_volatile(word, key) };
            return true;
        }
        // SAFETY: the word is copied at once, and never changes.
        unsafe { CLAIMS.get(row) }.is_some_and(|&owner| owner == key)
    }

    /// Adds without losing another CPU's additions.
    ///
    /// # Safety
    ///
    /// `word` is in a map.
    #[inline(always)]
    unsafe fn add(word: *mut u64, n: u64) {
        // By hand, as Rust has only additions that fetch, which need Linux 5.12.
        // SAFETY: map values are aligned to 8 bytes and live as long as the program.
        unsafe {
            asm!("lock *(u64 *)({word} + 0) += {n}", word = in(reg) word, n = in(reg) n, options(nostack))
        };
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
