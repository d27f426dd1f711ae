//! `cargo xtask rules`: Prometheus' rules as an object of its operator.

use std::fs::{read_to_string, write};

use anyhow::{Context, Result, bail, ensure};

use crate::process::workspace;

pub(crate) const SUMMARY: &str = "write Prometheus' rules as a PrometheusRule for Kubernetes";
pub(crate) const HELP: &str = "\
usage: cargo xtask rules [--check]

Writes config/kubernetes/prometheusrule.yaml from config/prometheus/rules; --check fails where it is not up to date.
";

const PARTS: [&str; 2] = ["hostlens.recording.yml", "hostlens.alerts.yml"];
const TO: &str = "config/kubernetes/prometheusrule.yaml";

const HEAD: &str = "\
# Made by `cargo xtask rules` from config/prometheus/rules; for the Prometheus operator:
#   kubectl apply --namespace monitoring --filename prometheusrule.yaml
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: hostlens
  labels:
    app.kubernetes.io/name: hostlens
spec:
  groups:
";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let made = made()?;
    let path = workspace().join(TO);
    match args {
        [] => write(&path, made).with_context(|| format!("write {TO}")),
        [check] if check == "--check" => {
            let there = read_to_string(&path).with_context(|| format!("read {TO}"))?;
            ensure!(there == made, "{TO} is not what `cargo xtask rules` makes");
            Ok(())
        }
        _ => bail!("rules takes --check or nothing"),
    }
}

/// The groups of each file, two steps further in. Two groups of a name would be one to the operator.
fn made() -> Result<String> {
    let mut made = HEAD.to_owned();
    for part in PARTS {
        let path = workspace().join("config/prometheus/rules").join(part);
        let text = read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let groups = text.split_once("groups:\n").with_context(|| format!("{part} has no `groups:`"))?.1;
        for line in groups.lines() {
            let kind = part.split('.').nth(1).unwrap_or_default();
            match line.strip_prefix("  - name: ") {
                Some(name) => made.push_str(&format!("    - name: {name}.{kind}\n")),
                None if line.trim().is_empty() => made.push('\n'),
                None => made.push_str(&format!("  {line}\n")),
            }
        }
    }
    Ok(made)
}
