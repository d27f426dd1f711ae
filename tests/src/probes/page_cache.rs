//! Pages of a file that are read one by one, and given up.

use std::{io::Write, os::unix::fs::FileExt};

use anyhow::{Context, Result, ensure};
use rustix::fs::{Advice, fadvise};

use super::{Check, growth, on_disk};
use crate::Agent;

pub(super) const CHECKS: &[Check] =
    &[Check { collector: "page_cache", claim: "each page comes and goes once", run: pages }];

const PAGE: usize = 4096;
const PAGES: usize = 500;

fn pages(agent: &Agent) -> Result<String> {
    let mut disk = on_disk()?;
    disk.write_all(&[1; PAGES * PAGE])?;
    disk.sync_all()?;
    let give_up = || fadvise(&disk, 0, None, Advice::DontNeed).context("give up what is cached");
    give_up()?;
    // Nothing is read ahead, so that each page comes by itself.
    fadvise(&disk, 0, None, Advice::Random)?;
    let came = growth(agent, "node_page_cache_insertions_total", &[], || {
        (0..PAGES).try_for_each(|it| disk.read_exact_at(&mut [0; PAGE], (it * PAGE) as u64).context("read"))
    })?;
    let left = growth(agent, "node_page_cache_removals_total", &[], give_up)?;
    let n_pages = PAGES as f64;
    ensure!(came >= n_pages && left >= n_pages, "{came} came and {left} left of {PAGES}");
    Ok(format!("{came} came and {left} left, {PAGES} pages"))
}
