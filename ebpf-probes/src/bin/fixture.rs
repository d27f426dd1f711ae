//! For tests alone: a program of each kind that the loader knows, and one that costs as much as it is told to.
#![cfg_attr(
    target_arch = "bpf",
    no_std,
    no_main,
    expect(unsafe_code, reason = "a probe reads kernel memory")
)]

#[cfg(target_arch = "bpf")]
mod probe {
    use core::{ffi::c_void, hint::black_box};

    use aya_ebpf::{
        bindings::{BPF_F_MMAPABLE, seq_file},
        btf_maps::Array,
        helpers::{bpf_ktime_get_ns, bpf_seq_write},
        macros::{btf_map, btf_tracepoint, fentry, fexit},
        programs::{BtfTracePointContext, FEntryContext, FExitContext},
    };
    use ebpf_probes::{Object, field, globals, programs};

    globals! {
        /// How often `spin` reads the clock at each switch.
        SPIN,
        /// `task_struct.pid`
        PID,
        /// `task_struct.tgid`
        TGID,
    }

    /// Calls of `vfs_readlink` with a buffer of [`MARK`] bytes that were entered, those that returned, and the sum of
    /// what they returned.
    #[btf_map]
    static CALLS: Array<u64, 3, { BPF_F_MMAPABLE as usize }> = Array::new();

    /// The size of the buffer by which the tests' own calls are told from those of others.
    const MARK: i32 = 1237;

    programs! {
        #[btf_tracepoint(function = "sched_switch")]
        fn spin(_ctx: BtfTracePointContext, _) {
            for _ in 0..SPIN.load() {
                // SAFETY: the helper has no obligations.
                black_box(unsafe { bpf_ktime_get_ns() });
            }
        }

        #[fentry(function = "vfs_readlink")]
        fn entered(ctx: FEntryContext, _) {
            if ctx.arg::<i32>(2) == MARK {
                add(0, 1);
            }
        }

        #[fexit(function = "vfs_readlink")]
        fn returned(ctx: FExitContext, _) {
            if ctx.arg::<i32>(2) == MARK {
                add(1, 1);
                // Behind its three arguments.
                add(2, ctx.arg::<i32>(3) as u64);
            }
        }
    }

    fn add(entry: u32, n: u64) {
        if let Some(total) = CALLS.get_ptr_mut(entry) {
            // SAFETY: the map outlives the program, and the tests make their calls one after the other.
            unsafe { *total += n };
        }
    }

    /// include/linux/bpf.h: `bpf_iter_meta`, then the item, null at the end.
    #[repr(C)]
    struct TaskContext {
        meta: *const IterMeta,
        task: Object,
    }

    #[repr(C)]
    struct IterMeta {
        seq: *mut seq_file,
    }

    /// Writes the thread's and the process' number of each task.
    #[unsafe(no_mangle)]
    #[unsafe(link_section = "iter/task")]
    extern "C" fn tasks(ctx: *const TaskContext) -> i32 {
        // SAFETY: the kernel's context of the iterator, as the section says; a null task is not read.
        unsafe {
            let task = (*ctx).task;
            if task.is_null() {
                return 0;
            }
            let record = [field::<u32>(task, &PID) as u64, field::<u32>(task, &TGID) as u64];
            let size = size_of_val(&record) as u32;
            bpf_seq_write((*(*ctx).meta).seq, (&raw const record).cast_mut().cast::<c_void>(), size);
        }
        0
    }
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
