//! The chores of the repository. `cargo xtask` prints the list.

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask <verb>
";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["help" | "--help" | "-h"] => print!("{USAGE}"),
        _ => bail!("unknown verb `{}`\n{USAGE}", args.join(" ")),
    }
    Ok(())
}
