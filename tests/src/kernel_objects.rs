//! Programs, maps and links of eBPF: which a process holds, and which of them are still in the kernel.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt, fs, io, iter, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use aya::{
    maps::loaded_maps,
    programs::{loaded_links, loaded_programs},
};

/// By the numbers that the kernel gives them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KernelObjects {
    pub programs: BTreeSet<u32>,
    pub maps: BTreeSet<u32>,
    pub links: BTreeSet<u32>,
}

impl KernelObjects {
    /// What a process has open, threads with a table of their own, too: `prog_id`, `map_id` and `link_id` in
    /// proc_pid_fdinfo(5).
    pub fn held_by(pid: u32) -> Result<Self> {
        let folder = format!("/proc/{pid}/task");
        let mut held = Self::default();
        for thread in fs::read_dir(&folder).with_context(|| format!("read {folder}"))? {
            // One that ended meanwhile.
            let Ok(descriptors) = fs::read_dir(thread?.path().join("fdinfo")) else { continue };
            for descriptor in descriptors {
                // One that was closed meanwhile.
                let Ok(text) = fs::read_to_string(descriptor?.path()) else { continue };
                held.add(&text)?;
            }
        }
        Ok(held)
    }

    fn add(&mut self, description: &str) -> Result<()> {
        let number = |key: &str| -> Result<Option<u32>> {
            let value = description.lines().find_map(|it| it.strip_prefix(key)?.strip_prefix(':'));
            value.map(|it| it.trim().parse().with_context(|| format!("read {key}"))).transpose()
        };
        // That of a link names its program as well, which has a descriptor of its own or is gone with the link.
        self.links.extend(number("link_id")?);
        self.programs.extend(number("prog_id")?);
        self.maps.extend(number("map_id")?);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.maps.is_empty() && self.links.is_empty()
    }

    /// Waits until none of them is in the kernel; an error that names those left if that takes longer than `limit`.
    /// The kernel frees them when nobody may use them any more, some milliseconds after their last descriptor.
    pub fn wait_until_gone(&self, limit: Duration) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let left = self.still_there()?;
            if left.is_empty() {
                return Ok(started.elapsed());
            }
            if started.elapsed() > limit {
                bail!("after {limit:?} the kernel still has {left}");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn still_there(&self) -> Result<Self> {
        Ok(Self {
            programs: common(&self.programs, loaded_programs().map(|it| it.map(|it| it.id())))?,
            maps: common(&self.maps, loaded_maps().map(|it| it.map(|it| it.id())))?,
            links: common(&self.links, loaded_links().map(|it| it.map(|it| it.id())))?,
        })
    }
}

/// Those of `ours` that the kernel lists.
fn common<E: Error + Send + Sync + 'static>(
    ours: &BTreeSet<u32>,
    listed: impl Iterator<Item = Result<u32, E>>,
) -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for id in listed {
        match id {
            Ok(id) if ours.contains(&id) => found.extend([id]),
            Ok(_) => {}
            // It went between being listed and being looked at.
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(error).context("list what is in the kernel"),
        }
    }
    Ok(found)
}

fn is_not_found(error: &(dyn Error + 'static)) -> bool {
    let mut causes = iter::successors(Some(error), |it| (*it).source());
    let kinds = causes.find_map(|it| it.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds == Some(io::ErrorKind::NotFound)
}

impl fmt::Display for KernelObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { programs, maps, links } = self;
        write!(f, "{} programs, {} maps, {} links", programs.len(), maps.len(), links.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_numbers_of_descriptors() {
        let mut held = KernelObjects::default();
        for text in [
            "pos:\t0\nflags:\t02000002\nmap_type:\t2\nmemlock:\t8192\nmap_id:\t7\nfrozen:\t0\n",
            "pos:\t0\nprog_type:\t26\nprog_id:\t21\nrun_cnt:\t0\n",
            "pos:\t0\nlink_type:\ttracing\nlink_id:\t5\nprog_tag:\tc60f\nprog_id:\t21\n",
            "pos:\t0\neventfd-id: 3\n",
        ] {
            held.add(text).unwrap();
        }
        assert_eq!(held.to_string(), "1 programs, 1 maps, 1 links");
        assert!(held.programs.contains(&21) && held.maps.contains(&7) && held.links.contains(&5));
        held.add("map_id:\tseven\n").unwrap_err();
    }
}
