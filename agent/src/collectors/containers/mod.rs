//! Who uses the host: containers, pods, units.

mod cgroup_usage;

super::register! {
    "containers":
    cgroup_usage::CgroupUsage,
}
