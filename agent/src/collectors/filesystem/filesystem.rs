//! How full the mounted file systems are: `/proc/1/mountinfo` and statfs(2).

mod shown;

use self::shown::Shown;
use crate::{
    collectors::prelude::*,
    source::{
        mounts::{Mount, MountTable},
        statfs::{Answer, Ask, Asker, Limits, Target, Usage, statfs},
    },
};
use rustix::thread::CapabilitySet;
use std::{collections::HashSet, time::Duration};

metrics! {
    DEVICE_ERROR: Gauge "node_filesystem_device_error" ["device", "fstype", "mountpoint", "device_error"], "Whether asking a file system failed, or got no answer in time; the label says why.";
    READONLY: Gauge "node_filesystem_readonly" ["device", "fstype", "mountpoint", "device_error"], "Whether a mount or its file system refuses writes.";
    MOUNT_INFO: Gauge "node_filesystem_mount_info" ["device", "major", "minor", "mountpoint"], "The device number of a mount; always 1.";

    |it: &Usage| ["device", "fstype", "mountpoint", "device_error"];
    Gauge "node_filesystem_size_bytes" = it.blocks as f64 * it.block_size as f64, "Size of a file system in bytes.";
    Gauge "node_filesystem_free_bytes" = it.free as f64 * it.block_size as f64, "Free bytes of a file system, those reserved for root included.";
    Gauge "node_filesystem_avail_bytes" = it.available as f64 * it.block_size as f64, "Free bytes of a file system that any user may fill.";
    Gauge "node_filesystem_purgeable_bytes" = 0, "Bytes that the system would free by itself; always 0 on Linux.";
    Gauge "node_filesystem_files" = it.files, "Inodes of a file system, free and used.";
    Gauge "node_filesystem_files_free" = it.files_free, "Free inodes of a file system.";
}

const EXCLUDED_POINTS: &str =
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";
const EXCLUDED_TYPES: &str = "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$";

section! {
    pub(super) struct Config {
        /// Mount points to leave out.
        mount_points_exclude: Option<Pattern> = EXCLUDED_POINTS,
        /// Mount points to show, in place of `mount_points_exclude`.
        mount_points_include: Option<Pattern> = "",
        /// Types of file systems to leave out.
        fs_types_exclude: Option<Pattern> = EXCLUDED_TYPES,
        /// Types of file systems to show, in place of `fs_types_exclude`.
        fs_types_include: Option<Pattern> = "",
        /// How long a scrape waits for network and FUSE mounts before it reports a `mountpoint timeout`.
        mount_timeout: Duration = "5s",
        /// How many network and FUSE file systems are asked at once; hung ones do not count.
        stat_workers: u64 = 4,
        /// How long a mount is not asked again after it failed past its timeout, or timed out twice.
        stuck_mount_backoff: Duration = "5m",
    }
}

pub(super) struct Filesystem {
    table: MountTable,
    points: Filter,
    types: Filter,
    mounts: Vec<Shown>,
    /// Which of them statfs(2) says is read-only. The mount table tells which of them the host sees so.
    readonly: Vec<bool>,
    asker: Asker,
}

impl Spec for Filesystem {
    const SUMMARY: &'static str = "Size, free space and inodes of mounted file systems, by statfs(2).";
    const ENABLED: bool = true;
    /// The kubelet's volumes lie below folders that only root may walk.
    const CAPABILITIES: CapabilitySet = CapabilitySet::DAC_READ_SEARCH;
    const METRICS: &'static [Meta] = METRICS;
    type Config = Config;

    fn open(config: Config, host: &Host) -> Result<Self, Error> {
        Self::with(config, host, statfs)
    }
}

impl Filesystem {
    fn with(config: Config, host: &Host, ask: Ask) -> Result<Self, Error> {
        let limits = Limits {
            timeout: config.mount_timeout,
            backoff: config.stuck_mount_backoff,
            n_workers: config.stat_workers.try_into().unwrap_or(usize::MAX),
        };
        Ok(Self {
            table: MountTable::new(host),
            points: Filter::either(
                config.mount_points_include,
                config.mount_points_exclude,
                EXCLUDED_POINTS,
            )?,
            types: Filter::either(config.fs_types_include, config.fs_types_exclude, EXCLUDED_TYPES)?,
            mounts: Vec::new(),
            readonly: Vec::new(),
            asker: Asker::new(limits, ask),
        })
    }

