//! What the loader can do beyond what today's probes need, and the budget: by programs made for that.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{alone, switch_for};
use ebpf_probes::{
    probes::fixture::{self, SPEC},
    spec::{Attach, Constant, Need, Origin, Program, Spec},
};

use crate::{
    config::{Budget, Config, OnExceed, Share, Window},
    source::ebpf::{
        BpfIterator, Error, Kernel, Kind, OtherPrograms, Probe, Sampling, Settings, Standing, Table,
    },
};

/// Reads the clock as often at each switch as it is told to.
static SPIN: Spec = Spec { programs: &[SPEC.programs[0]], ..SPEC };

static CALLS: Spec = Spec { name: "calls", programs: &[SPEC.programs[1], SPEC.programs[2]], ..SPEC };

static TASKS: Spec = Spec { name: "tasks", programs: &[SPEC.programs[3]], ..SPEC };

fn load(spec: &'static Spec, spin: u32) -> Result<(Kernel, Arc<Probe>), Error> {
    let kernel = Kernel::new(None);
    let probe = kernel.probe(spec, &[], &Settings { constants: &[("SPIN", spin)], ..Settings::default() })?;
    kernel.release();
    Ok((kernel, probe))
}

fn budget(max_cpu: f64, on_exceed: OnExceed) -> Budget {
    let second = Duration::from_secs(1);
    let mut budget: Budget = Config::default().section();
    budget.max_cpu = Share(max_cpu);
    budget.window = Window(second);
    budget.retry_after = 2 * second;
    budget.on_exceed = on_exceed;
    budget
}

/// Calls `test` while two threads take turns on a CPU.
fn while_switching(test: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                switch_for(Duration::from_millis(100));
            }
        });
        // A test that fails must not leave the load on.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        is_over.store(true, Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Waits until `is_so`: how long that took.
