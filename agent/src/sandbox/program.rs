//! A table of system calls as a program for seccomp(2): classic BPF over `struct seccomp_data`.
//!
//! The calls are found by binary search, so that one costs seven comparisons or so. Since Linux 5.11 most cost none: the
//! kernel keeps a bitmap of the calls that a filter allows whatever their arguments are.

use crate::source::sys::seccomp::Instruction;
use std::collections::BTreeMap;

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Allow,
    /// It returns this error.
    Refuse(u16),
    /// It returns `errno` when the low 32 bits of this argument pass the test: all that is looked at are flags, numbers
    /// and words of 32 bits, and the kernel ignores the rest of them.
    RefuseIf {
        argument: u8,
        test: Test,
        errno: u16,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    AnyBit(u32),
    AllBits(u32),
    NoBit(u32),
    OneOf(Vec<u32>),
    NoneOf(Vec<u32>),
}

/// What is done about all calls.
#[derive(Debug)]
pub(super) struct Table {
    /// `AUDIT_ARCH_…` of `include/uapi/linux/audit.h`: numbers mean other calls on other architectures.
    pub(super) architecture: u32,
    /// For calls of another architecture.
    pub(super) foreign: u16,
    /// By number; what is not listed is allowed,
    pub(super) rules: BTreeMap<u32, Rule>,
    /// up to this number.
    pub(super) last: u32,
    /// For calls beyond.
    pub(super) unknown: u16,
}

impl Table {
    /// # Panics
    /// When a list of values in a test, or what is done about one call, is beyond the reach of a jump (255
    /// instructions).
    pub(super) fn assemble(&self) -> Vec<Instruction> {
        let mut program = vec![
            load(ARCHITECTURE),
            jump(libc::BPF_JEQ, self.architecture, 1, 0),
            refuse(self.foreign),
            load(NUMBER),
        ];
        program.extend(search(&self.ranges()));
        program
    }

    /// Where what is done changes: the first number of each range, with its rule.
    fn ranges(&self) -> Vec<(u32, Rule)> {
        let mut ranges = vec![(0, Rule::Allow)];
        let mut begin = |number, rule: &Rule| {
            let (since, before) = ranges.last_mut().expect("it starts with one");
            if *since == number {
                *before = rule.clone();
            } else if before != rule {
                ranges.push((number, rule.clone()));
            }
        };
        for (number, rule) in &self.rules {
            begin(*number, rule);
            begin(*number + 1, &Rule::Allow);
        }
        begin(self.last + 1, &Rule::Refuse(self.unknown));
        ranges
    }
}

/// Offsets into `struct seccomp_data`; the low half of an argument comes first, as everywhere on little-endian machines.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Finds the range of the number that was loaded. Every way through it ends in a return.
fn search(ranges: &[(u32, Rule)]) -> Vec<Instruction> {
    if let [(_, rule)] = ranges {
        return decide(rule);
    }
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let (middle, below, above) = (above[0].0, search(below), search(above));
    let mut program = match u8::try_from(below.len()) {
        Ok(skip) => vec![jump(libc::BPF_JGE, middle, skip, 0)],
        Err(_) => {
            let skip = u32::try_from(below.len()).expect("a program has 4096 instructions at most");
            vec![jump(libc::BPF_JGE, middle, 0, 1), statement(libc::BPF_JMP | libc::BPF_JA, skip)]
        }
    };
    program.extend(below);
    program.extend(above);
    program
}

fn decide(rule: &Rule) -> Vec<Instruction> {
    let (argument, test, errno) = match rule {
        Rule::Allow => return vec![allow()],
        Rule::Refuse(errno) => return vec![refuse(*errno)],
        Rule::RefuseIf { argument, test, errno } => (u32::from(*argument), test, *errno),
    };
    let mut program = vec![load(ARGUMENTS + 8 * argument)];
    match test {
        Test::AnyBit(bits) => {
            program.extend([jump(libc::BPF_JSET, *bits, 1, 0), allow(), refuse(errno)]);
        }
        Test::NoBit(bits) => program.extend([jump(libc::BPF_JSET, *bits, 1, 0), refuse(errno), allow()]),
        Test::AllBits(bits) => program.extend([
            statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, *bits),
            jump(libc::BPF_JEQ, *bits, 1, 0),
            allow(),
            refuse(errno),
        ]),
        Test::OneOf(values) => program.extend(among(values, refuse(errno), allow())),
        Test::NoneOf(values) => program.extend(among(values, allow(), refuse(errno))),
    }
    program
}

fn among(values: &[u32], then: Instruction, otherwise: Instruction) -> Vec<Instruction> {
    let n_values = u8::try_from(values.len()).expect("lists are short");
    let compare = |(value, n_left): (&u32, u8)| jump(libc::BPF_JEQ, *value, n_left, 0);
    // Behind the comparisons stand `otherwise` and `then`.
    let mut program: Vec<_> = values.iter().zip((1..=n_values).rev()).map(compare).collect();
    program.extend([otherwise, then]);
    program
}

