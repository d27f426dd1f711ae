//! Helpers that the probes share.
#![no_std]
