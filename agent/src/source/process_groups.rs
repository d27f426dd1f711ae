//! What groups of processes have used, by the kernel's list of tasks, and which of them take the most.

use super::ebpf::USED;
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

/// In which what was used counts half as much for who is shown.
const HALF_LIFE: f64 = 60.0;

/// A thread, as the kernel's list has it.
pub(crate) struct Task {
    /// Its number, and when it began: numbers are used again.
    pub(crate) thread: (u32, u64),
    /// Whether its end is counted.
    pub(crate) is_new: bool,
    /// Whether it stands for its process.
    pub(crate) is_first: bool,
    /// `None` for none of its own.
    pub(crate) group: Option<Arc<str>>,
    pub(crate) pages: u64,
    pub(crate) used: [u64; USED],
}

/// What is shown of a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// Since it is shown.
    pub(crate) used: [u64; USED],
    /// `None` for what has ended.
    pub(crate) now: Option<Now>,
    /// Since the last look.
    grown: [u64; USED],
    /// How much it takes: CPU, wait, I/O and memory.
    weights: [f64; USED],
    is_shown: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    pub(crate) processes: u64,
    pub(crate) threads: u64,
    pub(crate) pages: u64,
}

#[derive(Debug)]
struct Thread {
    used: [u64; USED],
    is_new: bool,
    look: u64,
}

/// All groups. What each thread has used since the last look is added to its group, so nothing is lost or counted twice
/// when threads end, numbers are used again, or groups come to be shown and cease to be.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    top: usize,
    look: u64,
    threads: HashMap<(u32, u64), Thread>,
    groups: HashMap<Arc<str>, Group>,
    /// All that are not shown.
    other: Group,
    /// What threads used after the last look that saw them.
    ended: Group,
    /// What threads that have ended, and were to be counted then, had used when they were seen last; and what was
    /// counted of all before the first look.
    seen: [u64; USED],
}

impl Groups {
    pub(crate) fn new(top: usize) -> Self {
        Self { top, ..Self::default() }
    }

    /// Takes the list of all tasks, and what those that are new had used in all when they ended.
    pub(crate) fn look(&mut self, tasks: impl Iterator<Item = Task>, ended: [u64; USED], seconds: f64) {
        self.look += 1;
        let is_first = self.look == 1;
        let fade = 0.5_f64.powf(seconds / HALF_LIFE);
        for group in self.groups.values_mut().chain([&mut self.other]) {
            group.now = Some(Now::default());
            group.grown = [0; USED];
            group.weights = group.weights.map(|it| it * fade);
        }
        self.other.now.get_or_insert_default();
        for task in tasks {
            let grown = self.grown(&task, is_first);
            let group = match task.group {
                Some(name) => self.groups.entry(name).or_default(),
                None => &mut self.other,
            };
            let now = group.now.get_or_insert_default();
            now.threads += 1;
            now.processes += u64::from(task.is_first);
            now.pages += task.pages;
            add(&mut group.grown, grown);
        }
        self.forget_ended(ended, is_first);
        self.groups.retain(|_, it| it.now.is_some_and(|now| now.threads > 0));
        self.choose();
    }

    /// What a thread has used since it was seen last. Of one that was there before the first look it is not known, and
    /// of one that began later it is all.
    fn grown(&mut self, task: &Task, is_first: bool) -> [u64; USED] {
        let Task { thread, is_new, used, .. } = *task;
        let now = Thread { used, is_new, look: self.look };
        match self.threads.entry(thread) {
            // A thread that executes a program takes the first one's number, and may have used less.
            Entry::Occupied(mut known) => minus(used, known.insert(now).used),
            Entry::Vacant(place) => {
                place.insert(now);
                if is_first || !is_new { [0; USED] } else { used }
            }
        }
    }

    /// The end of a thread may be counted later than it is out of the list: what is known of it is subtracted from what
    /// is counted in all, and the difference is shown once it is more than it was.
    fn forget_ended(&mut self, ended: [u64; USED], is_first: bool) {
        let Self { threads, seen, look, .. } = self;
        threads.retain(|_, it| {
            if it.look != *look && it.is_new {
                add(seen, it.used);
            }
            it.look == *look
        });
        if is_first {
            add(seen, ended);
        }
        let unseen = minus(ended, *seen);
        for (shown, unseen) in self.ended.used.iter_mut().zip(unseen) {
            *shown = unseen.max(*shown);
        }
    }

