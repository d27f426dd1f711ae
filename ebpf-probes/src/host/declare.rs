//! [`probe!`] for the agent: the declaration becomes data.

/// Declares a probe: its constants, maps and programs, each once.
///
/// ```ignore
/// probe! {
///     name: "runqueue",
///     constants {
///         /// What it means where its name does not say it.
///         LAST_QUEUED: u64 = field("task_struct.sched_info.last_queued");
///         FLUSH_SEQ_BIT = enumerator("__RQF_FLUSH_SEQ"), otherwise(4);
///         ROWS = setting();
///     }
///     maps {
///         WAITS: PerCpu<Histogram>;
///     }
///     programs {
///         tp_btf("sched_switch") fn switched(args, cpu) {
///             kernel::switched(args.object(2), cpu);
///         }
///     }
/// }
/// ```
///
/// A constant with a type is the offset of a field of that type, one of `bits` a bit field, any other a number. Where a
/// kernel may lack it:
/// `optional`, `unless(OTHER)`, `otherwise(4)`; the same behind the parameters of a program whose hook may be missing, and
/// `instead_of(other)` if it does the work of one above that is `optional`, where that one cannot be used, or
/// `with(CONSTANT)` if it has nothing to do without that, or is for that feature alone. A map that is for one feature
/// alone says `with(FEATURE)`, too: where that is not wanted it has a single entry, which no program may touch.
/// A program that may take more than 8 µs a run says so before that: `up_to 32768`, in ns; what is beyond is taken for
/// an interruption, see [`Meter`](probe_abi::Meter).
#[macro_export]
macro_rules! probe {
    (
        name: $probe:literal,
        constants { $($(#[$constant_doc:meta])* $constant:ident $(: $field:ty)? = $origin:ident($($origin_arg:expr),*) $(, $need:ident $(($need_arg:tt))?)?;)* }
        maps { $($(#[$map_doc:meta])* $map:ident: $kind:ty $(, with($feature:ident))?;)* }
        programs { $($(#[$program_doc:meta])* $attach:ident($hook:literal) fn $program:ident($($arg:pat),*) $(up_to $max_run:literal)? $(, $program_need:ident $(($program_need_arg:tt))?)? $body:block)* }
    ) => {
        $($(#[$map_doc])* pub const $map: $crate::maps::Map<$kind> = $crate::maps::Map::new(stringify!($map));)*

        /// The probe as it is declared.
        pub static SPEC: $crate::spec::Spec = {
            static OBJECT: &$crate::spec::Aligned<[u8]> =
                &$crate::spec::Aligned(*include_bytes!(concat!("../../prebuilt/", $probe, ".o")));
            $crate::spec::Spec {
                name: $probe,
                object: &OBJECT.0,
                programs: &[$($crate::spec::Program {
                    name: stringify!($program),
                    attach: $crate::probe!(@attach $attach $hook),
                    need: $crate::probe!(@need $($program_need $($program_need_arg)?)?),
                    meter: $crate::probe!(@meter $attach $program),
                }),*],
                constants: &[$($crate::spec::Constant {
                    name: stringify!($constant),
                    origin: $crate::probe!(@origin $origin($($origin_arg),*) $($field)?),
                    need: $crate::probe!(@need $($need $($need_arg)?)?),
                }),*],
                maps: &[$($map.spec(&[$(stringify!($feature))?])),*],
            }
        };
    };

    (@attach tp_btf $hook:literal) => { $crate::spec::Attach::TpBtf($hook) };
    (@attach fentry $hook:literal) => { $crate::spec::Attach::FEntry($hook) };
    (@attach fexit $hook:literal) => { $crate::spec::Attach::FExit($hook) };
    (@attach iter $hook:literal) => { $crate::spec::Attach::Iter($hook) };

    (@meter iter $program:ident) => { None };
    (@meter $attach:ident $program:ident) => { Some(concat!("METER_", stringify!($program))) };

    (@origin field($path:expr) $field:ty) => { $crate::spec::Origin::Field { path: $path, size: size_of::<$field>() as u32 } };
    (@origin bits($path:expr)) => { $crate::spec::Origin::Bits { path: $path } };
    (@origin argument($hook:expr, $of:expr)) => { $crate::spec::Origin::Argument { hook: $hook, of: $of } };
    (@origin argument_of_type($hook:expr, $of:expr)) => { $crate::spec::Origin::ArgumentOfType { hook: $hook, of: $of } };
    (@origin arity($hook:expr)) => { $crate::spec::Origin::Arity { hook: $hook } };
    (@origin parameters($function:expr)) => { $crate::spec::Origin::Parameters { function: $function } };
    (@origin enumerator($name:expr)) => { $crate::spec::Origin::Enumerator { name: $name } };
    (@origin has_function($name:expr)) => { $crate::spec::Origin::HasFunction { name: $name } };
    (@origin feature()) => { $crate::spec::Origin::Feature };
    (@origin setting()) => { $crate::spec::Origin::Setting };

    (@need) => { $crate::spec::Need::Always };
    (@need optional) => { $crate::spec::Need::Optional };
    (@need unless $other:ident) => { $crate::spec::Need::Unless(stringify!($other)) };
    (@need instead_of $other:ident) => { $crate::spec::Need::InsteadOf(stringify!($other)) };
    (@need with $constant:ident) => { $crate::spec::Need::With(stringify!($constant)) };
    (@need otherwise $value:literal) => { $crate::spec::Need::Otherwise($value) };
}

/// A field of 32 bytes with text in it, in declarations.
pub type Text = [u64; 4];

/// A field of 16 bytes with text in it, in declarations.
pub type ShortText = [u64; 2];

/// The kernel's pointers, in declarations.
pub type Object = u64;

/// A number below 256 in a field that is of another width in another kernel: it has no size here.
#[derive(Debug)]
pub struct Small;
