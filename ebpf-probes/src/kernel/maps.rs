//! The kinds of maps; the agent's side has the same names.

use core::{arch::asm, ptr};

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_CURRENT_CPU, BPF_F_MMAPABLE},
    btf_maps::{Array, HashMap, LruHashMap, PerfEventArray},
    helpers::bpf_perf_event_read,
};
use probe_abi::{Histogram, histogram::slot, table};

use crate::{Number, now, thread};

/// An array in memory that the agent reads. The agent sets the number of entries.
type Shared<T> = Array<T, 1, { BPF_F_MMAPABLE as usize }>;

/// The banks of tables that CPUs share, less one: a power of two less one. The agent sets it.
#[unsafe(no_mangle)]
static BANK_MASK: Number = Number::unset();

/// What a kind of map is for the kernel.
#[doc(hidden)]
pub trait Kind {
    type Map;
    const MAP: Self::Map;
}

/// Declares kinds: what each is for the kernel.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident<$($generic:ident),* $(; const $n:ident)?> = $map:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $kind<$($generic: 'static,)* $(const $n: usize)?>(&'static $map);

        impl<$($generic: 'static,)* $(const $n: usize)?> $kind<$($generic,)* $($n)?> {
            #[doc(hidden)]
            pub const fn new(map: &'static $map) -> Self {
                Self(map)
            }
        }

        impl<$($generic: 'static,)* $(const $n: usize)?> Kind for $kind<$($generic,)* $($n)?> {
            type Map = $map;
            const MAP: $map = <$map>::new();
        }
    )*};
}

kinds! {
    /// A row for each possible CPU, which that CPU alone writes.
    PerCpu<T> = Shared<T>;

    /// As many rows as the agent says.
    Rows<T> = Shared<T>;

    /// `N` rows.
    Fixed<T; const N> = Shared<T>;

    /// `N` counters, and one for all whose index is higher.
    CounterBy<; const N> = Shared<u64>;

    /// `N` histograms, and one for all whose index is higher.
    HistogramBy<; const N> = Shared<Histogram>;

    /// `N` words for each possible CPU, which that CPU alone writes: whole cache lines.
    CpuWords<; const N> = Shared<u64>;

    /// A hash of as many entries as the agent says, for the programs alone.
    Hash<K, V> = HashMap<K, V, 1>;

    /// The same, in which the oldest entry goes where there is no room.
    LruHash<K, V> = LruHashMap<K, V, 1>;

    /// For each possible CPU an event that counts the nanoseconds of its clock, which run queues are kept by.
    CpuClocks<> = PerfEventArray;

    /// When what `N` tasks do began, for the programs alone.
    Started<; const N> = HashMap<u32, u64, 1>;

    /// When the programs were attached, in nanoseconds of the monotonic clock; the agent writes it.
    Attached<> = Shared<u64>;
}

impl Attached {
    /// Whether what began then began since the programs were attached. They may have been away for a while: what one of
    /// them left for another can be of long ago, and end what it does not belong to. 0, which is no time, is before.
    #[inline(always)]
    pub fn since(self, begin: u64) -> bool {
        match self.0.get_ptr(0) {
            // SAFETY: the map outlives the program; a word is read at once.
            Some(attached) => begin >= unsafe { ptr::read_volatile(attached) },
            None => false,
        }
    }
}

impl CpuClocks {
    /// What this CPU's event has counted; an error of the kernel as a negative number.
    #[inline(always)]
    pub fn read(self) -> u64 {
        // SAFETY: the map is of events, and outlives the program.
        unsafe { bpf_perf_event_read(ptr::from_ref(self.0).cast_mut().cast(), BPF_F_CURRENT_CPU) }
    }
}

impl<T> PerCpu<T> {
    /// The row of a CPU. No program that interrupts this one may write it.
    #[inline(always)]
    pub fn own(self, cpu: u32) -> Option<&'static mut T> {
        // SAFETY: the map outlives the program, and nobody else writes the row meanwhile.
        self.0.get_ptr_mut(cpu).map(|it| unsafe { &mut *it })
    }
}

