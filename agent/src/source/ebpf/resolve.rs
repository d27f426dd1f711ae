//! What a probe declares, found in the running kernel: the value of each of its constants, and which of its programs
//! have a hook.

use ebpf_probes::spec::{Attach, Constant, Need, Origin, Program, Spec};
use probe_abi::ABSENT;

use super::{
    Error,
    btf::{Btf, FieldError},
};

/// What of a probe this kernel has.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Constants with their values, but for those that the agent sets.
    pub(super) constants: Vec<(&'static str, u32)>,
    /// Programs that have a hook.
    pub(super) programs: Vec<&'static Program>,
}

/// Finds the value of each constant and the hook of each program. `decided`: the features and settings, with their values.
///
/// # Errors
/// When the kernel lacks what the probe cannot do without, or has it otherwise than the probe reads it.
pub(super) fn resolve(
    spec: &'static Spec,
    btf: &Btf,
    decided: &[(&'static str, u32)],
) -> Result<Resolved, Error> {
    let mut programs = Vec::new();
    for program in spec.programs {
        if is_idle(program, spec, btf, decided) {
            continue;
        }
        if is_in(&program.attach, btf) {
            programs.push(program);
        } else if !may_lack(program, spec, btf) {
            return Err(Error::NoHook { hook: program.attach });
        }
    }
    let mut constants = Vec::new();
    for constant in spec.constants.iter().filter(|it| !matches!(it.origin, Origin::Setting | Origin::Feature))
    {
        constants.push((constant.name, value(constant, spec, btf)?));
    }
    Ok(Resolved { constants, programs })
}

/// Whether this kernel has a hook.
fn is_in(attach: &Attach, btf: &Btf) -> bool {
    match attach {
        Attach::TpBtf(tracepoint) => btf.arity(tracepoint).is_some(),
        Attach::FEntry(function) | Attach::FExit(function) => btf.has_function(function),
        Attach::Iter(list) => btf.has_function(&format!("bpf_iter_{list}")),
    }
}

/// Whether a program has nothing to do: this kernel lacks the constant, or nobody wants the feature, that it is for.
fn is_idle(program: &Program, spec: &Spec, btf: &Btf, decided: &[(&str, u32)]) -> bool {
    let Need::With(name) = program.need else { return false };
    match spec.constants.iter().find(|it| it.name == name).map(|it| it.origin) {
        Some(Origin::Feature | Origin::Setting) => !decided.contains(&(name, 1)),
        Some(origin) => find(&origin, btf).is_err(),
        None => true,
    }
}

fn may_lack(program: &Program, spec: &Spec, btf: &Btf) -> bool {
    match program.need {
        Need::Optional => true,
        Need::Unless(other) | Need::InsteadOf(other) => {
            spec.programs.iter().any(|it| it.name == other && is_in(&it.attach, btf))
        }
        // Who wants the feature is told, and the others do without.
        Need::With(name) => {
            spec.constants.iter().any(|it| it.name == name && matches!(it.origin, Origin::Feature))
        }
        Need::Always | Need::Otherwise(_) => false,
    }
}

fn value(constant: &Constant, spec: &Spec, btf: &Btf) -> Result<u32, Error> {
    match (find(&constant.origin, btf), &constant.need) {
        (Ok(value), _) => Ok(value),
        // Wrong is worse than absent: a bit field or another size is never passed over.
        (Err(error @ (Error::FieldSize { .. } | Error::NoField(FieldError::BitField(_)))), _) => Err(error),
        (Err(error), Need::Always | Need::With(_) | Need::InsteadOf(_)) => Err(error),
        (Err(error), Need::Unless(other)) => {
            let other = spec.constants.iter().find(|it| it.name == *other);
            other.and_then(|it| find(&it.origin, btf).ok()).map(|_| ABSENT).ok_or(error)
        }
        (Err(_), Need::Optional) => Ok(ABSENT),
        (Err(_), Need::Otherwise(value)) => Ok(*value),
    }
}

fn find(origin: &Origin, btf: &Btf) -> Result<u32, Error> {
    match *origin {
        Origin::Field { path, size: expected } => {
            let field = btf.field(path).map_err(Error::NoField)?;
            if expected != 0 && field.size != expected {
                return Err(Error::FieldSize { path, found: field.size, expected });
            }
            Ok(field.offset)
        }
        Origin::Bits { path } => btf.bits(path).map_err(Error::NoField),
        Origin::Argument { hook, of } => btf.argument(hook, of).ok_or(Error::NoArgument { hook, what: of }),
        Origin::ArgumentOfType { hook, of } => {
            btf.argument_of_type(hook, of).ok_or(Error::NoArgument { hook, what: of })
        }
        Origin::Arity { hook } => btf.arity(hook).ok_or(Error::NoHook { hook: Attach::TpBtf(hook) }),
        Origin::Parameters { function } => {
            btf.parameters(function).ok_or(Error::NoHook { hook: Attach::FExit(function) })
        }
        Origin::Enumerator { name } => {
            let value = btf.enumerator(name).ok_or(Error::NoEnumerator { name })?;
            u32::try_from(value).map_err(|_| Error::NoEnumerator { name })
        }
        Origin::HasFunction { name } => Ok(btf.has_function(name).into()),
        Origin::Setting | Origin::Feature => unreachable!("the agent sets it"),
    }
}
