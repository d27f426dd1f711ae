//! One file a collector, named as the collector, in folders by what it shows.

pub mod cpu;
pub mod disk;
pub mod files;
pub mod filesystem;
pub mod hardware;
pub mod kernel;
pub mod memory;
pub mod network;
mod probe;

use crate::collector::Entry;

/// All collectors, in the order of the folders.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    let folders = [
        cpu::ENTRIES,
        memory::ENTRIES,
        disk::ENTRIES,
        filesystem::ENTRIES,
        network::ENTRIES,
        kernel::ENTRIES,
        hardware::ENTRIES,
        files::ENTRIES,
    ];
    folders.into_iter().flatten()
}

/// Declares a folder's collectors: the one place where a collector is listed.
macro_rules! collectors {
    ($group:literal: $($module:ident :: $collector:ident),* $(,)?) => {
        $(mod $module;)*

        pub(super) const ENTRIES: &[$crate::collector::Entry] = &[$(
            $crate::collector::Entry::of::<$module::$collector>($group, stringify!($module), |config, host| {
                let section = config.section(concat!("collector.", stringify!($module)));
                let collector = <$module::$collector as $crate::collector::Spec>::open(section, host)?;
                Ok(Box::new(collector))
            }),
        )*];
    };
}
pub(crate) use collectors;

/// What a collector's file starts from.
pub(crate) mod prelude {
    #[cfg(test)]
    pub(crate) use crate::testing::{check, check_error};
    pub(crate) use crate::{
        collector::{Collector, Error, Spec},
        config::{NoConfig, Pattern, section},
        metric::{Families, Meta, metrics},
        source::{self, File, Host},
    };
    #[cfg(test)]
    pub(crate) use expect_test::expect;
}
