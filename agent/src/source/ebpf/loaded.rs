//! What of a probe is in the kernel: attached and detached, measured, and asked what it costs.
//!
//! The collector that reads the probe and the budget that may detach it share this. All of it works after the process
//! has given up its capabilities, but for one thing: before Linux 5.19, where unprivileged bpf(2) is forbidden
//! (`kernel.unprivileged_bpf_disabled`), what was detached could not be attached again. There programs are told to
//! return at once instead, which costs the bare call.

use std::{
    collections::HashMap,
    mem,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use aya::{Ebpf, maps::Map, programs, sys::SyscallError};
use ebpf_probes::spec::{Attach, Entries, Need, Program, Spec};
use probe_abi::Meter;
use rustix::time::{ClockId, clock_gettime};
use tracing::info;

use super::{
    Error, Table,
    memory::{self, Memory},
};
use crate::source::{
    File,
    sys::{
        bpf, clock,
        descriptors::{self, Keeper},
        memory::SharedWords,
    },
};

/// A probe in the kernel. It is gone when this is dropped.
#[derive(Debug)]
pub struct Loaded {
    spec: &'static Spec,
    /// When its maps were empty for the last time, in seconds after the boot.
    start: f64,
    object: Mutex<Object>,
    written: Written,
    /// What a run takes beside its program, in ns.
    overhead: u64,
    memory: Memory,
    programs: Vec<Placed>,
    standing: Mutex<Standing>,
    /// Bits of the share of the machine's CPU time that it took lately, as an `f64`.
    share: AtomicU64,
}

/// A program that is loaded.
#[derive(Debug)]
struct Placed {
    program: &'static Program,
    /// By which the kernel knows it.
    number: u32,
}

#[derive(Debug)]
enum Object {
    Open {
        ebpf: Ebpf,
        /// What keeps the programs attached; none while they are not.
        links: Vec<OwnedFd>,
        /// What the kernel says of each program, to be read again.
        descriptions: Vec<File>,
    },
    /// Where few descriptors may be open: what keeps the programs attached is with somebody else.
    Kept(#[expect(dead_code, reason = "only kept")] Keeper),
}

/// The maps of a probe that the agent writes.
#[derive(Debug)]
pub(super) struct Written {
    /// `None` if the probe is not measured.
    pub(super) meters: Option<Meters>,
    /// In which its programs find when they were attached, if they ask.
    pub(super) attached_at: Option<Arc<SharedWords>>,
}

/// The meters of a probe's programs.
#[derive(Debug)]
pub(super) struct Meters {
    pub(super) rows: Table<Meter>,
    /// The same memory, for [`Meter::off`].
    pub(super) switches: Arc<SharedWords>,
    /// The first row of each program that has some, one for each CPU.
    pub(super) first_rows: HashMap<&'static str, usize>,
    pub(super) n_cpus: usize,
}

/// Whether a probe counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    Attached,
    /// Its programs cost too much and do not run for now.
    OverBudget(Excess),
}

/// Why a probe was detached. Shares are of the machine's CPU time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excess {
    /// What it took in a window.
    pub share: f64,
    /// What all probes together may take.
    pub max_share: f64,
    /// When it is attached again.
    pub retry_at: SystemTime,
}

/// What a program has cost since it was loaded.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub program: &'static str,
    pub runs: u64,
    /// Estimated: about one run in 128 is timed and stands for those since the one before; with what it takes to get to
    /// the program and to count the run, see [`super::calibration`].
    pub time: Duration,
    /// Times that it did not run, because it, or another program of the kind, was running on that CPU already. `None`
    /// before Linux 5.12, and where few descriptors may be open.
    pub missed: Option<u64>,
}

