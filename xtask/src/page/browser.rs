//! Chromium without a window, driven by the DevTools protocol over two pipes: JSON with a zero byte behind each message.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{output, require};

/// A browser with one page, ended on drop.
pub(super) struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    n_asked: u64,
    session: Option<String>,
    /// What the page said without being asked: messages of the console, exceptions, violations of its policy.
    pub(super) said: Vec<String>,
    /// Its profile and the pipes.
    folder: TempDir,
}

impl Browser {
    pub(super) fn start() -> Result<Self> {
        require("chromium", "chromium")?;
        let folder = tempfile::tempdir()?;
        for name in ["in", "out"] {
            mknodat(CWD, folder.path().join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        }
        // It wants the pipes as its descriptors 3 and 4.
        let script = "exec chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --remote-debugging-pipe \
                      --user-data-dir=profile about:blank 3<in 4>out";
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(folder.path().join("log"))?);
        let child = command.spawn().context("start chromium")?;
        let to = OpenOptions::new().write(true).open(folder.path().join("in"))?;
        let from = BufReader::new(File::open(folder.path().join("out"))?);
        let mut browser = Self { child, to, from, n_asked: 0, session: None, said: Vec::new(), folder };
        let target = browser.ask("Target.createTarget", &json!({"url": "about:blank"}))?;
        let attached = browser
            .ask("Target.attachToTarget", &json!({"targetId": target["targetId"], "flatten": true}))?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            browser.ask(&format!("{domain}.enable"), &json!({}))?;
        }
        Ok(browser)
    }

    /// The answer to a command of the protocol.
    pub(super) fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.n_asked += 1;
        let mut message = json!({"id": self.n_asked, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).context("tell chromium")?;
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).context("listen to chromium")?;
            if answer.pop().is_none() {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                bail!("chromium ended:\n{log}");
            }
            let mut answer: Value = serde_json::from_slice(&answer).context("read what chromium says")?;
            if answer["id"] != json!(self.n_asked) {
                self.listen(&answer);
            } else if answer["error"].is_null() {
                return Ok(answer["result"].take());
            } else {
                bail!("{method}: {}", answer["error"]);
            }
        }
    }

    fn listen(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.consoleAPICalled") => self.said.push(params["args"].to_string()),
            Some("Runtime.exceptionThrown") => self.said.push(params["exceptionDetails"].to_string()),
            Some("Log.entryAdded") => self.said.push(params["entry"].to_string()),
            _ => {}
        }
    }

    /// What a script's expression is in the page.
    pub(super) fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.ask("Runtime.evaluate", &params)?;
        if !answer["exceptionDetails"].is_null() {
            bail!("{expression}: {}", answer["exceptionDetails"]);
        }
        Ok(answer["result"]["value"].take())
    }

    /// A screen of this width, in light or dark.
    pub(super) fn screen(&mut self, width: u32, scheme: &str) -> Result<()> {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        self.ask("Emulation.setDeviceMetricsOverride", &size)?;
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("Emulation.setEmulatedMedia", &scheme)?;
        Ok(())
    }

    pub(super) fn press(&mut self, key: &str) -> Result<()> {
        let text = if key.chars().count() == 1 { key } else { "" };
        let mut event = json!({"type": "keyDown", "key": key, "text": text});
        self.ask("Input.dispatchKeyEvent", &event)?;
        event = json!({"type": "keyUp", "key": key});
        self.ask("Input.dispatchKeyEvent", &event)?;
        Ok(())
    }

    /// Writes what the whole page looks like, as PNG.
    pub(super) fn picture(&mut self, path: &Path) -> Result<()> {
        let answer = self.ask("Page.captureScreenshot", &json!({"captureBeyondViewport": true}))?;
        let encoded = path.with_extension("base64");
        fs::write(&encoded, answer["data"].as_str().context("chromium sent no picture")?)?;
        let script = "base64 --decode \"$1\" > \"$2\" && rm \"$1\"";
        output(Command::new("sh").args(["-c", script, "sh"]).args([&encoded, path])).map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
