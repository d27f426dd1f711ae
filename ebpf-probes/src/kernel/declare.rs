//! [`probe!`] for the kernel: the declaration becomes globals, maps and programs. What it says is told beside the
//! agent's side of it.

#[macro_export]
macro_rules! probe {
    (
        name: $probe:literal,
        constants { $($(#[$constant_doc:meta])* $constant:ident $(: $field:ty)? = $origin:ident($($origin_arg:expr),*) $(, $need:ident $(($need_arg:tt))?)?;)* }
        maps { $($(#[$map_doc:meta])* $map:ident: $kind:ty $(, with($feature:ident))?;)* }
        programs { $($(#[$program_doc:meta])* $attach:ident($hook:literal) fn $program:ident($($arg:pat),*) $(up_to $max_run:literal)? $(, $program_need:ident $(($program_need_arg:tt))?)? $body:block)* }
    ) => {
        $($crate::probe! { @constant $constant $($field)? })*
        $(
            const $map: $kind = {
                #[unsafe(link_section = ".maps")]
                #[unsafe(export_name = stringify!($map))]
                static MAP: <$kind as $crate::maps::Kind>::Map = <$kind as $crate::maps::Kind>::MAP;
                <$kind>::new(&MAP)
            };
        )*
        $($crate::probe! { @program $attach $hook $program [$($arg),*] [$($max_run)?] $body })*
    };

    (@constant $constant:ident) => {
        #[unsafe(no_mangle)]
        static $constant: $crate::Number = $crate::Number::unset();
    };
    (@constant $constant:ident $field:ty) => {
        #[unsafe(no_mangle)]
        static $constant: $crate::Field<$field> = $crate::Field::unset();
    };

    (@program iter $hook:literal $program:ident [$item:pat] [] $body:block) => {
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!("iter/", $hook))]
        extern "C" fn $program(item: &$crate::Item) -> i32 {
            let run = |$item: &$crate::Item| $body;
            run(item);
            0
        }
    };
    (@program $attach:ident $hook:literal $program:ident [$args:pat, $cpu:pat] [$($max_run:literal)?] $body:block) => {
        #[unsafe(no_mangle)]
        #[unsafe(link_section = concat!(stringify!($attach), "/", $hook))]
        extern "C" fn $program(context: *mut core::ffi::c_void) -> i32 {
            #[unsafe(export_name = concat!("METER_", stringify!($program)))]
            static METER: $crate::Number = $crate::Number::unset();
            let $args = $crate::Args::new(context);
            let max_run = [$($max_run,)? probe_abi::meter::MAX_RUN][0];
            $crate::measured(&METER, max_run, |$cpu: u32| $body);
            0
        }
    };
}
