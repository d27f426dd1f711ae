//! Where values come from: the later layer wins, and each value knows who chose it.

use crate::{
    cli, collectors,
    config::{self, Loaded, Sources, render},
};
use expect_test::{Expect, expect};
use std::{fs, path::Path};
use tempfile::TempDir;
use toml::Value;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load(folder: &Path, files: &[&str], variables: &[(&str, &str)], args: &[&str]) -> Loaded {
    let schema = collectors::schema();
    let invocation = cli::parse(&schema, args.iter().map(|&arg| arg.to_owned())).unwrap();
    let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let files = files.iter().map(|name| folder.join(name)).collect();
    config::load(&schema, &Sources { files, variables, ..invocation.sources })
}

/// What somebody chose, with who did.
#[track_caller]
fn check(folder: &Path, loaded: &Loaded, expect: Expect) {
    assert!(loaded.is_usable(), "{:?}", loaded.diagnostics);
    let shown = render::show(&collectors::schema(), &loaded.config, render::Which::Chosen, true);
    expect.assert_eq(&shown.replace(&format!("{}/", folder.display()), ""));
}

#[test]
fn the_later_layer_wins() {
    let folder = folder(&[
        (
            "hostlens.toml",
            "preset = 'kubernetes'\ninclude = ['conf.d/*.toml']\n[web]\nmax_requests = 1\ntelemetry_path = '/a'\n[log]\nlevel = 'warn'\n",
        ),
        ("conf.d/20-b.toml", "[web]\nmax_requests = 3\nlisten_address = ['b']\n"),
        (
            "conf.d/10-a.toml",
            "[web]\nmax_requests = 2\nlisten_address = ['a', 'c']\n\n[collector.netdev]\nnetlink = false\n",
        ),
        ("conf.d/ignored.txt", "nonsense\n"),
    ]);
    let variables = [("HOSTLENS__WEB__MAX_REQUESTS", "4"), ("HOSTLENS__LOG__LEVEL", "error")];
    let loaded = load(folder.path(), &["hostlens.toml"], &variables, &["--web.max-requests=5"]);
    check(
        folder.path(),
        &loaded,
        expect![[r#"
            preset = "kubernetes"  # hostlens.toml:1

            [web]
            listen_address = ["b"]  # conf.d/20-b.toml:3
            telemetry_path = "/a"  # hostlens.toml:5
            max_requests = 5  # --web.max-requests

            [log]
            level = "error"  # HOSTLENS__LOG__LEVEL

            [collector.oom_kills]
            by = ["pod"]  # preset kubernetes

            [collector.filesystem]
            mount_points_exclude = "^/(dev|proc|run/credentials/.+|run/k3s/containerd/.+|run/containerd/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+|var/lib/kubelet/.+)($|/)"  # preset kubernetes

            [collector.netclass]
            ignored_devices = ["veth.*", "cali.*", "lxc.*", "cilium_.*", "tunl.*", "nodelocaldns", "kube-ipvs0", "[0-9a-f]{15}", "enP.*"]  # preset kubernetes

            [collector.netdev]
            device_exclude = ["veth.*", "cali.*", "lxc.*", "cilium_.*", "tunl.*", "nodelocaldns", "kube-ipvs0", "[0-9a-f]{15}", "enP.*"]  # preset kubernetes
            netlink = false  # conf.d/10-a.toml:6

            [collector.cgroup_usage]
            enabled = true  # preset kubernetes
        "#]],
    );
}

#[test]
fn a_later_file_wins_over_all_of_an_earlier_one() {
    let folder = folder(&[
        ("a.toml", "include = ['b.toml']\n"),
        ("b.toml", "[log]\nlevel = 'warn'\nformat = 'json'\n"),
        ("c.toml", "[log]\nlevel = 'debug'\n"),
    ]);
    check(
        folder.path(),
        &load(folder.path(), &["a.toml", "c.toml"], &[], &[]),
        expect![[r#"
        [log]
        level = "debug"  # c.toml:2
        format = "json"  # b.toml:3
    "#]],
    );
}

#[test]
fn variables_have_lists_and_switches() {
    let folder = folder(&[]);
    let variables = [
        ("HOSTLENS__WEB__LISTEN_ADDRESS", "[\":9100\", \"[::1]:9101\"]"),
        ("HOSTLENS__COLLECTOR__SYSCTL__INCLUDE", "net.ipv4.tcp_rmem:min,default,max"),
        ("HOSTLENS__COLLECTOR__ARP__ENABLED", "false"),
        ("HOSTLENS__COLLECTOR__NETDEV__DEVICE_EXCLUDE", "^veth"),
    ];
    check(
        folder.path(),
        &load(folder.path(), &[], &variables, &[]),
        expect![[r#"
        [web]
        listen_address = [":9100", "[::1]:9101"]  # HOSTLENS__WEB__LISTEN_ADDRESS

        [collector.arp]
        enabled = false  # HOSTLENS__COLLECTOR__ARP__ENABLED

        [collector.netdev]
        device_exclude = "^veth"  # HOSTLENS__COLLECTOR__NETDEV__DEVICE_EXCLUDE

        [collector.sysctl]
        include = ["net.ipv4.tcp_rmem:min,default,max"]  # HOSTLENS__COLLECTOR__SYSCTL__INCLUDE
    "#]],
    );
}

#[test]
fn a_preset_gives_way_to_everything_else() {
    let folder =
        folder(&[("k.toml", "preset = 'kubernetes'\n[collector.netdev]\ndevice_include = '^eth'\n")]);
    let loaded = load(folder.path(), &["k.toml"], &[], &[]);
    check(
        folder.path(),
        &loaded,
        expect![[r#"
            preset = "kubernetes"  # k.toml:1

            [collector.oom_kills]
            by = ["pod"]  # preset kubernetes

            [collector.filesystem]
            mount_points_exclude = "^/(dev|proc|run/credentials/.+|run/k3s/containerd/.+|run/containerd/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+|var/lib/kubelet/.+)($|/)"  # preset kubernetes

            [collector.netclass]
            ignored_devices = ["veth.*", "cali.*", "lxc.*", "cilium_.*", "tunl.*", "nodelocaldns", "kube-ipvs0", "[0-9a-f]{15}", "enP.*"]  # preset kubernetes

            [collector.netdev]
            device_include = "^eth"  # k.toml:3

            [collector.cgroup_usage]
            enabled = true  # preset kubernetes
        "#]],
    );
    let loaded = load(folder.path(), &["k.toml"], &[], &["--preset=minimal"]);
    assert_eq!(loaded.config.get("collector.disable_defaults"), Some(&Value::Boolean(true)));
    assert!(loaded.config.enables("cpu", true) && !loaded.config.enables("arp", true));
}

#[test]
fn presets_name_keys_and_good_values() {
    let schema = collectors::schema();
    for preset in schema.key("preset").unwrap().choices {
        let loaded = load(Path::new("/"), &[], &[], &[&format!("--preset={preset}")]);
        assert!(loaded.is_usable(), "{preset}: {:?}", loaded.diagnostics);
        for path in loaded.config.chosen() {
            let key = schema.key(path).unwrap_or_else(|| panic!("{preset} sets {path}, which is no key"));
            assert_eq!((key.check)(loaded.config.get(path).unwrap()), Ok(()), "{preset}: {path}");
        }
    }
}

#[test]
fn what_is_shown_gives_the_same_again() {
    let folder = folder(&[(
        "a.toml",
        "preset = 'kubernetes'\n[collector.diskstats]\ndevice_exclude = '^(a|\\d\"b)$'\n[collector.arp]\nenabled = false\n[web]\nlisten_address = ['[::1]:1']\nheaders = { X-Frame-Options = 'deny' }\n",
    )]);
    let schema = collectors::schema();
    let first = load(folder.path(), &["a.toml"], &[], &[]);
    for which in [render::Which::All, render::Which::Diff, render::Which::Chosen] {
        let shown = render::show(&schema, &first.config, which, true);
        fs::write(folder.path().join("b.toml"), &shown).unwrap();
        let second = load(folder.path(), &["b.toml"], &[], &[]);
        assert!(second.is_usable(), "{shown}{:?}", second.diagnostics);
        for table in schema.tables() {
            for key in &table.keys {
                let values = [&first, &second].map(|it| it.config.value_in(&table.path, key));
                assert_eq!(values[0], values[1], "{}", table.key_path(key));
            }
        }
    }
}

#[test]
fn secrets_are_not_shown() {
    let folder =
        folder(&[("a.toml", "[web.auth]\nbasic_auth_users = { me = '$2y$05$c4lB0fBkoVFYYVVQkFkFP.XYZ' }\n")]);
    let loaded = load(folder.path(), &["a.toml"], &[], &[]);
    let shown = render::show(&collectors::schema(), &loaded.config, render::Which::All, true);
    assert!(!shown.contains("$2y$") && shown.contains("<secret>"), "{shown}");
}

#[test]
fn flags_become_a_file_that_means_the_same() {
    let args = [
        "--collector.disable-defaults",
        "--collector.cpu",
        "--no-collector.arp",
        "--web.listen-address=[0.0.0.0]:9100",
        r"--collector.diskstats.device-exclude=^(ram|loop|\d'x)\d+$",
        "--collector.netclass_rtnl.with-stats",
    ];
    let folder = folder(&[]);
    let schema = collectors::schema();
    let by_flags = load(folder.path(), &[], &[], &args);
    let shown = render::show(&schema, &by_flags.config, render::Which::Chosen, false);
    expect![[r#"
        [web]
        listen_address = ["[0.0.0.0]:9100"]

        [collector]
        disable_defaults = true

        [collector.cpu]
        enabled = true

        [collector.diskstats]
        device_exclude = '''^(ram|loop|\d'x)\d+$'''

        [collector.arp]
        enabled = false

        [collector.netclass]
        rtnl_with_stats = true
    "#]]
    .assert_eq(&shown);
    fs::write(folder.path().join("a.toml"), shown).unwrap();
    let by_file = load(folder.path(), &["a.toml"], &[], &[]);
    for table in schema.tables() {
        for key in &table.keys {
            let path = table.key_path(key);
            assert_eq!(by_flags.config.get(&path), by_file.config.get(&path), "{path}");
        }
    }
}