    /// Those who take the most are shown. Who is shown stays until it is out of twice as many, so that those who take
    /// about as much do not come and go.
    fn choose(&mut self) {
        for group in self.groups.values_mut() {
            let [cpu, wait, read, written] = group.grown.map(|it| it as f64);
            let pages = group.now.map_or(0, |it| it.pages) as f64;
            for (weight, grown) in group.weights.iter_mut().zip([cpu, wait, read + written]) {
                *weight += grown;
            }
            group.weights[USED - 1] = pages;
        }
        let mut ranks: HashMap<Arc<str>, usize> = HashMap::new();
        for what in 0..USED {
            let mut order: Vec<_> = self.groups.iter().filter(|it| it.1.weights[what] > 0.0).collect();
            order.sort_by(|a, b| b.1.weights[what].total_cmp(&a.1.weights[what]).then_with(|| a.0.cmp(b.0)));
            for (rank, (name, _)) in order.into_iter().take(2 * self.top).enumerate() {
                let best = ranks.entry(Arc::clone(name)).or_insert(rank);
                *best = rank.min(*best);
            }
        }
        let Self { top, groups, other, .. } = self;
        for (name, group) in groups {
            let max_rank = if group.is_shown { 2 * *top } else { *top };
            let is_shown = ranks.get(name).is_some_and(|rank| *rank < max_rank);
            if is_shown != group.is_shown {
                group.used = [0; USED];
            }
            group.is_shown = is_shown;
            if is_shown {
                add(&mut group.used, group.grown);
            } else {
                add(&mut other.grown, group.grown);
                let (all, one) = (other.now.get_or_insert_default(), group.now.unwrap_or_default());
                all.processes += one.processes;
                all.threads += one.threads;
                all.pages += one.pages;
            }
        }
        add(&mut other.used, other.grown);
    }

    /// By name.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (&str, &Group)> {
        let mut shown: Vec<_> =
            self.groups.iter().filter(|it| it.1.is_shown).map(|(name, it)| (&**name, it)).collect();
        shown.sort_by_key(|it| it.0);
        shown.into_iter().chain([("~ended", &self.ended), ("~other", &self.other)])
    }
}

fn add(to: &mut [u64; USED], n: [u64; USED]) {
    for (to, n) in to.iter_mut().zip(n) {
        *to = to.wrapping_add(n);
    }
}

fn minus(from: [u64; USED], n: [u64; USED]) -> [u64; USED] {
    std::array::from_fn(|which| from[which].saturating_sub(n[which]))
}

/// A name as the kernel has it. Of its own threads those that are many are one: `kworker/0:1-events` is `kworker`.
pub(crate) fn comm(words: [u64; 2]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|it| it.to_ne_bytes()).take_while(|it| *it != 0).collect();
    let name = String::from_utf8_lossy(&bytes);
    let is_number =
        |it: &str| it.trim_start_matches(['u', 'R', '-']).starts_with(|it: char| it.is_ascii_digit());
    match name.split_once('/') {
        Some((kind, rest)) if is_number(rest) => kind.to_owned(),
        _ => name.into_owned(),
    }
}

