//! The names of presets. What each sets is for the collectors to say.

use super::choice;

choice! {
    /// Named sets of values for common hosts; anything else that is set wins over them.
    pub enum Preset {
        /// node_exporter's defaults; the same as no preset.
        NodeExporter = "node_exporter",
        /// What Debian's node_exporter has by default and node_exporter itself has not.
        Debian = "debian",
        /// Leaves out the interfaces and mounts that pods make, which come and go by the thousand.
        Kubernetes = "kubernetes",
        /// CPU, memory, load, disks, file systems, network interfaces and time only.
        Minimal = "minimal",
        /// Every collector that needs no privilege, no setting and little time.
        AllSafe = "all-safe",
    }
}
