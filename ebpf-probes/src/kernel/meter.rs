//! Programs that count and time their own runs, and can be switched off.

use core::{arch::asm, ptr};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE, btf_maps::Array, helpers::bpf_get_smp_processor_id, macros::btf_map,
};
use probe_abi::Meter;

use crate::{Number, now};

/// For each program a row for each possible CPU.
#[btf_map]
static METERS: Array<Meter, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Runs a program and counts the run. `rows`: the first of the program's meters, [`ABSENT`](probe_abi::ABSENT) if it
/// is not to be measured; the verifier then leaves all of this out. `max_run`: with how many ns a run counts at most.
#[inline(always)]
pub fn measured(rows: &Number, max_run: u64, program: impl FnOnce(u32)) {
    // SAFETY: the helper has no obligations.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let row = if rows.is_present() { METERS.get_ptr_mut(rows.get() + cpu) } else { None };
    let mut meter = row.unwrap_or(ptr::null_mut());
    let mut begin = 0;
    if !meter.is_null() {
        // SAFETY: the row is this program's on this CPU, of a map that outlives it. The agent writes `off` alone. The
        // kernel does not enter a program again on the CPU that runs it; before 6.1 it may, and a run is lost.
        unsafe {
            if ptr::read_volatile(&raw const (*meter).off) != 0 {
                return;
            }
            (*meter).runs += 1;
            if (*meter).is_due() {
                begin = Meter::begin(now(), now());
            }
        }
    }
    // It hides where both values come from: the compiler would make a copy of the program for each case.
    // SAFETY: the instructions do nothing. Some there must be, as the kernel refuses line numbers for none.
    unsafe {
        asm!(
            "{begin} = {begin}",
            "{meter} = {meter}",
            begin = inout(reg) begin,
            meter = inout(reg) meter,
            options(nomem, nostack)
        );
    }
    program(cpu);
    if !meter.is_null() && begin != 0 {
        // SAFETY: as above.
        unsafe { (*meter).take(begin, now(), max_run) };
    }
}
