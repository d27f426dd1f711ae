//! The command line, where a process is needed to see it.

use hostlens_tests::agent::program;
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
