//! The agent as a process, and its answers parsed.
