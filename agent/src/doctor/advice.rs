//! The least privileges that the enabled collectors want, as Kubernetes and systemd spell them.

use crate::collector::Entry;
use rustix::thread::CapabilitySet;
use serde_json::{Value, json};
use std::fmt;

#[derive(Debug)]
pub(super) struct Advice {
    /// What they cannot do without; names without `CAP_`.
    capabilities: Vec<&'static str>,
    /// What lets some show more.
    more: Vec<&'static str>,
}

impl Advice {
    /// For these collectors.
    pub(super) fn new(entries: impl Iterator<Item = &'static Entry>) -> Self {
        let (mut needed, mut more) = (CapabilitySet::empty(), CapabilitySet::empty());
        for entry in entries {
            more |= entry.capabilities;
            if !entry.probes.is_empty() {
                needed |= CapabilitySet::BPF | CapabilitySet::PERFMON;
            }
        }
        let names = |set: CapabilitySet| {
            let mut names: Vec<_> = set.iter_names().map(|(name, _)| name).collect();
            names.sort_unstable();
            names
        };
        Self { capabilities: names(needed), more: names(more - needed) }
    }

    pub(super) fn to_json(&self) -> Value {
        let capabilities: Vec<String> = self.capabilities.iter().map(|name| format!("CAP_{name}")).collect();
        json!({
            "capabilities": capabilities,
            "more": self.more.iter().map(|name| format!("CAP_{name}")).collect::<Vec<_>>(),
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65534,
                "readOnlyRootFilesystem": true,
                "allowPrivilegeEscalation": false,
                "seccompProfile": { "type": "RuntimeDefault" },
                "capabilities": { "drop": ["ALL"], "add": self.capabilities },
            },
            "unit": self.unit().lines().collect::<Vec<_>>(),
        })
    }

    fn unit(&self) -> String {
        let names = self.capabilities.iter().map(|name| format!("CAP_{name}")).collect::<Vec<_>>().join(" ");
        format!(
            "AmbientCapabilities={names}\nCapabilityBoundingSet={names}\nNoNewPrivileges=yes\nLimitMEMLOCK=infinity\n"
        )
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Least privileges for these collectors, in a container:")?;
        writeln!(f, "  securityContext:")?;
        for line in [
            "runAsNonRoot: true",
            "runAsUser: 65534",
            "readOnlyRootFilesystem: true",
            "allowPrivilegeEscalation: false",
            "seccompProfile: {type: RuntimeDefault}",
        ] {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "    capabilities: {{drop: [ALL], add: [{}]}}", self.capabilities.join(", "))?;
        writeln!(f, "and in a unit:")?;
        self.unit().lines().try_for_each(|line| writeln!(f, "  {line}"))?;
        match &*self.more.join(", ") {
            "" => Ok(()),
            more => writeln!(f, "Some show more with {more} beside them: see `hostlens collectors`."),
        }
    }
}
