//! The command line of node_exporter: what starts it starts hostlens.

use super::known::KNOWN;
use crate::{
    cli::{self, Stop},
    collectors,
    config::{self, Loaded, Schema, Severity},
};
use std::{path::PathBuf, process::Command};
use toml::Value;

/// One flag a line, with its default.
const FLAGS: &str = include_str!("node_exporter.flags");

fn load(schema: &Schema, args: &[&str]) -> Loaded {
    match cli::parse(schema, args.iter().map(|&arg| arg.to_owned())) {
        Ok(invocation) => config::load(schema, &invocation.sources),
        Err(stop) => panic!("{args:?}: {stop:?}"),
    }
}

fn errors(args: &[&str]) -> Vec<String> {
    match cli::parse(&collectors::schema(), args.iter().map(|&arg| arg.to_owned())) {
        Err(Stop::Errors(errors)) => errors,
        other => panic!("{args:?} is accepted: {other:?}"),
    }
}

fn name_of(flag: &str) -> &str {
    let name = flag.trim_start_matches("--").split('=').next().unwrap();
    name.strip_prefix("no-").unwrap_or(name)
}

#[test]
fn every_flag_is_accepted_and_has_the_same_default() {
    let schema = collectors::schema();
    for flag in FLAGS.lines().filter(|line| !line.starts_with('#')) {
        let loaded = load(&schema, &[flag]);
        assert!(loaded.is_usable(), "{flag}: {:?}", loaded.diagnostics);
        let Some((path, key)) = schema.key_of_flag(name_of(flag)) else {
            assert_eq!(
                loaded.diagnostics.len(),
                1,
                "{flag} is no key's own: it is deprecated or has no effect"
            );
            continue;
        };
        let value = loaded.config.get(path).unwrap();
        assert_eq!(plain(value), plain(&(key.default)()), "the default of {flag}");
    }
}

