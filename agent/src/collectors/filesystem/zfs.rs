//! OpenZFS: the kstats below `/proc/spl/kstat/zfs`.

use crate::{collectors::prelude::*, metric::Desc, source::proc::kstat};
use std::{borrow::Cow, path::PathBuf};

metrics! {
    ABD: Untyped "node_zfs_abd_*" [], "A figure of the ARC's scatter-gather buffers: the line of this name in abdstats.";
    ARC: Untyped "node_zfs_arc_*" [], "A figure of the adaptive replacement cache: the line of this name in arcstats.";
    DBUF: Untyped "node_zfs_dbuf_*" [], "A figure of the cache of blocks in use: the line of this name in dbufstats.";
    DMU_TX: Untyped "node_zfs_dmu_tx_*" [], "A figure of transactions: the line of this name in dmu_tx.";
    DNODE: Untyped "node_zfs_dnode_*" [], "A figure of objects in memory: the line of this name in dnodestats.";
    FM: Untyped "node_zfs_fm_*" [], "A figure of fault reports: the line of this name in fm.";
    VDEV_CACHE: Untyped "node_zfs_vdev_cache_*" [], "A figure of the devices' read cache: the line of this name in vdev_cache_stats.";
    VDEV_MIRROR: Untyped "node_zfs_vdev_mirror_*" [], "A figure of reads from mirrors: the line of this name in vdev_mirror_stats.";
    XUIO: Untyped "node_zfs_xuio_*" [], "A figure of I/O without copying: the line of this name in xuio_stats.";
    ZFETCH: Untyped "node_zfs_zfetch_*" [], "A figure of prefetching: the line of this name in zfetchstats.";
    ZIL: Untyped "node_zfs_zil_*" [], "A figure of the intent log: the line of this name in zil.";
    POOL: Untyped "node_zfs_zpool_*" ["zpool"], "A figure of a pool: the column of this name in its file io.";
    DATASET: Untyped "node_zfs_zpool_dataset_*" ["zpool", "dataset"], "A figure of a dataset: the line of this name in its file objset-*.";
    STATE: Gauge "node_zfs_zpool_state" ["zpool", "state"], "Whether a pool is in a state.";
}

const FILES: [(&str, Desc<0>); 11] = [
    ("abdstats", ABD),
    ("arcstats", ARC),
    ("dbufstats", DBUF),
    ("dmu_tx", DMU_TX),
    ("dnodestats", DNODE),
    ("fm", FM),
    ("vdev_cache_stats", VDEV_CACHE),
    ("vdev_mirror_stats", VDEV_MIRROR),
    ("xuio_stats", XUIO),
    ("zfetchstats", ZFETCH),
    ("zil", ZIL),
];

const STATES: [&str; 7] = ["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];

pub(super) struct Zfs(PathBuf);

impl Spec for Zfs {
    const SUMMARY: &'static str = "Caches, pools and datasets of OpenZFS, from /proc/spl/kstat/zfs.";
    const ENABLED: bool = true;
    const METRICS: &'static [Meta] = METRICS;
    type Config = NoConfig;

    fn open(_: NoConfig, host: &Host) -> Result<Self, Error> {
        Ok(Self(host.procfs().join("spl/kstat/zfs")))
    }
}

impl Collector for Zfs {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        let Some(root) = Folder::open(&self.0)? else {
            return Err(Error::Absent(format!("{} does not exist", self.0.display())));
        };
        let mut buffer = Vec::new();
        let mut outcome = Ok(());
        for name in root.names()? {
            let pushed = match FILES.iter().find(|(file, _)| *file == name) {
                Some((_, family)) => kstat::read(&root, &name, &mut buffer, |_, name, value| {
                    out.push_named(*family, &part(name), (), value);
                }),
                None => root.folder(&name).and_then(|pool| match pool {
                    Some(pool) => push_pool(&name, &pool, &mut buffer, out),
                    None => Ok(()),
                }),
            };
            outcome = outcome.and(pushed);
        }
        Ok(outcome?)
    }
}