    /// Whether one is writable that was not, or the other way round.
    fn ask(&mut self) -> bool {
        let is_readonly = |it: &Option<Answer>| matches!(it, Some(Ok(Usage { is_readonly: true, .. })));
        let readonly = self.asker.ask_all().iter().map(is_readonly).collect();
        std::mem::replace(&mut self.readonly, readonly) != self.readonly
    }

    /// Takes over `mounts`, in the order in which samples are sorted, so that nobody has to sort them again.
    fn set_mounts(&mut self, mounts: Vec<Mount>) {
        let is_wanted = |it: &Mount| self.points.keeps(&it.mount_point) && self.types.keeps(&it.fs_type);
        let mut seen = HashSet::new();
        let mut shown: Vec<_> = mounts
            .into_iter()
            .filter(is_wanted)
            .map(|it| {
                let [device, fs_type, mount_point] =
                    [&it.source, &it.fs_type, &it.mount_point].map(|it| label_text(it));
                let is_repeated = !seen.insert((device.clone(), fs_type.clone(), mount_point.clone()));
                let Mount { device: number, is_readonly, path, may_hang, .. } = it;
                let target = Target { device: number, path, may_hang };
                (Shown { device, fs_type, mount_point, number, is_readonly, is_repeated }, target)
            })
            .collect();
        shown.sort_by(|(a, _), (b, _)| {
            (&a.device, &a.fs_type, &a.mount_point).cmp(&(&b.device, &b.fs_type, &b.mount_point))
        });
        let targets;
        (self.mounts, targets) = shown.into_iter().unzip();
        self.asker.set_targets(targets);
    }
}