impl PerCpu<u64> {
    /// Adds to the word of this CPU. No program that interrupts this one may do the same.
    #[inline(always)]
    pub fn add(self, cpu: u32, n: u64) {
        if let Some(word) = self.0.get_ptr_mut(cpu) {
            // SAFETY: the map outlives the program, and nobody else writes the word meanwhile.
            unsafe { *word += n };
        }
    }
}

impl PerCpu<Histogram> {
    /// Counts a time in nanoseconds in the row of this CPU. No program that interrupts this one may do the same.
    #[inline(always)]
    pub fn record(self, cpu: u32, ns: u64) {
        if let Some(row) = self.0.get_ptr_mut(cpu) {
            // SAFETY: the map outlives the program, and nobody else writes the row meanwhile.
            let row = unsafe { &mut *row };
            if let Some(count) = row.slots.get_mut(slot(ns)) {
                *count += 1;
                row.sum += ns;
            }
        }
    }
}

/// What can be done with rows of words, whoever else writes them.
macro_rules! words {
    ($($kind:ident<u64 $(; const $n:ident)?>)*) => {$(
        impl<$(const $n: usize)?> $kind<u64, $($n)?> {
            /// The word of a row, whoever wrote it last; `None` for a row that is not there.
            #[inline(always)]
            pub fn load(self, row: u32) -> Option<u64> {
                // SAFETY: the map outlives the program; a word is read at once.
                Some(unsafe { ptr::read_volatile(self.0.get_ptr(row)?) })
            }

            /// Sets the word of a row, if it is there.
            #[inline(always)]
            pub fn store(self, row: u32, word: u64) {
                if let Some(place) = self.0.get_ptr_mut(row) {
                    // SAFETY: the map outlives the program; a word is written at once.
                    unsafe { ptr::write_volatile(place, word) };
                }
            }

            /// Sets the word of a row and hands back what it was; what another program writes in between is lost.
            #[inline(always)]
            pub fn replace(self, row: u32, word: u64) -> Option<u64> {
                let place = self.0.get_ptr_mut(row)?;
                // SAFETY: the map outlives the program; a word is read at once, and written at once.
                unsafe {
                    let before = ptr::read_volatile(place);
                    ptr::write_volatile(place, word);
                    Some(before)
                }
            }

            /// Adds to the word of a row, without losing what others add.
            #[inline(always)]
            pub fn add(self, row: u32, n: u64) {
                if let Some(word) = self.0.get_ptr_mut(row) {
                    // SAFETY: the word is in a map.
                    unsafe { add(word, n) };
                }
            }
        }
    )*};
}

words! {
    Rows<u64>
    Fixed<u64; const N>
}

impl<T> Rows<T> {
    /// A row that others may write at the same time.
    #[inline(always)]
    pub fn row(self, row: u32) -> Option<*mut T> {
        self.0.get_ptr_mut(row)
    }
}

impl<const N: usize> Fixed<Histogram, N> {
    /// Counts a time in nanoseconds, without losing what others count.
    #[inline(always)]
    pub fn record(self, row: u32, ns: u64) {
        if let Some(row) = self.0.get_ptr_mut(row) {
            // SAFETY: the row is in a map.
            unsafe { record(row, ns) };
        }
    }
}

/// An index of `N` and more is that of another CPU's word: it must be less.
impl<const N: usize> CpuWords<N> {
    /// A word of this CPU, whatever interrupts this one does to it; 0 for one that is not there.
    #[inline(always)]
    pub fn load(self, cpu: u32, index: u32) -> u64 {
        match self.0.get_ptr(cpu * N as u32 + index) {
            // SAFETY: the map outlives the program; a word is read at once.
            Some(word) => unsafe { ptr::read_volatile(word) },
            None => 0,
        }
    }

    /// Sets a word of this CPU.
    #[inline(always)]
    pub fn store(self, cpu: u32, index: u32, word: u64) {
        if let Some(place) = self.0.get_ptr_mut(cpu * N as u32 + index) {
            // SAFETY: the map outlives the program; a word is written at once.
            unsafe { ptr::write_volatile(place, word) };
        }
    }

