//! The queries of the dashboards, and the families and collectors that they read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{read_dir, read_to_string},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::workspace;

const DASHBOARDS: &str = "config/grafana";

pub(crate) struct Query {
    dashboard: String,
    panel: String,
    expression: String,
    pub(super) families: BTreeSet<String>,
    pub(super) reads: Reads,
}

/// Which kind of histogram it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    All,
    Native,
    Classic,
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: {}", self.dashboard, self.panel, self.expression)
    }
}

/// Families by name: type, and collector; "" is the agent itself.
type Families = BTreeMap<String, (String, String)>;

fn families(listed: &Value) -> Result<Families> {
    let mut families = Families::new();
    for collector in listed.as_array().context("the collectors as a list")? {
        for family in collector["families"].as_array().context("a collector's families")? {
            let text =
                |it: &Value, key: &str| Ok::<_, anyhow::Error>(it[key].as_str().context("text")?.to_owned());
            families.insert(text(family, "name")?, (text(family, "type")?, text(collector, "name")?));
        }
    }
    Ok(families)
}

/// All queries of all dashboards. `listed` is what `hostlens collectors --json` says.
pub(super) fn all(listed: &Value) -> Result<Vec<Query>> {
    let families = families(listed)?;
    let folder = workspace().join(DASHBOARDS);
    let mut paths: Vec<_> = read_dir(folder)?.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    paths.sort();
    let mut queries = Vec::new();
    for path in paths {
        let dashboard: Value = serde_json::from_str(&read_to_string(&path)?)?;
        let name = path.file_stem().context("a file's name")?.to_string_lossy();
        of_panels(&dashboard["panels"], &name, &families, &mut queries);
    }
    ensure!(!queries.is_empty(), "{DASHBOARDS} has no query");
    Ok(queries)
}

fn of_panels(panels: &Value, dashboard: &str, families: &Families, out: &mut Vec<Query>) {
    for panel in panels.as_array().into_iter().flatten() {
        of_panels(&panel["panels"], dashboard, families, out);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap_or_default().to_owned();
            let words: BTreeSet<&str> = words(&expression).collect();
            let is_histogram = |it: &&str| families.get(base(it)).is_some_and(|it| it.0 == "histogram");
            let (classic, native): (Vec<&str>, Vec<&str>) =
                words.iter().copied().filter(is_histogram).partition(|it| base(it) != *it);
            let reads = match (classic.is_empty(), native.is_empty()) {
                (false, true) => Reads::Classic,
                (true, false) => Reads::Native,
                _ => Reads::All,
            };
            let named = words.iter().map(|it| base(it)).filter(|it| families.contains_key(*it));
            let families = named.map(str::to_owned).collect();
            let panel = panel["title"].as_str().unwrap_or_default().to_owned();
            out.push(Query { dashboard: dashboard.to_owned(), panel, expression, families, reads });
        }
    }
}

fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
}

/// Without what a classic histogram's series have behind its name. No other family of ours ends so.
fn base(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name)
}

/// The collectors that give what `queries` read.
pub(super) fn collectors(listed: &Value, queries: &[Query]) -> Result<BTreeSet<String>> {
    let families = families(listed)?;
    let read = queries.iter().flat_map(|it| &it.families);
    Ok(read.filter_map(|it| Some(families.get(it)?.1.clone())).collect())
}

impl Query {
    /// Whether it names this family, or gauge of one whose names come from the kernel.
    pub(super) fn reads(&self, name: &str) -> bool {
        words(&self.expression).any(|it| it == name)
    }

    /// As Grafana asks it for one host, and all of what else there is to choose.
    pub(super) fn filled(&self, job: &str, instance: &str, rate_interval: &str) -> String {
        let all = ["$cluster", "$namespace", "$pod"];
        let filled = self.expression.replace("$job", job).replace("$instance", instance);
        let filled = filled.replace("$__rate_interval", rate_interval);
        all.iter().fold(filled, |text, variable| text.replace(variable, ".*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_a_query_reads() {
        let listed = r#"[{"name":"runqueue","families":[{"name":"node_wait_seconds","type":"histogram"}]},
                         {"name":"cpu","families":[{"name":"node_cpu_seconds_total","type":"counter"}]}]"#;
        let families = families(&serde_json::from_str(listed).unwrap()).unwrap();
        let panels = r#"[{"title":"row","panels":[{"title":"a","targets":[
            {"expr":"sum(rate(node_wait_seconds{job=~\"$job\"}[$__rate_interval]))"},
            {"expr":"sum by (le) (rate(node_wait_seconds_bucket[5m]))"},
            {"expr":"f(node_wait_seconds) or f(node_wait_seconds_bucket)"},
            {"expr":"rate(node_cpu_seconds_total[1m])"}]}]}]"#;
        let mut found = Vec::new();
        of_panels(&serde_json::from_str(panels).unwrap(), "d", &families, &mut found);
        let reads: Vec<_> = found.iter().map(|it| it.reads).collect();
        assert_eq!(reads, [Reads::Native, Reads::Classic, Reads::All, Reads::All]);
        assert_eq!(found[3].families, BTreeSet::from(["node_cpu_seconds_total".to_owned()]));
        assert_eq!(found[0].filled("node", "a:1", "9s"), "sum(rate(node_wait_seconds{job=~\"node\"}[9s]))");
    }
}
