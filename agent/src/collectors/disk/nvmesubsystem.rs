//! `/sys/class/nvme-subsystem`: NVMe subsystems and the controllers that lead to them, of which there are several with
//! multipath. See drivers/nvme/host/sysfs.c.

use crate::{
    collectors::prelude::*,
    source::{Attributes, numbered},
};
use std::{io::ErrorKind, path::PathBuf};

metrics! {
    INFO: Gauge "node_nvmesubsystem_info" ["subsystem", "nqn", "model", "serial", "iopolicy"], "1 for each NVMe subsystem, with its name, model and the policy by which it spreads requests over paths.";
    NAMESPACE_INFO: Gauge "node_nvmesubsystem_namespace_info" ["subsystem", "device"], "1 for each block device of the NVMe subsystem.";
    PATHS: Gauge "node_nvmesubsystem_paths" ["subsystem"], "Controllers that lead to the NVMe subsystem.";
    PATHS_LIVE: Gauge "node_nvmesubsystem_paths_live" ["subsystem"], "Controllers that lead to the NVMe subsystem and work.";
    PATH_STATE: Gauge "node_nvmesubsystem_path_state" ["subsystem", "controller", "transport", "state"], "1 for the state that the controller is in, 0 for the others.";
}

const STATES: [&str; 7] = ["connecting", "dead", "deleting", "live", "new", "resetting", "unknown"];

pub(super) struct Nvmesubsystem {
    class: PathBuf,
}

impl Spec for Nvmesubsystem {
    const SUMMARY: &'static str =
        "NVMe subsystems and the state of the paths to them, from /sys/class/nvme-subsystem.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { class: host.sys("class/nvme-subsystem") })
    }
}