fn push_pool(
    name: &str,
    pool: &Folder,
    buffer: &mut Vec<u8>,
    out: &mut Families,
) -> Result<(), source::Error> {
    let mut outcome = Ok(());
    for file in pool.names()? {
        // A pool that is exported takes its files along.
        let pushed = match &*file {
            "io" => push_io(name, pool, buffer, out),
            "state" => push_state(name, pool, out),
            file if file.starts_with("objset-") => kstat::read(pool, file, buffer, |text, name_of, value| {
                out.push_named(DATASET, &part(name_of), [name, &dataset_name(text)], value);
            }),
            _ => Ok(()),
        };
        outcome = outcome.and(pushed);
    }
    outcome
}

fn push_state(pool_name: &str, pool: &Folder, out: &mut Families) -> Result<(), source::Error> {
    let files = pool.unlisted_attributes();
    let state = files.parsed("state", "a pool's state", |text| {
        let text = text.to_ascii_lowercase();
        STATES.into_iter().find(|it| text == it.as_bytes())
    });
    if let Some(state) = state {
        STATES.iter().for_each(|it| out.push(STATE, [pool_name, it], state == *it));
    }
    files.end()
}

/// A heading of names, and below it the values.
fn push_io(
    pool_name: &str,
    pool: &Folder,
    buffer: &mut Vec<u8>,
    out: &mut Families,
) -> Result<(), source::Error> {
    let Some(text) = kstat::text(pool, "io", buffer)?.filter(|it| !it.is_empty()) else { return Ok(()) };
    let is_heading = |line: &[u8]| line.starts_with(b"nread");
    let heading = source::lines(text).find(|(_, line)| is_heading(line));
    let mut below = source::lines(text).skip_while(|(_, line)| !is_heading(line));
    let values = below.find(|(_, line)| !is_heading(line));
    let (Some((_, heading)), Some((number, values))) = (heading, values) else {
        return Err(pool.parse_error("io", 1, "expected a heading `nread ...`, and numbers below it"));
    };
    let mut values = source::words(values).map(source::count);
    let mut is_whole = true;
    for name in source::words(heading) {
        let value = values.next().flatten();
        is_whole &= value.is_some();
        out.push_named(POOL, &part(name), [pool_name], value.flatten());
    }
    if is_whole {
        Ok(())
    } else {
        Err(pool.parse_error("io", number, "expected a number for each name above"))
    }
}

/// From `dataset_name                    7    pool1/a name`, which may have blanks.
fn dataset_name(text: &[u8]) -> String {
    let line =
        source::lines(text).find_map(|(_, line)| line.strip_prefix(b"dataset_name")).unwrap_or_default();
    let value = line.trim_ascii_start();
    label_text(value.iter().position(|&it| it == b' ').map_or(b"", |it| value[it..].trim_ascii_start()))
}

