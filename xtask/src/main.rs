//! The chores of the repository. `cargo xtask` prints the list.

use anyhow::{Result, bail};

mod ebpf;

const USAGE: &str = "\
usage: cargo xtask <verb>

ebpf           build the probe objects that the agent embeds
ebpf --check   build them elsewhere and compare byte for byte
";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["help" | "--help" | "-h"] => print!("{USAGE}"),
        ["ebpf"] => ebpf::build()?,
        ["ebpf", "--check"] => ebpf::check()?,
        _ => bail!("unknown verb `{}`\n{USAGE}", args.join(" ")),
    }
    Ok(())
}
