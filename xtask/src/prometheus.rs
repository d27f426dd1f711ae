//! A Prometheus that is started to be asked.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Ended with the value.
pub(crate) struct Prometheus {
    pub(crate) name: String,
    process: Child,
    url: String,
    client: ureq::Agent,
}

impl Prometheus {
    /// In a folder of its name in `folder`.
    pub(crate) fn start(
        program: &Path,
        name: &str,
        folder: &Path,
        address: SocketAddr,
        config: &str,
        flags: &[&str],
    ) -> Result<Self> {
        const LIMIT: Duration = Duration::from_secs(30);
        let home = folder.join(name);
        fs::create_dir_all(&home)?;
        fs::write(home.join("prometheus.yml"), config)?;
        let mut command = Command::new(program);
        command.args(["--config.file=prometheus.yml", "--log.level=warn"]).args(flags);
        command.arg(format!("--web.listen-address={address}"));
        let log = File::create(home.join("log"))?;
        command.current_dir(&home).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().context("start Prometheus")?;
        let client = ureq::Agent::config_builder().proxy(None).timeout_global(Some(LIMIT)).build().into();
        let prometheus = Self { name: name.to_owned(), process, url: format!("http://{address}"), client };
        let start = Instant::now();
        while prometheus.get("/-/ready", &[]).is_err() {
            let log = fs::read_to_string(home.join("log"))?;
            ensure!(start.elapsed() < LIMIT, "the {name} is not ready: {log}");
            thread::sleep(Duration::from_millis(100));
        }
        Ok(prometheus)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let mut request = self.client.get(format!("{}{path}", self.url));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        let mut answer = request.call().with_context(|| format!("ask the {} for {path}", self.name))?;
        Ok(answer.body_mut().with_config().limit(u64::MAX).read_to_string()?)
    }

    /// The series that a query has now.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Value>> {
        let answer: Value = serde_json::from_str(&self.get("/api/v1/query", &[("query", query)])?)?;
        let result = answer["data"]["result"].as_array().with_context(|| format!("{query}: {answer}"))?;
        Ok(result.clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
