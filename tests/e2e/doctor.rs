//! `doctor`, `once` and `collectors`: what is said of a host is true of it, and differs where hosts differ.

use hostlens_tests::{
    Agent,
    agent::{program, program_for_everybody},
};
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    process::{Command, Output},
};

/// Free, and never served on.
const LISTEN: &str = "--web.listen-address=127.0.0.1:0";

fn run(args: &[&str]) -> Output {
    Command::new(program().unwrap()).args(args).env_clear().output().unwrap()
}

fn examined(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// State and finding.
fn fact<'a>(report: &'a Value, topic: &str) -> (&'a str, &'a str) {
    let facts = report["facts"].as_array().unwrap();
    let fact = facts.iter().find(|it| it["topic"] == topic).unwrap_or_else(|| panic!("{topic}: {report:#}"));
    (fact["state"].as_str().unwrap(), fact["found"].as_str().unwrap())
}

fn collector<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["collectors"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}

#[test]
fn a_doctor_needs_no_privilege() {
    let output = run(&["doctor", "--json", LISTEN, "--ebpf.enabled=never", "--collector.runqueue"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = examined(&output);
    assert_eq!(fact(&report, "procfs").0, "ok");
    assert!(fact(&report, "kernel").1.starts_with("Linux "));
    assert_eq!(collector(&report, "loadavg")["state"], "ok");
    let runqueue = collector(&report, "runqueue");
    assert_eq!(
        (&runqueue["state"], &runqueue["reason"]),
        (&"unavailable".into(), &"probes are switched off".into())
    );
    assert_ne!(runqueue["remedy"], "");
    assert_eq!(report["advice"]["capabilities"], serde_json::json!(["CAP_BPF", "CAP_PERFMON"]));
    let strict =
        run(&["doctor", "--json", "--strict", LISTEN, "--ebpf.enabled=never", "--collector.runqueue"]);
    assert_eq!((strict.status.code(), examined(&strict)["exit_code"].as_i64()), (Some(1), Some(1)));
    let procfs_only =
        run(&["doctor", "--strict", LISTEN, "--collector.disable-defaults", "--collector.loadavg"]);
    assert_eq!(procfs_only.status.code(), Some(0));
}

#[test]
fn a_port_in_use_is_fatal_and_says_by_whom() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--web.listen-address={}", listener.local_addr().unwrap());
    let output = run(&["doctor", "--json", &address, "--collector.disable-defaults"]);
    assert_eq!(output.status.code(), Some(2));
    let (state, found) =
        (fact(&examined(&output), "listen").0.to_owned(), fact(&examined(&output), "listen").1.to_owned());
    assert!(state == "fatal" && found.contains(&format!("(pid {})", std::process::id())), "{found}");
}

#[test]
fn a_port_that_hostlens_serves_is_as_it_should_be() {
    let agent = Agent::start("[ebpf]\nenabled = \"never\"\n", &["--collector.disable-defaults"]).unwrap();
    let address = format!("--web.listen-address={}", agent.address());
    let output = run(&["doctor", "--json", &address, "--collector.disable-defaults"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = examined(&output);
    let (state, found) = fact(&report, "listen");
    assert!(
        state == "ok" && found.ends_with(&format!("is served by hostlens (pid {})", agent.pid())),
        "{found}"
    );
}

#[test]
fn a_host_that_is_not_there_is_fatal_to_both() {
    let output =
        run(&["doctor", "--json", LISTEN, "--path.procfs=/nonexistent", "--collector.disable-defaults"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fact(&examined(&output), "procfs").0, "fatal");
    let start = run(&[LISTEN, "--path.procfs=/nonexistent"]);
    assert_eq!(start.status.code(), Some(1));
    let said = String::from_utf8(start.stderr).unwrap();
    assert!(said.contains("`path.procfs`: read /nonexistent: no such file or directory"), "{said}");
}

#[test]
fn once_gives_metrics_and_what_they_took() {
    let output = run(&["once", "--collect=loadavg", "--collect=uname", "--no-collector.uname"]);
    assert!(output.status.success(), "{output:?}");
    let metrics = String::from_utf8(output.stdout).unwrap();
    assert!(metrics.contains("\nnode_load1 ") && metrics.contains("\nnode_uname_info{"));
    assert!(!metrics.contains("node_memory_MemTotal_bytes"));
    let report = String::from_utf8(output.stderr).unwrap();
    let names: Vec<&str> = report.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, ["loadavg", "uname"]);
    assert!(report.contains("3 series"), "{report}");
    let unknown = run(&["once", "--collect=lodavg"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn collectors_are_listed_with_their_state() {
    let output = run(&["collectors", "--json", "--no-collector.loadavg"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let loadavg = list.as_array().unwrap().iter().find(|it| it["name"] == "loadavg").unwrap();
    assert_eq!((&loadavg["default"], &loadavg["enabled"]), (&true.into(), &false.into()));
    assert_eq!(loadavg["families"][0]["name"], "node_load1");
    assert_eq!(loadavg["keys"][0]["origin"], "--collector.loadavg");
    let text = String::from_utf8(run(&["collectors"]).stdout).unwrap();
    assert!(text.contains("  on  loadavg "), "{text}");
}

#[test]
fn a_password_becomes_a_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    let hash = |password: &str| {
        fs::write(&path, password).unwrap();
        let input = fs::File::open(&path).unwrap();
        Command::new(program().unwrap()).args(["hash-password", "--cost=4"]).stdin(input).output().unwrap()
    };
    let hashed = String::from_utf8(hash("secret\n").stdout).unwrap();
    assert!(bcrypt::verify("secret", hashed.trim_end()).unwrap(), "{hashed}");
    assert_eq!(hash("\n").status.code(), Some(1));
    assert_eq!(hash(&"x".repeat(80)).status.code(), Some(1), "bcrypt would cut it");
}

#[test]
#[ignore = "becomes another user: needs root"]
fn a_low_port_without_rights_is_told_with_what_it_needs() {
    let (_folder, program) = program_for_everybody().unwrap();
    let nobody =
        Command::new(&program).arg("--web.listen-address=127.0.0.1:80").uid(65534).gid(65534).output();
    let nobody = nobody.unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    let errors = String::from_utf8(nobody.stderr).unwrap();
    let expected =
        "listen tcp 127.0.0.1:80: bind: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE";
    assert!(errors.contains(expected), "{errors}");
}

#[test]
#[ignore = "loads eBPF and changes namespaces: needs root and BTF"]
fn different_surroundings_are_told_apart() {
    let args = ["doctor", "--json", LISTEN];
    let (_folder, program) = program_for_everybody().unwrap();
    let root = examined(&Command::new(&program).args(args).output().unwrap());
    assert_eq!(collector(&root, "runqueue")["state"], "ok");
    assert_eq!(fact(&root, "network namespace").1, "the host's");
    assert!(fact(&root, "rootfs").1.ends_with("writable"));

    let nobody = Command::new(&program).args(args).uid(65534).gid(65534).output().unwrap();
    let nobody = examined(&nobody);
    let runqueue = collector(&nobody, "runqueue");
    assert_eq!(runqueue["state"], "unavailable");
    assert!(runqueue["reason"].as_str().unwrap().contains("CAP_BPF"), "{runqueue}");
    assert!(fact(&nobody, "capabilities").1.starts_with("permitted none; effective none"));
    assert_eq!(fact(&nobody, "user").1, "uid 65534");
    assert_eq!(collector(&nobody, "loadavg")["state"], "ok");

    let private = Command::new("unshare").args(["--net", "--"]).arg(&program).args(args).output().unwrap();
    assert!(fact(&examined(&private), "network namespace").1.starts_with("another than the host's"));

    let read_only = Command::new("unshare")
        .args(["--mount", "--", "sh", "-c", "mount -o remount,ro,bind / && exec \"$0\" \"$@\""])
        .arg(&program)
        .args(args)
        .output()
        .unwrap();
    let read_only = examined(&read_only);
    assert!(fact(&read_only, "rootfs").1.ends_with("read-only"));
    assert_eq!(collector(&read_only, "runqueue")["state"], "ok", "a read-only root costs nothing");

    let contained =
        Command::new("unshare").args(["--pid", "--fork", "--"]).arg(&program).args(args).output().unwrap();
    assert!(fact(&examined(&contained), "process namespace").1.starts_with("another than the host's"));
}
