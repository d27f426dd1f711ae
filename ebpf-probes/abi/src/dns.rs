//! Queries to name servers that wait for answers on a socket: when the first was asked, and how many there are, in one
//! word, of which the time loses its last two bits.
//!
//! glibc asks two at once over one socket, and both again when seconds have passed. Where more wait than that, nothing
//! tells which of them an answer is for.

/// The port of a name server.
pub const PORT: u16 = 53;

/// Indices of counts.
pub const QUERIES: u32 = 0;
pub const REFUSED: u32 = 1;
pub const UNTIMED: u32 = 2;

/// More than two.
const MANY: u64 = 3;
/// Who asks again waits for longer, in nanoseconds.
const AGAIN: u64 = 900_000_000;
/// Nobody waits for longer.
const LOST: u64 = 32_000_000_000;

/// What waits after one more query at a time in nanoseconds.
#[inline(always)]
pub const fn asked(waiting: Option<u64>, now: u64) -> u64 {
    let first = now & !MANY | 1;
    match waiting {
        Some(word) if now.saturating_sub(begin(word)) > LOST => first,
        Some(word) if word & MANY == 1 => word + 1,
        Some(word) if now.saturating_sub(begin(word)) > AGAIN => word,
        Some(word) => word | MANY,
        None => first,
    }
}

/// What waits after an answer; `None` if nothing does.
#[inline(always)]
pub const fn answered(waiting: u64) -> Option<u64> {
    match waiting & MANY {
        0 | 1 => None,
        2 => Some(waiting - 1),
        _ => Some(waiting),
    }
}

/// When the first that waits was asked, if it can be told what an answer is for.
#[inline(always)]
pub const fn timed(waiting: u64) -> Option<u64> {
    if waiting & MANY == MANY { None } else { Some(begin(waiting)) }
}

/// When the first that waits was asked.
#[inline(always)]
pub const fn begin(waiting: u64) -> u64 {
    waiting & !MANY
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn two_queries_want_two_answers() {
        let first = asked(None, SECOND);
        let both = asked(Some(first), SECOND + 1000);
        assert_eq!((timed(first), timed(both)), (Some(SECOND), Some(SECOND)));
        assert_eq!(answered(both), Some(first));
        assert_eq!(answered(first), None);
    }

    #[test]
    fn what_is_asked_again_is_timed_from_the_beginning() {
        let both = asked(Some(asked(None, SECOND)), SECOND);
        let again = asked(Some(asked(Some(both), 6 * SECOND)), 6 * SECOND);
        assert_eq!((timed(again), answered(again)), (Some(SECOND), Some(asked(None, SECOND))));
    }

    #[test]
    fn of_many_at_a_time_none_is_timed_until_they_are_lost() {
        let many = (0..5).fold(None, |waiting, at| Some(asked(waiting, SECOND + at))).unwrap_or_default();
        assert_eq!((timed(many), answered(many)), (None, Some(many)));
        assert_eq!(asked(Some(many), 60 * SECOND), asked(None, 60 * SECOND));
    }
}
