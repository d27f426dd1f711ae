//! Who had the CPU while others waited: each CPU remembers its last turns, and a wait is laid over them when it ends.

use ebpf_probes::{Object, opaque};
use probe_abi::blame::{
    Blame, Held, IDLE, MOVED, OTHER, OWN_QUOTA, ROOT, SLOTS, TURNS, Turn, UNKNOWN, WATCHED, overlap,
    place_of, slot_of,
};

use super::*;

/// The turn of a task is over, and that of another begins; `queued` and `end` by the queue's clock.
#[inline(always)]
pub(super) fn left(prev: Object, next: Object, [queued, end]: [u64; 2], cpu: u32) {
    let Some(row) = BLAMES.own(cpu) else { return };
    let (who, id) = group(prev);
    let newest = turn(row, 0).end;
    let arrived = LAST_ARRIVAL.of(prev);
    if newest == 0 || (who != IDLE && arrived > newest) {
        push(row, if newest == 0 { end } else { arrived }, UNKNOWN);
    }
    let has_quotas = THROTTLE_COUNT.is_present() && THROTTLED_TIME.is_present();
    if has_quotas && who >= WATCHED {
        let queue = CFS_RQ.of(prev);
        let known = held(row, who);
        if known.id != id {
            *known = Held { id, total: THROTTLED_TIME.of(queue), since: 0 };
        }
        if THROTTLE_COUNT.of(queue) != 0 {
            known.since = end;
        }
    }
    let (comes, id) = group(next);
    if has_quotas && comes >= WATCHED {
        let total = THROTTLED_TIME.of(CFS_RQ.of(next));
        let known = held(row, comes);
        let (before, since) = (*known, if known.since != 0 { known.since } else { queued });
        *known = Held { id, total, since: if before.total == total { before.since } else { 0 } };
        if before.id == id && before.total != total && since != 0 {
            let until = since.wrapping_add(total.wrapping_sub(before.total)).min(end);
            if until > turn(row, 0).end {
                push(row, until, who);
            }
            mark(row, comes, [since, until]);
        }
    }
    push(row, end, who);
}

/// Lays a wait over the turns of the CPU; what it waited on others before is known as such.
#[inline(always)]
pub(super) fn waited(task: Object, wait: [u64; 2], before: u64, cpu: u32) {
    let (who, _) = group(task);
    if who < WATCHED {
        return;
    }
    let Some(row) = BLAMES.own(cpu) else { return };
    let mut rest = wait[1].wrapping_sub(wait[0]);
    for back in 0..TURNS as u64 - 1 {
        let (it, begin) = (turn(row, back), turn(row, back + 1).end);
        if it.end <= wait[0] {
            break;
        }
        let part = overlap(begin, it.end, wait);
        rest = rest.wrapping_sub(part);
        let is_held = it.whose & Turn::held_bit(who) != 0;
        add(row, who, if is_held { OWN_QUOTA } else { it.slot() }, part);
    }
    add(row, who, UNKNOWN, rest);
    add(row, who, MOVED, before);
}

/// Notes that a group was held back in the turns whose middle is in that time.
#[inline(always)]
fn mark(row: &mut Blame, who: u32, [since, until]: [u64; 2]) {
    for back in 0..TURNS as u64 - 1 {
        let (end, begin) = (turn(row, back).end, turn(row, back + 1).end);
        if end <= since {
            break;
        }
        let middle = begin + (end - begin) / 2;
        if middle >= since && middle < until {
            row.turns[place(row, back)].whose |= Turn::held_bit(who);
        }
    }
}

/// The number of a task's group, and the kernel's for it.
#[inline(always)]
fn group(task: Object) -> (u32, u64) {
    if PID.of(task) == 0 {
        return (IDLE, 0);
    }
    if !(TASK_GROUP.is_present() && CGROUP.is_present() && NODE.is_present() && NODE_ID.is_present()) {
        return (OTHER, 0);
    }
    // Groups that the kernel makes by itself, one for each session, have none and are in the first.
    let id = NODE_ID.of(NODE.of(CGROUP.of(TASK_GROUP.of(task))));
    if id <= 1 {
        return (ROOT, id);
    }
    (slot_of(GROUPS.load(place_of(id)).unwrap_or(0), id).unwrap_or(OTHER), id)
}

#[inline(always)]
fn push(row: &mut Blame, end: u64, who: u32) {
    row.newest = row.newest.wrapping_add(1);
    row.turns[place(row, 0)] = Turn { end, whose: who.into() };
}

#[inline(always)]
fn turn(row: &Blame, back: u64) -> Turn {
    row.turns[place(row, back)]
}

#[inline(always)]
fn place(row: &Blame, back: u64) -> usize {
    opaque(row.newest.wrapping_sub(back) as usize) & (TURNS - 1)
}

#[inline(always)]
fn held(row: &mut Blame, who: u32) -> &mut Held {
    &mut row.held[opaque(who as usize) & (SLOTS - 1)]
}

#[inline(always)]
fn add(row: &mut Blame, who: u32, culprit: u32, ns: u64) {
    let at = who as usize * SLOTS + culprit as usize;
    row.waits[opaque(at) & (SLOTS * SLOTS - 1)] += ns;
}