impl Collector for Nvmesubsystem {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let class = match Folder::open(&self.class) {
            Ok(Some(class)) => class,
            Ok(None) => return Err(Error::Absent(format!("{} does not exist", self.class.display()))),
            Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => {
                return Err(Error::Absent(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let pushed = class.for_each_folder(
            |name| name.starts_with("nvme-subsys"),
            |name, folder| push_subsystem(folder, name, out),
        );
        Ok(pushed?)
    }
}

/// What a subsystem does not say stays empty: older kernels have no policy.
fn push_subsystem(folder: &Folder, subsystem: &str, out: &mut Families) -> Result<(), source::Error> {
    let files = folder.unlisted_attributes();
    let text = |file| files.value(file).map(|it| label_text(&it)).unwrap_or_default();
    let [nqn, model, serial, policy] = ["subsysnqn", "model", "serial", "iopolicy"].map(text);
    out.push(INFO, [subsystem, &nqn, &model, &serial, &policy], 1_u64);
    let (mut n_paths, mut n_live) = (0_u64, 0_u64);
    for name in folder.names()? {
        let Some(rest) = numbered(&name, "nvme") else { continue };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number(rest) {
            n_paths += 1;
            n_live += u64::from(push_path(&files, subsystem, &name, out) == Some("live"));
        } else if rest.split_once('n').is_some_and(|(controller, id)| is_number(controller) && is_number(id))
        {
            out.push(NAMESPACE_INFO, [subsystem, &name], 1_u64);
        }
    }
    out.push(PATHS, [subsystem], n_paths);
    out.push(PATHS_LIVE, [subsystem], n_live);
    files.end()
}

/// Returns the state that the controller is in; `None` when it cannot be told.
fn push_path(
    files: &Attributes<'_>,
    subsystem: &str,
    controller: &str,
    out: &mut Families,
) -> Option<&'static str> {
    let text = |file| files.value(&format!("{controller}/{file}"));
    let (state, transport) = (text("state")?, text("transport"));
    // The kernel also says `deleting (no IO)`.
    let word = source::words(&state).next()?;
    let now = STATES.into_iter().find(|it| it.as_bytes() == word).unwrap_or("unknown");
    for state in STATES {
        let transport = transport.as_deref().unwrap_or_default();
        out.push(PATH_STATE, (subsystem, controller, transport, state), state == now);
    }
    Some(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[(&str, &str)] = &[
        ("sys/class/nvme-subsystem/nvme-subsys0/subsysnqn", "nqn.2014-08.org.example:array\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/model", "Example Array\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/serial", "SN12345\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/iopolicy", "round-robin\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/nvme0/state", "live\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/nvme0/transport", "tcp\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/nvme1/state", "deleting (no IO)\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/nvme1/transport", "tcp\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/nvme0n1/size", "1024\n"),
        ("sys/class/nvme-subsystem/nvme-subsys0/nvme0c0n1/size", "1024\n"),
        ("sys/class/nvme-subsystem/other/model", "none of ours\n"),
    ];

    #[test]
    fn shows_the_paths_to_each_subsystem() {
        check::<Nvmesubsystem>(
            "",
            HOST,
            expect![[r##"
            # HELP node_nvmesubsystem_info 1 for each NVMe subsystem, with its name, model and the policy by which it spreads requests over paths.
            # TYPE node_nvmesubsystem_info gauge
            node_nvmesubsystem_info{iopolicy="round-robin",model="Example Array",nqn="nqn.2014-08.org.example:array",serial="SN12345",subsystem="nvme-subsys0"} 1
            # HELP node_nvmesubsystem_namespace_info 1 for each block device of the NVMe subsystem.
            # TYPE node_nvmesubsystem_namespace_info gauge
            node_nvmesubsystem_namespace_info{device="nvme0n1",subsystem="nvme-subsys0"} 1
            # HELP node_nvmesubsystem_path_state 1 for the state that the controller is in, 0 for the others.
            # TYPE node_nvmesubsystem_path_state gauge
            node_nvmesubsystem_path_state{controller="nvme0",state="connecting",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="dead",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="deleting",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="live",subsystem="nvme-subsys0",transport="tcp"} 1
            node_nvmesubsystem_path_state{controller="nvme0",state="new",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="resetting",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="unknown",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme1",state="connecting",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme1",state="dead",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme1",state="deleting",subsystem="nvme-subsys0",transport="tcp"} 1
            node_nvmesubsystem_path_state{controller="nvme1",state="live",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme1",state="new",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme1",state="resetting",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme1",state="unknown",subsystem="nvme-subsys0",transport="tcp"} 0
            # HELP node_nvmesubsystem_paths Controllers that lead to the NVMe subsystem.
            # TYPE node_nvmesubsystem_paths gauge
            node_nvmesubsystem_paths{subsystem="nvme-subsys0"} 2
            # HELP node_nvmesubsystem_paths_live Controllers that lead to the NVMe subsystem and work.
            # TYPE node_nvmesubsystem_paths_live gauge
            node_nvmesubsystem_paths_live{subsystem="nvme-subsys0"} 1
        "##]],
        );
    }

    #[test]
    fn calls_a_state_it_does_not_know_unknown() {
        let mut files = HOST[..6].to_vec();
        files[4].1 = "unknown state\n";
        check::<Nvmesubsystem>(
            "",
            &files,
            expect![[r##"
            # HELP node_nvmesubsystem_info 1 for each NVMe subsystem, with its name, model and the policy by which it spreads requests over paths.
            # TYPE node_nvmesubsystem_info gauge
            node_nvmesubsystem_info{iopolicy="round-robin",model="Example Array",nqn="nqn.2014-08.org.example:array",serial="SN12345",subsystem="nvme-subsys0"} 1
            # HELP node_nvmesubsystem_path_state 1 for the state that the controller is in, 0 for the others.
            # TYPE node_nvmesubsystem_path_state gauge
            node_nvmesubsystem_path_state{controller="nvme0",state="connecting",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="dead",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="deleting",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="live",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="new",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="resetting",subsystem="nvme-subsys0",transport="tcp"} 0
            node_nvmesubsystem_path_state{controller="nvme0",state="unknown",subsystem="nvme-subsys0",transport="tcp"} 1
            # HELP node_nvmesubsystem_paths Controllers that lead to the NVMe subsystem.
            # TYPE node_nvmesubsystem_paths gauge
            node_nvmesubsystem_paths{subsystem="nvme-subsys0"} 1
            # HELP node_nvmesubsystem_paths_live Controllers that lead to the NVMe subsystem and work.
            # TYPE node_nvmesubsystem_paths_live gauge
            node_nvmesubsystem_paths_live{subsystem="nvme-subsys0"} 0
        "##]],
        );
    }

    #[test]
    fn a_kernel_without_a_policy_leaves_it_empty() {
        check::<Nvmesubsystem>(
            "",
            &HOST[..3],
            expect![[r##"
            # HELP node_nvmesubsystem_info 1 for each NVMe subsystem, with its name, model and the policy by which it spreads requests over paths.
            # TYPE node_nvmesubsystem_info gauge
            node_nvmesubsystem_info{iopolicy="",model="Example Array",nqn="nqn.2014-08.org.example:array",serial="SN12345",subsystem="nvme-subsys0"} 1
            # HELP node_nvmesubsystem_paths Controllers that lead to the NVMe subsystem.
            # TYPE node_nvmesubsystem_paths gauge
            node_nvmesubsystem_paths{subsystem="nvme-subsys0"} 0
            # HELP node_nvmesubsystem_paths_live Controllers that lead to the NVMe subsystem and work.
            # TYPE node_nvmesubsystem_paths_live gauge
            node_nvmesubsystem_paths_live{subsystem="nvme-subsys0"} 0
        "##]],
        );
    }

    #[test]
    fn a_host_without_the_class_has_none() {
        check_error::<Nvmesubsystem>(
            "",
            &[],
            expect!["not on this host: sys/class/nvme-subsystem does not exist"],
        );
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<Nvmesubsystem>("", HOST);
    }
}
