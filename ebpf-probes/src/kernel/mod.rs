//! What the probes are made of: constants, arguments, maps, and programs that meter themselves.

pub mod by_id;
mod declare;
pub mod device;
pub mod disk;
pub mod maps;
mod meter;

use core::{arch::asm, ffi::c_void, marker::PhantomData, ptr};

use aya_ebpf::helpers::bpf_skc_to_tcp_sock;
#[doc(hidden)]
pub use meter::measured;
use probe_abi::{ABSENT, bits};

/// A pointer to a kernel object, or null. The verifier knows its type; Rust need not.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Object(*const c_void);

impl Object {
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// A socket as the TCP socket that it is; null of any other, and of a request for one.
    #[inline(always)]
    pub fn tcp(self) -> Self {
        // SAFETY: the verifier sees to it that this is a socket.
        Self(unsafe { bpf_skc_to_tcp_sock(self.0.cast_mut()) }.cast())
    }

    /// Where it is, to tell it from others. The kernel lets nothing be calculated from it.
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// How far behind another object it is: a number like any other.
    #[inline(always)]
    pub fn behind(self, other: Self) -> u64 {
        let distance;
        // By hand, as the kernel takes this instruction alone for two pointers.
        // SAFETY: nothing is read or written.
        unsafe {
            asm!("{object} -= {other}", object = inout(reg) self.0 => distance, other = in(reg) other.0, options(nomem, nostack, pure));
        }
        distance
    }
}

/// What a field of the kernel may be read as: valid for any bits.
pub trait Word: Copy {}

/// A field of 32 bytes with text in it.
pub type Text = [u64; 4];

/// A field of 16 bytes with text in it.
pub type ShortText = [u64; 2];

impl Word for Object {}
impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}
impl Word for i32 {}
impl Word for i64 {}
impl Word for Text {}
impl Word for ShortText {}

/// A number below 256 in a field that is of another width in another kernel.
pub struct Small;

/// A constant that the agent sets before the program is loaded.
#[repr(transparent)]
pub struct Number(u32);

impl Number {
    #[doc(hidden)]
    pub const fn unset() -> Self {
        Self(ABSENT)
    }

    #[inline(always)]
    pub fn get(&self) -> u32 {
        // Volatile: the value is that of the loaded program, not of the compiled one.
        // SAFETY: a reference can be read.
        unsafe { ptr::read_volatile(&raw const self.0) }
    }

    /// Whether the running kernel has what it stands for.
    #[inline(always)]
    pub fn is_present(&self) -> bool {
        self.get() != ABSENT
    }
}

impl Number {
    /// Reads a bit field, which the constant is declared as.
    #[inline(always)]
    pub fn bits(&self, object: Object) -> u8 {
        let constant = self.get();
        // SAFETY: as in `Field::of`.
        let byte = unsafe { ptr::read_volatile(object.0.cast::<u8>().add(bits::byte(constant) as usize)) };
        bits::value(constant, byte)
    }
}

/// A field of a kernel struct: its offset.
#[repr(transparent)]
pub struct Field<T> {
    offset: Number,
    value: PhantomData<T>,
}

// SAFETY: it is a number; the values are the kernel's.
unsafe impl<T> Sync for Field<T> {}

impl<T> Field<T> {
    #[doc(hidden)]
    pub const fn unset() -> Self {
        Self { offset: Number::unset(), value: PhantomData }
    }

    #[inline(always)]
    pub fn is_present(&self) -> bool {
        self.offset.is_present()
    }

    /// Bytes of a struct up to the field's end.
    #[inline(always)]
    pub fn end(&self) -> usize {
        self.offset.get() as usize + size_of::<T>()
    }

    /// Where the field of an object is: for a struct within the struct.
    #[inline(always)]
    pub fn inside(&self, object: Object) -> Object {
        Object(object.0.wrapping_byte_add(self.offset.get() as usize))
    }
}

impl Field<Small> {
    /// Reads the number.
    #[inline(always)]
    pub fn small(&self, object: Object) -> u8 {
        // SAFETY: as in `of`; both architectures that the probes run on have the lowest byte first.
        unsafe { ptr::read_volatile(object.0.cast::<u8>().add(self.offset.get() as usize)) }
    }
}

impl<T: Word> Field<T> {
    /// Reads the field of an object; of a null pointer 0.
    #[inline(always)]
    pub fn of(&self, object: Object) -> T {
        self.at(object, 0)
    }

    /// Reads what lies `bytes` behind the field's beginning: of a long field a part.
    #[inline(always)]
    pub fn at(&self, object: Object, bytes: usize) -> T {
        // Volatile: two fields that happen to be neighbours must not become one load across both.
        // SAFETY: the verifier refuses a program that reads an object as what it is not, or across the end of a member,
        // and the kernel catches a fault of the load itself.
        unsafe { ptr::read_volatile(object.0.cast::<u8>().add(self.offset.get() as usize + bytes).cast()) }
    }
}

