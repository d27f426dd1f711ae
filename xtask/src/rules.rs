//! `cargo xtask rules`: Prometheus' rules as an object of its operator, and for other jobs than `node`.

use std::{
    fs::{create_dir_all, read_to_string, write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::{
    peers,
    process::{run as run_command, workspace},
};

pub(crate) const SUMMARY: &str =
    "write Prometheus' rules as a PrometheusRule for Kubernetes, and for other jobs";
pub(crate) const HELP: &str = "\
usage: cargo xtask rules [--check]
       cargo xtask rules [--selector <matchers>] [--runbooks <url>] [--to <folder>]

Writes config/kubernetes/prometheusrule.yaml from config/prometheus/rules; --check fails where it is not up to date.

  --selector <matchers>  write all three files for the series that these choose, in place of job=\"node\", as
                         nodeExporterSelector of the node mixin does: 'job=~\"node|edge\", cluster=\"a\"'; promtool checks them
  --runbooks <url>       write all three files with this before the path of each alert's `runbook_url`, so that a message
                         has a link: where this repository, or a copy of agent/docs/runbooks, can be read
  --to <folder>          where to [target/rules]
";

const RULES: &str = "config/prometheus/rules";
const PARTS: [&str; 2] = ["hostlens.recording.yml", "hostlens.alerts.yml"];
const OBJECT: &str = "config/kubernetes/prometheusrule.yaml";

/// What the rules select by, as they are in the repository.
const SELECTOR: &str = "job=\"node\"";

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
    let (mut is_check, mut selector, mut runbooks) = (false, None, None);
    let mut to = PathBuf::from("target/rules");
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("check") => is_check = true,
            Arg::Long("selector") => selector = Some(parser.value()?.string()?),
            Arg::Long("runbooks") => runbooks = Some(parser.value()?.string()?),
            Arg::Long("to") => to = parser.value()?.into(),
            _ => return Err(arg.unexpected().into()),
        }
    }
    let rules = PARTS.map(|part| Ok((part, read(&format!("{RULES}/{part}"))?)));
    let rules: Vec<(&str, String)> = rules.into_iter().collect::<Result<_>>()?;
    if selector.is_some() || runbooks.is_some() {
        let selector = selector.as_deref().unwrap_or(SELECTOR);
        return adapt(&rules, selector, &runbooks.unwrap_or_default(), &workspace().join(to));
    }
    let made = object(&rules)?;
    if is_check {
        ensure!(read(OBJECT)? == made, "{OBJECT} is not what `cargo xtask rules` makes");
        return Ok(());
    }
    write(workspace().join(OBJECT), made).with_context(|| format!("write {OBJECT}"))
}

fn read(path: &str) -> Result<String> {
    read_to_string(workspace().join(path)).with_context(|| format!("read {path}"))
}

/// Writes the rules to a folder with another selector, and with what is to be before the runbooks' paths.
fn adapt(rules: &[(&str, String)], selector: &str, runbooks: &str, to: &Path) -> Result<()> {
    create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    let rules: Vec<_> =
        rules.iter().map(|(part, text)| (*part, linked(&selected(text, selector), runbooks))).collect();
    let mut check = Command::new(peers::get("promtool")?);
    check.args(["check", "rules"]);
    for (part, text) in &rules {
        write(to.join(part), text).with_context(|| format!("write {part}"))?;
        check.arg(to.join(part));
    }
    write(to.join("prometheusrule.yaml"), object(&rules)?).context("write prometheusrule.yaml")?;
    run_command(&mut check).with_context(|| format!("`{selector}` chooses no series"))?;
    println!("the rules are in {}", to.display());
    Ok(())
}

/// Without the comments, which are on the rules as they were.
fn selected(text: &str, selector: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.replace(&format!("{{{SELECTOR}"), &format!("{{{selector}")) + "\n").collect()
}

fn linked(text: &str, runbooks: &str) -> String {
    let (key, slash) = ("runbook_url: ", if runbooks.is_empty() { "" } else { "/" });
    text.replace(key, &format!("{key}{}{slash}", runbooks.trim_end_matches('/')))
}

/// The groups of each file, two steps further in. Two groups of a name would be one to the operator.
fn object(rules: &[(&str, String)]) -> Result<String> {
    let mut made = HEAD.to_owned();
    for (part, text) in rules {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runbooks_are_links_where_they_can_be_read() {
        let text = "annotations:\n  runbook_url: agent/docs/runbooks/A.md\n";
        let linked = linked(text, "https://example.com/hostlens/");
        assert_eq!(
            linked,
            "annotations:\n  runbook_url: https://example.com/hostlens/agent/docs/runbooks/A.md\n"
        );
        assert_eq!(super::linked(text, ""), text);
    }

    #[test]
    fn all_rules_select_by_one_word() {
        for part in PARTS {
            let text = read(&format!("{RULES}/{part}")).unwrap();
            let other = selected(&text, "job=~\"a|b\"");
            assert!(!other.contains("job=\"node\""), "{part}");
            let n_selectors = text.matches(&format!("{{{SELECTOR}")).count();
            assert_eq!(other.matches("{job=~\"a|b\"").count(), n_selectors);
            assert!(n_selectors > 10);
        }
    }
}
