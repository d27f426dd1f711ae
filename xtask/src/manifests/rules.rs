//! How the objects of one overlay must fit each other: no schema says so, and no server refuses it.

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// Every tag and label is of the version that they stand beside.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the Pod Security Standard `baseline` lets a container add; `restricted` lets it add [`BIND`] alone.
const BASELINE: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const BIND: &str = "NET_BIND_SERVICE";

/// Fields of the operator's monitors, their endpoints and relabelings that we may use: monitoring.coreos.com/v1, operator
/// 0.86. First what both kinds have, then what one has beside.
const MONITOR: &[&str] = &[
    "attachMetadata",
    "jobLabel",
    "labelLimit",
    "labelNameLengthLimit",
    "labelValueLengthLimit",
    "namespaceSelector",
    "podTargetLabels",
    "sampleLimit",
    "scrapeClassicHistograms",
    "scrapeProtocols",
    "selector",
    "targetLimit",
];
const ENDPOINT: &[&str] = &[
    "authorization",
    "basicAuth",
    "bearerTokenSecret",
    "enableHttp2",
    "filterRunning",
    "followRedirects",
    "honorLabels",
    "honorTimestamps",
    "interval",
    "metricRelabelings",
    "oauth2",
    "params",
    "path",
    "port",
    "proxyUrl",
    "relabelings",
    "scheme",
    "scrapeTimeout",
    "tlsConfig",
];
const KINDS: [(&str, &str, &[&str], &[&str]); 2] = [
    ("PodMonitor", "podMetricsEndpoints", &["podMetricsEndpoints"], &[]),
    ("ServiceMonitor", "endpoints", &["endpoints", "targetLabels"], &["bearerTokenFile"]),
];
const RELABELING: &[&str] =
    &["action", "modulus", "regex", "replacement", "separator", "sourceLabels", "targetLabel"];

/// What one overlay makes.
pub(super) struct Objects(Vec<Value>);

impl Objects {
    pub(super) fn new(objects: Vec<Value>) -> Result<Self> {
        let objects = Self(objects);
        objects.get("DaemonSet").context("there is no DaemonSet")?;
        Ok(objects)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, kind: &str) -> Option<&Value> {
        self.0.iter().find(|it| it["kind"] == kind)
    }

    fn pod(&self) -> &Value {
        self.get("DaemonSet").map_or(&Value::Null, |it| &it["spec"]["template"])
    }

    fn container(&self) -> &Value {
        &self.pod()["spec"]["containers"][0]
    }
}

/// All that does not fit.
pub(super) fn faults(objects: &Objects) -> Vec<String> {
    [selectors, ports, mounts, versions, monitors, labels].iter().flat_map(|rule| rule(objects)).collect()
}

/// An empty selector is valid, and takes in every pod of the namespace.
fn selectors(objects: &Objects) -> Vec<String> {
    let labels = &objects.pod()["metadata"]["labels"];
    let mut faults = Vec::new();
    for (kind, path) in [
        ("DaemonSet", "/spec/selector"),
        ("NetworkPolicy", "/spec/podSelector"),
        ("PodMonitor", "/spec/selector"),
    ] {
        let Some(object) = objects.get(kind) else { continue };
        let wanted = object.pointer(path).and_then(|it| it["matchLabels"].as_object());
        match wanted {
            Some(wanted) if !wanted.is_empty() => {
                let missing = wanted.iter().filter(|(key, value)| labels[key] != **value);
                faults.extend(missing.map(|(key, _)| format!("{kind} wants a pod with another {key}")));
            }
            _ => faults.push(format!("{kind} selects every pod of the namespace")),
        }
    }
    faults
}

/// Whoever names a port names one of the container.
fn ports(objects: &Objects) -> Vec<String> {
    let container = objects.container();
    let known: Vec<&Value> = list(&container["ports"]).map(|it| &it["name"]).collect();
    let probes = ["startupProbe", "livenessProbe", "readinessProbe"];
    let probes = probes.map(|it| (it, container[it]["httpGet"]["port"].clone()));
    let mut used: Vec<(&str, Value)> = probes.into();
    for (kind, lists) in [("NetworkPolicy", "/spec/ingress"), ("PodMonitor", "/spec/podMetricsEndpoints")] {
        let entries = objects.get(kind).and_then(|it| it.pointer(lists)).map(list).into_iter().flatten();
        for entry in entries {
            let inner: Vec<&Value> = list(&entry["ports"]).collect();
            let ports = if inner.is_empty() { vec![entry] } else { inner };
            used.extend(ports.into_iter().map(|it| (kind, it["port"].clone())));
        }
    }
    let unknown = used.into_iter().filter(|(_, port)| !known.contains(&port));
    unknown.map(|(who, port)| format!("{who} names the port {port}, which the container has not")).collect()
}

