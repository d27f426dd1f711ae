//! Memory that the kernel writes, and memory given back to it.
#![expect(unsafe_code, reason = "maps memory and calls the allocator")]

use std::{
    io,
    ops::Range,
    os::fd::BorrowedFd,
    ptr::NonNull,
    slice,
    sync::atomic::{
        AtomicU64,
        Ordering::{Relaxed, Release},
    },
};

use rustix::{
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap},
    param,
};

/// A view of memory that the kernel goes on writing, such as an array map of eBPF.
#[derive(Debug)]
pub struct SharedWords {
    start: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: it is memory of the process, not of a thread, and reached by atomic loads only.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// Maps the first `len` words of a file whose pages stay in place: a map of eBPF made with `BPF_F_MMAPABLE`.
    pub fn map(file: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let n_bytes = len.checked_mul(size_of::<u64>()).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses the address, so no memory of ours is replaced.
        let start = unsafe { mmap(std::ptr::null_mut(), n_bytes, protection, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, len })
    }

    /// How many words there are.
    pub fn n_words(&self) -> usize {
        self.len
    }

    /// The words of a range as they are when the iterator comes to them; none beyond the end.
    pub fn read(&self, range: Range<usize>) -> impl Iterator<Item = u64> {
        let end = range.end.min(self.len);
        self.words()[range.start.min(end)..end].iter().map(|it| it.load(Relaxed))
    }

    /// Sets a word; does nothing beyond the end.
    pub fn store(&self, at: usize, value: u64) {
        if let Some(word) = self.words().get(at) {
            word.store(value, Relaxed);
        }
    }

    /// Sets a word that still has a value; does nothing beyond the end.
    pub fn replace(&self, at: usize, value: u64, with: u64) {
        if let Some(word) = self.words().get(at) {
            // Whether it had is of no interest: who has set it meanwhile keeps it.
            word.compare_exchange(value, with, Relaxed, Relaxed).ok();
        }
    }

    /// Takes from a word, after all that was stored before; does nothing beyond the end.
    pub fn subtract(&self, at: usize, n: u64) {
        if let Some(word) = self.words().get(at) {
            word.fetch_sub(n, Release);
        }
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: `start` is aligned to a page and `len` words from it are mapped until `self` is dropped. The kernel
        // writes them by whole words, which atomic loads may race with.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the address and length that were mapped; no slice outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len * size_of::<u64>()) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// Has all threads allocate from one heap. The C library makes one for each thread that allocates while another does, and
/// never gives back the end of any but the first: what a reload took to read the kernel's types stayed for good. To be
/// called before there are threads.
pub fn keep_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no obligations; it sets a number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives back what seldom work leaves behind: free memory of the heap, and the pages of the program that are as in its
/// file. Those that are needed again come from the kernel's cache, sixteen at a time.
pub fn give_back() {
    trim_heap();
    // SAFETY: it calls `unmap_code` once for each object that is loaded, with what describes it, and no pointer for it.
    unsafe {
        libc::dl_iterate_phdr(Some(unmap_code), std::ptr::null_mut());
    }
}

/// Unmaps the pages of the object's segments that cannot be written, until they are used. Stops at the first object, which
/// is the program: others share theirs with other processes.
unsafe extern "C" fn unmap_code(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the C library gives a description that is valid during the call, with so many headers at that place.
    let (start, headers) = unsafe {
        let object = &*object;
        (object.dlpi_addr, slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()))
    };
    let page = param::page_size();
    for it in headers.iter().filter(|it| it.p_type == libc::PT_LOAD && it.p_flags & libc::PF_W == 0) {
        let first = (start + it.p_vaddr) as usize / page * page;
        let end = (start + it.p_vaddr + it.p_memsz) as usize;
        // SAFETY: what is never written is the same when it is read from the file again.
        let unmapped = unsafe { madvise(first as *mut _, end - first, Advice::LinuxDontNeed) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
    1
}

/// Gives free memory of the heap back to the kernel, which the allocator by itself does for its end alone.
pub fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no obligations; it takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
