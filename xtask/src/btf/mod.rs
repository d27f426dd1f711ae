//! `cargo xtask btf`: what the probes need to know of each kernel, looked up in its image without booting it.
//!
//! The agent's own reader answers, in a test of its own; bpftool and the C compiler check its answers. What of the types
//! the answers rest on is kept with the agent's tests, a few KB a kernel, so that those need no kernels.

mod compiler;
mod image;

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use lexopt::{Arg, Parser, ValueExt};

use crate::{
    process::{cargo, run as run_command, workspace},
    vm::kernels::{self, Cache, Kernel},
};

pub(crate) const SUMMARY: &str = "look up what the probes need in kernels' images, and check the answers";
pub(crate) const HELP: &str = "\
usage: cargo xtask btf [options]

Prints a table of each probe's constants, a column a kernel. Needs bpftool and cc.

  --kernel NAME   5.10, 6.1, … or `newest`; may be repeated (default: every supported series)
  --update        write agent/src/source/ebpf/btf/kernels, by which the agent's tests know these kernels;
                  to be run when a probe is new or reads something else
";

/// The agent's test that answers; it finds the kernels' types by the variables.
const TEST: &str = "source::ebpf::btf::tests::kernels::whole_kernels_say_what_their_reductions_say";
const FOLDER: &str = "HOSTLENS_BTF";
const UPDATE: &str = "HOSTLENS_BTF_UPDATE";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut names, mut update) = (Vec::new(), false);
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("kernel") => names.push(parser.value()?.string()?),
            Arg::Long("update") => update = true,
            _ => return Err(arg.unexpected().into()),
        }
    }
    ensure!(names.is_empty() || !update, "--update is for all kernels together");
    if names.is_empty() {
        names.extend(kernels::ALL.iter().map(|it| (*it).to_owned()));
    }
    let folder = workspace().join("target/btf");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut series = Vec::new();
    for name in &names {
        let kernel = kernels::get(name, Cache::Keep)?;
        series.push(extract(&kernel, &folder).with_context(|| format!("take the types out of {name}"))?);
    }
    let mut test = cargo();
    test.args(["test", "--quiet", "--package", "hostlens", "--lib", "--", "--ignored", "--exact", TEST]);
    test.arg("--nocapture").env(FOLDER, &folder);
    if update {
        test.env(UPDATE, "1");
    }
    run_command(&mut test)?;
    for name in &series {
        let claims = fs::read_to_string(folder.join(format!("{name}.claims")))?;
        let wrong = compiler::disagreements(&folder.join(format!("{name}.btf")), &claims)?;
        ensure!(wrong.is_empty(), "{name}: {} answers are not so\n  {}", wrong.len(), wrong.join("\n  "));
        println!("{name}: bpftool and the C compiler agree with {} answers", claims.lines().count());
    }
    Ok(())
}

/// Writes the kernel's types to a file that bears the name of its series, which is returned: `6.1`.
fn extract(kernel: &Kernel, folder: &Path) -> Result<String> {
    let package = kernels::cached(&kernel.series).context("the kernel's package is not known")?;
    let series = series(&package).with_context(|| format!("find the version in {package}"))?;
    let types = image::types(&fs::read(&kernel.vmlinuz)?)?;
    fs::write(folder.join(format!("{series}.btf")), types)?;
    Ok(series)
}

/// `linux-image-6.12.107+deb13-cloud-amd64` → `6.12`.
fn series(package: &str) -> Option<String> {
    let version = package.split('-').find(|it| it.starts_with(|it: char| it.is_ascii_digit()))?;
    let mut numbers = version.split(['.', '+']);
    Some(format!("{}.{}", numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_series_in_a_package() {
        assert_eq!(series("linux-image-5.10.0-32-cloud-amd64").as_deref(), Some("5.10"));
        assert_eq!(series("linux-binary-7.3.4+deb13-cloud-amd64").as_deref(), Some("7.3"));
        assert_eq!(series("linux-image-cloud-amd64"), None);
    }
}