/// Each mount has its volume, and the host is never written to.
fn mounts(objects: &Objects) -> Vec<String> {
    let volumes: Vec<&Value> = list(&objects.pod()["spec"]["volumes"]).collect();
    let mut faults = Vec::new();
    for mount in list(&objects.container()["volumeMounts"]) {
        let path = &mount["mountPath"];
        if !volumes.iter().any(|it| it["name"] == mount["name"]) {
            faults.push(format!("{path} is mounted from a volume that does not exist"));
        }
        if mount["readOnly"] != true {
            faults.push(format!("{path} is not mounted read-only"));
        }
    }
    faults
}

fn versions(objects: &Objects) -> Vec<String> {
    let image = objects.container()["image"].as_str().unwrap_or_default();
    let label = &objects.pod()["metadata"]["labels"]["app.kubernetes.io/version"];
    let mut faults = Vec::new();
    if image.rsplit_once(':').map(|it| it.1) != Some(VERSION) {
        faults.push(format!("the image is {image}, and this is {VERSION}"));
    }
    if label != VERSION {
        faults.push(format!("the version in the labels is {label}, and this is {VERSION}"));
    }
    faults
}

/// No field that the operator does not know.
pub(super) fn monitors(objects: &Objects) -> Vec<String> {
    let mut faults = Vec::new();
    for (kind, endpoints, of_monitor, of_endpoint) in KINDS {
        let Some(monitor) = objects.get(kind) else { continue };
        faults.extend(unknown(kind, &monitor["spec"], &[MONITOR, of_monitor].concat()));
        for endpoint in list(&monitor["spec"][endpoints]) {
            let whose = format!("an endpoint of the {kind}");
            faults.extend(unknown(&whose, endpoint, &[ENDPOINT, of_endpoint].concat()));
            for relabeling in list(&endpoint["relabelings"]) {
                faults.extend(unknown(&format!("a relabeling of the {kind}"), relabeling, RELABELING));
            }
        }
    }
    faults
}

/// The labels by which config/prometheus/rules and the dashboards find a host and its pods.
fn labels(objects: &Objects) -> Vec<String> {
    let mut faults = Vec::new();
    for (kind, endpoints, ..) in KINDS {
        let Some(monitor) = objects.get(kind) else { continue };
        for endpoint in list(&monitor["spec"][endpoints]) {
            let gives = |label: &str, key: &str, value: Value| {
                list(&endpoint["relabelings"]).any(|it| it["targetLabel"] == label && it[key] == value)
            };
            // Whoever names a label for it has rules of their own.
            if monitor["spec"].get("jobLabel").is_none() && !gives("job", "replacement", "node".into()) {
                faults.push(format!("{kind} does not make the job `node`, which the rules select"));
            }
            if !gives("instance", "sourceLabels", vec!["__meta_kubernetes_pod_node_name"].into()) {
                faults.push(format!("{kind} does not make the node's name the instance"));
            }
            if endpoint["honorLabels"] != true {
                faults.push(format!("{kind} renames the labels `pod` and `namespace` of what pods use"));
            }
        }
    }
    faults
}

fn unknown(whose: &str, object: &Value, known: &[&str]) -> Vec<String> {
    let keys = object.as_object().into_iter().flat_map(Map::keys);
    keys.filter(|it| !known.contains(&it.as_str())).map(|it| format!("{whose} has no field {it}")).collect()
}

/// The capabilities that are added, and the strictest Pod Security Standard that lets the pod in, with what keeps it
/// from a stricter one.
pub(super) fn security_level(objects: &Objects) -> Result<(String, String)> {
    let pod = &objects.pod()["spec"];
    let capabilities = &objects.container()["securityContext"]["capabilities"];
    let added: Vec<&str> = list(&capabilities["add"]).filter_map(Value::as_str).collect();
    let mut obstacles = Vec::new();
    if list(&pod["volumes"]).any(|it| it.get("hostPath").is_some()) {
        obstacles.push("hostPath".to_owned());
    }
    for name in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[name] == true {
            obstacles.push(name.to_owned());
        }
    }
    obstacles.extend(added.iter().filter(|it| !BASELINE.contains(it)).map(|it| (*it).to_owned()));
    let level = match (obstacles.is_empty(), is_restricted(objects)) {
        (false, true) => format!("privileged, for {} alone", obstacles.join(", ")),
        (false, false) => format!("privileged, for {} and more", obstacles.join(", ")),
        (true, true) => "restricted".to_owned(),
        (true, false) => "baseline".to_owned(),
    };
    let added = if added.is_empty() { "none".to_owned() } else { added.join(", ") };
    Ok((added, level))
}

