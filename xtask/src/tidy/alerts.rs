//! Who is woken by an alert finds out what to do: each has a runbook and a test, and no runbook is left over.

use std::collections::BTreeMap;

use super::{Fault, File};

const RULES: &str = "config/prometheus/rules/";
const TESTS: &str = "config/prometheus/tests/";
const RUNBOOKS: &str = "agent/docs/runbooks/";

pub(super) fn alerts(files: &[File]) -> Vec<Fault> {
    let mut alerts = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.starts_with(RULES)) {
        for (idx, line) in file.text.lines().enumerate() {
            if let Some(name) = line.trim_start().strip_prefix("- alert: ") {
                alerts.entry(name).or_insert((file, idx + 1));
            }
        }
    }
    let in_tests = |text: &str| files.iter().any(|it| it.path.starts_with(TESTS) && it.text.contains(text));
    let in_rules = |text: &str| files.iter().any(|it| it.path.starts_with(RULES) && it.text.contains(text));
    let mut faults = Vec::new();
    for (name, (file, line)) in &alerts {
        let runbook = format!("{RUNBOOKS}{name}.md");
        if !files.iter().any(|it| it.path == runbook) || !in_rules(&format!("runbook_url: {runbook}\n")) {
            faults
                .push(file.fault(*line, format!("the alert has no annotation `runbook_url` with {runbook}")));
        }
        if !in_tests(&format!("- alertname: {name}\n")) {
            faults.push(file.fault(*line, format!("no test of {TESTS} raises the alert")));
        }
    }
    let runbooks = files.iter().filter_map(|file| Some((file, file.path.strip_prefix(RUNBOOKS)?)));
    let left_over = runbooks.filter(|(_, name)| !alerts.contains_key(name.trim_end_matches(".md")));
    faults.extend(left_over.map(|(file, _)| file.fault(1, "no alert has this runbook")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
        alerts(&files).into_iter().map(|it| format!("{}:{}: {}", it.path, it.line, it.problem)).collect()
    }

    #[test]
    fn an_alert_without_runbook_or_test_is_found() {
        let rules = "      - alert: A\n          runbook_url: agent/docs/runbooks/A.md\n      - alert: B\n";
        let files = [
            ("config/prometheus/rules/x.yml", rules),
            ("config/prometheus/tests/x.yml", "      - alertname: A\n"),
            ("agent/docs/runbooks/A.md", "# A\n"),
            ("agent/docs/runbooks/C.md", "# C\n"),
        ];
        assert_eq!(
            found(&files),
            [
                "config/prometheus/rules/x.yml:3: the alert has no annotation `runbook_url` with agent/docs/runbooks/B.md",
                "config/prometheus/rules/x.yml:3: no test of config/prometheus/tests/ raises the alert",
                "agent/docs/runbooks/C.md:1: no alert has this runbook",
            ]
        );
    }
}
