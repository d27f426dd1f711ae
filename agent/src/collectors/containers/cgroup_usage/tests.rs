//! Trees of both versions, and the paths of each runtime.

use super::*;

const ID: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
const PAUSE: &str = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf";
const UID: &str = "0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00";

fn names_of(path: &str, files: &[(&str, &str)]) -> [String; 3] {
    let host = crate::testing::TestHost::new(files);
    let mut names = Names::below(host.path());
    let errors = FirstError::default();
    names.refresh(&errors);
    errors.end().unwrap();
    let name = names.of(&Place::of(path));
    [name.namespace, name.pod, name.container]
}

#[test]
fn shows_a_unit_of_version_2() {
    let unit = "sys/fs/cgroup/system.slice/ssh.service";
    let files = [
        ("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n"),
        ("sys/fs/cgroup/cgroup.procs", "1\n"),
        ("sys/fs/cgroup/dev-hugepages.mount/pids.current", "0\n"),
        ("sys/dev/block/8:0", "-> ../../block/sda"),
        (
            &format!("{unit}/cpu.stat"),
            "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 1000000\nnice_usec 0\nnr_periods 10\nnr_throttled 2\nthrottled_usec 300000\n",
        ),
        (&format!("{unit}/cpu.max"), "50000 100000\n"),
        (
            &format!("{unit}/cpu.pressure"),
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n",
        ),
        (&format!("{unit}/memory.current"), "4096000\n"),
        (&format!("{unit}/memory.max"), "max\n"),
        (
            &format!("{unit}/memory.stat"),
            "anon 1000\nfile 3000\ninactive_file 96000\npgfault 7\npgmajfault 3\n",
        ),
        (&format!("{unit}/memory.events"), "low 0\nhigh 0\nmax 0\noom 1\noom_kill 2\n"),
        (&format!("{unit}/pids.current"), "5\n"),
        (&format!("{unit}/pids.max"), "4915\n"),
        (
            &format!("{unit}/io.stat"),
            "8:0 rbytes=100 wbytes=200 rios=3 wios=4 dbytes=0 dios=0\n7:1 7:0 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n7:2 \n",
        ),
    ];
    check::<CgroupUsage>(
        "id_include = 'ssh'",
        &files,
        expect![[r##"
        # HELP container_cpu_cfs_periods_total Periods in which the CPU quota was enforced.
        # TYPE container_cpu_cfs_periods_total counter
        container_cpu_cfs_periods_total{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 10
        # HELP container_cpu_cfs_throttled_periods_total Periods in which the CPU quota was used up before their end.
        # TYPE container_cpu_cfs_throttled_periods_total counter
        container_cpu_cfs_throttled_periods_total{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 2
        # HELP container_cpu_cfs_throttled_seconds_total Time for which the control group's CPUs were held back by its quota, added up over CPUs.
        # TYPE container_cpu_cfs_throttled_seconds_total counter
        container_cpu_cfs_throttled_seconds_total{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 0.3
        # HELP container_cpu_system_seconds_total CPU time in the kernel.
        # TYPE container_cpu_system_seconds_total counter
        container_cpu_system_seconds_total{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 1
        # HELP container_cpu_usage_seconds_total CPU time of a control group and all below it; cpu is always total.
        # TYPE container_cpu_usage_seconds_total counter
        container_cpu_usage_seconds_total{container="",cpu="total",id="/system.slice/ssh.service",name="",namespace="",pod=""} 2.5
        # HELP container_cpu_user_seconds_total CPU time in user space.
        # TYPE container_cpu_user_seconds_total counter
        container_cpu_user_seconds_total{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 1.5
        # HELP container_fs_reads_bytes_total Bytes that a control group read from a disk; what came out of memory is not in it.
        # TYPE container_fs_reads_bytes_total counter
        container_fs_reads_bytes_total{container="",device="/dev/sda",id="/system.slice/ssh.service",name="",namespace="",pod=""} 100
        container_fs_reads_bytes_total{container="",device="7:0",id="/system.slice/ssh.service",name="",namespace="",pod=""} 1
        # HELP container_fs_reads_total Reads of a control group from a disk.
        # TYPE container_fs_reads_total counter
        container_fs_reads_total{container="",device="/dev/sda",id="/system.slice/ssh.service",name="",namespace="",pod=""} 3
        container_fs_reads_total{container="",device="7:0",id="/system.slice/ssh.service",name="",namespace="",pod=""} 1
        # HELP container_fs_writes_bytes_total Bytes that a control group wrote to a disk; version 1 counts what was written past memory alone.
        # TYPE container_fs_writes_bytes_total counter
        container_fs_writes_bytes_total{container="",device="/dev/sda",id="/system.slice/ssh.service",name="",namespace="",pod=""} 200
        container_fs_writes_bytes_total{container="",device="7:0",id="/system.slice/ssh.service",name="",namespace="",pod=""} 2
        # HELP container_fs_writes_total Writes of a control group to a disk.
        # TYPE container_fs_writes_total counter
        container_fs_writes_total{container="",device="/dev/sda",id="/system.slice/ssh.service",name="",namespace="",pod=""} 4
        container_fs_writes_total{container="",device="7:0",id="/system.slice/ssh.service",name="",namespace="",pod=""} 1
        # HELP container_memory_cache Memory in bytes that holds files.
        # TYPE container_memory_cache gauge
        container_memory_cache{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 3000
        # HELP container_memory_failures_total Page faults of a control group and all below it: pgmajfault had to wait for a disk, pgfault is all.
        # TYPE container_memory_failures_total counter
        container_memory_failures_total{container="",failure_type="pgfault",id="/system.slice/ssh.service",name="",namespace="",pod="",scope="hierarchy"} 7
        container_memory_failures_total{container="",failure_type="pgmajfault",id="/system.slice/ssh.service",name="",namespace="",pod="",scope="hierarchy"} 3
        # HELP container_memory_rss Memory in bytes that no file stands behind.
        # TYPE container_memory_rss gauge
        container_memory_rss{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 1000
        # HELP container_memory_usage_bytes Memory in use, files that are kept in it included.
        # TYPE container_memory_usage_bytes gauge
        container_memory_usage_bytes{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 4.096e+06
        # HELP container_memory_working_set_bytes Memory in use, without file cache that was not used lately; the kubelet evicts by it.
        # TYPE container_memory_working_set_bytes gauge
        container_memory_working_set_bytes{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 4e+06
        # HELP container_oom_events_total Processes that were killed because the control group, or one below it, was out of memory.
        # TYPE container_oom_events_total counter
        container_oom_events_total{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 2
        # HELP container_pressure_cpu_stalled_seconds_total Time in which all tasks that had work waited for a CPU, its quota's throttling included.
        # TYPE container_pressure_cpu_stalled_seconds_total counter
        container_pressure_cpu_stalled_seconds_total{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 0.5
        # HELP container_pressure_cpu_waiting_seconds_total Time in which at least one task waited for a CPU.
        # TYPE container_pressure_cpu_waiting_seconds_total counter
        container_pressure_cpu_waiting_seconds_total{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 1.5
        # HELP container_spec_cpu_period Length of a period of the CPU quota in microseconds.
        # TYPE container_spec_cpu_period gauge
        container_spec_cpu_period{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 100000
        # HELP container_spec_cpu_quota CPU time in microseconds that may be used in each period; absent where there is no limit.
        # TYPE container_spec_cpu_quota gauge
        container_spec_cpu_quota{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 50000
        # HELP container_spec_memory_limit_bytes The limit of memory; 0 where there is none.
        # TYPE container_spec_memory_limit_bytes gauge
        container_spec_memory_limit_bytes{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 0
        # HELP container_threads Threads and processes.
        # TYPE container_threads gauge
        container_threads{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 5
        # HELP container_threads_max The limit of threads and processes; 0 where there is none.
        # TYPE container_threads_max gauge
        container_threads_max{container="",id="/system.slice/ssh.service",name="",namespace="",pod=""} 4915
    "##]],
    );
}

#[test]
fn shows_a_container_of_version_1() {
    let path = format!("kubepods/burstable/pod{UID}/{ID}");
    let file = |name: &str, text: &str| {
        let (tree, _) = name.split_once('.').unwrap();
        (format!("sys/fs/cgroup/{tree}/{path}/{name}"), text.to_owned())
    };
    let mut files = vec![
        file("cpuacct.usage", "2500000000\n"),
        file("cpuacct.stat", "user 150\nsystem 100\n"),
        file("cpu.stat", "nr_periods 10\nnr_throttled 2\nthrottled_time 300000000\n"),
        file("cpu.cfs_quota_us", "-1\n"),
        file("cpu.cfs_period_us", "100000\n"),
        file("memory.usage_in_bytes", "4096000\n"),
        file("memory.max_usage_in_bytes", "5096000\n"),
        file("memory.limit_in_bytes", "9223372036854771712\n"),
        file(
            "memory.stat",
            "rss 1\ntotal_rss 1000\ntotal_cache 3000\ntotal_swap 0\ntotal_inactive_file 96000\ntotal_pgfault 7\ntotal_pgmajfault 3\n",
        ),
        file("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
        file("pids.current", "5\n"),
        file("pids.max", "max\n"),
        file(
            "blkio.throttle.io_service_bytes_recursive",
            "8:0 Read 100\n8:0 Write 200\n8:0 Total 300\nTotal 300\n",
        ),
        file("blkio.throttle.io_serviced_recursive", "8:0 Read 3\n8:0 Write 4\nTotal 7\n"),
        (format!("sys/fs/cgroup/pids/{path}/below/pids.current"), "1\n".to_owned()),
        (
            format!("sys/fs/cgroup/unified/{path}/io.pressure"),
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n".to_owned(),
        ),
    ];
    files.push((format!("var/log/containers/web-0_shop_nginx-{ID}.log"), String::new()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    check::<CgroupUsage>(
        &format!("id_include = '{ID}'"),
        &files,
        expect![[r##"
        # HELP container_cpu_cfs_periods_total Periods in which the CPU quota was enforced.
        # TYPE container_cpu_cfs_periods_total counter
        container_cpu_cfs_periods_total{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 10
        # HELP container_cpu_cfs_throttled_periods_total Periods in which the CPU quota was used up before their end.
        # TYPE container_cpu_cfs_throttled_periods_total counter
        container_cpu_cfs_throttled_periods_total{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 2
        # HELP container_cpu_cfs_throttled_seconds_total Time for which the control group's CPUs were held back by its quota, added up over CPUs.
        # TYPE container_cpu_cfs_throttled_seconds_total counter
        container_cpu_cfs_throttled_seconds_total{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 0.3
        # HELP container_cpu_system_seconds_total CPU time in the kernel.
        # TYPE container_cpu_system_seconds_total counter
        container_cpu_system_seconds_total{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 1
        # HELP container_cpu_usage_seconds_total CPU time of a control group and all below it; cpu is always total.
        # TYPE container_cpu_usage_seconds_total counter
        container_cpu_usage_seconds_total{container="nginx",cpu="total",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 2.5
        # HELP container_cpu_user_seconds_total CPU time in user space.
        # TYPE container_cpu_user_seconds_total counter
        container_cpu_user_seconds_total{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 1.5
        # HELP container_fs_reads_bytes_total Bytes that a control group read from a disk; what came out of memory is not in it.
        # TYPE container_fs_reads_bytes_total counter
        container_fs_reads_bytes_total{container="nginx",device="8:0",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 100
        # HELP container_fs_reads_total Reads of a control group from a disk.
        # TYPE container_fs_reads_total counter
        container_fs_reads_total{container="nginx",device="8:0",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 3
        # HELP container_fs_writes_bytes_total Bytes that a control group wrote to a disk; version 1 counts what was written past memory alone.
        # TYPE container_fs_writes_bytes_total counter
        container_fs_writes_bytes_total{container="nginx",device="8:0",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 200
        # HELP container_fs_writes_total Writes of a control group to a disk.
        # TYPE container_fs_writes_total counter
        container_fs_writes_total{container="nginx",device="8:0",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 4
        # HELP container_memory_cache Memory in bytes that holds files.
        # TYPE container_memory_cache gauge
        container_memory_cache{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 3000
        # HELP container_memory_failures_total Page faults of a control group and all below it: pgmajfault had to wait for a disk, pgfault is all.
        # TYPE container_memory_failures_total counter
        container_memory_failures_total{container="nginx",failure_type="pgfault",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0",scope="hierarchy"} 7
        container_memory_failures_total{container="nginx",failure_type="pgmajfault",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0",scope="hierarchy"} 3
        # HELP container_memory_max_usage_bytes The most memory that was ever in use (version 2: from Linux 5.19).
        # TYPE container_memory_max_usage_bytes gauge
        container_memory_max_usage_bytes{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 5.096e+06
        # HELP container_memory_rss Memory in bytes that no file stands behind.
        # TYPE container_memory_rss gauge
        container_memory_rss{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 1000
        # HELP container_memory_swap Memory in bytes that was swapped out.
        # TYPE container_memory_swap gauge
        container_memory_swap{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 0
        # HELP container_memory_usage_bytes Memory in use, files that are kept in it included.
        # TYPE container_memory_usage_bytes gauge
        container_memory_usage_bytes{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 4.096e+06
        # HELP container_memory_working_set_bytes Memory in use, without file cache that was not used lately; the kubelet evicts by it.
        # TYPE container_memory_working_set_bytes gauge
        container_memory_working_set_bytes{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 4e+06
        # HELP container_oom_events_total Processes that were killed because the control group, or one below it, was out of memory.
        # TYPE container_oom_events_total counter
        container_oom_events_total{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 2
        # HELP container_pressure_io_waiting_seconds_total Time in which at least one task waited for a disk.
        # TYPE container_pressure_io_waiting_seconds_total counter
        container_pressure_io_waiting_seconds_total{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 1.5
        # HELP container_spec_cpu_period Length of a period of the CPU quota in microseconds.
        # TYPE container_spec_cpu_period gauge
        container_spec_cpu_period{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 100000
        # HELP container_spec_memory_limit_bytes The limit of memory; 0 where there is none.
        # TYPE container_spec_memory_limit_bytes gauge
        container_spec_memory_limit_bytes{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 0
        # HELP container_threads Threads and processes.
        # TYPE container_threads gauge
        container_threads{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 5
        # HELP container_threads_max The limit of threads and processes; 0 where there is none.
        # TYPE container_threads_max gauge
        container_threads_max{container="nginx",id="/kubepods/burstable/pod0f4f3c1a-52e1-4cb1-9d3a-0d8a3c2f1b00/a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",name="a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf",namespace="shop",pod="web-0"} 0
    "##]],
    );
}

#[test]
fn knows_the_paths_of_each_runtime() {
    let pod = UID.replace('-', "_");
    for path in [
        format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{pod}.slice/cri-containerd-{ID}.scope"
        ),
        format!("/kubepods.slice/kubepods-pod{pod}.slice/crio-{ID}.scope/container"),
        format!(
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{pod}.slice/docker-{ID}.scope"
        ),
        format!("/kubepods/besteffort/pod{UID}/{ID}"),
        format!("/kubepods/pod{UID}/crio-{ID}"),
        format!("/system.slice/containerd.service/kubepods-burstable-pod{pod}.slice:cri-containerd:{ID}"),
        format!(
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{pod}.slice/cri-containerd-{ID}.scope"
        ),
        format!("/docker/{PAUSE}/kubelet/kubepods/pod{UID}/{ID}"),
    ] {
        assert_eq!(Place::of(&path), Place { pod: Some(UID.to_owned()), container: Some(ID) }, "{path}");
    }
    for path in [
        format!("/system.slice/docker-{ID}.scope"),
        format!("/docker/{ID}"),
        format!("/machine.slice/libpod-{ID}.scope/container"),
        format!("/libpod_parent/libpod-{ID}"),
        format!("/system.slice/web.service/libpod-payload-{ID}"),
        format!("/ecs/task/{ID}"),
    ] {
        assert_eq!(Place::of(&path), Place { pod: None, container: Some(ID) }, "{path}");
    }
    for path in [
        format!("/machine.slice/libpod-conmon-{ID}.scope"),
        format!("/kubepods.slice/crio-conmon-{ID}.scope"),
        "/user.slice/user-1000.slice/user@1000.service/app.slice".to_owned(),
        "/podruntime/kubelet".to_owned(),
        "/system.slice/pod2.service".to_owned(),
    ] {
        assert_eq!(Place::of(&path), Place::default(), "{path}");
    }
}

#[test]
fn names_pods_and_containers_by_the_kubelets_logs() {
    let container = format!("/kubepods/pod{UID}/{ID}");
    let pause = format!("/kubepods/pod{UID}/{PAUSE}");
    let pod = format!("/kubepods/pod{UID}");
    let link = format!("var/log/containers/web-0_shop_nginx-{ID}.log");
    let folder = format!("var/log/pods/shop_web-0_{UID}/");
    let logs = [(link.as_str(), ""), (folder.as_str(), "")];
    assert_eq!(names_of(&container, &logs), ["shop", "web-0", "nginx"]);
    assert_eq!(names_of(&pod, &logs), ["shop", "web-0", ""]);
    assert_eq!(names_of(&pause, &logs), ["shop", "web-0", ""]);
    // The UID and the beginning of the id stand in.
    assert_eq!(names_of(&container, &[]), ["", UID, "a0a1a2a3a4a5"]);
    assert_eq!(names_of(&pod, &[]), ["", UID, ""]);
    assert_eq!(names_of("/system.slice/ssh.service", &logs), ["", "", ""]);
}

#[test]
fn a_static_pod_has_the_hash_of_its_manifest() {
    let hash = "4f8a3c1a52e14cb19d3a0d8a3c2f1b00";
    let path = format!("/kubepods/burstable/pod{hash}/{ID}");
    let folder = format!("var/log/pods/kube-system_etcd-node1_{hash}/");
    assert_eq!(names_of(&path, &[(&folder, "")]), ["kube-system", "etcd-node1", "a0a1a2a3a4a5"]);
}

#[test]
fn says_that_there_are_none() {
    check_error::<CgroupUsage>("", &[], expect!["not on this host: control groups in sys/fs/cgroup"]);
}

#[test]
fn never_panics_on_broken_files() {
    let files = [
        ("sys/fs/cgroup/cgroup.controllers", "cpu\n"),
        ("sys/fs/cgroup/a/cpu.stat", "usage_usec 2500000\n"),
        ("sys/fs/cgroup/a/cpu.max", "50000 100000\n"),
        ("sys/fs/cgroup/a/io.stat", "8:0 rbytes=100 wbytes=200 rios=3 wios=4 dbytes=0 dios=0\n"),
        ("sys/fs/cgroup/a/memory.max", "max\n"),
    ];
    never_panics::<CgroupUsage>("", &files);
}
