//! `cargo xtask fuzz`: the agent's parsers, each family for a while. The fuzzers are tests of the agent whose names begin
//! with `fuzzed`; beside them each collector is fuzzed on the host that its own tests describe.

use anyhow::Result;
use lexopt::{Arg, Parser, ValueExt as _};

use crate::process::{cargo, run as run_command};

pub(crate) const SUMMARY: &str = "damage what each family of parsers reads, two minutes a family";
pub(crate) const HELP: &str = "\
usage: cargo xtask fuzz [options]

  --seconds N     how long each family is fuzzed (120); each collector gets a twentieth
  --only WORD     only the tests whose names hold this, such as fuzzed_toml
";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut seconds = 120.0;
    let mut only = None;
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("seconds") => seconds = parser.value()?.parse::<f64>()?,
            Arg::Long("only") => only = Some(parser.value()?.string()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    let all = || ["fuzzed", "survives", "any_text", "never_panics"].map(str::to_owned).to_vec();
    let names = only.map_or_else(all, |name| vec![name]);
    let mut tests = cargo();
    tests.args(["test", "--package", "hostlens", "--lib", "--no-fail-fast", "--"]).args(names);
    tests.args(["--include-ignored", "--nocapture"]).env("HOSTLENS_FUZZ_SECONDS", seconds.to_string());
    run_command(&mut tests)
}
