//! The command line, where a process is needed to see it.

use hostlens_tests::{Agent, agent::program};
use std::process::Command;

#[test]
fn the_binary_exits_as_node_exporter_does() {
    let run = |args: &[&str]| Command::new(program().unwrap()).args(args).env_clear().output().unwrap();
    let version = run(&["--version"]);
    let words: Vec<String> =
        String::from_utf8(version.stdout).unwrap().split(' ').map(str::to_owned).collect();
    assert_eq!((&*words[0], &*words[1], &*words[2]), ("hostlens,", "version", env!("CARGO_PKG_VERSION")));
    assert!(run(&["--help"]).status.success() && run(&["-h"]).status.success());
    let unknown = run(&["--collector.foo"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        String::from_utf8(unknown.stderr)
            .unwrap()
            .starts_with("hostlens: error: unknown long flag '--collector.foo', try --help")
    );
    let both = run(&["--collector.netdev.device-include=a", "--collector.netdev.device-exclude=b"]);
    assert_eq!(both.status.code(), Some(1));
}

#[test]
fn who_asks_for_help_gets_it() {
    let run = |args: &[&str]| {
        let output = Command::new(program().unwrap()).args(args).env_clear().output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let (short, long) = (run(&["-h"]), run(&["--help"]));
    assert_eq!((short.0, long.0), (Some(0), Some(0)));
    for listed in ["\n  help [<command>]", "\n  version  ", "\n  -V, --version"] {
        assert!(short.1.contains(listed) && long.1.contains(listed), "{listed}");
    }
    assert!(short.1.lines().count() < 45 && long.1.lines().count() > 300, "{}", short.1);
    assert!(!long.1.contains('\u{1b}'), "no colours where there is no terminal");
    assert_eq!(run(&["help"]), long);
    assert_eq!(run(&["help", "doctor"]), run(&["doctor", "--help"]));
    assert_eq!(run(&["version"]), run(&["--version"]));
    assert_eq!(run(&["-V"]), run(&["--version"]));
    for (args, said) in [
        (&["docter"][..], "unexpected docter, try --help (did you mean `doctor`?)"),
        (&["tp"], "unexpected tp, try --help (did you mean `top`?)"),
        (&["compl"], "unexpected compl, try --help (did you mean `completion`?)"),
        (&["hlep"], "unexpected hlep, try --help (did you mean `help`?)"),
        (&["help", "docter"], "unexpected docter, try --help (did you mean `doctor`?)"),
        (&["--config.fle=x"], "unknown long flag '--config.fle', try --help (did you mean `--config.file`?)"),
        (&["--versoin"], "unknown long flag '--versoin', try --help (did you mean `--version`?)"),
        (&["config", "shw"], "config needs one of show, sample, schema, try --help (did you mean `show`?)"),
        (
            &["check-config", "--format=jsn"],
            "flag '--format' needs one of text, json, try --help (did you mean `json`?)",
        ),
        (
            &["once", "--collect", "lodavg"],
            "there is no collector `lodavg`, see `hostlens collectors` (did you mean `loadavg`?)",
        ),
        (
            &["convert"],
            "convert needs flags of node_exporter after `--`, as in `hostlens convert -- --collector.systemd`, \
             try --help",
        ),
        (&["completion"], "completion needs one of bash, elvish, fish, powershell, zsh, try --help"),
        (
            &["completion", "csh"],
            "completion needs one of bash, elvish, fish, powershell, zsh, try --help (did you mean `zsh`?)",
        ),
        (&["config"], "config needs one of show, sample, schema, try --help"),
    ] {
        assert_eq!(run(args), (Some(1), format!("hostlens: error: {said}\n")));
    }
}

#[test]
fn what_an_agent_says_of_itself_is_in_the_list() {
    let list = include_str!("../../agent/docs/collectors.md");
    let agent = Agent::start("", &["--ebpf.enabled=never"]).unwrap();
    agent.get("/metrics", &[]).unwrap();
    let answer = agent.get("/metrics", &[]).unwrap().text().to_owned();
    let families = answer.lines().filter_map(|it| it.strip_prefix("# TYPE ")?.split(' ').next());
    let own = |it: &&str| ["hostlens_", "process_", "promhttp_"].iter().any(|start| it.starts_with(start));
    let own: Vec<&str> = families.filter(own).collect();
    assert!(own.len() > 15, "{own:?}");
    for family in own {
        assert!(list.contains(&format!("| `{family}` |")), "{family} is in no table of collectors.md");
    }
}
