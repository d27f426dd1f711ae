//! The chart's values: none is dropped without a word, and what is refused is refused by name.

use std::{
    fs::read_to_string,
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread::{available_parallelism, scope},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Has a value for each key.
pub(super) const EVERY_VALUE: &str = "ci/every-value.yaml";

/// Keys that the file leaves out: those that [`REFUSED`] has, those that are taken and not needed, as values.yaml says,
/// and [`HIDING`] others.
const LEFT_OUT: &[&str] = &[
    "enabled",
    "endpoints",
    "global.imageRegistry",
    "image.digest",
    "image.distroless",
    "image.sha",
    "kubeRBACProxy",
    "permissionInitContainer",
    "prometheus.podMonitor.bearerTokenFile",
    "prometheus.podMonitor.targetLabels",
    "rbac",
    "restartPolicy",
    "tlsSecret",
    "version",
    "verticalPodAutoscaler",
];

/// They win over the image's tag and its registry.
const HIDING: [&str; 2] = ["global.imageRegistry", "image.digest"];

/// What is refused, and what the message must name: the key, and what to do.
const REFUSED: &[(&str, [&str; 2])] = &[
    ("endpoints={1.2.3.4}", ["endpoints", "extraManifests"]),
    ("image.sha=x", ["image.sha", "image.digest"]),
    ("kubeRBACProxy.enabled=true", ["kubeRBACProxy.enabled", "[web.tls]"]),
    ("permissionInitContainer.extraCommands={true}", ["permissionInitContainer", "extraInitContainers"]),
    ("permissionInitContainer.fixes.rapl=true", ["permissionInitContainer.fixes.rapl", "DAC_READ_SEARCH"]),
    ("prometheus.podMonitor.bearerTokenFile=/x", ["podMonitor.bearerTokenFile", "bearerTokenSecret"]),
    ("prometheus.podMonitor.targetLabels={x}", ["podMonitor.targetLabels", "podTargetLabels"]),
    ("restartPolicy=Never", ["restartPolicy", "Always"]),
    ("tlsSecret.enabled=true", ["tlsSecret.enabled", "secrets"]),
    ("verticalPodAutoscaler.enabled=true", ["verticalPodAutoscaler.enabled", "extraManifests"]),
    ("hostNetwrok=true", ["''", "'hostNetwrok'"]),
    ("service.portNmae=x", ["'/service'", "'portNmae'"]),
    ("prometheus.monitor.intervall=1s", ["'/prometheus/monitor'", "'intervall'"]),
    ("livenessProbe.httpGet.path=/x", ["'/livenessProbe/httpGet'", "'path'"]),
    ("sidecarVolumeMount[0].mount=x", ["'/sidecarVolumeMount/0'", "'mount'"]),
];

/// All that is wrong with what the chart does with its values.
pub(super) fn faults(helm: &Path, chart: &Path) -> Result<Vec<String>> {
    let render = |arguments: &[&str]| render(helm, chart, arguments);
    let schema = serde_json::from_str(&read_to_string(chart.join("values.schema.json"))?)?;
    let mut paths = Vec::new();
    leaves(&schema, &schema, "", &mut paths)?;
    let every = chart.join(EVERY_VALUE);
    let every = every.to_str().context("a path that is no text")?;
    let Rendered::Objects(whole) = render(&["--values", every])? else {
        return Ok(vec![format!("{EVERY_VALUE} is refused")]);
    };
    let Rendered::Objects(default) = render(&[])? else { return Ok(vec!["the defaults are refused".into()]) };
    let check = |path: &String| -> Result<Vec<String>> {
        let without = format!("{path}=null");
        let mut faults = Vec::new();
        for (rendered, base) in [
            (render(&["--values", every, "--set", &without])?, EVERY_VALUE),
            (render(&["--set", &without])?, "the defaults"),
        ] {
            match rendered {
                Rendered::Broken(why) => {
                    faults.push(format!("{without} over {base} breaks a template: {why}"));
                }
                Rendered::Objects(text)
                    if base == EVERY_VALUE && text == whole && !LEFT_OUT.contains(&&**path) =>
                {
                    faults.push(format!("{path} of {EVERY_VALUE} changes nothing"));
                }
                Rendered::Objects(_) | Rendered::Refused(_) => {}
            }
        }
        Ok(faults)
    };
    let mut faults = in_parallel(&paths, check)?;
    for path in HIDING {
        if matches!(render(&["--set", &format!("{path}=x")])?, Rendered::Objects(it) if it == default) {
            faults.push(format!("{path} changes nothing"));
        }
    }
    for (set, words) in REFUSED {
        match render(&["--set", set])? {
            Rendered::Refused(why) if words.iter().all(|word| why.contains(word)) => {}
            other => faults.push(format!("{set} is not refused with {words:?}: {other:?}")),
        }
    }
    Ok(faults)
}

/// What came of one run of `helm template`.
#[derive(Debug, PartialEq)]
enum Rendered {
    Objects(String),
    /// By the schema or by templates/refused.yaml, in words.
    Refused(String),
    /// By a template that did not expect it.
    Broken(String),
}

fn render(helm: &Path, chart: &Path, arguments: &[&str]) -> Result<Rendered> {
    let mut template = Command::new(helm);
    let report = template.args(["template", "release"]).arg(chart).args(arguments).output();
    let report = report.with_context(|| format!("start {}", helm.display()))?;
    Ok(rendered(
        report.status.success(),
        String::from_utf8(report.stdout)?,
        String::from_utf8_lossy(&report.stderr).into_owned(),
    ))
}

fn rendered(is_success: bool, objects: String, errors: String) -> Rendered {
    let is_in_words = |it: &&str| errors.contains(it);
    match ["don't meet the specifications", " is not supported: "].iter().any(is_in_words) {
        _ if is_success => Rendered::Objects(objects),
        true => Rendered::Refused(errors),
        false => Rendered::Broken(errors),
    }
}

/// The paths of all keys, as `--set` wants them; of lists that of the first entry.
fn leaves(root: &Value, schema: &Value, path: &str, paths: &mut Vec<String>) -> Result<()> {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.strip_prefix('#').context("a reference to another file")?;
        let target = root.pointer(pointer).with_context(|| format!("the schema has no {name}"))?;
        return leaves(root, target, path, paths);
    }
    if !path.is_empty() {
        paths.push(path.to_owned());
    }
    if let Some(properties) = schema["properties"].as_object() {
        // What is open for other keys may not be said to be checked.
        ensure!(
            path == "global" || schema["additionalProperties"] == false,
            "values.schema.json: `{path}` lets in any key"
        );
        for (name, schema) in properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            leaves(root, schema, &path, paths)?;
        }
    }
    if schema["items"]["properties"].is_object() {
        leaves(root, &schema["items"], &format!("{path}[0]"), paths)?;
    }
    Ok(())
}