/// The innermost unit of a control group; a slice where there is nothing else.
pub(crate) fn unit(path: &str) -> Option<&str> {
    let is_unit =
        |it: &&str| [".service", ".scope", ".socket", ".mount", ".swap"].iter().any(|end| it.ends_with(end));
    let mut names = path.rsplit('/');
    names.clone().find(is_unit).or_else(|| names.find(|it| it.ends_with(".slice")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn task(number: u32, group: &str, cpu: u64) -> Task {
        Task {
            thread: (number, 0),
            is_new: true,
            is_first: true,
            group: Some(group.into()),
            pages: 0,
            used: [cpu, 0, 0, 0],
        }
    }

    fn cpu(groups: &Groups) -> Vec<(&str, u64)> {
        groups.shown().map(|(name, it)| (name, it.used[0])).collect()
    }

    #[test]
    fn shows_what_was_used_since_the_first_look() {
        let mut groups = Groups::new(2);
        groups.look([task(1, "a", 100), task(2, "b", 5)].into_iter(), [7; USED], 1.0);
        assert_eq!(cpu(&groups), [("~ended", 0), ("~other", 0)]);
        // A third begins.
        groups.look([task(1, "a", 110), task(2, "b", 5), task(3, "c", 4)].into_iter(), [7; USED], 1.0);
        assert_eq!(cpu(&groups), [("a", 10), ("c", 4), ("~ended", 0), ("~other", 0)]);
        // The first ends after 15 more, the second as it was; another one has the first's number at once, and a fourth
        // was never seen.
        let again = Task { thread: (1, 9), ..task(1, "b", 3) };
        groups.look([again, task(3, "c", 4)].into_iter(), [7 + 125 + 5 + 6, 7, 7, 7], 1.0);
        assert_eq!(cpu(&groups), [("b", 3), ("c", 4), ("~ended", 15 + 6), ("~other", 0)]);
    }

    #[test]
    fn what_is_counted_late_is_not_counted_twice() {
        let mut groups = Groups::new(2);
        groups.look([].into_iter(), [0; USED], 1.0);
        groups.look([task(1, "a", 50)].into_iter(), [0; USED], 1.0);
        groups.look([].into_iter(), [0; USED], 1.0);
        assert_eq!(cpu(&groups), [("~ended", 0), ("~other", 0)]);
        groups.look([].into_iter(), [60, 0, 0, 0], 1.0);
        assert_eq!(cpu(&groups), [("~ended", 10), ("~other", 0)]);
    }

    #[test]
    fn a_thread_that_has_used_less_than_before_takes_nothing_away() {
        let mut groups = Groups::new(2);
        for (used, shown) in [(10, None), (20, Some(10)), (3, Some(10)), (4, Some(11))] {
            groups.look([task(1, "a", used)].into_iter(), [0; USED], 1.0);
            assert_eq!(groups.shown().find(|it| it.0 == "a").map(|it| it.1.used[0]), shown);
        }
    }

    #[test]
    fn names_kinds_of_kernel_threads_and_innermost_units() {
        let words = |name: &str| {
            let mut bytes = [0; 16];
            bytes[..name.len()].copy_from_slice(name.as_bytes());
            comm([0, 8].map(|at| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())))
        };
        for (name, kind) in [
            ("kworker/u8:1-fl", "kworker"),
            ("kworker/R-rcu_g", "kworker/R-rcu_g"),
            ("ksoftirqd/12", "ksoftirqd"),
            ("a/b", "a/b"),
            ("sixteen_bytes_is", "sixteen_bytes_is"),
        ] {
            assert_eq!(words(name), kind);
        }
        let user = "/user.slice/user-0.slice/user@0.service/app.slice/a.service/b";
        assert_eq!(unit(user), Some("a.service"));
        assert_eq!(unit("/user.slice/user-0.slice"), Some("user-0.slice"));
        assert_eq!(unit("/"), None);
    }

    proptest! {
        /// Each thread has a group, and how much it uses in each round; 0 ends it.
        #[test]
        fn what_is_shown_adds_up_and_is_bounded(threads in prop::collection::vec((0_u8..12, prop::collection::vec(0_u64..100, 1..8)), 1..20)) {
            let mut groups = Groups::new(2);
            groups.look([].into_iter(), [0; USED], 1.0);
            let (mut all, mut ended, mut shown, mut before) = (0, 0, 0, HashMap::<String, u64>::new());
            for round in 0..8 {
                let mut tasks = Vec::new();
                for (number, (group, uses)) in threads.iter().enumerate() {
                    let uses: Vec<u64> = uses.iter().copied().take_while(|it| *it != 0).collect();
                    let used: u64 = uses.iter().take(round + 1).sum();
                    all += uses.get(round).copied().unwrap_or_default();
                    if round < uses.len() {
                        tasks.push(task(number as u32, &group.to_string(), used));
                    } else if round == uses.len() {
                        // Something more before it ends.
                        ended += used + 5;
                        all += 5;
                    }
                }
                groups.look(tasks.into_iter(), [ended, 0, 0, 0], 1.0);
                let now: HashMap<_, _> = cpu(&groups).into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
                prop_assert!(now.len() <= 2 * 2 + 2, "{now:?}");
                for (name, n) in &now {
                    let grown = n.checked_sub(before.get(name).copied().unwrap_or_default());
                    shown += grown.expect("a group that is shown goes on");
                }
                before = now;
                prop_assert_eq!(shown, all);
            }
        }
    }
}