/// A list as the flag has it, where its items are in one text.
fn plain(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(|it| it.as_str().unwrap()).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

#[test]
fn all_flags_together_are_accepted() {
    let is_new = |flag: &&str| collectors::schema().key_of_flag(name_of(flag)).is_some();
    let args: Vec<&str> = FLAGS.lines().filter(|line| !line.starts_with('#')).filter(is_new).collect();
    let loaded = load(&collectors::schema(), &args);
    assert!(loaded.is_usable(), "{:?}", loaded.diagnostics);
}

/// Where a collector is built its own declaration holds: it must have what node_exporter's has.
#[test]
fn built_collectors_agree_with_node_exporter() {
    let schema = collectors::schema();
    for known in KNOWN {
        let table = schema.table(&format!("collector.{}", known.name)).unwrap();
        assert_eq!(table.collector.unwrap().enabled, known.enabled, "{}", known.name);
        for key in known.keys {
            let built = table.keys.iter().find(|it| it.name == key.name);
            let built = built.unwrap_or_else(|| panic!("[{}] lacks {}", table.path, key.name));
            assert_eq!(table.flag(built), table.flag(key), "the flag of {} in [{}]", key.name, table.path);
            assert_eq!((built.default)(), (key.default)(), "the default of {} in [{}]", key.name, table.path);
        }
    }
}

#[test]
#[ignore = "runs node_exporter"]
fn a_real_node_exporters_flags_are_accepted() {
    let program = find_node_exporter();
    let output = Command::new(&program).arg("--help").output().unwrap();
    let help = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // A flag that is too long for its column has its text on the next line.
    let help = help.replace("\n                                 ", "  ");
    let schema = collectors::schema();
    let mut n_flags = 0;
    for line in help.lines() {
        let Some(flag) = line.trim_start().strip_prefix("--").map(|rest| rest.split("  ").next().unwrap())
        else {
            continue;
        };
        if flag == "version" {
            continue;
        }
        n_flags += 1;
        let flag = flag.trim_end_matches(" ...");
        let arg = match flag.split_once('=') {
            None => format!("--{flag}"),
            Some((name, shown)) if shown == name.to_uppercase() => format!("--{name}="),
            Some((name, shown)) => format!("--{name}={}", unquoted(shown)),
        };
        let loaded = load(&schema, &[&arg]);
        assert!(loaded.is_usable(), "{arg}: {:?}", loaded.diagnostics);
    }
    assert!(n_flags > 150, "{} prints {n_flags} flags", program.display());
}

/// A text as Go quotes it.
fn unquoted(text: &str) -> String {
    if text.starts_with('"') { serde_json::from_str(text).unwrap() } else { text.to_owned() }
}

fn find_node_exporter() -> PathBuf {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect();
    let names = ["node_exporter", "prometheus-node-exporter"];
    let in_path = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let cached = std::env::home_dir().map(|it| it.join(".cache/hostlens-peers/node_exporter"));
    in_path.chain(cached).find(|it| it.is_file()).expect("node_exporter is in the PATH")
}

#[test]
fn the_arguments_of_the_helm_chart_are_accepted() {
    let args = [
        "--path.procfs=/host/proc",
        "--path.sysfs=/host/sys",
        "--path.rootfs=/host/root",
        "--path.udev.data=/host/root/run/udev/data",
        "--web.listen-address=[0.0.0.0]:9100",
        "--web.config.file=/etc/prometheus/web-config.yml",
        "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/containerd/.+|sys|var/lib/docker/.+|var/lib/kubelet/.+)($|/)",
        "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs)$",
    ];
    let loaded = load(&collectors::schema(), &args);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    assert_eq!(loaded.config.get("path.udev_data"), Some(&Value::from("/host/root/run/udev/data")));
    assert_eq!(loaded.config.get("web.listen_address"), Some(&Value::from(vec!["[0.0.0.0]:9100"])));
}

#[test]
fn the_arguments_of_kube_prometheus_are_accepted() {
    let args = [
        "--web.listen-address=127.0.0.1:9101",
        "--path.sysfs=/host/sys",
        "--path.rootfs=/host/root",
        "--path.udev.data=/host/root/run/udev/data",
        "--no-collector.wifi",
        "--no-collector.hwmon",
        "--no-collector.btrfs",
        "--collector.filesystem.mount-points-exclude=^/(dev|proc|sys|run/k3s/containerd/.+|var/lib/docker/.+|var/lib/kubelet/pods/.+)($|/)",
        "--collector.netclass.ignored-devices=^(veth.*|[a-f0-9]{15})$",
        "--collector.netdev.device-exclude=^(veth.*|[a-f0-9]{15})$",
    ];
    let loaded = load(&collectors::schema(), &args);
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    assert!(!loaded.config.enables("hwmon", true));
}

/// `/etc/default/prometheus-node-exporter` after systemd took its escapes out.
#[test]
fn the_arguments_of_debians_unit_are_accepted() {
    let args = [
        r"--collector.diskstats.ignored-devices=^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
        "--collector.filesystem.ignored-mount-points=^/(sys|proc|dev|run)($|/)",
        "--collector.netdev.device-blacklist=^lo$",
        "--collector.textfile.directory",
        "/var/lib/prometheus/node-exporter",
    ];
    let loaded = load(&collectors::schema(), &args);
    assert!(loaded.is_usable());
    let warnings: Vec<&str> = loaded.diagnostics.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        warnings,
        [
            "flag '--collector.diskstats.ignored-devices' is deprecated",
            "flag '--collector.filesystem.ignored-mount-points' is deprecated",
            "flag '--collector.netdev.device-blacklist' is deprecated",
        ],
    );
    assert_eq!(loaded.config.get("collector.netdev.device_exclude"), Some(&Value::from("^lo$")));
}

