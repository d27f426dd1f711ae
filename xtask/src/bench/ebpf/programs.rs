//! eBPF programs as the kernel knows them: whose they are, where they are attached, what they have cost.

use std::{
    collections::BTreeMap,
    fs::{read_dir, read_to_string},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use aya::{
    maps::MapInfo,
    programs::{ProgramInfo, loaded_programs},
    sys::{Stats, enable_stats},
};

const NO_TRACEPOINT: &str = "btf:";

/// The hook of each attached program of a process, by the program's id: a tracepoint's name, or for what is none the
/// number of the function in the kernel's BTF after `btf:`.
pub(crate) fn hooks(pid: u32) -> Result<BTreeMap<u32, String>> {
    let texts = descriptors(pid)?;
    Ok(texts.iter().filter_map(|it| hook(it)).collect())
}

pub(crate) fn is_tracepoint(hook: &str) -> bool {
    !hook.starts_with(NO_TRACEPOINT)
}

/// How often each loaded program has run and for how long, and its name, by id. Numbers grow while the kernel keeps
/// [`statistics`].
pub(crate) fn counts() -> BTreeMap<u32, Count> {
    let count = |it: &ProgramInfo| Count {
        name: name(it.name_as_str()),
        n_runs: it.run_count(),
        time: it.run_time(),
    };
    infos().map(|it| (it.id(), count(&it))).collect()
}

pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) n_runs: u64,
    pub(crate) time: Duration,
}

/// The kernel measures programs as long as this is open. It reads the clock twice for each run.
pub(crate) fn statistics() -> Result<OwnedFd> {
    enable_stats(Stats::RunTime).context("have the kernel measure eBPF programs; that needs root")
}

/// What the kernel has set aside for a process' programs and their maps, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) programs: u64,
    /// By name, and that of the first program that uses it.
    pub(crate) maps: Vec<(String, u64)>,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let ours = hooks(pid)?;
    let mut memory = Memory::default();
    let mut users = BTreeMap::new();
    for program in infos().filter(|it| ours.contains_key(&it.id())) {
        memory.programs += u64::from(program.memory_locked()?);
        for id in program.map_ids()?.unwrap_or_default() {
            users.entry(id).or_insert_with(|| name(program.name_as_str()));
        }
    }
    for (id, user) in users {
        let map = MapInfo::from_id(id)?;
        let fd = map.fd()?;
        let text = read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd()))?;
        let size =
            value(&text, "memlock:").and_then(|it| it.parse().ok()).context("no `memlock:` of a map")?;
        memory.maps.push((format!("{} of {user}", name(map.name_as_str())), size));
    }
    Ok(memory)
}

/// At most 15 bytes of it.
fn name(it: Option<&str>) -> String {
    it.unwrap_or("(no name)").to_owned()
}

/// All that are loaded; those that end while we walk are left out.
fn infos() -> impl Iterator<Item = ProgramInfo> {
    loaded_programs().filter_map(Result::ok)
}

/// What the kernel says of each open file of a process: proc_pid_fdinfo(5).
fn descriptors(pid: u32) -> Result<Vec<String>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let entries = read_dir(&folder).with_context(|| format!("read {folder}"))?;
    // Files are closed while we walk.
    let text = |path: &Path| read_to_string(path).unwrap_or_default();
    entries.map(|entry| Ok(text(&entry?.path()))).collect()
}

/// The program and the hook of a link. Iterators have none: they run when they are read.
fn hook(text: &str) -> Option<(u32, String)> {
    value(text, "link_type:").filter(|it| *it != "iter")?;
    let id = value(text, "prog_id:")?.parse().ok()?;
    let hook = match value(text, "tp_name:") {
        Some(tracepoint) => tracepoint.to_owned(),
        None => format!("{NO_TRACEPOINT}{}", value(text, "target_btf_id:").unwrap_or("-")),
    };
    Some((id, hook))
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|it| it.strip_prefix(key)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_links_from_programs() {
        let link = "pos:\t0\nlink_type:\traw_tracepoint\nlink_id:\t1527\nprog_tag:\tb205\nprog_id:\t3583\n\
                    tp_name:\tsched_switch\ncookie:\t0\n";
        assert_eq!(hook(link), Some((3583, "sched_switch".to_owned())));
        assert!(is_tracepoint("sched_switch"));
        let program = "prog_type:\t26\nprog_jited:\t1\nmemlock:\t4096\nprog_id:\t3583\nrun_cnt:\t0\n";
        assert_eq!(hook(program), None);
        assert_eq!(hook("link_type:\titer\nlink_id:\t4\nprog_id:\t8\ntarget_name:\ttask\n"), None);
        let function = "link_type:\ttracing\nlink_id:\t3\nprog_id:\t9\nattach_type:\t24\ntarget_obj_id:\t1\n\
                        target_btf_id:\t77\n";
        assert_eq!(hook(function), Some((9, "btf:77".to_owned())));
        assert!(!is_tracepoint("btf:77"));
    }
}
