//! A cgroup of a controller: of version 1 where that has the controller, else of version 2.

use std::{
    fs::{create_dir, read_to_string, remove_dir, write},
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::probes::counter;

/// Removed on drop; nothing must be in it by then.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    root: PathBuf,
    is_first_version: bool,
}

impl Cgroup {
    /// One that may use so much memory and no more.
    pub fn with_memory(n_bytes: u64) -> Result<Self> {
        Self::limited(&format!("hostlens-test-{}", process::id()), n_bytes)
    }

    /// The same with a name of its own.
    pub fn limited(name: &str, n_bytes: u64) -> Result<Self> {
        let cgroup = Self::new("memory", name)?;
        let limit = if cgroup.is_first_version { "memory.limit_in_bytes" } else { "memory.max" };
        write(cgroup.path.join(limit), n_bytes.to_string()).context("limit a cgroup's memory")?;
        Ok(cgroup)
    }

    /// One below the root of `controller`'s hierarchy.
    pub fn new(controller: &str, name: &str) -> Result<Self> {
        let mounts = read_to_string("/proc/mounts")?;
        let mount = |is_it: &dyn Fn(&str, &str) -> bool| {
            mounts.lines().find_map(|line| {
                let mut words = line.split(' ').skip(1);
                let (at, kind, options) = (words.next()?, words.next()?, words.next()?);
                is_it(kind, options).then(|| PathBuf::from(at))
            })
        };
        let first = mount(&|kind, options| kind == "cgroup" && options.split(',').any(|it| it == controller));
        let is_first_version = first.is_some();
        let root = match first {
            Some(root) => root,
            None => mount(&|kind, _| kind == "cgroup2").context("no cgroups are mounted")?,
        };
        if !is_first_version {
            let enabled = write(root.join("cgroup.subtree_control"), format!("+{controller}"));
            enabled.with_context(|| format!("let cgroups have {controller}"))?;
        }
        let path = root.join(name);
        create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path, root, is_first_version })
    }

    /// Calls `then` with this process in the cgroup; processes that it starts stay there.
    pub fn inside<T>(&self, then: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.current()?;
        let enter = |cgroup: &Path| write(cgroup.join("cgroup.procs"), process::id().to_string());
        enter(&self.path).context("put a process into a cgroup")?;
        let result = then();
        enter(&before).context("go back to a cgroup")?;
        result
    }

    /// The one that this process is in: see cgroups(7).
    fn current(&self) -> Result<PathBuf> {
        let text = read_to_string("/proc/self/cgroup")?;
        let mut lines = text.lines().filter_map(|it| it.split_once(':')?.1.split_once(':'));
        let is_it = |controllers: &str| match self.is_first_version {
            true => controllers.split(',').any(|it| it == "memory"),
            false => controllers.is_empty(),
        };
        let (_, path) = lines.find(|it| is_it(it.0)).context("/proc/self/cgroup lacks the hierarchy")?;
        Ok(self.root.join(path.trim_start_matches('/')))
    }

    /// How often its limit was met.
    pub fn n_limited(&self) -> Result<f64> {
        let file = |name| self.path.join(name).to_string_lossy().into_owned();
        match self.is_first_version {
            true => read_to_string(self.path.join("memory.failcnt"))?.trim().parse().context("read a count"),
            false => counter(&file("memory.events"), "max "),
        }
    }

    /// Where its files are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path in the tree.
    pub fn id(&self) -> String {
        format!("/{}", self.path.strip_prefix(&self.root).unwrap_or(&self.path).display())
    }

    pub fn is_first_version(&self) -> bool {
        self.is_first_version
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A thread that has just ended may be in it for a moment. What is left in it then keeps it, and nothing can be
        // done about it here.
        for _ in 0..100 {
            if remove_dir(&self.path).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