fn wait_until(what: &str, limit: Duration, is_so: impl Fn() -> bool) -> Duration {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < limit, "not {what} after {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
    begin.elapsed()
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn what_costs_too_much_is_detached_and_comes_back() {
    let _alone = alone();
    let (kernel, probe) = load(&SPIN, 200).unwrap();
    let spin = probe.loaded();
    let runs = || spin.costs()[0].runs;
    while_switching(|| {
        kernel.probes().keep_budget(budget(0.01, OnExceed::Detach)).unwrap();
        let is_over = || matches!(spin.standing(), Standing::OverBudget(_));
        // Two windows, and what a busy machine takes to look.
        let after = wait_until("detached", Duration::from_millis(2500), is_over);
        println!("over budget with {:.3} of the machine, after {after:?}", spin.share());
        let Standing::OverBudget(excess) = spin.standing() else { unreachable!("it was just seen") };
        assert!(excess.share > 0.01 && excess.max_share == 0.01, "{excess:?}");
        assert!(excess.retry_at > SystemTime::now(), "{excess:?}");
        // One may have been under way.
        thread::sleep(Duration::from_millis(50));
        let before = runs();
        thread::sleep(Duration::from_millis(300));
        assert_eq!(runs(), before, "it runs although it is detached");

        let after = wait_until("attached again", Duration::from_secs(4), || !is_over());
        println!("attached again after {after:?}");
        wait_until("counting", Duration::from_secs(1), || runs() > before);
        wait_until("detached again", Duration::from_millis(2500), is_over);

        // With a budget that it keeps to, it comes back at its time and stays.
        kernel.probes().keep_budget(budget(1.0, OnExceed::Detach)).unwrap();
        wait_until("attached for good", Duration::from_secs(4), || !is_over());
        thread::sleep(Duration::from_millis(2500));
        assert!(!is_over() && spin.share() > 0.01, "{:?}", spin.standing());
    });
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn what_costs_too_much_stays_where_a_warning_is_wanted() {
    let _alone = alone();
    let (kernel, probe) = load(&SPIN, 200).unwrap();
    while_switching(|| {
        kernel.probes().keep_budget(budget(0.01, OnExceed::Warn)).unwrap();
        thread::sleep(Duration::from_millis(2500));
        assert!(probe.loaded().share() > 0.01, "{}", probe.loaded().share());
        assert_eq!(probe.loaded().standing(), Standing::Attached);
    });
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn samples_tell_what_others_cost() {
    let _alone = alone();
    // One is the agent's, the other somebody else's.
    let (kernel, _ours) = load(&SPIN, 0).unwrap();
    let (_other_kernel, theirs) = load(&SPIN, 20).unwrap();
    let (on, every) = (Duration::from_millis(250), Duration::from_millis(1000));
    let sampling = Sampling { on, every, max_kinds: 1000 };
    OtherPrograms::check().unwrap();
    while_switching(|| {
        let before = theirs.loaded().costs()[0];
        let programs = OtherPrograms::sample(sampling, kernel.probes().clone()).unwrap();
        thread::sleep(8 * every - every / 4);
        let (after, spent) = (theirs.loaded().costs()[0], programs.spent().unwrap());
        let kind = Kind { name: "spin".to_owned(), program_type: "tracing".to_owned() };
        let spin = spent[&kind];
        assert_eq!(spin.loaded, 1, "ours is none of the others");
        let runs = (after.runs - before.runs) as f64;
        let ratio = spin.runs / runs;
        assert!((0.7..1.4).contains(&ratio), "{} runs, sampled as {}", runs, spin.runs);
        let seconds = (after.time - before.time).as_secs_f64();
        let ratio = spin.time.as_secs_f64() / seconds;
        assert!((0.6..1.7).contains(&ratio), "{seconds} s, sampled as {:?}", spin.time);
    });
}

/// Reads this process' executable's name into as many bytes as mark the call.
fn read_link_marked() -> usize {
    let mut buffer = [std::mem::MaybeUninit::uninit(); fixture::MARK as usize];
    let read = rustix::fs::readlinkat_raw(rustix::fs::CWD, "/proc/self/exe", &mut buffer);
    read.unwrap().0.len()
}

#[test]
#[ignore = "loads eBPF: needs root, BTF, and a kernel with ftrace"]
fn functions_are_seen_at_their_entry_and_return() {
    let (_kernel, probe) = match load(&CALLS, 0) {
        Ok(loaded) => loaded,
        // Kernels of some hosts forbid it. Those of the guests of `cargo xtask vm` do not.
        Err(error @ Error::Untraceable { .. }) if std::env::var_os("hostlens_guest").is_none() => {
            let because =
                "the kernel does not let its function be traced, fentry/vfs_readlink: permission denied";
            assert_eq!(error.reason(), because);
            return;
        }
        Err(error) => panic!("{}", error.reason()),
    };
    let calls: Table<u64> = probe.table(fixture::CALLS).unwrap();
    let length: usize = (0..100).map(|_| read_link_marked()).sum();
    assert_eq!(calls.rows().collect::<Vec<_>>(), [100, 100, length as u64]);
    let costs = probe.loaded().costs();
    assert!(costs.iter().all(|it| it.runs >= 100), "{costs:?}");
    drop(probe);
    read_link_marked();
    assert_eq!(calls.sum(0..1), 100, "it counts although it is gone");
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn a_list_has_the_tasks_of_procfs() {
    let (_kernel, probe) = load(&TASKS, 0).unwrap();
    let mut list = BpfIterator::<2>::new(&probe, "tasks").unwrap();
    let mut read = || list.read().unwrap().collect::<BTreeSet<[u64; 2]>>();
    // Tasks come and go: those that procfs has before and after must be in between, and nothing that is in neither.
    let (first, before) = (read(), procfs_tasks());
    let ours = read();
    let (after, last) = (procfs_tasks(), read());
    let stayed: Vec<_> = before.intersection(&after).collect();
    assert!(stayed.len() > 5 && stayed.iter().all(|it| ours.contains(*it)), "{ours:?} of {stayed:?}");
    let known: BTreeSet<_> = [&first, &before, &after, &last].into_iter().flatten().collect();
    assert!(first.intersection(&last).all(|it| known.contains(it) && after.contains(it)), "{after:?}");
    let own = u64::from(std::process::id());
    assert!(ours.contains(&[own, own]));
}

/// Thread and process of each task, but for processes that the kernel keeps even root from looking into: it leaves
/// them out of its lists, too.
fn procfs_tasks() -> BTreeSet<[u64; 2]> {
    let numbers = |folder: String| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        names.filter_map(|it| it.file_name().to_str()?.parse::<u64>().ok())
    };
    let threads = |process| numbers(format!("/proc/{process}/task")).map(move |it| [it, process]);
    let is_open = |process: &u64| fs::read_link(format!("/proc/{process}/ns/pid")).is_ok();
    numbers("/proc".to_owned()).filter(is_open).flat_map(threads).collect()
}

#[test]
#[ignore = "reads the running kernel's BTF"]
fn names_the_function_or_list_that_the_kernel_lacks() {
    const fn program(attach: Attach) -> Program {
        Program { name: "entered", attach, need: Need::Always, meter: None }
    }
    const PARAMETER: Constant = Constant {
        name: "PID",
        origin: Origin::Parameters { function: "vfs_readlinks" },
        need: Need::Always,
    };
    static FUNCTION: Spec = Spec { programs: &[program(Attach::FEntry("vfs_readlinks"))], ..SPEC };
    static LIST: Spec = Spec { programs: &[program(Attach::Iter("tusk"))], ..SPEC };
    static PARAMETERS: Spec = Spec { programs: &[], constants: &[PARAMETER, SPEC.constants[0]], ..SPEC };
    let reason = |spec| load(spec, 0).map(|_| ()).unwrap_err().reason();
    assert_eq!(reason(&FUNCTION), "this kernel has no hook fentry/vfs_readlinks");
    assert_eq!(reason(&LIST), "this kernel has no hook iter/tusk");
    assert_eq!(reason(&PARAMETERS), "this kernel has no hook fexit/vfs_readlinks");
}