/// What `check` finds wrong with each of `paths`, in their order.
fn in_parallel(
    paths: &[String],
    check: impl Fn(&String) -> Result<Vec<String>> + Sync,
) -> Result<Vec<String>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.extend(check(path)?);
        }
        Ok(found)
    };
    let threads = available_parallelism()?.get();
    let found: Result<Vec<Vec<String>>> = scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(|it| it.join().expect("the check does not panic")).collect()
    });
    let mut found = found?.concat();
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_each_key_and_objects_that_let_in_any() {
        let schema = json!({
            "definitions": {"probe": {"properties": {"period": {}}, "additionalProperties": false}},
            "properties": {
                "live": {"$ref": "#/definitions/probe"},
                "mounts": {"items": {"properties": {"name": {}}, "additionalProperties": false}},
                "free": {"type": "object"},
            },
            "additionalProperties": false,
        });
        let mut paths = Vec::new();
        leaves(&schema, &schema, "", &mut paths).unwrap();
        assert_eq!(paths, ["free", "live", "live.period", "mounts", "mounts[0]", "mounts[0].name"]);
        let open = json!({"properties": {"a": {"properties": {"b": {}}}}, "additionalProperties": false});
        let error = leaves(&open, &open, "", &mut paths).unwrap_err();
        assert_eq!(error.to_string(), "values.schema.json: `a` lets in any key");
    }

    #[test]
    fn tells_a_refusal_from_a_template_that_breaks() {
        let of = |errors: &str| rendered(false, String::new(), errors.to_owned());
        assert!(matches!(of("values don't meet the specifications of the schema(s)"), Rendered::Refused(_)));
        assert!(matches!(of("endpoints is not supported: scrape them"), Rendered::Refused(_)));
        assert!(matches!(of("nil pointer evaluating interface {}.httpGet"), Rendered::Broken(_)));
        assert_eq!(rendered(true, "a".to_owned(), String::new()), Rendered::Objects("a".to_owned()));
    }
}
