//! Probes against what the kernel counts itself, and the reasons for which they cannot run.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::thread::{
    CapabilitySet, CapabilitySets, CpuSet, sched_setaffinity, sched_yield, set_capabilities,
};

use ebpf_probes::{
    probes::{self, runqueue},
    spec::{Constant, Need, Origin, Program},
};

use super::*;

pub(super) mod fixture;

/// One loader serves all probes and forgets no constant: it would write one into another probe's map.
#[test]
fn no_map_is_named_like_a_constant() {
    let constants: Vec<_> = probes::ALL.iter().flat_map(|it| it.constants).map(|it| it.name).collect();
    let maps = probes::ALL.iter().flat_map(|it| it.maps.iter().map(move |map| (it.name, map.name)));
    let clashes: Vec<_> = maps.filter(|(_, map)| constants.contains(map)).collect();
    assert!(clashes.is_empty(), "{clashes:?}");
}

/// The run-queue probe and its waits.
struct RunQueue {
    probe: Arc<Probe>,
    waits: Table<Histogram>,
}

impl RunQueue {
    fn load(kernel: &Kernel) -> Result<Self, Error> {
        let probe = kernel.probe(&runqueue::SPEC, &[], &Settings::default())?;
        Ok(Self { waits: probe.table(runqueue::WAITS)?, probe })
    }

    fn probe(&self) -> &Probe {
        &self.probe
    }

    fn waits(&self) -> &Table<Histogram> {
        &self.waits
    }
}

