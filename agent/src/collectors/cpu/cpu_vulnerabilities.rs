//! `/sys/devices/system/cpu/vulnerabilities`: what the kernel does about flaws of the processor. See
//! Documentation/ABI/testing/sysfs-devices-system-cpu.

use crate::collectors::prelude::*;
use std::path::PathBuf;

metrics! {
    INFO: Gauge "node_cpu_vulnerabilities_info" ["codename", "state", "mitigation"], "1 for each flaw of processors that the kernel knows, with whether this one has it and what is done about it.";
}

pub(super) struct CpuVulnerabilities {
    folder: PathBuf,
    text: Vec<u8>,
}

impl Spec for CpuVulnerabilities {
    const SUMMARY: &'static str =
        "Flaws of the processor and their mitigations, from /sys/devices/system/cpu/vulnerabilities.";
    const ENABLED: bool = false;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self { folder: host.sys("devices/system/cpu/vulnerabilities"), text: Vec::new() })
    }
}

impl Collector for CpuVulnerabilities {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(folder) = Folder::open(&self.folder)? else { return Ok(()) };
        let errors = FirstError::default();
        for name in folder.names()? {
            let Some(text) = errors.value(folder.text(&name, &mut self.text)) else { continue };
            let Some((_, line)) = source::lines(text).next() else { continue };
            let words: Vec<_> = source::words(line).collect();
            let (state, n_words_of_state) = state_of(&words);
            out.push(INFO, (name.as_str(), state, words[n_words_of_state..].join(&b' ')), 1_u64);
        }
        Ok(errors.end()?)
    }
}

/// The state that a text begins with, and how many of its words are used up by that. Some texts begin otherwise, as
/// `Processor vulnerable` does: they stay whole.
fn state_of(words: &[&[u8]]) -> (&'static str, usize) {
    let begins = |index: usize, text: &str| {
        let start = words.get(index).and_then(|word| word.get(..text.len()));
        start.is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
    };
    if words.first().is_some_and(|word| word.len() == 3) && begins(0, "not") && begins(1, "affected") {
        return ("not affected", words.len());
    }
    let state = ["vulnerable", "mitigation", "unknown"].into_iter().find(|state| begins(0, state));
    state.map_or(("unknown", 0), |state| (state, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    const HOST: &[(&str, &str)] = &[
        (
            "sys/devices/system/cpu/vulnerabilities/gather_data_sampling",
            "Unknown: Dependent on hypervisor status\n",
        ),
        ("sys/devices/system/cpu/vulnerabilities/itlb_multihit", "KVM: Mitigation: VMX disabled\n"),
        ("sys/devices/system/cpu/vulnerabilities/l1tf", "Not affected\n"),
        (
            "sys/devices/system/cpu/vulnerabilities/mds",
            "Vulnerable: Clear CPU buffers attempted, no microcode\n",
        ),
        ("sys/devices/system/cpu/vulnerabilities/meltdown", "Mitigation: PTI\n"),
        ("sys/devices/system/cpu/vulnerabilities/spec_store_bypass", "Vulnerable\n"),
        ("sys/devices/system/cpu/vulnerabilities/srbds", ""),
    ];

    #[test]
    fn splits_state_and_mitigation() {
        check::<CpuVulnerabilities>(
            "",
            HOST,
            expect![[r##"
            # HELP node_cpu_vulnerabilities_info 1 for each flaw of processors that the kernel knows, with whether this one has it and what is done about it.
            # TYPE node_cpu_vulnerabilities_info gauge
            node_cpu_vulnerabilities_info{codename="gather_data_sampling",mitigation="Dependent on hypervisor status",state="unknown"} 1
            node_cpu_vulnerabilities_info{codename="itlb_multihit",mitigation="KVM: Mitigation: VMX disabled",state="unknown"} 1
            node_cpu_vulnerabilities_info{codename="l1tf",mitigation="",state="not affected"} 1
            node_cpu_vulnerabilities_info{codename="mds",mitigation="Clear CPU buffers attempted, no microcode",state="vulnerable"} 1
            node_cpu_vulnerabilities_info{codename="meltdown",mitigation="PTI",state="mitigation"} 1
            node_cpu_vulnerabilities_info{codename="spec_store_bypass",mitigation="",state="vulnerable"} 1
        "##]],
        );
    }

    #[test]
    fn keeps_long_texts_whole() {
        let text = format!("Mitigation: {}", "IBPB ".repeat(100));
        let host = TestHost::new(&[("sys/devices/system/cpu/vulnerabilities/spectre_v2", &text)]);
        let mut out = Families::new(METRICS);
        host.open::<CpuVulnerabilities>("").unwrap().collect(&mut out).unwrap();
        assert!(host.render(&out).contains(&format!("mitigation=\"{}\"", "IBPB ".repeat(100).trim_end())));
    }

    #[test]
    fn a_host_without_the_folder_gives_no_samples() {
        check::<CpuVulnerabilities>("", &[], expect![[""]]);
    }

    #[test]
    fn survives_damaged_files() {
        never_panics::<CpuVulnerabilities>("", HOST);
    }
}
