//! Network interfaces, as the kernel knows them.

use probe_abi::device;

use crate::{Field, Number, Object};

/// What tells interfaces apart.
pub struct Devices {
    /// `net_device.ifindex`
    pub number: &'static Field<u32>,
    /// `net_device.nd_net.net`
    pub namespace: &'static Field<Object>,
    /// `net.ns.inum`
    pub inode: &'static Field<u32>,
    /// The inode of the namespace that is shown.
    pub ours: &'static Number,
}

impl Devices {
    /// See [`device::index`]. A pointer that leads elsewhere leads to no namespace of ours.
    #[inline(always)]
    pub fn index(&self, device: Object) -> u32 {
        let is_ours = self.inode.of(self.namespace.of(device)) == self.ours.get();
        device::index(self.number.of(device), is_ours)
    }
}
