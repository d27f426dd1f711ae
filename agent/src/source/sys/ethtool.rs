//! `SIOCETHTOOL`: the questions that drivers of network interfaces answer. See netdevice(7) and
//! `include/uapi/linux/ethtool.h`.
#![expect(unsafe_code, reason = "calls ioctl(2), and maps the memory that the kernel answers to")]

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr::{self, NonNull},
    slice,
};

const SIOCETHTOOL: u64 = 0x8946;

/// What ioctl(2) takes: `struct ifreq`, as far as it is used here.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    data: *mut u8,
    unused: [u8; 16],
}

/// Memory for a question and its answer. Of texts and counters the kernel writes as many as the driver has, whatever the
/// caller has room for; a page that nobody may write to ends it with `EFAULT`.
#[derive(Debug)]
pub struct Room {
    start: NonNull<u8>,
}

// SAFETY: it is memory of the process that nobody else has.
unsafe impl Send for Room {}

impl Room {
    /// Bytes of an answer, at most. Pages that none ever reached take no memory.
    pub const BYTES: usize = (1 << 20) + Self::PAGE;
    /// The largest page of any architecture.
    const PAGE: usize = 64 << 10;

    /// # Errors
    /// When there is no memory.
    pub fn new() -> io::Result<Self> {
        let (read_write, private) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: the kernel chooses the address, so no memory of ours is replaced.
        let start =
            unsafe { mmap_anonymous(ptr::null_mut(), Self::BYTES + Self::PAGE, read_write, private) }?;
        let room = Self { start: NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)? };
        // SAFETY: the last page of what was just mapped, which nobody refers to.
        unsafe { mprotect(start.byte_add(Self::BYTES), Self::PAGE, MprotectFlags::empty()) }?;
        Ok(room)
    }

    /// Asks for `question`, whose first word is the command, about an interface. The answer has the question's form.
    ///
    /// # Errors
    /// The driver's, or the kernel's for it.
    pub fn ask(&mut self, socket: BorrowedFd<'_>, interface: &[u8], question: &[u32]) -> io::Result<&[u8]> {
        const ROOM_OF_QUESTION: usize = 256;
        let mut request = InterfaceRequest { name: [0; 16], data: self.start.as_ptr(), unused: [0; 16] };
        let n_bytes = interface.len().min(request.name.len() - 1);
        request.name[..n_bytes].copy_from_slice(&interface[..n_bytes]);
        let words = question.iter().flat_map(|it| it.to_ne_bytes()).chain(std::iter::repeat(0));
        self.bytes_mut().iter_mut().take(ROOM_OF_QUESTION).zip(words).for_each(|(byte, it)| *byte = it);
        // SAFETY: `request` outlives the call. The kernel writes from `data` on, upwards, and reaches no other memory
        // than the room: at its end it meets the page that cannot be written to.
        let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(self.bytes()) }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped until `self` is dropped, zero at first; the kernel writes within `ask` only, which borrows it.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), Self::BYTES) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed by nobody else.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), Self::BYTES) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: the address and length that were mapped; no slice outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), Self::BYTES + Self::PAGE) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}