    /// Adds to a word of this CPU. No program that interrupts this one may do the same.
    #[inline(always)]
    pub fn add(self, cpu: u32, index: u32, n: u64) {
        if let Some(word) = self.0.get_ptr_mut(cpu * N as u32 + index) {
            // SAFETY: the map outlives the program, and nobody else writes the word meanwhile.
            unsafe { *word += n };
        }
    }
}

impl<const N: usize> Started<N> {
    /// The current thread begins now; `false` if there is no room.
    #[inline(always)]
    pub fn begin(self) -> bool {
        self.0.insert(thread(), now(), BPF_ANY.into()).is_ok()
    }

    /// The current thread ends: the nanoseconds since it began, `None` if that was not seen since `attached`.
    #[inline(always)]
    pub fn end(self, attached: Attached) -> Option<u64> {
        let thread = thread();
        // SAFETY: the value is copied at once, and this thread's alone.
        let begin = unsafe { self.0.get(&thread) }.copied()?;
        // Where no lock is to be had, it stays until the thread begins again.
        let _ = self.0.remove(&thread);
        attached.since(begin).then(|| now() - begin)
    }
}

impl<const N: usize> CounterBy<N> {
    /// Adds to the counter of an index, without losing what others add.
    #[inline(always)]
    pub fn add(self, index: u32, cpu: u32, n: u64) {
        let bank = cpu & BANK_MASK.get();
        if let Some(word) = self.0.get_ptr_mut(table::counter(index, bank, N as u32)) {
            // SAFETY: the word is in a map.
            unsafe { add(word, n) };
        }
    }
}

impl<const N: usize> HistogramBy<N> {
    /// Counts a time in nanoseconds in the histogram of an index, without losing what others count.
    #[inline(always)]
    pub fn record(self, index: u32, cpu: u32, ns: u64) {
        let (bank, row) = (cpu & BANK_MASK.get(), table::clamped(index, N as u32));
        if let Some(row) = self.0.get_ptr_mut(table::banked(row, bank, BANK_MASK.get() + 1)) {
            // SAFETY: the row is in a map.
            unsafe { record(row, ns) };
        }
    }
}

/// What programs can put aside for each other.
macro_rules! entries {
    ($($kind:ident)*) => {$(
        impl<K, V: Copy> $kind<K, V> {
            /// The value of a key, copied: another program may take the entry away at any time, and use it for another key.
            #[inline(always)]
            pub fn get(self, key: K) -> Option<V> {
                // SAFETY: the value is copied at once.
                unsafe { self.0.get(key) }.copied()
            }

            /// Sets the value of a key; `false` if there is no room, or no lock to be had where this was interrupted.
            #[inline(always)]
            pub fn put(self, key: K, value: V) -> bool {
                self.0.insert(key, value, BPF_ANY.into()).is_ok()
            }

            /// Takes the value of a key away; `None` if there is none. Where no lock is to be had, as this interrupted who
            /// has it, the entry stays until the key is put anew.
            #[inline(always)]
            pub fn take(self, key: K) -> Option<V> {
                // SAFETY: as in `get`.
                let value = unsafe { self.0.get(&key) }.copied()?;
                let _ = self.0.remove(&key);
                Some(value)
            }
        }
    )*};
}

entries! {
    Hash
    LruHash
}

/// Counts a time in nanoseconds.
///
/// # Safety
///
/// `row` is in a map.
#[inline(always)]
unsafe fn record(row: *mut Histogram, ns: u64) {
    // SAFETY: the caller's row. Others may count in it, so no reference is made and all additions are atomic.
    unsafe {
        let slot = slot(ns);
        if slot < probe_abi::histogram::SLOTS {
            add((&raw mut (*row).slots).cast::<u64>().add(slot), 1);
            add(&raw mut (*row).sum, ns);
        }
    }
}

/// Adds without losing what other CPUs, or what interrupts this one, add.
///
/// # Safety
///
/// `word` is in a map.
#[inline(always)]
pub unsafe fn add(word: *mut u64, n: u64) {
    // By hand, as Rust has only additions that fetch, which need Linux 5.12.
    // SAFETY: map values are aligned to 8 bytes and live as long as the program.
    unsafe {
        asm!("lock *(u64 *)({word} + 0) += {n}", word = in(reg) word, n = in(reg) n, options(nostack));
    }
}
