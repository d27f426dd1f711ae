//! Kinds of locks of the kernel, as `contention_begin` tells them.

/// A kind of lock and of holding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lock {
    Spinlock,
    RwlockRead,
    RwlockWrite,
    RwsemRead,
    RwsemWrite,
    PercpuRwsemRead,
    PercpuRwsemWrite,
    Mutex,
    /// What kernels with PREEMPT_RT have in place of the others.
    RtMutex,
    Semaphore,
}

/// Kinds of [`Lock`], and their names in order.
pub const LOCKS: usize = 10;
pub const NAMES: [&str; LOCKS] = [
    "spinlock",
    "rwlock_read",
    "rwlock_write",
    "rwsem_read",
    "rwsem_write",
    "percpu_rwsem_read",
    "percpu_rwsem_write",
    "mutex",
    "rt_mutex",
    "semaphore",
];

const SPIN: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;
const RT: u32 = 8;
const PERCPU: u32 = 16;
const MUTEX: u32 = 32;

impl Lock {
    /// Of the flags: include/trace/events/lock.h, the same since 5.19. A semaphore has none (kernel/locking/semaphore.c).
    #[inline(always)]
    pub const fn of(flags: u32) -> Self {
        let is_read = flags & READ != 0;
        if flags & MUTEX != 0 {
            Self::Mutex
        } else if flags & RT != 0 {
            Self::RtMutex
        } else if flags & PERCPU != 0 {
            if is_read { Self::PercpuRwsemRead } else { Self::PercpuRwsemWrite }
        } else if flags & (READ | WRITE) == 0 {
            if flags & SPIN != 0 { Self::Spinlock } else { Self::Semaphore }
        } else if flags & SPIN != 0 {
            if is_read { Self::RwlockRead } else { Self::RwlockWrite }
        } else if is_read {
            Self::RwsemRead
        } else {
            Self::RwsemWrite
        }
    }

    /// Whether who waits keeps its CPU. A mutex' waiter spins, too, but can be preempted.
    #[inline(always)]
    pub const fn spins(self) -> bool {
        matches!(self, Self::Spinlock | Self::RwlockRead | Self::RwlockWrite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel's locks call the tracepoint.
    #[test]
    fn each_kind_is_known_by_its_flags() {
        let kinds = [
            (SPIN, "spinlock"),
            (SPIN | READ, "rwlock_read"),
            (SPIN | WRITE, "rwlock_write"),
            (READ, "rwsem_read"),
            (WRITE, "rwsem_write"),
            (PERCPU | READ, "percpu_rwsem_read"),
            (PERCPU | WRITE, "percpu_rwsem_write"),
            (MUTEX, "mutex"),
            (MUTEX | SPIN, "mutex"),
            (RT, "rt_mutex"),
            (0, "semaphore"),
        ];
        for (flags, name) in kinds {
            let kind = Lock::of(flags);
            assert_eq!(NAMES[kind as usize], name, "{flags}");
            assert_eq!(kind.spins(), flags & SPIN != 0 && flags & MUTEX == 0, "{flags}");
        }
    }
}
