//! Two words for each thread, in a table that is found by the thread's number alone.

/// Threads that have words of their own: where they have no higher numbers, as by default on hosts of up to 32 CPUs, all.
/// Others share them.
pub const THREADS: usize = 1 << 15;

/// Words in all.
pub const WORDS: usize = 2 * THREADS;

/// The first of the thread's words.
#[inline(always)]
pub const fn place(thread: u32) -> u32 {
    (thread & (THREADS as u32 - 1)) * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_do_not_share_words() {
        assert_eq!([place(0), place(1), place(THREADS as u32)], [0, 2, 0]);
        assert_eq!(place(u32::MAX) as usize, WORDS - 2);
    }
}
