//! All that probes ask of a kernel's types, and the answers: a line each, for others to check.
//!
//! `field STRUCT.FIELD = OFFSET SIZE`, `bits STRUCT.FIELD = FIRST WIDTH`, `enumerator NAME = VALUE`, `hook NAME = ARGUMENTS`,
//! `argument HOOK STRUCT ARGUMENTS = POSITION`, `function NAME = PARAMETERS`; each with `-` for what is not there.

use std::{collections::BTreeSet, fmt::Display};

use super::super::Btf;
use ebpf_probes::spec::{Attach, Origin, Spec};

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    Field(&'static str),
    Bits(&'static str),
    Enumerator(&'static str),
    Hook(&'static str),
    Argument(&'static str, &'static str),
    Function(&'static str),
    List(&'static str),
}

impl Question {
    /// All that these probes ask, each once.
    pub(super) fn of(specs: &[&Spec]) -> BTreeSet<Self> {
        let mut questions = BTreeSet::new();
        for spec in specs {
            questions.extend(spec.programs.iter().map(|it| match it.attach {
                Attach::TpBtf(hook) => Self::Hook(hook),
                Attach::FEntry(function) | Attach::FExit(function) => Self::Function(function),
                Attach::Iter(list) => Self::List(list),
            }));
            for constant in spec.constants {
                match constant.origin {
                    Origin::Field { path, .. } => questions.extend(path.split('|').map(Self::Field)),
                    Origin::Bits { path } => questions.extend([Self::Bits(path)]),
                    Origin::Argument { hook, of } => questions.extend([Self::Argument(hook, of)]),
                    Origin::Arity { hook } => questions.extend([Self::Hook(hook)]),
                    Origin::Parameters { function } => questions.extend([Self::Function(function)]),
                    Origin::Enumerator { name } => questions.extend([Self::Enumerator(name)]),
                    Origin::ArgumentOfType { hook, .. } => questions.extend([Self::Hook(hook)]),
                    Origin::HasFunction { name } => questions.extend([Self::Function(name)]),
                    Origin::Setting | Origin::Feature => {}
                }
            }
        }
        questions
    }

    /// What is in the types if the kernel has a list.
    pub(super) fn function_of_list(name: &str) -> String {
        format!("bpf_iter_{name}")
    }

    /// The question with its answer.
    pub(super) fn claim(self, btf: &Btf) -> String {
        fn or_none(answer: Option<impl Display>) -> String {
            answer.map_or("-".to_owned(), |it| it.to_string())
        }
        match self {
            Self::Field(path) => {
                let answer = btf.field(path).ok().map(|it| format!("{} {}", it.offset, it.size));
                format!("field {path} = {}", or_none(answer))
            }
            Self::Bits(path) => {
                let answer = btf.bits(path).ok().map(|it| format!("{} {}", it & 0xff_ffff, it >> 24));
                format!("bits {path} = {}", or_none(answer))
            }
            Self::Enumerator(name) => format!("enumerator {name} = {}", or_none(btf.enumerator(name))),
            Self::Hook(name) => format!("hook {name} = {}", or_none(btf.arity(name))),
            Self::Argument(hook, of) => {
                let arity = btf.arity(hook).unwrap_or(0);
                format!("argument {hook} {of} {arity} = {}", or_none(btf.argument(hook, of)))
            }
            Self::Function(name) => format!("function {name} = {}", or_none(btf.parameters(name))),
            Self::List(name) => {
                let function = Self::function_of_list(name);
                format!("function {function} = {}", or_none(btf.parameters(&function)))
            }
        }
    }
}