/// For tests that put a load on: what one of them does is no part of what another counts.
fn alone() -> MutexGuard<'static, ()> {
    static LOAD: Mutex<()> = Mutex::new(());
    LOAD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn knows_its_memory() {
    let kernel = Kernel::new(None);
    let runqueue = RunQueue::load(&kernel).unwrap();
    let rows = u64::from(possible_cpus().unwrap()) * size_of::<Histogram>() as u64;
    let memory = runqueue.probe().loaded().memory();
    let of_map = |name: &str| memory.maps.iter().find(|it| it.name == name).unwrap().bytes;
    assert!((rows..rows + 8192).contains(&of_map("WAITS")), "{memory:?} for rows of {rows}");
    assert!((4096..16384).contains(&of_map("METERS")), "{memory:?}");
    // Before 6.2 or so the kernel counts a large array twice.
    let arrivals = of_map("ARRIVALS");
    let wanted = (probe_abi::arrival::WORDS * size_of::<u64>()) as u64;
    assert!((wanted..=2 * wanted).contains(&arrivals), "{memory:?}");
    // Times for each CPU, and pages that are not full.
    assert!(memory.total() < rows + arrivals + (144 << 10), "{memory:?}");
    // Waits, the clock, an event, and a row of the meter of each program; nothing for features that nobody wants.
    let more = memory.total_with_many_cpus() - memory.programs - arrivals;
    let row = size_of::<Histogram>() + size_of::<QueueClock>() + 8 + 2 * 64;
    let wanted = 512 * row as u64;
    // Each of fifteen maps has a head of its own, and pages that are not full.
    assert!((wanted..wanted + (144 << 10)).contains(&more), "{memory:?}, {wanted} for 512 CPUs");
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn programs_know_what_they_cost_as_the_kernel_does() {
    let _alone = alone();
    let kernel = Kernel::new(None);
    let runqueue = RunQueue::load(&kernel).unwrap();
    let loaded = runqueue.probe().loaded();
    let ours = || loaded.costs()[0];
    let theirs = || {
        let mut programs = aya::programs::loaded_programs().map(Result::unwrap);
        let program = programs.find(|it| loaded.has_program(it.id())).unwrap();
        (program.run_count(), program.run_time())
    };
    let _counting = aya::sys::enable_stats(aya::sys::Stats::RunTime).unwrap();
    let mut shares = [0.0; 5].map(|_| {
        let before = (ours(), theirs());
        // Others may have the CPU for most of the time.
        let end = Instant::now() + Duration::from_secs(20);
        while theirs().0 - before.1.0 <= 10_000 && Instant::now() < end {
            switch_for(Duration::from_millis(300));
        }
        let after = (ours(), theirs());
        let (our_runs, our_time) = (after.0.runs - before.0.runs, after.0.time - before.0.time);
        let (their_runs, their_time) = (after.1.0 - before.1.0, after.1.1 - before.1.1);
        assert!(their_runs > 10_000, "{their_runs} runs");
        // A few switches lie between the readings.
        assert_near(our_runs, their_runs, 1.0);
        our_time.as_secs_f64() / their_time.as_secs_f64()
    });
    // One run in 128 is timed, and one that a hypervisor interrupts stands for as many: that upsets a round or two.
    shares.sort_by(f64::total_cmp);
    println!("{shares:.2?} of the kernel's");
    assert!((0.6..1.4).contains(&shares[2]), "{shares:?} of the kernel's");
}

/// Two threads that take turns on a CPU.
fn switch_for(time: Duration) {
    let end = Instant::now() + time;
    let take_turns = || {
        let mut cpus = CpuSet::new();
        cpus.set(0);
        sched_setaffinity(None, &cpus).unwrap();
        while Instant::now() < end {
            sched_yield();
        }
    };
    thread::scope(|scope| {
        scope.spawn(take_turns);
        scope.spawn(take_turns);
    });
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn tells_which_capabilities_are_missing() {
    let drop_all_but = |kept| {
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
        // Of this thread alone, which ends with the test.
        set_capabilities(None, sets).unwrap();
        RunQueue::load(&Kernel::new(None)).map(|_| ()).unwrap_err()
    };
    let without = |kept| thread::spawn(move || drop_all_but(kept).reason()).join().unwrap();
    assert_eq!(
        without(CapabilitySet::empty()),
        "bpf(2) is not permitted: the agent lacks CAP_BPF and CAP_PERFMON"
    );
    assert_eq!(without(CapabilitySet::BPF), "bpf(2) is not permitted: the agent lacks CAP_PERFMON");
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn two_capabilities_are_enough_to_load_and_none_to_read() {
    let read = || {
        let kept = CapabilitySet::BPF | CapabilitySet::PERFMON;
        let set = |kept| {
            set_capabilities(
                None,
                CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
            )
        };
        set(kept).unwrap();
        let runqueue = RunQueue::load(&Kernel::new(None)).unwrap();
        set(CapabilitySet::empty()).unwrap();
        thread::sleep(Duration::from_millis(100));
        runqueue.waits().sum(0..runqueue.waits().len()).slots.iter().sum::<u64>()
    };
    assert!(thread::spawn(read).join().unwrap() > 0);
}

fn load(spec: &'static Spec) -> Error {
    Kernel::new(None).probe(spec, &[], &Settings::default()).map(|_| ()).unwrap_err()
}

const fn field(name: &'static str, path: &'static str) -> Constant {
    Constant { name, origin: Origin::Field { path, size: 8 }, need: Need::Always }
}

#[test]
#[ignore = "reads the running kernel's BTF"]
fn names_the_field_that_the_kernel_lacks() {
    static SPEC: Spec = Spec { constants: &[field("CLOCK", "rq.no_such_clock")], ..runqueue::SPEC };
    assert_eq!(load(&SPEC).reason(), "this kernel has no field rq.no_such_clock");
}

const SWAP: Program = Program {
    name: "sched_switch",
    attach: Attach::TpBtf("sched_swap"),
    need: Need::Always,
    meter: Some("METER_sched_switch"),
};

#[test]
#[ignore = "reads the running kernel's BTF"]
fn names_the_hook_that_the_kernel_lacks() {
    static SPEC: Spec = Spec { programs: &[SWAP], ..runqueue::SPEC };
    assert_eq!(load(&SPEC).reason(), "this kernel has no hook tp_btf/sched_swap");
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn does_without_the_hook_that_it_need_not_have() {
    static SPEC: Spec = Spec { programs: &[Program { need: Need::Optional, ..SWAP }], ..runqueue::SPEC };
    let probe = Kernel::new(None).probe(&SPEC, &[], &Settings::default()).unwrap();
    assert!(!probe.loaded().has("sched_switch"));
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn shows_why_the_verifier_refuses() {
    // The clock's offset is never set, and so lies beyond the struct.
    static SPEC: Spec = Spec {
        constants: &[
            field("LAST_QUEUED", "task_struct.sched_info.last_queued"),
            field("CFS_RQ", "task_struct.se.cfs_rq"),
            field("RQ", "cfs_rq.rq"),
            Constant { need: Need::Optional, ..field("CLOCK", "rq.no_such_clock") },
        ],
        ..runqueue::SPEC
    };
    let reason = load(&SPEC).reason();
    let line = reason.strip_prefix("the kernel refuses program sched_switch: ").expect(&reason);
    assert!(line.contains("4294967295"), "{line}");
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn collectors_share_a_probe_and_its_tables() {
    let kernel = Kernel::new(None);
    let (one, other) = (RunQueue::load(&kernel).unwrap(), RunQueue::load(&kernel).unwrap());
    assert!(Arc::ptr_eq(&one.probe, &other.probe));
    assert_eq!(kernel.probes().list().len(), 1);
    drop(one);
    thread::sleep(Duration::from_millis(100));
    assert!(other.waits().sum(0..other.waits().len()).slots.iter().sum::<u64>() > 0);
}

#[test]
#[ignore = "reads the running kernel's BTF"]
fn refuses_what_a_probe_does_not_declare() {
    let settings = Settings { constants: &[("NOTHING", 1)], ..Settings::default() };
    let refused = |features, settings: &Settings<'_>| {
        let probe = Kernel::new(None).probe(&runqueue::SPEC, features, settings);
        probe.map(|_| ()).unwrap_err().reason()
    };
    assert_eq!(refused(&[], &settings), "probe runqueue is broken: NOTHING is not declared");
    assert_eq!(
        refused(&["NOTHING"], &Settings::default()),
        "probe runqueue is broken: NOTHING is not declared"
    );
}

#[test]
#[ignore = "reads the running kernel's BTF"]
fn refuses_an_object_that_is_broken() {
    static SPEC: Spec =
        Spec { name: "broken", object: b"\x7fELF and no more", programs: &[], constants: &[], maps: &[] };
    assert_eq!(
        load(&SPEC).reason(),
        "probe broken is broken: error parsing BPF object: error parsing ELF data"
    );
}

/// The declaration and the object come from one file, by two compilers: what the one says the other must have.
#[test]
fn every_object_has_what_its_declaration_says() {
    for spec in probes::ALL {
        let has = |name: &str| {
            let name = [b"\0", name.as_bytes(), b"\0"].concat();
            spec.object.windows(name.len()).any(|it| it == name)
        };
        let constants = spec.constants.iter().map(|it| it.name);
        let programs = spec.programs.iter().flat_map(|it| [Some(it.name), it.meter]).flatten();
        for name in constants.chain(programs).chain(spec.maps.iter().map(|it| it.name)) {
            assert!(has(name), "{}: {name}", spec.name);
        }
    }
}

#[test]
fn tells_that_the_kernel_shows_no_types() {
    let error = RunQueue::load(&Kernel::new(Some("/nonexistent/vmlinux".into()))).map(|_| ()).unwrap_err();
    assert_eq!(
        error.reason(),
        "read the kernel's types from /nonexistent/vmlinux: No such file or directory (os error 2)"
    );
    assert_eq!(error.remedy(), "use a kernel built with CONFIG_DEBUG_INFO_BTF, or name a file with its BTF");
}

fn assert_near(seen: u64, expected: u64, percent: f64) {
    let apart = seen.abs_diff(expected) as f64;
    assert!(apart <= expected as f64 * percent / 100.0, "{seen} is not within {percent} % of {expected}");
}
