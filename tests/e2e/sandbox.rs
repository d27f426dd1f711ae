//! What an agent does in the sandbox is what it does without.

use hostlens_tests::{
    Agent,
    agent::{program, program_for_everybody},
};
use std::{
    collections::BTreeSet,
    fs,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::symlink,
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Longer than anything takes.
const EVER: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

fn start(args: &[&str], prepare: impl FnOnce(&Path, &mut Command)) -> Agent {
    Agent::start_prepared("", &[&["--web.enable-lifecycle"], args].concat(), prepare).unwrap()
}

/// The series of the host, which collectors gave all they have, and which programs run.
fn series(agent: &Agent) -> BTreeSet<String> {
    let answer = agent.get("/metrics", &[]).unwrap();
    assert_eq!(answer.status, 200);
    let of_host = |line: &&str| line.starts_with("node_");
    let series = |line: &str| match line.starts_with("node_scrape_collector_success") {
        true => line.to_owned(),
        false => line.rsplit_once(' ').unwrap().0.to_owned(),
    };
    answer.text().lines().filter(of_host).map(series).collect()
}

const RUNQUEUE: &str = "node_scrape_collector_success{collector=\"runqueue\"} 1";

const OPEN: [&str; 2] = ["--security.landlock=off", "--security.seccomp=off"];

#[test]
fn all_threads_of_an_agent_are_confined_and_it_tidies_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let served = format!("--web.listen-address=unix:{}", socket.display());
    let agent = start(&["--security.seccomp=require", "--ebpf.enabled=never", &served], |_, _| {});
    assert!(socket.exists());
    let page = agent.get("/metrics", &[]).unwrap().text();
    assert!(page.contains("hostlens_sandbox{layer=\"seccomp\"} 1\n"), "{page}");
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let statuses = tasks.map(|it| fs::read_to_string(it.unwrap().path().join("status")).unwrap());
    let statuses: Vec<String> = statuses.collect();
    assert!(statuses.len() > 1);
    for status in statuses {
        assert!(status.contains("\nNoNewPrivs:\t1\n") && status.contains("\nSeccomp:\t2\n"), "{status}");
    }
    assert!(agent.log().contains("msg=\"the sandbox is entered\""), "{}", agent.log());
    assert!(agent.stop().unwrap().success());
    assert!(!socket.exists(), "the socket's file is removed");

    let agent = start(&[&OPEN[..], &["--ebpf.enabled=never"]].concat(), |_, _| {});
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    assert!(status.contains("\nNoNewPrivs:\t0\n"), "{status}");
}

/// Two agents at the same time, one of them in the sandbox, show the same host.
///
/// What happened before the other one was there, only one has seen, and keeps: then two new ones look.
fn see_the_same(args: &[&str], prepare: impl Fn(&mut Command)) -> BTreeSet<String> {
    let prepare = |_: &Path, command: &mut Command| prepare(command);
    let start_time = Instant::now();
    loop {
        let inside = start(&[args, &["--security.seccomp=require"]].concat(), prepare);
        let outside = start(&[args, &OPEN].concat(), prepare);
        match same_series(&inside, &outside) {
            Ok(series) => return series,
            Err(difference) => assert!(start_time.elapsed() < EVER, "{difference:?}"),
        }
    }
}

/// Those of both, or else those of one.
fn same_series(inside: &Agent, outside: &Agent) -> Result<BTreeSet<String>, Vec<String>> {
    let start = Instant::now();
    loop {
        // Something may come or go between two scrapes.
        let (inside, outside) = (series(inside), series(outside));
        if inside == outside {
            assert!(inside.len() > 200, "{inside:?}");
            return Ok(inside);
        }
        if start.elapsed() > SOON {
            return Err(inside.symmetric_difference(&outside).cloned().collect());
        }
    }
}

/// Those that are off by default too, and need no setting.
const MORE: [&str; 2] = ["--preset=all-safe", "--collector.slabinfo"];

#[test]
fn collectors_do_not_notice() {
    see_the_same(&[&MORE[..], &["--ebpf.enabled=never"]].concat(), |_| {});
}