impl Loaded {
    /// Loads `programs` of an opened object of `spec`. One that the probe can do without may be refused.
    /// `take` takes what the agent writes out of its maps.
    pub(super) fn load(
        spec: &'static Spec,
        programs: Vec<&'static Program>,
        mut ebpf: Ebpf,
        mut memory: Memory,
        types: &aya::Btf,
        take: impl FnOnce(&mut Ebpf) -> Result<Written, Error>,
        overhead: u64,
    ) -> Result<Self, Error> {
        let mut placed: Vec<Placed> = Vec::new();
        for program in &programs {
            let is_there = |name| placed.iter().any(|it| it.program.name == name);
            if matches!(program.need, Need::InsteadOf(other) if is_there(other)) {
                continue;
            }
            match load(spec, &mut ebpf, program, types) {
                Ok(()) => placed.push(Placed { program, number: number(spec, &mut ebpf, program)? }),
                Err(error @ Error::Untraceable { .. }) if matches!(program.need, Need::Optional) => {
                    info!(
                        probe = spec.name,
                        program = program.name,
                        reason = error.reason(),
                        "program left out"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        let names = || placed.iter().map(|it| it.program.name);
        memory.add_programs(spec, &ebpf, names())?;
        let descriptions = memory::descriptions(spec, &ebpf, names())?;
        let written = take(&mut ebpf)?;
        let now = clock_gettime(ClockId::Boottime);
        Ok(Self {
            spec,
            start: now.tv_sec as f64 + now.tv_nsec as f64 / 1e9,
            object: Mutex::new(Object::Open { ebpf, links: Vec::new(), descriptions }),
            written,
            overhead,
            memory,
            programs: placed,
            standing: Mutex::new(Standing::Attached),
            share: AtomicU64::new(0),
        })
    }

    /// Whether a program of the probe runs: this kernel has its hook and lets it be used.
    pub fn has(&self, program: &str) -> bool {
        self.programs.iter().any(|it| it.program.name == program)
    }

    pub fn spec(&self) -> &'static Spec {
        self.spec
    }

    /// Since when it counts, in seconds after the boot. That it was detached for a while changes nothing.
    pub fn start(&self) -> f64 {
        self.start
    }

    /// What maps and programs take in the kernel.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether the program that the kernel gives this number is one of the probe's.
    pub fn has_program(&self, number: u32) -> bool {
        self.programs.iter().any(|it| it.number == number)
    }

    pub fn standing(&self) -> Standing {
        *lock(&self.standing)
    }

    /// Of the machine's CPU time, what its programs took in the last window of the budget.
    pub fn share(&self) -> f64 {
        f64::from_bits(self.share.load(Relaxed))
    }

    pub(super) fn set_share(&self, share: f64) {
        self.share.store(share.to_bits(), Relaxed);
    }

    /// What its programs have cost; empty if it is not measured.
    pub fn costs(&self) -> Vec<Cost> {
        let Some(meters) = &self.written.meters else { return Vec::new() };
        let mut object = lock(&self.object);
        let mut descriptions = match &mut *object {
            Object::Open { descriptions, .. } => &mut descriptions[..],
            Object::Kept(_) => &mut [],
        }
        .iter_mut();
        let cost = |Placed { program, .. }: &Placed| {
            let description = descriptions.next();
            let meter = meters.of(program.name)?;
            // A description that cannot be read, as in a container without its own /proc, says nothing of misses.
            let missed = description.and_then(|it| memory::field(it.read().ok()?, "recursion_misses"));
            let time = self.time_of(&meter);
            Some(Cost { program: program.name, runs: meter.runs, time, missed })
        };
        self.programs.iter().filter_map(cost).collect()
    }

    /// The time of all its programs together; without a system call.
    pub(super) fn time(&self) -> Duration {
        let Some(meters) = &self.written.meters else { return Duration::ZERO };
        self.time_of(&meters.rows.sum(0..meters.rows.len()))
    }

    fn time_of(&self, meter: &Meter) -> Duration {
        Duration::from_nanos(meter.time + meter.runs * self.overhead)
    }

    /// Stops its programs until [`Self::resume`]. Nothing is lost of what they have counted.
    pub(super) fn suspend(&self, excess: Excess) {
        if !lock(&self.object).detach(&self.programs)
            && let Some(meters) = &self.written.meters
        {
            meters.set_off(1);
        }
        *lock(&self.standing) = Standing::OverBudget(excess);
    }

    /// Lets its programs run again.
    pub(super) fn resume(&self) -> Result<(), Error> {
        self.attach()?;
        if let Some(meters) = &self.written.meters {
            meters.set_off(0);
        }
        *lock(&self.standing) = Standing::Attached;
        Ok(())
    }

    /// Attaches its programs, all or none. Iterators are not attached but asked, see [`super::BpfIterator`].
    pub(super) fn attach(&self) -> Result<(), Error> {
        if let Some(attached_at) = &self.written.attached_at {
            attached_at.store(0, clock::monotonic());
        }
        let mut object = lock(&self.object);
        let Object::Open { ebpf, links, .. } = &mut *object else { return Ok(()) };
        if links.is_empty() {
            *links = self.attached().map(|it| attach(self.spec, ebpf, it)).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    fn attached(&self) -> impl Iterator<Item = &'static Program> {
        self.programs.iter().map(|it| it.program).filter(|it| !matches!(it.attach, Attach::Iter(_)))
    }

    /// Whether it is to be closed once it is attached, because few descriptors may be open. Lists are asked by their
    /// programs, so these stay.
    pub(super) fn is_to_be_closed(&self) -> bool {
        let n_links = self.attached().count();
        n_links == self.programs.len() && !descriptors::may_keep(n_links)
    }

    /// Closes all descriptors but those without which the programs would not count: a thread keeps these. Nothing can
    /// be mapped any more, misses are not told, and what is over budget is told to return at once.
    pub(super) fn close(&self) -> Result<(), Error> {
        let mut object = lock(&self.object);
        let Object::Open { ebpf, links, .. } = &mut *object else { return Ok(()) };
        let mut kept = mem::take(links);
        // The kernel takes the events out of a map when it is closed.
        for map in self.spec.maps.iter().filter(|it| it.entries == Entries::CpuClocks) {
            if let Some(Map::PerfEventArray(events)) = ebpf.map(map.name) {
                let events = events.fd().as_fd().try_clone_to_owned();
                kept.push(events.map_err(|source| Error::call("keep a map", source))?);
            }
        }
        let keeper = Keeper::keep(kept).map_err(|source| Error::call("keep a probe attached", source))?;
        *object = Object::Kept(keeper);
        Ok(())
    }

    /// Calls `then` with the object; fails when it is closed.
    pub(super) fn with_object<T>(
        &self,
        then: impl FnOnce(&mut Ebpf) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &mut *lock(&self.object) {
            Object::Open { ebpf, .. } => then(ebpf),
            Object::Kept(_) => {
                Err(Error::Object { probe: self.spec.name, why: "its object is closed".to_owned() })
            }
        }
    }
}

impl Object {
    /// Detaches the programs, unless they could not be attached again: when the kernel would let the process, as it is
    /// by now, then it lets it ask for a description, too.
    fn detach(&mut self, programs: &[Placed]) -> bool {
        let Self::Open { ebpf, links, .. } = self else { return false };
        let mut loaded = programs.iter().filter_map(|it| ebpf.program(it.program.name));
        let may_attach = loaded.all(|it| it.info().is_ok());
        if may_attach {
            links.clear();
        }
        may_attach
    }
}

impl Meters {
    fn of(&self, program: &str) -> Option<Meter> {
        let first = *self.first_rows.get(program)?;
        Some(self.rows.sum(first..first + self.n_cpus))
    }

    /// Sets [`Meter::off`] on all CPUs.
    fn set_off(&self, off: u64) {
        for row in 0..self.rows.len() {
            let word = row * Table::<Meter>::ROW_WORDS + mem::offset_of!(Meter, off) / size_of::<u64>();
            self.switches.store(word, off);
        }
    }
}

fn load(spec: &Spec, ebpf: &mut Ebpf, program: &Program, types: &aya::Btf) -> Result<(), Error> {
    let Program { name, attach, .. } = program;
    let loaded = match (find(spec, ebpf, name)?, attach) {
        (programs::Program::BtfTracePoint(it), Attach::TpBtf(hook)) => it.load(hook, types),
        (programs::Program::FEntry(it), Attach::FEntry(function)) => it.load(function, types),
        (programs::Program::FExit(it), Attach::FExit(function)) => it.load(function, types),
        (programs::Program::Iter(it), Attach::Iter(list)) => it.load(list, types),
        _ => return Err(other_kind(spec, program)),
    };
    loaded.map_err(|error| Error::program(spec.name, program, error))
}

/// What the kernel numbers it by.
fn number(spec: &Spec, ebpf: &mut Ebpf, program: &Program) -> Result<u32, Error> {
    let info = find(spec, ebpf, program.name)?.info();
    info.map(|it| it.id()).map_err(|error| Error::program(spec.name, program, error))
}

fn attach(spec: &Spec, ebpf: &mut Ebpf, program: &Program) -> Result<OwnedFd, Error> {
    let fd = find(spec, ebpf, program.name)?.fd();
    let attached = fd.and_then(|it| {
        let call = "attach a program";
        bpf::attach(it.as_fd()).map_err(|io_error| SyscallError { call, io_error }.into())
    });
    attached.map_err(|error| Error::program(spec.name, program, error))
}

fn find<'a>(spec: &Spec, ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut programs::Program, Error> {
    let missing = || Error::Object { probe: spec.name, why: format!("program {name} is missing") };
    ebpf.program_mut(name).ok_or_else(missing)
}

fn other_kind(spec: &Spec, Program { name, attach, .. }: &Program) -> Error {
    Error::Object { probe: spec.name, why: format!("program {name} is not for {attach}") }
}

/// What a panic could leave behind are links or descriptions that are missing, and can be made again.
pub(super) fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