/// What its package's own build does, where flags say nothing else.
#[test]
fn the_preset_debian_gives_way_to_arguments() {
    let schema = collectors::schema();
    let of = |args: &[&str], path: &str| {
        let args: Vec<&str> = ["--preset=debian"].iter().chain(args).copied().collect();
        let loaded = load(&schema, &args);
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        loaded.config.get(path).cloned()
    };
    let (mounts, folder) = ("collector.filesystem.mount_points_exclude", "collector.textfile.directory");
    let default = "^/(dev|proc|run|sys|mnt|media|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";
    assert_eq!(of(&[], mounts), Some(Value::from(default)));
    assert_eq!(of(&[], folder), Some(Value::from(vec!["/var/lib/prometheus/node-exporter"])));
    assert_eq!(of(&["--no-collector.systemd"], "collector.systemd.enabled"), Some(Value::from(false)));
    assert_eq!(of(&["--collector.textfile.directory=/a"], folder), Some(Value::from(vec!["/a"])));
    assert_eq!(of(&["--collector.filesystem.mount-points-include=^/$"], mounts), None);
}

/// Judged by a real one: `cargo xtask dropin`.
#[test]
fn values_are_spelled_as_kingpin_takes_them() {
    let schema = collectors::schema();
    let value = |flag: &str, path: &str| load(&schema, &[flag]).config.get(path).cloned();
    for (text, number) in
        [("+5", 5), ("1_000", 1000), ("5.0", 5), ("5.9", 5), ("5e2", 500), ("-1", -1), ("1e99", i64::MAX)]
    {
        let flag = format!("--web.max-requests={text}");
        assert_eq!(value(&flag, "web.max_requests"), Some(Value::from(number)), "{flag}");
    }
    for text in ["", " 5", "5 ", "1__0", "_1", "1_", "0x10", "five", "1_.5", "1e_2", "1e400", "NaN"] {
        assert!(!load(&schema, &[&format!("--web.max-requests={text}")]).is_usable(), "{text:?}");
    }
    for (flag, is_good) in [
        ("--log.level=WARN", true),
        ("--log.level=Info", true),
        ("--log.level=warning", false),
        ("--log.level=", false),
        ("--collector.filesystem.mount-timeout=+5s", true),
        ("--collector.filesystem.mount-timeout=-5s", false),
        ("--collector.filesystem.mount-timeout=5", false),
    ] {
        assert_eq!(load(&schema, &[flag]).is_usable(), is_good, "{flag}");
    }
}

#[test]
fn shells_complete_flags_and_their_values() {
    let schema = collectors::schema();
    let words = |args: &[&str]| match cli::parse(&schema, args.iter().map(|&it| it.to_owned())) {
        Err(Stop::Text(text)) => text.lines().map(str::to_owned).collect::<Vec<_>>(),
        other => panic!("{args:?}: {other:?}"),
    };
    assert_eq!(words(&["--completion-bash", "--log.level", "w"]), ["debug", "info", "warn", "error"]);
    assert_eq!(words(&["--completion-bash", "--log.level"]), ["debug", "info", "warn", "error"]);
    assert_eq!(words(&["--completion-bash", "--log.format"]), ["logfmt", "json"]);
    assert_eq!(words(&["--completion-zsh", "--path.procfs", ""]), [""; 0]);
    let flags = words(&["--completion-bash", "--collector.arp", "--web"]);
    for flag in FLAGS.lines().filter(|line| !line.starts_with('#')).map(name_of) {
        let is_own = schema.key_of_flag(flag).is_some();
        assert!(!is_own || flags.contains(&format!("--{flag}")), "{flag}");
    }
    assert!(flags.contains(&"--help".to_owned()) && flags.contains(&"--version".to_owned()));
    assert!(words(&["--completion-bash", "--no-collector.a"]).contains(&"--no-collector.arp".to_owned()));
    assert!(words(&["--completion-bash", ""]).contains(&"doctor".to_owned()));
}

#[test]
fn what_is_wrong_is_told_before_help() {
    for args in [["--help", "--nope"], ["--nope", "--help"], ["--nope", "--version"], ["-h", "--nope"]] {
        assert_eq!(errors(&args), ["unknown long flag '--nope', try --help"], "{args:?}");
    }
    let parse = |args: &[&str]| cli::parse(&collectors::schema(), args.iter().map(|&it| it.to_owned()));
    for args in [["--help", "-h"], ["--version", "--nope"], ["config", "--help"]] {
        assert!(matches!(parse(&args), Err(Stop::Text(_))), "{args:?}");
    }
}

