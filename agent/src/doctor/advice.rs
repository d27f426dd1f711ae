//! The least privileges that the enabled collectors want, as Kubernetes and systemd spell them.

use crate::collector::Entry;
use rustix::thread::CapabilitySet;
use serde_json::{Value, json};
use std::fmt;

#[derive(Debug)]
pub(super) struct Advice {
    /// Without `CAP_`.
    capabilities: Vec<&'static str>,
}

impl Advice {
    /// For these collectors.
    pub(super) fn new(entries: impl Iterator<Item = &'static Entry>) -> Self {
        let wants = |entry: &Entry| match entry.hooks {
            [] => entry.capabilities,
            _ => entry.capabilities | CapabilitySet::BPF | CapabilitySet::PERFMON,
        };
        let wanted = entries.fold(CapabilitySet::empty(), |wanted, entry| wanted | wants(entry));
        Self { capabilities: wanted.iter_names().map(|(name, _)| name).collect() }
    }

    pub(super) fn to_json(&self) -> Value {
        let capabilities: Vec<String> = self.capabilities.iter().map(|name| format!("CAP_{name}")).collect();
        json!({
            "capabilities": capabilities,
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
        self.unit().lines().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