/// Whether all but volumes, namespaces and capabilities is as `restricted` wants it.
fn is_restricted(objects: &Objects) -> bool {
    let (pod, container) =
        (&objects.pod()["spec"]["securityContext"], &objects.container()["securityContext"]);
    pod["runAsNonRoot"] == true
        && pod["runAsUser"] != 0
        && pod["seccompProfile"]["type"] == "RuntimeDefault"
        && container["allowPrivilegeEscalation"] == false
        && container["privileged"] != true
        && list(&container["capabilities"]["drop"]).any(|it| it == "ALL")
        && !list(&container["capabilities"]["add"])
            .any(|it| it != BIND && BASELINE.iter().any(|allowed| it == allowed))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects() -> Vec<Value> {
        let labels = json!({"app": "a", "app.kubernetes.io/version": VERSION});
        let port = json!({"httpGet": {"port": "metrics"}});
        let container = json!({
            "image": format!("it:{VERSION}"), "ports": [{"name": "metrics"}], "startupProbe": port,
            "livenessProbe": port, "readinessProbe": port,
            "volumeMounts": [{"name": "proc", "mountPath": "/host/proc", "readOnly": true}],
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        });
        let context = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        let spec =
            json!({"containers": [container], "volumes": [{"name": "proc"}], "securityContext": context});
        vec![
            json!({"kind": "DaemonSet", "spec": {
                "selector": {"matchLabels": {"app": "a"}},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            }}),
            json!({"kind": "NetworkPolicy", "spec": {
                "podSelector": {"matchLabels": {"app": "a"}}, "ingress": [{"ports": [{"port": "metrics"}]}],
            }}),
            json!({"kind": "PodMonitor", "spec": {
                "selector": {"matchLabels": {"app": "a"}},
                "podMetricsEndpoints": [{"port": "metrics", "honorLabels": true, "relabelings": [
                    {"targetLabel": "job", "replacement": "node"},
                    {"targetLabel": "instance", "sourceLabels": ["__meta_kubernetes_pod_node_name"]},
                ]}],
            }}),
        ]
    }

    /// With one thing changed.
    fn changed(kind: usize, path: &str, value: Value) -> Objects {
        let mut objects = objects();
        let (parent, key) = path.rsplit_once('/').unwrap();
        objects[kind].pointer_mut(parent).unwrap()[key] = value;
        Objects::new(objects).unwrap()
    }

    const POD: &str = "/spec/template/spec";

    #[test]
    fn finds_nothing_where_all_fits() {
        assert_eq!(faults(&Objects::new(objects()).unwrap()), [""; 0]);
    }

    #[test]
    fn finds_what_does_not_fit() {
        let container = format!("{POD}/containers/0");
        let mount = json!([{"name": "sys", "mountPath": "/x"}]);
        for (objects, found) in [
            (
                changed(1, "/spec/podSelector", json!({})),
                vec!["NetworkPolicy selects every pod of the namespace"],
            ),
            (
                changed(2, "/spec/selector/matchLabels", json!({"app": "b"})),
                vec!["PodMonitor wants a pod with another app"],
            ),
            (
                changed(2, "/spec/podMetricsEndpoints/0/port", json!("http")),
                vec!["PodMonitor names the port \"http\", which the container has not"],
            ),
            (
                changed(2, "/spec/podMetricsEndpoints/0/scrapeProtocols", json!([])),
                vec!["an endpoint of the PodMonitor has no field scrapeProtocols"],
            ),
            (
                changed(2, "/spec/podMetricsEndpoints/0/honorLabels", json!(false)),
                vec!["PodMonitor renames the labels `pod` and `namespace` of what pods use"],
            ),
            (
                changed(2, "/spec/podMetricsEndpoints/0/relabelings", json!([])),
                vec![
                    "PodMonitor does not make the job `node`, which the rules select",
                    "PodMonitor does not make the node's name the instance",
                ],
            ),
            (
                changed(0, &format!("{container}/volumeMounts"), mount),
                vec![
                    "\"/x\" is mounted from a volume that does not exist",
                    "\"/x\" is not mounted read-only",
                ],
            ),
        ] {
            assert_eq!(faults(&objects), found);
        }
        let image = changed(0, &format!("{container}/image"), json!("it:latest"));
        assert_eq!(faults(&image), [format!("the image is it:latest, and this is {VERSION}")]);
    }

    #[test]
    fn knows_the_pod_security_standards() {
        let level = |objects: Objects| security_level(&objects).unwrap().1;
        assert_eq!(level(Objects::new(objects()).unwrap()), "restricted");
        let volumes = json!([{"name": "proc", "hostPath": {"path": "/proc"}}]);
        assert_eq!(level(changed(0, &format!("{POD}/volumes"), volumes)), "privileged, for hostPath alone");
        let add = format!("{POD}/containers/0/securityContext/capabilities/add");
        assert_eq!(level(changed(0, &add, json!(["BPF"]))), "privileged, for BPF alone");
        assert_eq!(level(changed(0, &add, json!(["KILL"]))), "baseline");
        assert_eq!(level(changed(0, &add, json!([BIND]))), "restricted");
        assert_eq!(
            level(changed(0, &format!("{POD}/securityContext/runAsNonRoot"), json!(false))),
            "baseline"
        );
    }
}