#[test]
fn frequencies_go_with_cpufreq() {
    let shows = |args: &[&str]| {
        let config = load(&collectors::schema(), args).config;
        config.get("collector.cpu.info_frequency").is_none_or(|it| it.as_bool() == Some(true))
    };
    assert!(shows(&["--collector.cpu.info"]));
    assert!(shows(&["--collector.disable-defaults", "--collector.cpufreq"]));
    assert!(!shows(&["--no-collector.cpufreq"]) && !shows(&["--collector.disable-defaults"]));
    assert!(shows(&["--no-collector.cpufreq", "--collector.cpu.info-frequency"]));
}

#[test]
fn switches_have_four_forms() {
    let schema = collectors::schema();
    let enables = |flag: &str| load(&schema, &[flag]).config.enables("arp", true);
    assert!(enables("--collector.arp") && enables("--collector.arp=true"));
    assert!(!enables("--no-collector.arp") && !enables("--collector.arp=false"));
}

#[test]
fn a_switch_takes_no_word_that_follows() {
    assert_eq!(errors(&["--collector.arp", "false"]), ["unexpected false, try --help"]);
}

#[test]
fn the_last_of_repeated_flags_holds_with_a_warning() {
    let loaded = load(
        &collectors::schema(),
        &["--collector.arp", "--web.max-requests=1", "--no-collector.arp", "--web.max-requests", "2"],
    );
    assert!(!loaded.config.enables("arp", true));
    assert_eq!(loaded.config.get("web.max_requests"), Some(&Value::from(2)));
    let severities: Vec<Severity> = loaded.diagnostics.iter().map(|it| it.severity).collect();
    assert_eq!(severities, [Severity::Warning; 2]);
}

#[test]
fn a_list_grows_with_each_flag() {
    let args = ["--web.listen-address=:9100", "--web.listen-address", "[::1]:9101"];
    let loaded = load(&collectors::schema(), &args);
    assert!(loaded.diagnostics.is_empty());
    assert_eq!(loaded.config.get("web.listen_address"), Some(&Value::from(vec![":9100", "[::1]:9101"])));
}

#[test]
fn disable_defaults_leaves_what_is_asked_for() {
    let loaded = load(&collectors::schema(), &["--collector.disable-defaults", "--collector.meminfo"]);
    assert!(loaded.config.enables("meminfo", true) && !loaded.config.enables("loadavg", true));
}

#[test]
fn all_that_is_wrong_is_said_in_one_run() {
    assert_eq!(
        errors(&["--collector.lodavg", "--web.listen-addres", ":9100", "-c", "word", "--path.procfs"]),
        [
            "unknown long flag '--collector.lodavg', try --help (did you mean `--collector.loadavg`?)",
            "unknown long flag '--web.listen-addres', try --help (did you mean `--web.listen-address`?)",
            "unknown short flag '-c', try --help",
            "expected argument for flag '--path.procfs', try --help",
        ],
    );
}

#[test]
fn flags_are_neither_abbreviated_nor_spelled_with_one_dash() {
    assert_eq!(errors(&["--web.listen"]).len(), 1);
    assert_eq!(errors(&["-web.listen-address=:1"]).len(), 1);
}

#[test]
fn a_file_of_arguments_is_read_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("args");
    std::fs::write(&path, "# comment\n--no-collector.arp\n--web.listen-address\n:9101\n").unwrap();
    let loaded = load(&collectors::schema(), &[&format!("@{}", path.display()), "--web.max-requests=1"]);
    assert!(!loaded.config.enables("arp", true));
    assert_eq!(loaded.config.get("web.listen_address"), Some(&Value::from(vec![":9101"])));
    assert!(errors(&["@/nonexistent/args"])[0].starts_with("read the arguments in /nonexistent/args: "));
}