#[test]
#[ignore = "loads eBPF and changes user: needs root and BTF"]
fn collectors_of_root_and_of_others_do_not_notice() {
    let all = [&MORE[..], &["--collector.bpf_other_programs"]].concat();
    assert!(see_the_same(&all, |_| {}).contains(RUNQUEUE));
    let bounded = "--bounding-set=-all,+bpf,+perfmon";
    // Others cannot reach it where it was built.
    let (_folder, program) = program_for_everybody().unwrap();
    let series = see_the_same(&MORE, |command| {
        let mut as_nobody = Command::new("setpriv");
        as_nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", bounded]);
        as_nobody.args(["--inh-caps=+bpf,+perfmon", "--ambient-caps=+bpf,+perfmon", "--"]);
        as_nobody.arg(&program).args(command.get_args()).env_clear();
        *command = as_nobody;
    });
    assert!(series.contains(RUNQUEUE));
}

#[test]
#[ignore = "loads eBPF: needs root and BTF"]
fn probes_are_loaded_anew_where_privileges_are_retained() {
    let agent = start(&["--security.privileges=retain", "--security.seccomp=require"], |_, _| {});
    assert!(series(&agent).contains(RUNQUEUE));
    for text in ["[ebpf]\nclassic_buckets = 'pow2'\n", "[collector.block_io]\nenabled = false\n", ""] {
        agent.configure(text).unwrap();
        let answer = agent.reload().unwrap();
        let report = answer.text();
        assert_eq!(answer.status, 200, "{report}");
        assert!(!report.contains("warning"), "{report}");
        assert!(series(&agent).contains(RUNQUEUE), "{}", agent.log());
    }
    assert!(series(&agent).contains("node_scrape_collector_success{collector=\"block_io\"} 1"));
}

/// As kubelet does it: the file is a link to a link, which is swapped.
#[test]
fn a_web_config_is_read_again() {
    let agent = start(&["--web.config.file=web.yml", "--ebpf.enabled=never"], |folder, _| {
        fs::create_dir(folder.join("..1")).unwrap();
        fs::write(folder.join("..1/web.yml"), "").unwrap();
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/web.yml", folder.join("web.yml")).unwrap();
    });
    let status = || agent.get("/metrics", &[]).unwrap().status;
    assert_eq!(status(), 200);
    fs::create_dir(agent.path("..2")).unwrap();
    let user = "basic_auth_users:\n  a: $2b$04$M8IVMuRRfjxkFbiSgGN7jezUIdSBjBS9MSzaBpzGJShZAXc.DmWqC\n";
    fs::write(agent.path("..2/web.yml"), user).unwrap();
    symlink("..2", agent.path("..new")).unwrap();
    fs::rename(agent.path("..new"), agent.path("..data")).unwrap();
    agent.wait_until("it asks for a password", || Ok(status() == 401)).unwrap();
}

#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let name = format!("hostlens-test-{}", std::process::id());
    let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
    for (variable, systemd) in [
        (path.display().to_string(), UnixDatagram::bind(&path).unwrap()),
        (format!("@{name}"), UnixDatagram::bind_addr(&abstract_address).unwrap()),
    ] {
        systemd.set_read_timeout(Some(EVER)).unwrap();
        let hear = || {
            let mut word = [0; 64];
            let n_bytes = systemd.recv(&mut word).unwrap();
            String::from_utf8(word[..n_bytes].to_vec()).unwrap()
        };
        let agent = start(&["--ebpf.enabled=never"], |_, command| {
            command.env("NOTIFY_SOCKET", &variable).env("WATCHDOG_USEC", "100000");
        });
        assert_eq!([hear(), hear(), hear()], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
        assert!(agent.stop().unwrap().success());
        let mut last = hear();
        while last == "WATCHDOG=1" {
            last = hear();
        }
        assert_eq!(last, "STOPPING=1");
    }
}

#[test]
#[ignore = "mounts: needs root"]
fn landlock_is_left_out_where_it_would_hide_processes() {
    let hidden = |args: &[&str]| {
        let script = "mount -t proc -o hidepid=2 proc /proc && exec \"$0\" doctor --json \
            --collector.disable-defaults --web.listen-address=127.0.0.1:0 \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--", "sh", "-c", script]);
        command.arg(program().unwrap()).args(args).output().unwrap()
    };
    let found = String::from_utf8(hidden(&[]).stdout).unwrap();
    let expected =
        "landlock none: /proc is mounted with hidepid=, which would hide more from a domain; seccomp on";
    assert!(found.contains(expected), "{found}");
    let required = hidden(&["--security.landlock=require"]);
    assert_eq!(required.status.code(), Some(2), "{required:?}");
}
