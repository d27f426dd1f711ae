//! Broken configs: each is refused with everything that is wrong with it, at the right place, and nothing is started.

use expect_test::{Expect, expect};
use hostlens_tests::agent::program;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

fn hostlens(folder: &Path, args: &[&str]) -> Output {
    Command::new(program().unwrap()).args(args).current_dir(folder).env_clear().output().unwrap()
}

/// What `check-config` finds, one line each: `source:line:column: severity: message [help]`.
fn findings(output: &Output) -> String {
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let line = |it: &serde_json::Value| {
        let place = match (it["source"].as_str(), it["line"].as_u64()) {
            (Some(source), Some(line)) => format!("{source}:{line}:{}: ", it["column"]),
            (Some(source), None) => format!("{source}: "),
            (None, _) => String::new(),
        };
        let help = it["help"].as_str().map(|help| format!(" [{help}]")).unwrap_or_default();
        format!("{place}{}: {}{help}\n", it["severity"].as_str().unwrap(), it["message"].as_str().unwrap())
    };
    found.as_array().unwrap().iter().map(line).collect()
}

/// Makes `hostlens.toml` of `content`, checks it, and starts with it, which must fail at once.
#[track_caller]
fn refused(content: &[u8], expect: Expect) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hostlens.toml"), content).unwrap();
    refused_in(folder.path(), expect);
}

#[track_caller]
fn refused_in(folder: &Path, expect: Expect) {
    let check = hostlens(folder, &["check-config", "--format=json", "hostlens.toml"]);
    expect.assert_eq(&findings(&check));
    assert_eq!(check.status.code(), Some(2));
    let start = hostlens(folder, &["--config.file=hostlens.toml"]);
    assert_eq!(start.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&start.stdout), "");
    let check = hostlens(folder, &["check-config", "hostlens.toml"]);
    assert_eq!(String::from_utf8_lossy(&start.stderr), String::from_utf8_lossy(&check.stderr));
}