impl<const N: usize> Field<[u32; N]> {
    /// A number of several.
    #[inline(always)]
    pub fn nth(&self, object: Object, idx: usize) -> u32 {
        let offset = self.offset.get() as usize + idx * size_of::<u32>();
        // SAFETY: as above.
        unsafe { ptr::read_volatile(object.0.cast::<u8>().add(offset).cast()) }
    }
}

impl Field<Text> {
    /// A part of the text.
    #[inline(always)]
    pub fn word(&self, object: Object, word: usize) -> u64 {
        let offset = self.offset.get() as usize + word * size_of::<u64>();
        // SAFETY: as above.
        unsafe { ptr::read_volatile(object.0.cast::<u8>().add(offset).cast()) }
    }
}

/// What a hook gives a program.
#[derive(Clone, Copy)]
pub struct Args(*const u64);

impl Args {
    #[doc(hidden)]
    pub const fn new(context: *mut c_void) -> Self {
        Self(context.cast())
    }

    /// An argument that points to an object of the kernel.
    #[inline(always)]
    pub fn object(self, position: usize) -> Object {
        // SAFETY: the verifier refuses a program that reads beyond its hook's arguments.
        unsafe { ptr::read(self.0.add(position).cast()) }
    }

    /// An argument that is a number; of one with 32 bits the upper half says nothing.
    #[inline(always)]
    pub fn number(self, position: usize) -> u64 {
        // SAFETY: as above.
        unsafe { ptr::read(self.0.add(position)) }
    }

    /// The argument at a position that differs between kernels, of the first twelve.
    #[inline(always)]
    pub fn object_at(self, position: &Number) -> Object {
        Object(self.number_at(position) as *const c_void)
    }

    /// The same of a number.
    #[inline(always)]
    pub fn number_at(self, position: &Number) -> u64 {
        match position.get() {
            0 => self.nth::<0>(),
            1 => self.nth::<8>(),
            2 => self.nth::<16>(),
            3 => self.nth::<24>(),
            4 => self.nth::<32>(),
            5 => self.nth::<40>(),
            6 => self.nth::<48>(),
            7 => self.nth::<56>(),
            8 => self.nth::<64>(),
            9 => self.nth::<72>(),
            10 => self.nth::<80>(),
            _ => self.nth::<88>(),
        }
    }

    /// A load that the compiler cannot put together with others: the kernel takes a constant offset only, and the
    /// verifier leaves the one that counts.
    #[inline(always)]
    fn nth<const OFFSET: usize>(self) -> u64 {
        let value: u64;
        // SAFETY: the verifier refuses a program that reads beyond its hook's arguments.
        unsafe {
            asm!(
                "{value} = *(u64 *)({args} + {offset})",
                value = out(reg) value,
                args = in(reg) self.0,
                offset = const OFFSET,
                options(nostack, readonly)
            );
        }
        value
    }
}

/// What an iterator gives a program: include/linux/bpf.h, `bpf_iter_meta`, then the item.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Item {
    meta: *const ItemMeta,
    object: Object,
}

#[repr(C)]
struct ItemMeta {
    seq: *mut aya_ebpf::bindings::seq_file,
}

impl Item {
    /// The item; null at the end of the list.
    #[inline(always)]
    pub fn object(&self) -> Object {
        self.object
    }

    /// Hands words to who reads the list.
    #[inline(always)]
    pub fn write<const N: usize>(&self, words: [u64; N]) {
        // SAFETY: the kernel's context, and words of its size.
        unsafe {
            let (words, size) =
                ((&raw const words).cast_mut().cast::<c_void>(), size_of::<[u64; N]>() as u32);
            aya_ebpf::helpers::bpf_seq_write((*self.meta).seq, words, size);
        }
    }
}

/// Nanoseconds since boot, without those suspended: on the clock of `CLOCK_MONOTONIC`.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no obligations.
    unsafe { aya_ebpf::helpers::bpf_ktime_get_ns() }
}

/// Ticks of the kernel's timer, of which fields that are in jiffies have the lower half.
#[inline(always)]
pub fn ticks() -> u32 {
    // SAFETY: the helper has no obligations.
    unsafe { aya_ebpf::helpers::bpf_jiffies64() as u32 }
}

/// The number of the current thread, as the host sees it.
#[inline(always)]
pub fn thread() -> u32 {
    aya_ebpf::helpers::bpf_get_current_pid_tgid() as u32
}

/// Whether the current thread's name begins with these bytes.
#[inline(always)]
pub fn is_thread_named(begin: &[u8; 8]) -> bool {
    aya_ebpf::helpers::bpf_get_current_comm().is_ok_and(|name| name[..8] == begin[..])
}

/// Hides where a number comes from, as the compiler leaves out checks that it can prove and the verifier cannot.
#[inline(always)]
pub fn opaque(mut number: usize) -> usize {
    // SAFETY: the instruction does nothing. Some there must be, as the kernel refuses line numbers for none.
    unsafe { asm!("{number} = {number}", number = inout(reg) number, options(nomem, nostack, pure)) };
    number
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