impl Collector for Filesystem {
    fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
        if let Some(mounts) = self.table.changed()? {
            self.set_mounts(mounts);
        }
        if self.ask()
            && let Some(mounts) = self.table.read()?
        {
            self.set_mounts(mounts);
            self.ask();
        }
        for (mount, answer) in self.mounts.iter().zip(self.asker.answers()) {
            mount.push(answer.as_ref(), out);
        }
        Ok(self.table.check()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        source::faults::with_fault,
        testing::{TestHost, survives},
    };
    use rustix::{
        io::Errno,
        mount::{MountFlags, UnmountFlags, mount, unmount},
    };
    use std::{
        ffi::{CStr, CString},
        os::fd::AsRawFd,
        path::PathBuf,
        sync::{
            Condvar, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        time::Instant,
    };

    /// A file system of 1000 blocks wherever it is mounted, but for a few.
    fn ask(path: &CStr) -> Answer {
        match path.to_bytes() {
            path if path.ends_with(b"/denied") => Err(Errno::ACCESS),
            path if path.ends_with(b"/odd") => Err(Errno::from_raw_os_error(133)),
            _ => Ok(Usage {
                block_size: 4096,
                blocks: 1000,
                free: 600,
                available: 500,
                files: 100,
                files_free: 40,
                is_readonly: false,
            }),
        }
    }

    struct Scraper {
        host: TestHost,
        collector: Filesystem,
        out: Families,
    }

    impl Scraper {
        fn new(section: &str, files: &[(&str, &str)], ask: Ask) -> Self {
            let host = TestHost::new(files);
            let collector = Filesystem::with(TestHost::section(section), &host.host(), ask).unwrap();
            Self { host, collector, out: Families::new(METRICS) }
        }

        fn scrape(&mut self) -> String {
            self.out.clear();
            self.collector.collect(&mut self.out).unwrap();
            self.host.render(&self.out)
        }

        /// The samples of one family.
        fn family(&mut self, name: &str) -> String {
            let text = self.scrape().replace('\t', "⇥");
            let prefix = format!("node_filesystem_{name}{{");
            text.lines().filter_map(|it| it.strip_prefix(&prefix)).collect::<Vec<_>>().join("\n")
        }
    }

    fn check_family(name: &str, section: &str, mountinfo: &str, expect: expect_test::Expect) {
        let mut scraper = Scraper::new(section, &[("proc/1/mountinfo", mountinfo)], ask);
        let first = scraper.family(name);
        assert_eq!(scraper.family(name), first);
        expect.assert_eq(&first);
    }

    const ROOT: &str = "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,discard\n";

    #[test]
    fn shows_size_and_inodes() {
        let mut scraper = Scraper::new("", &[("proc/1/mountinfo", ROOT)], ask);
        expect![[r##"
            # HELP node_filesystem_avail_bytes Free bytes of a file system that any user may fill.
            # TYPE node_filesystem_avail_bytes gauge
            node_filesystem_avail_bytes{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 2.048e+06
            # HELP node_filesystem_device_error Whether asking a file system failed, or got no answer in time; the label says why.
            # TYPE node_filesystem_device_error gauge
            node_filesystem_device_error{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 0
            # HELP node_filesystem_files Inodes of a file system, free and used.
            # TYPE node_filesystem_files gauge
            node_filesystem_files{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 100
            # HELP node_filesystem_files_free Free inodes of a file system.
            # TYPE node_filesystem_files_free gauge
            node_filesystem_files_free{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 40
            # HELP node_filesystem_free_bytes Free bytes of a file system, those reserved for root included.
            # TYPE node_filesystem_free_bytes gauge
            node_filesystem_free_bytes{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 2.4576e+06
            # HELP node_filesystem_mount_info The device number of a mount; always 1.
            # TYPE node_filesystem_mount_info gauge
            node_filesystem_mount_info{device="/dev/sda1",major="8",minor="1",mountpoint="/"} 1
            # HELP node_filesystem_purgeable_bytes Bytes that the system would free by itself; always 0 on Linux.
            # TYPE node_filesystem_purgeable_bytes gauge
            node_filesystem_purgeable_bytes{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 0
            # HELP node_filesystem_readonly Whether a mount or its file system refuses writes.
            # TYPE node_filesystem_readonly gauge
            node_filesystem_readonly{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 0
            # HELP node_filesystem_size_bytes Size of a file system in bytes.
            # TYPE node_filesystem_size_bytes gauge
            node_filesystem_size_bytes{device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 4.096e+06
        "##]].assert_eq(&scraper.scrape());
    }

    #[test]
    fn says_why_a_mount_cannot_be_asked() {
        let mountinfo = "1 0 8:1 / /denied ro - ext4 /dev/sda1 rw\n2 0 8:2 / /odd rw - ext4 /dev/sda2 rw\n";
        check_family(
            "device_error",
            "",
            mountinfo,
            expect![[r#"
            device="/dev/sda1",device_error="permission denied",fstype="ext4",mountpoint="/denied"} 1
            device="/dev/sda2",device_error="errno 133",fstype="ext4",mountpoint="/odd"} 1"#]],
        );
        check_family(
            "readonly",
            "",
            mountinfo,
            expect![[r#"
            device="/dev/sda1",device_error="permission denied",fstype="ext4",mountpoint="/denied"} 1
            device="/dev/sda2",device_error="errno 133",fstype="ext4",mountpoint="/odd"} 0"#]],
        );
        check_family("size_bytes", "", mountinfo, expect![""]);
        check_family("mount_info", "", mountinfo, expect![""]);
    }

    #[test]
    fn is_readonly_by_mount_or_by_file_system() {
        check_family(
            "readonly",
            "",
            "1 0 8:1 / /a rw,ro - ext4 /dev/sda1 rw\n\
             2 0 8:1 / /b rw - ext4 /dev/sda1 ro\n\
             3 0 8:1 / /c rw - ext4 /dev/sda1 rw,emergency_ro\n\
             4 0 8:1 / /d rw,rox - ext4 /dev/sda1 rw,errors=ro\n",
            expect![[r#"
                device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/a"} 1
                device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/b"} 1
                device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/c"} 1
                device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/d"} 0"#]],
        );
    }

    #[test]
    fn shows_a_mount_once() {
        let mountinfo = "1 0 0:30 / /tmp rw - tmpfs tmpfs rw\n\
                         2 1 0:31 / /tmp rw - tmpfs tmpfs rw\n\
                         3 1 0:31 /sub /tmp ro - tmpfs tmpfs ro\n";
        check_family(
            "readonly",
            "",
            mountinfo,
            expect![[r#"device="tmpfs",device_error="",fstype="tmpfs",mountpoint="/tmp"} 0"#]],
        );
        check_family(
            "mount_info",
            "",
            mountinfo,
            expect![[r#"
            device="tmpfs",major="0",minor="30",mountpoint="/tmp"} 1
            device="tmpfs",major="0",minor="31",mountpoint="/tmp"} 1"#]],
        );
    }

    #[test]
    fn keeps_to_the_patterns() {
        let mountinfo = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                         2 1 0:5 / /dev rw - devtmpfs dev rw\n\
                         3 1 0:6 / /dev/shm rw - tmpfs tmpfs rw\n\
                         4 1 0:7 / /run rw - tmpfs tmpfs rw\n";
        check_family(
            "files",
            "",
            mountinfo,
            expect![[r#"
            device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 100
            device="tmpfs",device_error="",fstype="tmpfs",mountpoint="/run"} 100"#]],
        );
        check_family(
            "files",
            "mount_points_include = '^/dev'",
            mountinfo,
            expect![[r#"device="tmpfs",device_error="",fstype="tmpfs",mountpoint="/dev/shm"} 100"#]],
        );
        check_family(
            "files",
            "fs_types_include = 'devtmpfs'\nmount_points_exclude = ''",
            mountinfo,
            expect![[r#"device="dev",device_error="",fstype="devtmpfs",mountpoint="/dev"} 100"#]],
        );
        check_family(
            "files",
            "fs_types_exclude = 'tmpfs'",
            mountinfo,
            expect![[r#"device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 100"#]],
        );
        check_error::<Filesystem>(
            "fs_types_include = 'a'\nfs_types_exclude = 'b'",
            &[],
            expect!["an include and an exclude pattern cannot be combined here"],
        );
    }

    #[test]
    fn unescapes_blanks_and_tabs_alone() {
        check_family(
            "files",
            "",
            "1 0 8:1 / /a\\040b\\011c\\012d\\134e rw - ext4 /dev/sda1 rw\n2 0 0:5 / /mnt rw - tmpfs  rw\n",
            expect![[r#"
                device="",device_error="",fstype="tmpfs",mountpoint="/mnt"} 100
                device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/a b⇥c\\012d\\134e"} 100"#]],
        );
    }

    #[test]
    fn asks_below_the_root_that_it_was_given_and_shows_the_hosts() {
        static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
        fn note(path: &CStr) -> Answer {
            ASKED.lock().unwrap().push(path.to_str().unwrap().to_owned());
            Ok(Usage::default())
        }
        let mut scraper = Scraper::new("", &[], note);
        let root = scraper.host.path().to_str().unwrap().to_owned();
        let mountinfo = format!(
            "1 0 8:1 / {root} rw - ext4 a rw\n2 0 8:1 / {root}/var rw - ext4 b rw\n3 0 8:1 / /home rw - ext4 c rw\n"
        );
        scraper.host.write("proc/1/mountinfo", &mountinfo);
        expect![[r#"
            device="a",device_error="",fstype="ext4",mountpoint="/"} 0
            device="b",device_error="",fstype="ext4",mountpoint="/var"} 0
            device="c",device_error="",fstype="ext4",mountpoint="/home"} 0"#]]
        .assert_eq(&scraper.family("readonly"));
        assert_eq!(
            *ASKED.lock().unwrap(),
            [format!("{root}/"), format!("{root}/var"), format!("{root}/home")]
        );
    }

    #[test]
    fn reads_its_own_mounts_where_those_of_init_are_hidden() {
        let mut scraper = Scraper::new("", &[("proc/self/mountinfo", ROOT)], ask);
        expect![[r#"device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 100"#]]
            .assert_eq(&scraper.family("files"));
        for errno in [Errno::ACCESS, Errno::PERM] {
            let files = [("proc/1/mountinfo", "hidden"), ("proc/self/mountinfo", ROOT)];
            let mut scraper = Scraper::new("", &files, ask);
            let hidden = scraper.host.path().join("proc/1/mountinfo");
            with_fault(&hidden, errno, || assert_ne!(scraper.scrape(), ""));
        }
    }

    #[test]
    fn sees_a_new_mount() {
        let mut scraper = Scraper::new("", &[("proc/1/mountinfo", "")], ask);
        assert_eq!(scraper.scrape(), "");
        scraper.host.write("proc/1/mountinfo", ROOT);
        assert_ne!(scraper.scrape(), "");
        scraper.host.write("proc/1/mountinfo", "");
        assert_eq!(scraper.scrape(), "");
    }

    #[test]
    fn a_line_that_is_not_documented_costs_itself() {
        let broken = format!("2 1 0:6 / /run rw\n{ROOT}");
        for path in ["proc/1/mountinfo", "proc/self/mountinfo"] {
            let mut scraper = Scraper::new("", &[(path, &broken)], ask);
            for _ in 0..2 {
                scraper.out.clear();
                let error = scraper.collector.collect(&mut scraper.out).unwrap_err().to_string();
                assert!(
                    error.ends_with(&format!("{path}, line 1: not as proc_pid_mountinfo(5) has it")),
                    "{error}"
                );
                assert!(
                    scraper
                        .host
                        .render(&scraper.out)
                        .contains("\nnode_filesystem_files{device=\"/dev/sda1\"")
                );
            }
        }
        check_error::<Filesystem>(
            "",
            &[],
            expect!["read proc/self/mountinfo: No such file or directory (os error 2)"],
        );
    }

    #[test]
    fn survives_any_text() {
        never_panics::<Filesystem>(
            "mount_points_exclude = ''",
            &[(
                "proc/1/mountinfo",
                "1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n2 1 0:6 / /no\\040such rw - tmpfs tmpfs ro\n",
            )],
        );
    }

    /// Blocks every caller until it is opened.
    struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        const fn new() -> Self {
            Self(Mutex::new(false), Condvar::new())
        }

        fn pass(&self) {
            drop(self.1.wait_while(self.0.lock().unwrap(), |is_open| !*is_open).unwrap());
        }

        fn open(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
    }

    const HUNG: &str = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                        2 1 0:50 /a /mnt/a ro - nfs4 server:/a rw\n\
                        3 1 0:50 /b /mnt/b rw - nfs4 server:/b rw\n\
                        4 1 0:51 / /mnt/well rw - nfs4 other:/ rw\n";

    #[test]
    fn a_hung_server_costs_one_timeout_and_holds_one_thread() {
        static GATE: Gate = Gate::new();
        static N_HUNG: AtomicUsize = AtomicUsize::new(0);
        fn hang(path: &CStr) -> Answer {
            if matches!(path.to_bytes(), it if it.ends_with(b"/mnt/a") || it.ends_with(b"/mnt/b")) {
                N_HUNG.fetch_add(1, Ordering::SeqCst);
                GATE.pass();
            }
            Ok(Usage::default())
        }
        let mut scraper = Scraper::new("mount_timeout = '100ms'", &[("proc/1/mountinfo", HUNG)], hang);
        let start = Instant::now();
        let first = scraper.family("device_error");
        assert!(start.elapsed() >= Duration::from_millis(100));
        expect![[r#"
            device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 0
            device="other:/",device_error="",fstype="nfs4",mountpoint="/mnt/well"} 0
            device="server:/a",device_error="mountpoint timeout",fstype="nfs4",mountpoint="/mnt/a"} 1
            device="server:/b",device_error="mountpoint timeout",fstype="nfs4",mountpoint="/mnt/b"} 1"#]]
        .assert_eq(&first);
        expect![[r#"
            device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 0
            device="other:/",device_error="",fstype="nfs4",mountpoint="/mnt/well"} 0
            device="server:/a",device_error="mountpoint timeout",fstype="nfs4",mountpoint="/mnt/a"} 0
            device="server:/b",device_error="mountpoint timeout",fstype="nfs4",mountpoint="/mnt/b"} 0"#]]
        .assert_eq(&scraper.family("readonly"));

        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(scraper.family("device_error"), first);
        }
        assert!(start.elapsed() < Duration::from_secs(1), "a mount known to hang is not waited for");
        assert_eq!(N_HUNG.load(Ordering::SeqCst), 1, "its other mount is not asked");

        GATE.open();
        // The thread that hung goes on with the other mount.
        while N_HUNG.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
        let text = (0..10_000).map(|_| scraper.family("device_error")).find(|it| !it.contains("timeout"));
        expect![[r#"
            device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 0
            device="other:/",device_error="",fstype="nfs4",mountpoint="/mnt/well"} 0
            device="server:/a",device_error="",fstype="nfs4",mountpoint="/mnt/a"} 0
            device="server:/b",device_error="",fstype="nfs4",mountpoint="/mnt/b"} 0"#]]
        .assert_eq(&text.expect("the server came back"));
    }

    /// A FUSE file system whose daemon never says a word.
    struct DeadMount {
        at: PathBuf,
        daemon: Option<std::fs::File>,
    }

    impl DeadMount {
        fn new(at: PathBuf) -> Self {
            std::fs::create_dir(&at).unwrap();
            let daemon = std::fs::File::options().read(true).write(true).open("/dev/fuse").unwrap();
            let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", daemon.as_raw_fd());
            let options = CString::new(options).unwrap();
            mount("dead", &at, "fuse.dead", MountFlags::empty(), &*options).unwrap();
            Self { at, daemon: Some(daemon) }
        }
    }

    /// Ends the connection, which wakes who waits for it, and only then removes the mount.
    impl Drop for DeadMount {
        fn drop(&mut self) {
            drop(self.daemon.take());
            unmount(&self.at, UnmountFlags::DETACH).unwrap();
        }
    }

    const DEAD: &str = r#"device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 0
device="dead",device_error="mountpoint timeout",fstype="fuse.dead",mountpoint="/dead"} 1"#;

    #[test]
    #[ignore = "mounts a FUSE file system: needs root"]
    fn a_daemon_that_never_answers_does_not_keep_the_other_mounts_back() {
        let mountinfo = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:99 / /dead rw - fuse.dead dead rw\n";
        let mut scraper = Scraper::new("mount_timeout = '200ms'", &[("proc/1/mountinfo", mountinfo)], statfs);
        let dead = DeadMount::new(scraper.host.path().join("dead"));
        for limit in [1000, 100, 100] {
            let start = Instant::now();
            let errors = scraper.family("device_error");
            assert_eq!(errors, DEAD);
            assert!(start.elapsed() < Duration::from_millis(limit), "{:?}", start.elapsed());
        }
        drop(dead);
        let ended = (0..10_000).map(|_| scraper.family("device_error")).find(|it| !it.contains("timeout"));
        expect![[r#"
            device="/dev/sda1",device_error="",fstype="ext4",mountpoint="/"} 0
            device="dead",device_error="transport endpoint is not connected",fstype="fuse.dead",mountpoint="/dead"} 1"#]].assert_eq(&ended.expect("the call came back"));
    }

    /// The collector with fixed answers of statfs(2).
    struct Answered(Filesystem);

    impl Spec for Answered {
        const SUMMARY: &'static str = "";
        const ENABLED: bool = false;
        const METRICS: &'static [Meta] = METRICS;
        type Config = Config;

        fn open(config: Config, host: &Host) -> Result<Self, Error> {
            Filesystem::with(config, host, ask).map(Self)
        }
    }

    impl Collector for Answered {
        fn collect(&mut self, out: &mut Families) -> Result<(), Error> {
            self.0.collect(out)
        }
    }

    #[test]
    fn a_wound_costs_one_mount() {
        let mountinfo = format!(
            "{ROOT}2 1 8:17 / /home ro,nosuid - xfs /dev/sdb1 rw\n\
            3 1 8:33 / /denied rw - ext4 /dev/sdc1 rw\n"
        );
        survives::<Answered>("", &[("proc/1/mountinfo", &mountinfo)]);
    }
}
