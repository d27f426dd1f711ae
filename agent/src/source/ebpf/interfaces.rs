//! The names of the network interfaces that probes count by their number.

use probe_abi::device;

use crate::source::{
    Error,
    netlink::{self, interface_name},
};

/// Asks the kernel for names, a call each.
pub struct Interfaces {
    socket: netlink::Socket,
}

impl Interfaces {
    /// `socket`: of the network that is shown.
    pub const fn new(socket: netlink::Socket) -> Self {
        Self { socket }
    }

    /// The name of a probe's index; `None` of an interface that is gone.
    pub fn name(&mut self, index: u32) -> Result<Option<Vec<u8>>, Error> {
        match index {
            device::OTHER => Ok(Some(b"~other".to_vec())),
            device::BACKLOG => Ok(Some(b"~backlog".to_vec())),
            number => interface_name(&mut self.socket, number),
        }
    }
}
