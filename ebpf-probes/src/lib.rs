//! Helpers that the probes share.
//!
//! A probe reads kernel structs by plain loads through pointers that the verifier knows the type of, at offsets that
//! the agent takes from the running kernel's BTF and sets as globals before it loads the probe. The globals are
//! frozen by then: the verifier takes them for constants, checks offset and width of each load against the struct,
//! and leaves out branches that they rule out. So one object serves all kernels, and needs no `bpf_probe_read_kernel`,
//! which lockdown forbids.
#![no_std]
#![cfg(target_arch = "bpf")]
#![feature(asm_experimental_arch)]
#![expect(unsafe_code, reason = "probes read kernel memory")]

mod meter;

use core::{ffi::c_void, ptr};

pub use aya_ebpf::Global;
pub use meter::measured;
use probe_abi::ABSENT;

/// A pointer to a kernel object. The verifier knows its type; Rust need not.
pub type Object = *const c_void;

/// Declares what the agent sets before the probe is loaded; each is [`ABSENT`] until then.
#[macro_export]
macro_rules! globals {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $($(#[$doc])* #[unsafe(no_mangle)] static $name: $crate::Global<u32> = $crate::Global::new(probe_abi::ABSENT);)*
    };
}

/// Whether the running kernel has what a global stands for.
#[inline(always)]
pub fn present(global: &Global<u32>) -> bool {
    global.load() != ABSENT
}

/// Reads the field of a kernel object that lies at a global's offset.
///
/// # Safety
///
/// - `object` comes from the hook's arguments or from a field of such an object, unchanged.
/// - `offset` is that of a field of its struct with the size of `T`.
///
/// The verifier refuses a probe that reads across the end of a member or of the struct. A null pointer reads as 0.
#[inline(always)]
pub unsafe fn field<T: Copy>(object: Object, offset: &Global<u32>) -> T {
    // Volatile: two fields that happen to be neighbours must not become one load across both.
    // SAFETY: the caller's object and offset; the kernel catches a fault of the load itself.
    unsafe { ptr::read_volatile(object.cast::<u8>().add(offset.load() as usize).cast()) }
}

/// Helpers such as the kernel's clock are for programs under the GPL only.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: no panic survives in a probe: the verifier refuses a loop without end, and so would tell of one.
    unsafe { core::hint::unreachable_unchecked() }
}
