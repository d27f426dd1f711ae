//! The command line and the config, from arguments, variables and files to values, and what is generated of them.

mod flags;
mod generated;
mod known;
mod layers;