fn load(offset: u32) -> Instruction {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn allow() -> Instruction {
    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW)
}

fn refuse(errno: u16) -> Instruction {
    statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | u32::from(errno))
}

/// Skips `if_so` or `if_not` instructions.
fn jump(comparison: u32, with: u32, if_so: u8, if_not: u8) -> Instruction {
    Instruction { jt: if_so, jf: if_not, ..statement(libc::BPF_JMP | comparison | libc::BPF_K, with) }
}

fn statement(code: u32, k: u32) -> Instruction {
    Instruction { code: u16::try_from(code).expect("codes have 16 bits"), jt: 0, jf: 0, k }
}

/// What the kernel would return: `kernel/seccomp.c` runs these as `net/core/filter.c` does.
#[cfg(test)]
pub(super) fn run(program: &[Instruction], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut words = vec![number, architecture, 0, 0];
    words.extend(arguments.iter().flat_map(|it| [*it as u32, (*it >> 32) as u32]));
    let (mut at, mut a) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let skip_if = |is_so: bool| usize::from(if is_so { jt } else { jf });
        match u32::from(code) {
            0x20 => a = words[k as usize / 4],
            0x54 => a &= k,
            0x05 => at += k as usize,
            0x15 => at += skip_if(a == k),
            0x35 => at += skip_if(a >= k),
            0x45 => at += skip_if(a & k != 0),
            0x06 => return k,
            code => panic!("code {code:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: u32 = 1;

    /// The error of a call, 0 if it is allowed.
    fn errno(program: &[Instruction], number: u32, arguments: [u64; 6]) -> u16 {
        match run(program, HERE, number, arguments) {
            libc::SECCOMP_RET_ALLOW => 0,
            returned => {
                assert_eq!(returned & 0xffff_0000, libc::SECCOMP_RET_ERRNO);
                returned as u16
            }
        }
    }

    fn table(rules: impl IntoIterator<Item = (u32, Rule)>) -> Table {
        Table { architecture: HERE, foreign: 7, rules: rules.into_iter().collect(), last: 400, unknown: 8 }
    }

    fn refuse_if(argument: u8, test: Test) -> Rule {
        Rule::RefuseIf { argument, test, errno: 1 }
    }

    #[test]
    fn tests_look_at_their_argument() {
        let program = table([
            (2, refuse_if(1, Test::AnyBit(0b110))),
            (3, refuse_if(2, Test::AllBits(0b110))),
            (4, refuse_if(0, Test::NoBit(0b110))),
            (5, refuse_if(5, Test::OneOf(vec![3, 9, 4]))),
            (6, refuse_if(3, Test::NoneOf(vec![3, 9, 4]))),
            (7, refuse_if(3, Test::NoneOf(vec![]))),
        ])
        .assemble();
        let refused = |number, argument: usize| {
            let mut arguments = [u64::from(u32::MAX); 6];
            let mut is_refused = move |value: u64| {
                arguments[argument] = value;
                errno(&program, number, arguments) == 1
            };
            (0..10).filter(move |value| is_refused(*value | 0xa_0000_0000)).collect::<Vec<_>>()
        };
        assert_eq!(refused.clone()(2, 1), [2, 3, 4, 5, 6, 7]);
        assert_eq!(refused.clone()(3, 2), [6, 7]);
        assert_eq!(refused.clone()(4, 0), [0, 1, 8, 9]);
        assert_eq!(refused.clone()(5, 5), [3, 4, 9]);
        assert_eq!(refused.clone()(6, 3), [0, 1, 2, 5, 6, 7, 8]);
        assert_eq!(refused(7, 3), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn calls_of_another_architecture_are_refused() {
        let program = table([]).assemble();
        assert_eq!(run(&program, HERE + 1, 0, [0; 6]), libc::SECCOMP_RET_ERRNO | 7);
        assert_eq!(errno(&program, 0, [0; 6]), 0);
        // The third architecture of x86 processors counts from here.
        assert_eq!(errno(&program, 0x4000_0000, [0; 6]), 8);
    }

    proptest! {
        #[test]
        fn each_call_meets_its_rule(rules in prop::collection::btree_map(0_u32..=400, 1_u16..200, 0..300)) {
            let program = table(rules.iter().map(|(number, errno)| (*number, Rule::Refuse(*errno)))).assemble();
            for number in 0..=400 {
                prop_assert_eq!(errno(&program, number, [0; 6]), rules.get(&number).copied().unwrap_or(0));
            }
            for number in [401, 402, 1000, 0x4000_0001, u32::MAX] {
                prop_assert_eq!(errno(&program, number, [0; 6]), 8);
            }
        }
    }
}
