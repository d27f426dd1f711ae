//! `/proc/<pid>/stat` and `/proc/<pid>/task/<tid>/stat`: see proc_pid_stat(5). Read by hand: the procfs crate panics on
//! a line that ends with the name, and parses fifty fields of each thread where two are wanted.

use crate::collectors::prelude::*;
use std::{collections::BTreeMap, io::ErrorKind, path::PathBuf};

metrics! {
    THREADS: Gauge "node_processes_threads" [], "Threads of all processes.";
    MAX_THREADS: Gauge "node_processes_max_threads" [], "Threads that may exist at the same time.";
    STATE: Gauge "node_processes_state" ["state"], "Processes in each state, by the letter of proc_pid_stat(5): R running, S sleeping, D waiting for a device, Z zombie.";
    THREADS_STATE: Gauge "node_processes_threads_state" ["thread_state"], "Threads in each state, by the letter of proc_pid_stat(5).";
    PIDS: Gauge "node_processes_pids" [], "Processes.";
    MAX_PROCESSES: Gauge "node_processes_max_processes" [], "First process ID that is not given: the limit on processes and threads together.";
}

pub(super) struct Processes {
    procfs: PathBuf,
    text: Vec<u8>,
}

impl Spec for Processes {
    const SUMMARY: &'static str = "Numbers of processes and threads by state, from /proc/<pid>/stat.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { procfs: host.procfs().to_owned(), text: Vec::new() })
    }
}

impl Collector for Processes {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(procfs) = Folder::open(&self.procfs)? else {
            return Err(Error::Absent(format!("{} does not exist", self.procfs.display())));
        };
        let errors = FirstError::default();
        let mut counts = Counts::default();
        for pid in procfs.names()?.iter().filter_map(|name| name.parse().ok()) {
            counts.add_process(&procfs, pid, &mut self.text, &errors);
        }
        let limit = |name| errors.value(procfs.number::<u64>(name));
        out.push(THREADS, (), counts.n_threads);
        out.push(MAX_THREADS, (), limit("sys/kernel/threads-max"));
        for (state, count) in counts.processes {
            out.push(STATE, [[state].as_slice()], count);
        }
        for (state, count) in counts.threads {
            out.push(THREADS_STATE, [[state].as_slice()], count);
        }
        out.push(MAX_PROCESSES, (), limit("sys/kernel/pid_max"));
        out.push(PIDS, (), counts.n_processes);
        Ok(errors.end()?)
    }
}

/// Processes and threads by the letter of their state.
#[derive(Default)]
struct Counts {
    n_processes: u64,
    n_threads: i64,
    processes: BTreeMap<u8, u64>,
    threads: BTreeMap<u8, u64>,
}

impl Counts {
    /// Counts one process, unless it has ended since it was listed, or is hidden from us.
    fn add_process(&mut self, procfs: &Folder, pid: u32, text: &mut Vec<u8>, errors: &FirstError) {
        let Some((state, n_threads)) = read_stat(procfs, &format!("{pid}/stat"), text, errors) else {
            return;
        };
        self.n_processes += 1;
        self.n_threads += n_threads;
        *self.processes.entry(state).or_default() += 1;
        let tasks = procfs.folder(&format!("{pid}/task"));
        let tasks = errors.value(unless_hidden(tasks.and_then(|it| it.map(|it| it.names()).transpose())));
        for tid in tasks.iter().flatten().filter_map(|name| name.parse::<u32>().ok()) {
            let state = if tid == pid {
                Some(state)
            } else {
                read_stat(procfs, &format!("{pid}/task/{tid}/stat"), text, errors).map(|(state, _)| state)
            };
            if let Some(state) = state {
                *self.threads.entry(state).or_default() += 1;
            }
        }
    }
}

/// A procfs that is mounted with hidepid= lists processes of others, or not even that, and keeps the rest to itself.
fn unless_hidden<T>(read: Result<Option<T>, source::Error>) -> Result<Option<T>, source::Error> {
    match read {
        Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => Ok(None),
        read => read,
    }
}

/// State and number of threads.
fn read_stat(procfs: &Folder, name: &str, text: &mut Vec<u8>, errors: &FirstError) -> Option<(u8, i64)> {
    let text = errors.value(unless_hidden(procfs.text(name, text)))?;
    let parsed = parse_stat(text);
    if parsed.is_none() {
        let problem = "expected a process' name, state and 17 more fields";
        errors.note(procfs.parse_error(name, 1, problem));
    }
    parsed
}

