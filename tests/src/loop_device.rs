//! A file as a block device: its requests are completed by the kernel's own threads, so that all are seen also where the
//! kernel runs no program for what interrupts process 1.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use tempfile::NamedTempFile;

/// Detached when it is dropped.
#[derive(Debug)]
pub struct Loop {
    pub name: String,
    _file: NamedTempFile,
}

impl Loop {
    pub fn attach(file: NamedTempFile) -> Result<Self> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file.path()).output();
        let output = output.context("start losetup (util-linux)")?;
        ensure!(output.status.success(), "losetup: {}", String::from_utf8_lossy(&output.stderr));
        let device = String::from_utf8(output.stdout)?;
        let name = device.trim().strip_prefix("/dev/").context("losetup names no device")?.to_owned();
        let it = Self { name, _file: file };
        // Its thread completes what it has done, and interrupts nobody for it.
        it.set("rq_affinity", "0")?;
        Ok(it)
    }

    pub fn of_size(n_bytes: usize) -> Result<Self> {
        let file = NamedTempFile::new()?;
        file.as_file().set_len(n_bytes as u64)?;
        Self::attach(file)
    }

    pub fn set(&self, setting: &str, value: &str) -> Result<()> {
        let path = format!("/sys/block/{}/queue/{setting}", self.name);
        fs::write(&path, value).with_context(|| format!("write {value} to {path}"))
    }

    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    pub fn open(&self) -> Result<File> {
        let direct = OFlags::DIRECT.bits().cast_signed();
        Ok(OpenOptions::new().read(true).write(true).custom_flags(direct).open(self.path())?)
    }

    /// Reads and writes completed: /proc/diskstats.
    pub fn completed(&self) -> Result<[u64; 2]> {
        let text = fs::read_to_string("/proc/diskstats")?;
        let mut lines = text.lines().map(|it| it.split_ascii_whitespace().collect::<Vec<_>>());
        let line = lines.find(|it| it[2] == self.name).context("it is not in /proc/diskstats")?;
        Ok([line[3].parse()?, line[7].parse()?])
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if let Err(error) = Command::new("losetup").arg("--detach").arg(self.path()).status() {
            eprintln!("detach {}: {error}", self.name);
        }
    }
}

/// Memory for direct I/O.
pub fn buffer(n_bytes: usize) -> Vec<u8> {
    // Large blocks come from the kernel page by page, but for a header: so there is room to begin at one.
    vec![0xA5; n_bytes + 4096]
}

pub fn aligned(buffer: &mut [u8]) -> &mut [u8] {
    let start = buffer.as_ptr().align_offset(4096);
    let n_bytes = buffer.len() - 4096;
    &mut buffer[start..start + n_bytes]
}
