//! What the probes and the agent both read: the layout of the maps, and logic that needs no kernel.
#![no_std]