fn parse_stat(text: &[u8]) -> Option<(u8, i64)> {
    // The name may hold blanks and parentheses.
    let end_of_name = text.iter().rposition(|&byte| byte == b')')?;
    let mut fields = source::words(&text[end_of_name + 1..]);
    let &[state] = fields.next()? else { return None };
    let n_threads = source::number(fields.nth(16)?)?;
    Some((state, n_threads))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{source::faults::with_fault, testing::TestHost};
    use rustix::io::Errno;

    const HOST: &[(&str, &str)] = &[
        (
            "proc/1/stat",
            "1 (systemd) S 0 1 1 0 -1 4194560 14061 1204364 42 2010 60 124 3140 1322 20 0 1 0 12 22941696\n",
        ),
        (
            "proc/1/task/1/stat",
            "1 (systemd) S 0 1 1 0 -1 4194560 14061 1204364 42 2010 60 124 3140 1322 20 0 1 0 12 0\n",
        ),
        ("proc/77/stat", "77 (a) b (c) D 1 77 77 0 -1 64 1 0 0 0 0 0 0 0 20 0 2 0 12 0\n"),
        ("proc/77/task/77/stat", "77 (a) b (c) D 1 77 77 0 -1 64 1 0 0 0 0 0 0 0 20 0 2 0 12 0\n"),
        ("proc/77/task/78/stat", "78 (worker) R 1 77 77 0 -1 64 1 0 0 0 0 0 0 0 20 0 2 0 12 0\n"),
        ("proc/77/task/79/", ""),
        ("proc/78/", ""),
        ("proc/sys/kernel/threads-max", "31163\n"),
        ("proc/sys/kernel/pid_max", "4194304\n"),
    ];

    #[test]
    fn counts_by_state_what_has_not_ended() {
        check::<Processes>(
            "",
            HOST,
            expect![[r##"
            # HELP node_processes_max_processes First process ID that is not given: the limit on processes and threads together.
            # TYPE node_processes_max_processes gauge
            node_processes_max_processes 4.194304e+06
            # HELP node_processes_max_threads Threads that may exist at the same time.
            # TYPE node_processes_max_threads gauge
            node_processes_max_threads 31163
            # HELP node_processes_pids Processes.
            # TYPE node_processes_pids gauge
            node_processes_pids 2
            # HELP node_processes_state Processes in each state, by the letter of proc_pid_stat(5): R running, S sleeping, D waiting for a device, Z zombie.
            # TYPE node_processes_state gauge
            node_processes_state{state="D"} 1
            node_processes_state{state="S"} 1
            # HELP node_processes_threads Threads of all processes.
            # TYPE node_processes_threads gauge
            node_processes_threads 3
            # HELP node_processes_threads_state Threads in each state, by the letter of proc_pid_stat(5).
            # TYPE node_processes_threads_state gauge
            node_processes_threads_state{thread_state="D"} 1
            node_processes_threads_state{thread_state="R"} 1
            node_processes_threads_state{thread_state="S"} 1
        "##]],
        );
    }

    #[test]
    fn a_line_that_is_cut_costs_one_process() {
        let files = [("proc/7/stat", "7 (cut)"), HOST[0], ("proc/sys/kernel/pid_max", "many\n")];
        check_error::<Processes>(
            "",
            &files,
            expect![[r##"
            # HELP node_processes_pids Processes.
            # TYPE node_processes_pids gauge
            node_processes_pids 1
            # HELP node_processes_state Processes in each state, by the letter of proc_pid_stat(5): R running, S sleeping, D waiting for a device, Z zombie.
            # TYPE node_processes_state gauge
            node_processes_state{state="S"} 1
            # HELP node_processes_threads Threads of all processes.
            # TYPE node_processes_threads gauge
            node_processes_threads 1
            parse proc/7/stat, line 1: expected a process' name, state and 17 more fields"##]],
        );
    }

    #[test]
    fn processes_that_are_hidden_are_not_counted() {
        let host = TestHost::new(HOST);
        // hidepid(5), and security modules.
        for errno in [Errno::PERM, Errno::ACCESS] {
            let mut out = Families::new(METRICS);
            with_fault(&host.path().join("proc/1/stat"), errno, || {
                host.open::<Processes>("").unwrap().collect(&mut out).unwrap();
            });
            assert!(host.render(&out).contains("\nnode_processes_pids 1\n"), "{errno}");
        }
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Processes>("", HOST);
    }
}
