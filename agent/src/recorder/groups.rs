//! Who uses CPUs and memory now: groups of processes and control groups, as far as their collectors run.

use crate::{
    metric::{Families, Row, Value, gather},
    scrape::{Registry, Selection},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// As the recorder.
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub kind: GroupKind,
    pub name: String,
    /// Since some time or other: two readings tell what is used between them.
    pub cpu_seconds: Option<f64>,
    pub memory_bytes: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupKind {
    #[default]
    Processes,
    Cgroup,
}

/// Collector, family, kind, and whether it is CPU time.
const FAMILIES: [(&str, &str, GroupKind, bool); 4] = [
    ("process_top", "node_process_top_cpu_seconds_total", GroupKind::Processes, true),
    ("process_top", "node_process_top_memory_bytes", GroupKind::Processes, false),
    ("cgroup_usage", "container_cpu_usage_seconds_total", GroupKind::Cgroup, true),
    ("cgroup_usage", "container_memory_working_set_bytes", GroupKind::Cgroup, false),
];

/// Runs the collectors that tell of groups, where they are enabled.
pub async fn groups(registry: &Registry) -> Vec<Group> {
    let names = ["process_top", "cgroup_usage"].into_iter().filter(|name| registry.has(name));
    let names: Vec<_> = names.map(str::to_owned).collect();
    if names.is_empty() {
        return Vec::new();
    }
    // Who had no turn in all that time is told nothing.
    registry.scrape(&Selection::Only(names), Instant::now() + LONGEST, found).await.unwrap_or_default()
}

fn found(parts: &[&Families]) -> Vec<Group> {
    let mut groups: BTreeMap<(GroupKind, String), Group> = BTreeMap::new();
    gather(parts, |family, rows| {
        let Some(&(_, _, kind, is_cpu)) = FAMILIES.iter().find(|it| it.1 == family.name) else { return };
        for row in rows {
            let Value::Number(value) = row.value() else { continue };
            let (key, name) = names(kind, row);
            let group = groups.entry((kind, key)).or_insert_with(|| Group { kind, name, ..Group::default() });
            *(if is_cpu { &mut group.cpu_seconds } else { &mut group.memory_bytes }) = Some(value);
        }
    });
    // What a control group uses is in those above it, too.
    let holds_another = |it: &(GroupKind, String)| {
        let below = format!("{}/", it.1.trim_end_matches('/'));
        it.0 == GroupKind::Cgroup
            && groups.keys().any(|other| other.0 == it.0 && other != it && other.1.starts_with(&below))
    };
    let leaves: Vec<_> = groups.keys().filter(|it| !holds_another(it)).cloned().collect();
    leaves.iter().filter_map(|key| groups.remove(key)).collect()
}

/// What tells it from others, and what people call it.
fn names(kind: GroupKind, row: &Row<'_>) -> (String, String) {
    let label = |name: &str| row.labels().find(|it| it.0 == name).map_or("", |it| it.1).to_owned();
    if kind == GroupKind::Processes {
        return (label("group"), label("group"));
    }
    let id = label("id");
    let pod = [label("namespace"), label("pod"), label("container")];
    let name = if pod[1].is_empty() {
        id.clone()
    } else {
        pod.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" / ")
    };
    (id, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collectors, metric::metrics};

    metrics! {
        CPU: Counter "container_cpu_usage_seconds_total" ["id", "namespace", "pod", "container"], "CPU time.";
        MEMORY: Gauge "container_memory_working_set_bytes" ["id", "namespace", "pod", "container"], "Memory.";
        TOP: Counter "node_process_top_cpu_seconds_total" ["by", "group"], "CPU time.";
    }

    #[test]
    fn control_groups_count_once_and_pods_have_their_names() {
        let mut families = Families::new(METRICS);
        for id in ["/", "/system.slice", "/system.slice/a.service"] {
            families.push(CPU, (id, "", "", ""), 1.5);
        }
        families.push(MEMORY, ("/system.slice/a.service", "", "", ""), 4096_u64);
        families.push(CPU, ("/kubepods/x", "shop", "web-0", ""), 2.5);
        families.push(TOP, ("comm", "cargo"), 9.5);
        let group = |kind, name: &str, cpu, memory_bytes| Group {
            kind,
            name: name.to_owned(),
            cpu_seconds: Some(cpu),
            memory_bytes,
        };
        assert_eq!(
            found(&[&families]),
            [
                group(GroupKind::Processes, "cargo", 9.5, None),
                group(GroupKind::Cgroup, "shop / web-0", 2.5, None),
                group(GroupKind::Cgroup, "/system.slice/a.service", 1.5, Some(4096.0)),
            ]
        );
    }

    #[test]
    fn are_what_collectors_declare() {
        for (collector, family, ..) in FAMILIES {
            let entry = collectors::all().find(|it| it.name == collector).unwrap();
            assert!(entry.metrics.iter().any(|it| it.name == family), "{family}");
        }
    }
}