/// A name as part of a family's.
fn part(name: &[u8]) -> Cow<'_, str> {
    let name = String::from_utf8_lossy(name);
    let is_illegal = |it: char| !it.is_ascii_alphanumeric() && it != '_';
    if name.contains(is_illegal) { name.replace(is_illegal, "_").into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [(&str, &str); 5] = [
        (
            "proc/spl/kstat/zfs/arcstats",
            "6 1 0x01 91 4368 5266997922 97951858082072\nname                            type data\nhits                            4    8772612\nmemory_available_bytes          3    -922337203685477580\nname_of_something               7    text\n",
        ),
        (
            "proc/spl/kstat/zfs/fm",
            "0 1 0x01 4 192 8007255140 354329591145385\nname                            type data\nerpt-dropped                    4    18\n",
        ),
        (
            "proc/spl/kstat/zfs/pool1/io",
            "12 3 0x00 1 80 79205351707403 395818011156865\nnread    nwritten reads    writes   wtime    wlentime wupdate  rtime    rlentime rupdate  wcnt     rcnt    \n1884160  3206144  22       132      7155162  104112268 79210489694949 24168078 104112268 79210489849220 0        0       \n",
        ),
        (
            "proc/spl/kstat/zfs/pool1/objset-1",
            "23 1 0x01 7 2160 221578688875 6665999035587\nname                            type data\ndataset_name                    7    pool1/with  blanks\nnread                           4    28\n",
        ),
        ("proc/spl/kstat/zfs/pool1/state", "DEGRADED\n"),
    ];

    #[test]
    fn shows_caches_pools_and_datasets() {
        check::<Zfs>(
            "",
            &FILES,
            expect![[r##"
            # HELP node_zfs_arc_hits A figure of the adaptive replacement cache: the line of this name in arcstats.
            # TYPE node_zfs_arc_hits untyped
            node_zfs_arc_hits 8.772612e+06
            # HELP node_zfs_arc_memory_available_bytes A figure of the adaptive replacement cache: the line of this name in arcstats.
            # TYPE node_zfs_arc_memory_available_bytes untyped
            node_zfs_arc_memory_available_bytes -9.223372036854776e+17
            # HELP node_zfs_fm_erpt_dropped A figure of fault reports: the line of this name in fm.
            # TYPE node_zfs_fm_erpt_dropped untyped
            node_zfs_fm_erpt_dropped 18
            # HELP node_zfs_zpool_dataset_nread A figure of a dataset: the line of this name in its file objset-*.
            # TYPE node_zfs_zpool_dataset_nread untyped
            node_zfs_zpool_dataset_nread{dataset="pool1/with  blanks",zpool="pool1"} 28
            # HELP node_zfs_zpool_nread A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_nread untyped
            node_zfs_zpool_nread{zpool="pool1"} 1.88416e+06
            # HELP node_zfs_zpool_nwritten A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_nwritten untyped
            node_zfs_zpool_nwritten{zpool="pool1"} 3.206144e+06
            # HELP node_zfs_zpool_rcnt A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_rcnt untyped
            node_zfs_zpool_rcnt{zpool="pool1"} 0
            # HELP node_zfs_zpool_reads A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_reads untyped
            node_zfs_zpool_reads{zpool="pool1"} 22
            # HELP node_zfs_zpool_rlentime A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_rlentime untyped
            node_zfs_zpool_rlentime{zpool="pool1"} 1.04112268e+08
            # HELP node_zfs_zpool_rtime A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_rtime untyped
            node_zfs_zpool_rtime{zpool="pool1"} 2.4168078e+07
            # HELP node_zfs_zpool_rupdate A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_rupdate untyped
            node_zfs_zpool_rupdate{zpool="pool1"} 7.921048984922e+13
            # HELP node_zfs_zpool_state Whether a pool is in a state.
            # TYPE node_zfs_zpool_state gauge
            node_zfs_zpool_state{state="degraded",zpool="pool1"} 1
            node_zfs_zpool_state{state="faulted",zpool="pool1"} 0
            node_zfs_zpool_state{state="offline",zpool="pool1"} 0
            node_zfs_zpool_state{state="online",zpool="pool1"} 0
            node_zfs_zpool_state{state="removed",zpool="pool1"} 0
            node_zfs_zpool_state{state="suspended",zpool="pool1"} 0
            node_zfs_zpool_state{state="unavail",zpool="pool1"} 0
            # HELP node_zfs_zpool_wcnt A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_wcnt untyped
            node_zfs_zpool_wcnt{zpool="pool1"} 0
            # HELP node_zfs_zpool_wlentime A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_wlentime untyped
            node_zfs_zpool_wlentime{zpool="pool1"} 1.04112268e+08
            # HELP node_zfs_zpool_writes A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_writes untyped
            node_zfs_zpool_writes{zpool="pool1"} 132
            # HELP node_zfs_zpool_wtime A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_wtime untyped
            node_zfs_zpool_wtime{zpool="pool1"} 7.155162e+06
            # HELP node_zfs_zpool_wupdate A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_wupdate untyped
            node_zfs_zpool_wupdate{zpool="pool1"} 7.9210489694949e+13
        "##]],
        );
    }

    #[test]
    fn shows_what_an_older_one_has() {
        check::<Zfs>(
            "",
            &FILES[1..2],
            expect![[r#"
            # HELP node_zfs_fm_erpt_dropped A figure of fault reports: the line of this name in fm.
            # TYPE node_zfs_fm_erpt_dropped untyped
            node_zfs_fm_erpt_dropped 18
        "#]],
        );
    }

    #[test]
    fn a_host_without_zfs_is_no_failure() {
        check_error::<Zfs>("", &[], expect!["not on this host: proc/spl/kstat/zfs does not exist"]);
    }

    #[test]
    fn refuses_files_of_another_form() {
        check_error::<Zfs>(
            "",
            &[("proc/spl/kstat/zfs/zil", "no heading\n")],
            expect![
                "parse proc/spl/kstat/zfs/zil, line 1: expected a heading `name type data`, and numbers below it"
            ],
        );
        check_error::<Zfs>(
            "",
            &[("proc/spl/kstat/zfs/zil", "0 1\nname type data\na 4 1\nb 4 -1\n")],
            expect![[r#"
            # HELP node_zfs_zil_a A figure of the intent log: the line of this name in zil.
            # TYPE node_zfs_zil_a untyped
            node_zfs_zil_a 1
            parse proc/spl/kstat/zfs/zil, line 4: expected a heading `name type data`, and numbers below it"#]],
        );
        check_error::<Zfs>(
            "",
            &[("proc/spl/kstat/zfs/tank/io", "0 1\nnread nwritten\n1\n")],
            expect![[r##"
            # HELP node_zfs_zpool_nread A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_nread untyped
            node_zfs_zpool_nread{zpool="tank"} 1
            parse proc/spl/kstat/zfs/tank/io, line 3: expected a number for each name above"##]],
        );
    }

    #[test]
    fn names_a_pools_figures_without_their_heading() {
        check_error::<Zfs>(
            "",
            &[("proc/spl/kstat/zfs/tank/io", "?garbage?\n")],
            expect![
                "parse proc/spl/kstat/zfs/tank/io, line 1: expected a heading `nread ...`, and numbers below it"
            ],
        );
        check::<Zfs>("", &[("proc/spl/kstat/zfs/tank/io", "")], expect![""]);
    }

    #[test]
    fn what_is_wrong_with_one_pool_costs_no_other() {
        let files = [
            ("proc/spl/kstat/zfs/pool0/state", ""),
            ("proc/spl/kstat/zfs/pool0/io", "12 3 0x00\nnread nwritten\nmany 5\n"),
            FILES[4],
        ];
        check_error::<Zfs>(
            "",
            &files,
            expect![[r##"
            # HELP node_zfs_zpool_nwritten A figure of a pool: the column of this name in its file io.
            # TYPE node_zfs_zpool_nwritten untyped
            node_zfs_zpool_nwritten{zpool="pool0"} 5
            # HELP node_zfs_zpool_state Whether a pool is in a state.
            # TYPE node_zfs_zpool_state gauge
            node_zfs_zpool_state{state="degraded",zpool="pool1"} 1
            node_zfs_zpool_state{state="faulted",zpool="pool1"} 0
            node_zfs_zpool_state{state="offline",zpool="pool1"} 0
            node_zfs_zpool_state{state="online",zpool="pool1"} 0
            node_zfs_zpool_state{state="removed",zpool="pool1"} 0
            node_zfs_zpool_state{state="suspended",zpool="pool1"} 0
            node_zfs_zpool_state{state="unavail",zpool="pool1"} 0
            parse proc/spl/kstat/zfs/pool0/io, line 3: expected a number for each name above"##]],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Zfs>("", &FILES);
    }
}
