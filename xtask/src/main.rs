//! The chores of the repository. `cargo xtask` prints the list.

mod apt;
mod bench;
mod btf;
mod ci;
mod dashboards;
mod deny;
mod dist;
mod dropin;
mod ebpf;
mod fleet;
mod fuzz;
mod guest;
mod image;
mod manifests;
mod page;
mod peers;
mod process;
mod prometheus;
mod rules;
mod soak;
mod systemd;
mod table;
mod test;
mod tidy;
mod vm;
mod wifi;
mod wound;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// One chore. A verb's own `--help` is its `help`.
struct Verb {
    name: &'static str,
    /// What it does, in one line of the list.
    summary: &'static str,
    /// Its synopsis and options.
    help: &'static str,
    /// Gets what follows the verb.
    run: fn(&[String]) -> Result<()>,
}

const VERBS: &[Verb] = &[
    Verb { name: "test", summary: test::SUMMARY, help: test::HELP, run: test::run },
    Verb { name: "ci", summary: ci::SUMMARY, help: ci::HELP, run: ci::run },
    Verb { name: "ebpf", summary: ebpf::SUMMARY, help: ebpf::HELP, run: ebpf::run },
    Verb { name: "tidy", summary: tidy::SUMMARY, help: tidy::HELP, run: tidy::run },
    Verb { name: "deny", summary: deny::SUMMARY, help: deny::HELP, run: deny::run },
    Verb { name: "dist", summary: dist::SUMMARY, help: dist::HELP, run: dist::run },
    Verb { name: "vm", summary: vm::SUMMARY, help: vm::HELP, run: vm::run },
    Verb { name: "btf", summary: btf::SUMMARY, help: btf::HELP, run: btf::run },
    Verb { name: "systemd", summary: systemd::SUMMARY, help: systemd::HELP, run: systemd::run },
    Verb { name: "image", summary: image::SUMMARY, help: image::HELP, run: image::run },
    Verb { name: "wifi", summary: wifi::SUMMARY, help: wifi::HELP, run: wifi::run },
    Verb { name: "manifests", summary: manifests::SUMMARY, help: manifests::HELP, run: manifests::run },
    Verb { name: "page", summary: page::SUMMARY, help: page::HELP, run: page::run },
    Verb { name: "dashboards", summary: dashboards::SUMMARY, help: dashboards::HELP, run: dashboards::run },
    Verb { name: "rules", summary: rules::SUMMARY, help: rules::HELP, run: rules::run },
    Verb { name: "fuzz", summary: fuzz::SUMMARY, help: fuzz::HELP, run: fuzz::run },
    Verb { name: "dropin", summary: dropin::SUMMARY, help: dropin::HELP, run: dropin::run },
    Verb { name: "wound", summary: wound::SUMMARY, help: wound::HELP, run: wound::run },
    Verb { name: "bench", summary: bench::SUMMARY, help: bench::HELP, run: bench::run },
    Verb { name: "fleet", summary: fleet::SUMMARY, help: fleet::HELP, run: fleet::run },
    Verb { name: "soak", summary: soak::SUMMARY, help: soak::HELP, run: soak::run },
    Verb { name: "peers", summary: peers::SUMMARY, help: peers::HELP, run: peers::run },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let Some((name, rest)) = args.split_first() else {
        list();
        return Ok(());
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        list();
        return Ok(());
    }
    let Some(verb) = VERBS.iter().find(|it| it.name == name) else {
        bail!("no verb `{name}`; `cargo xtask` lists them");
    };
    if rest.iter().any(|it| it == "--help" || it == "-h") {
        print!("{}", verb.help);
        return Ok(());
    }
    (verb.run)(rest)
}

fn list() {
    println!("usage: cargo xtask <verb> [options]; `cargo xtask <verb> --help` lists a verb's options\n");
    for verb in VERBS {
        println!("  {:<10} {}", verb.name, verb.summary);
    }
}
