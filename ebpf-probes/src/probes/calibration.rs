//! Nothing, at an event that the agent can bring about at will: to learn what a run takes beside its program.

use ebpf_probes::probe;

probe! {
    name: "calibration",
    constants {}
    maps {}
    programs {
        tp_btf("task_rename") fn renamed(_, _) {}
    }
}
