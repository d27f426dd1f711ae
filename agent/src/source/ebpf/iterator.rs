//! BPF iterators: all items of one kind that the kernel has, such as tasks, from a program that picks what is wanted of
//! each: a tenth to a fiftieth of what the same costs through procfs. See Documentation/bpf/bpf_iterators.rst.

use std::{io::Read as _, sync::Arc};

use aya::{programs, programs::links::LinkError};

use ebpf_probes::spec::{Attach, Program};

use super::{Error, Loaded, Probe};

/// An iterator whose program writes `N` words for each item that it picks.
///
/// Reading it takes four system calls and, before Linux 5.19 where unprivileged bpf(2) is forbidden, `CAP_BPF`.
#[derive(Debug)]
pub struct BpfIterator<const N: usize> {
    probe: Arc<Loaded>,
    program: &'static Program,
    buffer: Vec<u8>,
}

impl<const N: usize> BpfIterator<N> {
    /// The iterator that `program` of a probe is.
    pub fn new(probe: &Probe, program: &'static str) -> Result<Self, Error> {
        let probe = Arc::clone(probe.loaded());
        let spec = probe.spec();
        let is_iterator = |it: &&Program| it.name == program && matches!(it.attach, Attach::Iter(_));
        let Some(program) = spec.programs.iter().find(is_iterator) else {
            return Err(Error::Object { probe: spec.name, why: format!("program {program} is no iterator") });
        };
        Ok(Self { probe, program, buffer: Vec::new() })
    }

    /// What the program has to say of each item, now. It runs in the context of this call.
    pub fn read(&mut self) -> Result<impl Iterator<Item = [u64; N]>, Error> {
        let mut file = self.probe.with_object(|ebpf| match ebpf.program_mut(self.program.name) {
            Some(programs::Program::Iter(program)) => {
                let link = program.attach().and_then(|id| program.take_link(id));
                let link =
                    link.map_err(|error| Error::program(self.probe.spec().name, self.program, error))?;
                link.into_file().map_err(|error| match error {
                    LinkError::SyscallError(error) => Error::call("open an iterator", error.io_error),
                    error => Error::Object { probe: self.probe.spec().name, why: error.to_string() },
                })
            }
            _ => unreachable!("the program was loaded as an iterator"),
        })?;
        self.buffer.clear();
        file.read_to_end(&mut self.buffer)
            .map_err(|source| Error::Call { action: "read an iterator", source })?;
        let records = self.buffer.chunks_exact(N * size_of::<u64>());
        if !records.remainder().is_empty() {
            let why = format!("program {} writes other records than of {N} words", self.program.name);
            return Err(Error::Object { probe: self.probe.spec().name, why });
        }
        Ok(records.map(|record| {
            let mut words = record.chunks_exact(size_of::<u64>());
            std::array::from_fn(|_| {
                let word = words.next().and_then(|it| it.first_chunk()).expect("a record has N words");
                u64::from_ne_bytes(*word)
            })
        }))
    }
}
