//! A probe as it is declared: what it hooks and what of the kernel it must know, and where the running kernel has that.

use std::fmt;

use probe_abi::ABSENT;

use super::{
    Error,
    btf::{Btf, FieldError},
};

/// A probe as it is declared, for loading and for the manual.
///
/// A probe may be detached for a while and attached again ([`super::budget`]): what one of its programs left in a map
/// for another may be of long ago.
#[derive(Debug)]
pub struct Spec {
    /// That of its object.
    pub name: &'static str,
    /// The compiled programs: [`object!`].
    pub object: &'static [u8],
    pub programs: &'static [Program],
    /// What of the kernel the programs must know.
    pub constants: &'static [Constant],
}

/// A program of a probe and where it is attached.
#[derive(Debug)]
pub struct Program {
    /// The function's name in the object.
    pub name: &'static str,
    pub attach: Attach,
}

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A tracepoint, by its name without the group.
    TpBtf(&'static str),
    /// The entry of a kernel function.
    FEntry(&'static str),
    /// The return of a kernel function. Behind the function's arguments, at the number that [`Origin::Parameters`]
    /// gives, the program finds what it returns.
    FExit(&'static str),
    /// A list of the kernel, such as `task`: the program runs for each item when the agent asks for it, see
    /// [`super::List`].
    Iter(&'static str),
}

impl Attach {
    /// The name of what it is attached to.
    pub fn hook(&self) -> &'static str {
        match self {
            Self::TpBtf(hook) | Self::FEntry(hook) | Self::FExit(hook) | Self::Iter(hook) => hook,
        }
    }

    /// Whether this kernel has it.
    fn is_in(&self, btf: &Btf) -> bool {
        match self {
            Self::TpBtf(tracepoint) => btf.arity(tracepoint).is_some(),
            Self::FEntry(function) | Self::FExit(function) => btf.has_function(function),
            Self::Iter(list) => btf.has_function(&format!("bpf_iter_{list}")),
        }
    }
}

/// As in the section names of libbpf: `tp_btf/sched_switch`.
impl fmt::Display for Attach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::TpBtf(_) => "tp_btf",
            Self::FEntry(_) => "fentry",
            Self::FExit(_) => "fexit",
            Self::Iter(_) => "iter",
        };
        write!(f, "{kind}/{}", self.hook())
    }
}

/// A number that differs between kernels, and the global of the probe that is set to it.
#[derive(Debug)]
pub struct Constant {
    pub global: &'static str,
    pub origin: Origin,
    pub need: Need,
}

/// Where a constant is found.
#[derive(Debug)]
pub enum Origin {
    /// The offset of a field: `struct.field`, several with `|` between if it was renamed; and the bytes it must have.
    Field { path: &'static str, size: u32 },
    /// The first argument of a hook that points to this struct.
    Argument { hook: &'static str, of: &'static str },
    /// How many arguments a hook gives.
    Arity { hook: &'static str },
    /// How many arguments a function takes.
    Parameters { function: &'static str },
    /// The value of an enumerator.
    Enumerator { name: &'static str },
}

/// What it means that a kernel lacks a constant.
#[derive(Debug)]
pub enum Need {
    /// The probe cannot run.
    Always,
    /// The probe cannot run, unless the kernel has this other one of its constants.
    Unless(&'static str),
    /// The probe sees [`ABSENT`] and does without.
    Never,
    /// It is known to have this value then.
    Otherwise(u32),
}

impl Constant {
    /// A field that the probe cannot do without.
    pub const fn field(global: &'static str, path: &'static str, size: u32) -> Self {
        Self { global, origin: Origin::Field { path, size }, need: Need::Always }
    }

    /// An enumerator that the probe can do without.
    pub const fn enumerator(global: &'static str, name: &'static str) -> Self {
        Self { global, origin: Origin::Enumerator { name }, need: Need::Never }
    }

    pub const fn need(self, need: Need) -> Self {
        Self { need, ..self }
    }
}

/// Finds the value of each constant, and that the kernel has each hook.
pub(super) fn resolve(spec: &Spec, btf: &Btf) -> Result<Vec<(&'static str, u32)>, Error> {
    if let Some(Program { attach, .. }) = spec.programs.iter().find(|it| !it.attach.is_in(btf)) {
        return Err(Error::NoHook { hook: *attach });
    }
    let value = |constant: &Constant| match (find(&constant.origin, btf), &constant.need) {
        (Ok(value), _) => Ok(value),
        // Wrong is worse than absent: a bit field or another size is never passed over.
        (Err(error @ (Error::FieldSize { .. } | Error::NoField(FieldError::BitField(_)))), _) => Err(error),
        (Err(error), Need::Always) => Err(error),
        (Err(error), Need::Unless(other)) => {
            let other = spec.constants.iter().find(|it| it.global == *other);
            other.and_then(|it| find(&it.origin, btf).ok()).map(|_| ABSENT).ok_or(error)
        }
        (Err(_), Need::Never) => Ok(ABSENT),
        (Err(_), Need::Otherwise(value)) => Ok(*value),
    };
    spec.constants.iter().map(|constant| Ok((constant.global, value(constant)?))).collect()
}

fn find(origin: &Origin, btf: &Btf) -> Result<u32, Error> {
    match *origin {
        Origin::Field { path, size: expected } => {
            let field = btf.field(path).map_err(Error::NoField)?;
            if field.size != expected {
                return Err(Error::FieldSize { path, found: field.size, expected });
            }
            Ok(field.offset)
        }
        Origin::Argument { hook, of } => btf.argument(hook, of).ok_or(Error::NoArgument { hook, what: of }),
        Origin::Arity { hook } => btf.arity(hook).ok_or(Error::NoHook { hook: Attach::TpBtf(hook) }),
        Origin::Parameters { function } => {
            btf.parameters(function).ok_or(Error::NoHook { hook: Attach::FExit(function) })
        }
        Origin::Enumerator { name } => {
            let value = btf.enumerator(name).ok_or(Error::NoEnumerator { name })?;
            u32::try_from(value).map_err(|_| Error::NoEnumerator { name })
        }
    }
}
