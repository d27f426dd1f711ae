//! The mount points of the host as the agent sees them.

use super::{
    File, Foreign, dbus,
    ebpf::{self, Kernel, Probes},
    netlink, network_namespace,
};
use crate::config::{Budget, Ebpf, Paths, UseProbes};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Where to look. In a container these are bind mounts of the host's.
pub struct Host {
    paths: Paths,
    ebpf: Ebpf,
    kernel: Kernel,
    net: PathBuf,
}

impl Host {
    #[must_use]
    pub fn new(paths: Paths, ebpf: Ebpf) -> Self {
        Self::with_probes(paths, ebpf, Probes::default())
    }

    fn with_probes(paths: Paths, ebpf: Ebpf, probes: Probes) -> Self {
        let btf_path = (!ebpf.btf_path.as_os_str().is_empty()).then(|| ebpf.btf_path.clone());
        let net = network_namespace::folder(&paths.procfs, paths.network_namespace);
        Self { paths, ebpf, kernel: Kernel::with_probes(btf_path, probes), net }
    }

    /// The same kernel with its probes, seen by other settings.
    #[must_use]
    pub fn renewed(&self, paths: Paths, ebpf: Ebpf) -> Self {
        let probes = self.kernel.probes().clone();
        Self::with_probes(paths, ebpf, probes)
    }

    /// The running kernel, for probes.
    ///
    /// # Errors
    /// When the config forbids probes.
    pub fn kernel(&self) -> Result<&Kernel, ebpf::Error> {
        match self.ebpf.enabled {
            UseProbes::Auto => Ok(&self.kernel),
            UseProbes::Never => Err(ebpf::Error::SwitchedOff),
        }
    }

    /// Says whether probes that are loaded from now on measure what they cost.
    pub fn measure_probes(&self, budget: &Budget) {
        self.kernel.probes().measure(budget.measure);
    }

    /// Says what the collectors want of probes that are opened next: those that share one then load it once.
    pub fn announce(&self, uses: impl Iterator<Item = &'static ebpf::Use>) {
        self.kernel.probes().announce(uses);
    }

    /// Holds probes to their budget from now on. To be called when collectors are open and capabilities have been given
    /// up.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn keep_budget(&self, budget: Budget) -> io::Result<()> {
        self.kernel.probes().keep_budget(budget)
    }

    /// Gives back the memory that loading probes took. To be called when all collectors are open.
    pub fn release_kernel_types(&self) {
        self.kernel.release();
    }

    /// How probes are wanted.
    #[must_use]
    pub fn ebpf(&self) -> &Ebpf {
        &self.ebpf
    }

    /// A file of procfs, opened at its first read.
    #[must_use]
    pub fn proc(&self, name: &str) -> File {
        File::new(self.paths.procfs.join(name))
    }

    /// A file of procfs that each network namespace has of its own, of the namespace that the config chooses.
    #[must_use]
    pub fn net(&self, name: &str) -> File {
        File::new(self.net.join(name))
    }

    /// The inode of the network namespace that [`net`](Self::net) is; 0, which is none's, where it cannot be seen.
    #[must_use]
    pub fn network_inode(&self) -> u32 {
        let is_own = self.net == self.paths.procfs.join("net");
        let link = if is_own { "/proc/self/ns/net".into() } else { self.net.with_file_name("ns/net") };
        rustix::fs::stat(&link).map_or(0, |it| u32::try_from(it.st_ino).unwrap_or(0))
    }

    /// Whether the kernel's answers to our own sockets are about another network than [`net`](Self::net) is.
    #[must_use]
    pub fn sockets_see_another_network(&self) -> bool {
        network_namespace::is_foreign(&self.net)
    }

    /// Whether [`net`](Self::net) is about the network of this process: the kernel's own files, of our namespace.
    #[must_use]
    pub fn shows_own_network(&self) -> bool {
        network_namespace::is_own(&self.net)
    }

    /// A socket that the kernel answers about the network that [`net`](Self::net) is. Where ours is another, `socket` is
    /// opened in the host's, now and for good: who serves may not enter it.
    ///
    /// # Errors
    /// When the host's network is another and cannot be entered.
    pub fn netlink(&self, socket: netlink::Socket) -> Result<netlink::Socket, Foreign> {
        match self.sockets_see_another_network() {
            true => network_namespace::open_in(&self.net, || socket.opened_here()),
            false => Ok(socket),
        }
    }

    #[must_use]
    pub fn procfs(&self) -> &Path {
        &self.paths.procfs
    }

    #[must_use]
    pub fn rootfs(&self) -> &Path {
        &self.paths.rootfs
    }

    #[must_use]
    pub fn udev_data(&self) -> &Path {
        &self.paths.udev_data
    }

    /// The system bus of D-Bus, where it may be.
    pub(crate) fn system_bus(&self) -> Vec<dbus::Address> {
        let sockets = ["run/dbus/system_bus_socket", "var/run/dbus/system_bus_socket"];
        sockets.map(|it| dbus::Address::Bus(self.paths.rootfs.join(it))).to_vec()
    }

    /// A path below sysfs.
    #[must_use]
    pub fn sys(&self, name: &str) -> PathBuf {
        self.paths.sysfs.join(name)
    }
}