#[test]
fn a_typo_in_a_key() {
    refused(
        b"[collector.netdev]\ndevice_exlude = '^veth'\n",
        expect![[r#"
            hostlens.toml:2:1: error: unknown key `device_exlude` in [collector.netdev] [did you mean `device_exclude`?   (flag: --collector.netdev.device-exclude)]
        "#]],
    );
}

#[test]
fn the_spelling_of_a_flag() {
    refused(
        b"[collector.bcache]\nprioritystats = true\n[collector.cpu]\ninfo-flags-include = 'x'\n",
        expect![[r#"
            hostlens.toml:2:1: error: unknown key `prioritystats` in [collector.bcache] [did you mean `priority_stats`?   (flag: --collector.bcache.priorityStats)]
            hostlens.toml:4:1: error: unknown key `info-flags-include` in [collector.cpu] [did you mean `info_flags_include`?   (flag: --collector.cpu.info.flags-include)]
        "#]],
    );
}

#[test]
fn a_key_of_another_table() {
    refused(
        b"[scrape]\nprocfs = '/host/proc'\npriority_stats = true\n",
        expect![[r#"
        hostlens.toml:2:1: error: unknown key `procfs` in [scrape] [`procfs` belongs to [path]]
        hostlens.toml:3:1: error: unknown key `priority_stats` in [scrape] [`priority_stats` belongs to [collector.bcache]]
    "#]],
    );
}

#[test]
fn a_key_that_is_nowhere() {
    refused(
        b"[log]\ncolour = 'red'\n",
        expect![[r#"
        hostlens.toml:2:1: error: unknown key `colour` in [log] [it has `level`, `format`]
    "#]],
    );
}

#[test]
fn a_key_above_the_first_table() {
    refused(
        b"listen_address = ':9100'\nprest = 'minimal'\n",
        expect![[r#"
        hostlens.toml:1:1: error: unknown key `listen_address` [`listen_address` belongs to [web]]
        hostlens.toml:2:1: error: unknown key `prest` [did you mean `preset`?   (flag: --preset)]
    "#]],
    );
}

#[test]
fn a_typo_in_a_table() {
    refused(
        b"[colector.netdev]\nnetlink = true\n[wep]\n[logging]\nlevel = 'debug'\n",
        expect![[r#"
        hostlens.toml:1:2: error: unknown table [colector] [did you mean [collector]?]
        hostlens.toml:3:2: error: unknown table [wep] [did you mean [web]?]
        hostlens.toml:4:2: error: unknown table [logging] [did you mean [log]?]
    "#]],
    );
}

#[test]
fn a_typo_in_a_collector() {
    refused(
        b"[collector.lodavg]\nenabled = true\n[collectors.loadavg]\nenabled = true\n",
        expect![[r#"
        hostlens.toml:1:12: error: unknown collector `lodavg` [did you mean [collector.loadavg]?]
        hostlens.toml:3:2: error: unknown table [collectors] [did you mean [collector]?]
    "#]],
    );
}

#[test]
fn a_collector_outside_of_its_table() {
    refused(
        b"[netdev]\nnetlink = true\n",
        expect![[r#"
        hostlens.toml:1:2: error: unknown table [netdev] [did you mean [collector.netdev]?]
    "#]],
    );
}

#[test]
fn a_switch_in_place_of_a_table() {
    refused(
        b"[collector]\narp = false\n",
        expect![[r#"
        hostlens.toml:2:7: error: `collector.arp` is a table, found boolean here [write `arp.enabled = false`]
    "#]],
    );
}

#[test]
fn a_table_in_place_of_a_value() {
    refused(
        b"[web.listen_address]\nport = 9100\n",
        expect![[r#"
        hostlens.toml:1:1: error: `web.listen_address`: expected a list of strings, found table `{ port = 9100 }`
    "#]],
    );
}

#[test]
fn an_array_of_tables() {
    refused(
        b"[[collector.arp]]\nenabled = true\n",
        expect![[r#"
        hostlens.toml:1:1: error: `collector.arp` is a table, found array here
    "#]],
    );
}

#[test]
fn wrong_types() {
    refused(
        b"[web]\nmax_requests = 1.5\nlisten_address = [9100]\ntelemetry_path = true\n[collector.arp]\nenabled = 'yes'\nnetlink = 1\n",
        expect![[r#"
            hostlens.toml:2:16: error: `web.max_requests`: expected a whole number, found float `1.5`
            hostlens.toml:3:19: error: `web.listen_address`: expected a list of strings, found integer `9100`
            hostlens.toml:4:18: error: `web.telemetry_path`: expected a string, found boolean `true`
            hostlens.toml:6:11: error: `collector.arp.enabled`: expected true or false, found string `"yes"`
            hostlens.toml:7:11: error: `collector.arp.netlink`: expected true or false, found integer `1`
        "#]],
    );
}

#[test]
fn numbers_out_of_range() {
    refused(
        b"[web]\nmax_requests = 99999999999999999999\n[collector.ntp]\nserver_port = -1\n",
        expect![[r#"
        hostlens.toml:2:16: error: `web.max_requests`: the number 99999999999999999999 is too large
        hostlens.toml:4:15: error: `collector.ntp.server_port`: expected 0 or more, found -1
    "#]],
    );
}

#[test]
fn a_value_that_is_none_of_the_words() {
    refused(
        b"preset = 'kubernets'\n[log]\nlevel = 'warning'\nformat = 'xml'\n",
        expect![[r#"
        hostlens.toml:1:10: error: `preset`: expected one of node_exporter, debian, kubernetes, minimal, all-safe, found `"kubernets"`; did you mean `kubernetes`?
        hostlens.toml:3:9: error: `log.level`: expected one of debug, info, warn, error, found `"warning"`
        hostlens.toml:4:10: error: `log.format`: expected one of logfmt, json, found `"xml"`
    "#]],
    );
}

#[test]
fn a_bad_regex() {
    refused(
        b"[collector.netdev]\ndevice_exclude = '^(veth|cali'\n",
        expect![[r#"
        hostlens.toml:2:20: error: `collector.netdev.device_exclude`: not a regex: unclosed group
    "#]],
    );
}

#[test]
fn a_bad_regex_behind_escapes() {
    refused(
        b"[collector.netdev]\ndevice_exclude = \"^\\\\d\\u00e9+*[z-a]\"\n",
        expect![[r#"
            hostlens.toml:2:30: error: `collector.netdev.device_exclude`: not a regex: a repetition of a repetition
        "#]],
    );
}

#[test]
fn a_bad_regex_in_a_list() {
    refused(
        b"[collector.netdev]\ndevice_exclude = [\n  'veth.*',\n  'cali(',\n]\n",
        expect![[r#"
        hostlens.toml:4:8: error: `collector.netdev.device_exclude`: not a regex: unclosed group
    "#]],
    );
}

#[test]
fn a_regex_that_re2_does_not_have() {
    refused(
        b"[collector.netdev]\ndevice_exclude = '^(?!lo)'\ndevice_include = '(a)\\1'\n",
        expect![[r#"
        hostlens.toml:2:20: error: `collector.netdev.device_exclude`: not a regex: look-around, including look-ahead and look-behind, is not supported
        hostlens.toml:3:22: error: `collector.netdev.device_include`: not a regex: backreferences are not supported
    "#]],
    );
}

#[test]
fn bad_durations() {
    refused(
        b"[scrape]\ndefault_timeout = '10'\ndeadline_offset = 5\n[collector.filesystem]\nmount_timeout = '5 sec'\n",
        expect![[r#"
            hostlens.toml:2:22: error: `scrape.default_timeout`: a unit is missing in the duration `10`; write for example "500ms", "5s" or "2m"
            hostlens.toml:3:19: error: `scrape.deadline_offset`: expected a duration as a string with its unit, such as "5s", found integer `5`
            hostlens.toml:5:19: error: `collector.filesystem.mount_timeout`: unknown unit ` sec` in the duration `5 sec`; write for example "500ms", "5s" or "2m"
        "#]],
    );
}

#[test]
fn a_duplicate_key_and_a_duplicate_table() {
    refused(
        b"[web]\nmax_requests = 1\nmax_requests = 2\n[log]\nlevel = 'info'\n[log]\nformat = 'json'\n",
        expect![[r#"
            hostlens.toml:3:1: error: duplicate key
            hostlens.toml:6:2: error: duplicate key
        "#]],
    );
}

#[test]
fn include_and_exclude() {
    refused(
        b"[collector.netdev]\ndevice_include = 'eth'\ndevice_exclude = 'veth'\n[collector.filesystem]\nfs_types_include = 'ext4'\nfs_types_exclude = 'xfs'\n",
        expect![[r#"
            hostlens.toml:5:1: error: `fs_types_include` and `fs_types_exclude` of [collector.filesystem] exclude each other: set one of them
            hostlens.toml:2:1: error: `device_include` and `device_exclude` of [collector.netdev] exclude each other: set one of them
        "#]],
    );
}

#[test]
fn text_that_is_not_toml() {
    refused(
        b"web:\n  listen_address: ':9100'\n",
        expect![[r#"
        hostlens.toml:1:4: error: invalid unquoted key, expected letters, numbers, `-`, `_`
        hostlens.toml:1:5: error: key with no value, expected `=`
        hostlens.toml:2:19: error: key with no value, expected `=`
    "#]],
    );
}

#[test]
fn an_open_string() {
    refused(
        b"[web]\ntelemetry_path = '/metrics\nmax_request = 3\n",
        expect![[r#"
        hostlens.toml:2:27: error: invalid literal string, expected `'`
        hostlens.toml:3:1: error: unknown key `max_request` in [web] [did you mean `max_requests`?   (flag: --web.max-requests)]
    "#]],
    );
}

#[test]
fn a_regex_without_quotes() {
    refused(
        b"[collector.netdev]\ndevice_exclude = ^veth.*\nnetlnk = true\n",
        expect![[r#"
        hostlens.toml:2:18: error: string values must be quoted, expected literal string
        hostlens.toml:3:1: error: unknown key `netlnk` in [collector.netdev] [did you mean `netlink`?   (flag: --collector.netdev.netlink)]
    "#]],
    );
}

#[test]
fn a_format_of_the_future() {
    refused(
        b"config_version = 2\n",
        expect![[r#"
        hostlens.toml:1:18: error: `config_version`: the file is in format 2, this hostlens (0.1.0) knows formats up to 1: update it
    "#]],
    );
}

#[test]
fn bytes_that_are_not_utf8() {
    refused(
        b"[web]\n# caf\xe9\ntelemetry_path = '/m'\n",
        expect![[r#"
        hostlens.toml:2:6: error: the config file is not UTF-8
    "#]],
    );
}

#[test]
fn a_binary() {
    refused(
        b"\x7fELF\x02\x01\x01\0\0\0",
        expect![[r#"
        hostlens.toml:1:1: error: invalid unquoted key, expected letters, numbers, `-`, `_`
        hostlens.toml:1:5: error: invalid unquoted key, expected letters, numbers, `-`, `_`
        hostlens.toml:1:11: error: key with no value, expected `=`
    "#]],
    );
}

#[test]
fn a_deep_nest() {
    refused(
        format!("preset = {}\n", "[".repeat(100_000)).as_bytes(),
        expect![[r#"
            hostlens.toml:1:90: error: cannot recurse further; max recursion depth met
            hostlens.toml:1:100010: error: unclosed array, expected `]` [a bracket that opens here or above is not closed]
        "#]],
    );
}

#[test]
fn ten_megabytes() {
    refused(
        &vec![b'#'; 10 << 20],
        expect![[r#"
        hostlens.toml: error: the config file is larger than 1 MiB
    "#]],
    );
}

#[test]
fn a_key_of_a_megabyte() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hostlens.toml"), "k".repeat(1_000_000) + " = 1\n").unwrap();
    let start = Instant::now();
    let check = hostlens(folder.path(), &["check-config", "--format=json", "hostlens.toml"]);
    assert_eq!(check.status.code(), Some(2));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(findings(&check).starts_with("hostlens.toml:1:1: error: unknown key `kkk"));
}

#[test]
fn a_file_that_is_absent() {
    refused_in(
        tempfile::tempdir().unwrap().path(),
        expect![[r#"
        hostlens.toml: error: read the config file: No such file or directory (os error 2)
    "#]],
    );
}

#[test]
fn a_directory() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("hostlens.toml")).unwrap();
    refused_in(
        folder.path(),
        expect![[r#"
        hostlens.toml: error: the config file is a directory
    "#]],
    );
}

#[test]
fn a_fifo() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostlens.toml");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    refused_in(
        folder.path(),
        expect![[r#"
        hostlens.toml: error: the config file is not a regular file
    "#]],
    );
}

#[test]
fn a_device() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("hostlens.toml")).unwrap();
    refused_in(
        folder.path(),
        expect![[r#"
        hostlens.toml: error: the config file is not a regular file
    "#]],
    );
}

#[test]
fn a_link_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("hostlens.toml", folder.path().join("hostlens.toml")).unwrap();
    refused_in(
        folder.path(),
        expect![[r#"
        hostlens.toml: error: read the config file: Too many levels of symbolic links (os error 40)
    "#]],
    );
}

#[test]
fn includes_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
    fs::create_dir_all(folder.path().join("conf.d/30-folder.toml")).unwrap();
    write(
        "hostlens.toml",
        "include = ['absent.toml', 'conf.d/*.toml', 'none.d/*.toml', 'a[.toml']\n[weeb]\n",
    );
    write("conf.d/10-nested.toml", "include = ['../hostlens.toml']\n");
    write("conf.d/20-typo.toml", "[log]\nlevl = 'debug'\n");
    refused_in(
        folder.path(),
        expect![[r#"
            hostlens.toml:2:2: error: unknown table [weeb] [did you mean [web]?]
            hostlens.toml:1:1: error: `include`: absent.toml: read the config file: No such file or directory (os error 2) [only a pattern, such as `conf.d/*.toml`, may name files that are absent]
            conf.d/10-nested.toml:1:1: error: an included file cannot include others
            conf.d/20-typo.toml:2:1: error: unknown key `levl` in [log] [did you mean `level`?   (flag: --log.level)]
            hostlens.toml:1:1: error: `include`: conf.d/30-folder.toml: the config file is a directory [only a pattern, such as `conf.d/*.toml`, may name files that are absent]
            hostlens.toml:1:1: error: `include`: a[.toml is not a pattern
        "#]],
    );
}

#[test]
fn every_line_is_wrong() {
    let keys: String = (0..1000).map(|index| format!("key{index} = {index}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hostlens.toml"), keys).unwrap();
    let check = hostlens(folder.path(), &["check-config", "--format=json", "hostlens.toml"]);
    let found = findings(&check);
    assert_eq!(found.lines().count(), 1000);
    assert!(found.lines().nth(998).unwrap().starts_with("hostlens.toml:999:1: error: unknown key `key998`"));
}

#[test]
fn a_finding_is_shown_with_its_line_and_a_caret() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[collector.netdev]\n\tdevice_exlude = '^veth.*'\ndevice_include = 'a(b'\n";
    fs::write(folder.path().join("hostlens.toml"), config).unwrap();
    let check = hostlens(
        folder.path(),
        &["check-config", "hostlens.toml", "--collector.netdev.device-exclude=x[", "--web.max-requests=many"],
    );
    expect![[r#"
        error: unknown key `device_exlude` in [collector.netdev]
          --> hostlens.toml:2:2
        2 |  device_exlude = '^veth.*'
          |  ^^^^^^^^^^^^^ did you mean `device_exclude`?   (flag: --collector.netdev.device-exclude)
        error: `collector.netdev.device_include`: not a regex: unclosed group
          --> hostlens.toml:3:20
        3 | device_include = 'a(b'
          |                    ^
        error: flag '--collector.netdev.device-exclude': not a regex: unclosed character class
          --> command line
          | --collector.netdev.device-exclude=x[
          |                                    ^
        error: flag '--web.max-requests': expected a whole number, found string `"many"`
          --> command line
          | --web.max-requests=many
          |                    ^^^^
        4 errors
    "#]]
    .assert_eq(&String::from_utf8_lossy(&check.stderr));
    assert_eq!(check.status.code(), Some(2));
}

/// What only the host can say of a config: where the files are that it names, and what they hold.
#[test]
fn what_start_would_find() {
    refused(
        b"[web.auth]\nbasic_auth_users = { bob = 'plain' }\n",
        expect![[r#"
            hostlens.toml:2:1: error: `web.auth.basic_auth_users`: the password of `bob`: not a bcrypt hash [`hostlens hash-password` prints the hash to write here]
        "#]],
    );
    refused(
        b"[web]\nlisten_address = ['localhost', '0.0.0.0:99999', ':9100', 'foo:bar']\n",
        expect![[r#"
            hostlens.toml:2:1: error: `web.listen_address`: address localhost: missing port in address [write `:9100`, `127.0.0.1:9100`, `[::1]:9100` or `unix:/run/hostlens/hostlens.sock`]
            hostlens.toml:2:1: error: `web.listen_address`: address 99999: invalid port [write `:9100`, `127.0.0.1:9100`, `[::1]:9100` or `unix:/run/hostlens/hostlens.sock`]
            hostlens.toml:2:1: error: `web.listen_address`: lookup tcp/bar: unknown port [write `:9100`, `127.0.0.1:9100`, `[::1]:9100` or `unix:/run/hostlens/hostlens.sock`]
        "#]],
    );
    refused(
        b"[web]\nlisten_address = []\n",
        expect![[r#"
        hostlens.toml:2:1: error: `web.listen_address`: no address to serve on [without the key it is `:9100`]
    "#]],
    );
    refused(
        b"[web.tls]\ncert_file = 'hostlens.toml'\n",
        expect![[r#"
        hostlens.toml:2:1: error: `web.tls.cert_file`: missing one of key or key_file [set the certificate's key, web.tls.key_file, too]
    "#]],
    );
    refused(
        b"[web.tls]\nkey_file = 'hostlens.toml'\n",
        expect![[r#"
        hostlens.toml:2:1: error: `web.tls.key_file`: missing one of cert or cert_file [TLS needs a certificate: set web.tls.cert_file, too]
    "#]],
    );
    refused(
        b"[web.tls]\ncert_file = 'no.pem'\nkey_file = 'no.key'\n",
        expect![[r#"
        hostlens.toml:2:1: error: `web.tls.cert_file`: failed to read cert_file (no.pem): open no.pem: no such file or directory [name a PEM file that hostlens can read]
    "#]],
    );
    refused(
        b"[web.tls]\ncert_file = 'hostlens.toml'\nkey_file = 'hostlens.toml'\n",
        expect![[r#"
        hostlens.toml:2:1: error: `web.tls.cert_file`: cert_file holds no PEM certificate [name a PEM file that hostlens can read]
    "#]],
    );
    refused(
        b"[web.tls]\nmin_version = 'TLS99'\nclient_auth_type = 'Always'\n",
        expect![[r#"
        hostlens.toml:2:15: error: `web.tls.min_version`: expected one of TLS12, TLS13, found `"TLS99"`; did you mean `TLS12`?
        hostlens.toml:3:20: error: `web.tls.client_auth_type`: expected one of NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert, found `"Always"`
    "#]],
    );
    refused(
        b"[web.tls]\ncipher_suites = ['TLS_NOPE']\n",
        expect![[r#"
            hostlens.toml:2:18: error: `web.tls.cipher_suites`: expected one of TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, found `"TLS_NOPE"`
        "#]],
    );
    refused(
        b"[web.tls]\ncurve_preferences = ['X25519', 'P384']\n",
        expect![[r#"
        hostlens.toml:2:32: error: `web.tls.curve_preferences`: expected one of X25519, CurveP256, CurveP384, found `"P384"`
    "#]],
    );
    refused(
        b"[web.headers]\nX-Nope = '1'\n",
        expect![[r#"
        hostlens.toml:1:6: error: `web.headers`: HTTP header "X-Nope" can not be configured [see `hostlens config sample`]
    "#]],
    );
    refused(
        b"[web.headers]\nX-Frame-Options = 'never'\n",
        expect![[r#"
        hostlens.toml:1:6: error: `web.headers`: invalid value for X-Frame-Options. Expected one of: ["deny" "sameorigin"], but got: "never" [see `hostlens config sample`]
    "#]],
    );
    refused(
        b"[web.auth]\nusers_file = 'hostlens.toml'\n",
        expect![[r#"
            hostlens.toml:2:1: error: `web.auth.users_file`: hostlens.toml:1: expected user:hash [name a file with a line `user:hash` for each user; `hostlens hash-password` prints hashes]
            hostlens.toml:2:1: error: `web.auth.users_file`: hostlens.toml:2: expected user:hash [name a file with a line `user:hash` for each user; `hostlens hash-password` prints hashes]
        "#]],
    );
    refused(
        b"[path]\nprocfs = '/nope'\nsysfs = '/etc/hostname'\n",
        expect![[r#"
        hostlens.toml:2:1: error: `path.procfs`: read /nope: no such file or directory [name a folder where a file system of type proc is mounted]
        hostlens.toml:3:1: error: `path.sysfs`: read /etc/hostname: not a directory [name a folder where a file system of type sysfs is mounted]
    "#]],
    );
    refused(
        b"[web]\nconfig_file = 'no.yml'\n",
        expect![[r#"
            hostlens.toml:2:1: error: `web.config_file`: open no.yml: no such file or directory [name a file that `web.config.file` of Prometheus' exporters takes]
        "#]],
    );
    refused(
        b"[web\nlisten_address = [':9100']\n[path]\nprocfs = '/proc'\n",
        expect![[r#"
        hostlens.toml:1:5: error: unclosed table, expected `]` [a bracket that opens here or above is not closed]
    "#]],
    );
    refused(
        b"[web]\nlisten_address = [':9100'\n[path]\nprocfs = '/proc'\n",
        expect![[r#"
        hostlens.toml:3:1: error: missing comma between array elements, expected `,` [a bracket that opens here or above is not closed]
    "#]],
    );
}

/// Faults that start would find are told with those that are in the text.
#[test]
fn all_faults_are_told_at_once() {
    refused(
        b"[web]\ntelemetry_path = 3\nlisten_address = ['nowhere']\nheaders = { X-Other = 'a' }\n[path]\n\
        procfs = '/nope'\n[web.auth]\nbasic_auth_users = { bob = 'plain', eve = 'plain' }\n\
        users_file = 'absent'\n[web.rate_limit]\ninterval = '1s'\n",
        expect![[r#"
            hostlens.toml:2:18: error: `web.telemetry_path`: expected a string, found integer `3`
            hostlens.toml:6:1: error: `path.procfs`: read /nope: no such file or directory [name a folder where a file system of type proc is mounted]
            hostlens.toml:3:1: error: `web.listen_address`: address nowhere: missing port in address [write `:9100`, `127.0.0.1:9100`, `[::1]:9100` or `unix:/run/hostlens/hostlens.sock`]
            hostlens.toml:8:1: error: `web.auth.basic_auth_users`: the password of `bob`: not a bcrypt hash [`hostlens hash-password` prints the hash to write here]
            hostlens.toml:8:1: error: `web.auth.basic_auth_users`: the password of `eve`: not a bcrypt hash [`hostlens hash-password` prints the hash to write here]
            hostlens.toml:9:1: error: `web.auth.users_file`: open absent: no such file or directory [name a file with a line `user:hash` for each user; `hostlens hash-password` prints hashes]
            hostlens.toml:4:1: error: `web.headers`: HTTP header "X-Other" can not be configured [see `hostlens config sample`]
        "#]],
    );
}

#[test]
fn settings_of_collectors() {
    refused(
        b"[collector.perf]\nenabled = true\ncpus = '0-9,x'\ntracepoint = ['sched:sched_switch', 'foo']\n\
        [collector.ipvs]\nbackend_labels = ['local_port', 'colour']\n\
        [collector.ntp]\nenabled = true\nserver = 'pool.example.org'\nprotocol_version = 5\n\
        [collector.bpf_other_programs]\nenabled = true\nsample_for = '1m'\n\
        [collector.supervisord]\nenabled = true\nurl = 'nonsense'\n",
        expect![[r#"
            hostlens.toml:3:1: error: `collector.perf.cpus`: `0-9,x` names no CPUs [write a list such as `0-3` or `0-10:5,12`]
            hostlens.toml:4:1: error: `collector.perf.tracepoint`: `foo` is no tracepoint [write `subsystem:event`, such as `sched:sched_process_fork`]
            hostlens.toml:6:1: error: `collector.ipvs.backend_labels`: `colour` is no label of backends [set it to some of local_address, local_port, remote_address, remote_port, proto, local_mark]
            hostlens.toml:10:1: error: `collector.ntp.protocol_version`: 5 is out of range [set it to 2 to 4]
            hostlens.toml:9:1: error: `collector.ntp.server`: `pool.example.org` is no loopback address [set `server_is_local = true` if it is this host's: public servers must not be asked at each scrape]
            hostlens.toml:16:1: error: `collector.supervisord.url`: `nonsense` is no address of supervisord [write http://host:port/path or unix:///path]
            hostlens.toml:13:1: error: `collector.bpf_other_programs.sample_for`: a sample of 0, or one longer than `sample_every`, cannot be taken [set `sample_for` to more than 0, and at most `sample_every`]
        "#]],
    );
}

#[test]
fn filters_of_one_side() {
    refused(
        b"[collector.block_io]\ndevice_include = 'sda'\ndevice_exclude = 'sdb'\n\
        [collector.cgroup_usage]\nid_include = 'a'\nid_exclude = 'b'\n",
        expect![[r#"
            hostlens.toml:2:1: error: `device_include` and `device_exclude` of [collector.block_io] exclude each other: set one of them
            hostlens.toml:5:1: error: `id_include` and `id_exclude` of [collector.cgroup_usage] exclude each other: set one of them
        "#]],
    );
}

#[test]
fn addresses_that_cannot_be_served_on() {
    refused(
        b"[web]\nlisten_address = ['127.0.0.1:9', '127.0.0.1:9', 'unix:/nope/socket', \
        '127.0.0.1:0', '127.0.0.1:0', 'unix:a']\n",
        expect![[r#"
            hostlens.toml:2:1: error: `web.listen_address`: `127.0.0.1:9` is served by an address before it [take one of them out]
            hostlens.toml:2:1: error: `web.listen_address`: `unix:/nope/socket` is in no folder that is there [make the folder, as `RuntimeDirectory=` of systemd does, or name another]
        "#]],
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hostlens.toml"), "[web]\nlisten_address = ['192.0.2.1:9']\n").unwrap();
    let output = hostlens(folder.path(), &["--config.file=hostlens.toml"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("hostlens.toml:2:1: `web.listen_address`: listen tcp 192.0.2.1:9: bind: "),
        "{said}"
    );
}

#[test]
fn a_line_of_a_users_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
    write("users", "# staff\nbob\neve:plain\n");
    write("hostlens.toml", "[web.auth]\nusers_file = 'users'\n");
    refused_in(
        folder.path(),
        expect![[r#"
        hostlens.toml:2:1: error: `web.auth.users_file`: users:2: expected user:hash [name a file with a line `user:hash` for each user; `hostlens hash-password` prints hashes]
        hostlens.toml:2:1: error: `web.auth.users_file`: users:3: not a bcrypt hash [name a file with a line `user:hash` for each user; `hostlens hash-password` prints hashes]
    "#]],
    );
}

#[test]
fn an_open_brace() {
    refused(
        b"[web]\nheaders = { X-Frame-Options = 'deny'\n[web.tls]\ncert_file = 'a'\n",
        expect![[r#"
        hostlens.toml:3:1: error: missing key for inline table element, expected `,` [a bracket that opens here or above is not closed]
    "#]],
    );
    refused(
        b"[web]\nheaders = { X-Frame-Options = 'deny',\n[web.tls]\ncert_file = 'a'\n",
        expect![[r#"
        hostlens.toml:3:1: error: missing key for inline table element, expected key [a bracket that opens here or above is not closed]
    "#]],
    );
    refused(
        b"[web]\nheaders = {\n[web.tls]\ncert_file = 'a'\n",
        expect![[r#"
        hostlens.toml:3:1: error: missing key for inline table element, expected key [a bracket that opens here or above is not closed]
    "#]],
    );
}

#[test]
fn what_was_checked_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let output = hostlens(folder.path(), args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let nothing = said(&["check-config", "--collector.disable-defaults", "--collector.arp"]);
    assert_eq!(
        nothing,
        "ok: the defaults (no file is named: give one as an argument), 2 flags; 1 collector is enabled\n"
    );
    fs::write(folder.path().join("a.toml"), "[log]\nlevel = 'warn'\n").unwrap();
    assert!(said(&["check-config", "a.toml"]).starts_with("ok: a.toml; "));
}
