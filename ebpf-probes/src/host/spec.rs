//! What a probe declares: what it hooks, and what of the kernel it must know.

use std::fmt;

/// A probe as it is declared, for loading and for the manual.
///
/// A probe may be detached for a while and attached again: what one of its programs left in a map for another may be
/// of long ago.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// That of its file and of its object.
    pub name: &'static str,
    /// The compiled programs.
    pub object: &'static [u8],
    pub programs: &'static [Program],
    /// What the programs must know of the kernel, and what the agent tells them.
    pub constants: &'static [Constant],
    pub maps: &'static [MapSpec],
}

/// A program of a probe and where it is attached.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The function's name in the object.
    pub name: &'static str,
    pub attach: Attach,
    pub need: Need,
    /// The constant that says where its meters are; none for an iterator, whose runs are the agent's own.
    pub meter: Option<&'static str>,
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
    /// A list of the kernel, such as `task`: the program runs for each item when the agent asks for it.
    Iter(&'static str),
}

impl Attach {
    /// The name of what it is attached to.
    pub const fn hook(&self) -> &'static str {
        match self {
            Self::TpBtf(hook) | Self::FEntry(hook) | Self::FExit(hook) | Self::Iter(hook) => hook,
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

/// A number that the programs see as a constant, and the global of the object that is set to it.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    pub name: &'static str,
    pub origin: Origin,
    pub need: Need,
}

/// Where a constant is found.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// The offset of a field: `struct.field`, several with `|` between if it was renamed; and the bytes it must
    /// have, 0 for any number.
    Field { path: &'static str, size: u32 },
    /// Where a bit field, or a field of one byte, is, and how wide: see [`probe_abi::bits`].
    Bits { path: &'static str },
    /// The first argument of a hook that points to this struct.
    Argument { hook: &'static str, of: &'static str },
    /// The first argument of a hook whose type, behind typedefs, has this name: `int`, `blk_status_t`.
    ArgumentOfType { hook: &'static str, of: &'static str },
    /// How many arguments a hook gives.
    Arity { hook: &'static str },
    /// How many arguments a function takes.
    Parameters { function: &'static str },
    /// The value of an enumerator.
    Enumerator { name: &'static str },
    /// 1 if the kernel has a function of this name that can be traced, else 0.
    HasFunction { name: &'static str },
    /// The agent says it when it loads the probe.
    Setting,
    /// 1 if a collector that reads the probe wants what depends on it, else 0.
    Feature,
}

/// What it means that a kernel lacks a constant or a hook.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// The probe cannot run.
    Always,
    /// The probe cannot run, unless the kernel has this other one of its kind.
    Unless(&'static str),
    /// A program that is for where the kernel lacks this other one, which is declared before it, or does not let it be
    /// used.
    InsteadOf(&'static str),
    /// A constant is [`ABSENT`](probe_abi::ABSENT), a program is left out, and the probe does without.
    Optional,
    /// A constant is known to have this value then.
    Otherwise(u32),
    /// A program is left out unless the kernel has this constant, or a collector wants this feature.
    With(&'static str),
}

/// A map as it is declared.
#[derive(Clone, Copy, Debug)]
pub struct MapSpec {
    pub name: &'static str,
    pub entries: Entries,
    /// Where this is not wanted it has one entry, whatever `entries` says.
    pub feature: Option<&'static str>,
}

/// How many entries a map has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    Fixed(u32),
    /// So many for each CPU that the kernel may ever have online.
    PerCpu(u32),
    /// One, in which the agent says when it attached the programs.
    Attached,
    /// One for each such CPU, each an event that counts the CPU's clock.
    CpuClocks,
    /// So many in each bank, of which there is one for each CPU as far as memory allows; each entry has these bytes.
    Banked {
        per_bank: u32,
        bytes: u32,
    },
    /// The agent says it when it loads the probe.
    Setting,
}

/// Bytes aligned as an ELF reader wants them.
#[doc(hidden)]
#[repr(C, align(32))]
#[derive(Debug)]
pub struct Aligned<T: ?Sized>(pub T);
