//! A second opinion on what the agent's reader finds in a kernel's BTF: bpftool's, and that of the C compiler on the
//! header that bpftool makes of it.
//!
//! Each claim becomes lines of C that must compile, or must not.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{output, require};

/// A line of C, and whether it may compile.
struct Line {
    text: String,
    compiles: bool,
    claim: String,
}

/// The claims, a line each, that are not so. They are written as `agent/src/source/ebpf/btf/tests/claims.rs` has them.
pub(super) fn disagreements(btf: &Path, claims: &str) -> Result<Vec<String>> {
    require("bpftool", "bpftool")?;
    require("cc", "gcc")?;
    let dump = |format| {
        output(Command::new("bpftool").args(["btf", "dump", "file"]).arg(btf).args(["format", format]))
    };
    let raw = dump("raw")?;
    let functions = functions(&raw);
    let (mut wrong, mut lines) = (Vec::new(), Vec::new());
    for claim in claims.lines() {
        let (question, answer) =
            claim.split_once(" = ").with_context(|| format!("a claim without `=`: {claim}"))?;
        if let Some(name) = question.strip_prefix("function ") {
            let theirs = functions.get(name).map_or("-".to_owned(), usize::to_string);
            if theirs != answer {
                wrong.push(format!("{claim}, but bpftool says {theirs}"));
            }
        } else {
            lines.extend(in_c(claim, question, answer)?);
        }
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("vmlinux.h"), with_narrow_enums(dump("c")?, &raw))?;
    wrong.extend(compile(folder.path(), &lines)?);
    Ok(wrong)
}

/// The header of a dump whose enums of one byte bpftool writes as if they had four.
fn with_narrow_enums(mut header: String, raw: &str) -> String {
    for line in raw.lines().filter(|it| it.contains(" size=1 ")) {
        let name = line.split_once("] ENUM '").and_then(|(_, rest)| rest.split_once('\''));
        if let Some((name, _)) = name {
            header = header
                .replace(&format!("enum {name} {{"), &format!("enum __attribute__((packed)) {name} {{"));
        }
    }
    header
}

fn in_c(claim: &str, question: &str, answer: &str) -> Result<Vec<Line>> {
    let words = |text| str::split(text, ' ').collect::<Vec<&str>>();
    let statements = statements(&words(question), &words(answer));
    let statements = statements.with_context(|| format!("read the claim `{claim}`"))?;
    let line = |(text, compiles)| Line { text, compiles, claim: claim.to_owned() };
    Ok(statements.into_iter().map(line).collect())
}

/// How many parameters each function has.
fn functions(dump: &str) -> HashMap<&str, usize> {
    let mut prototypes = HashMap::new();
    let mut functions = Vec::new();
    for line in dump.lines() {
        let Some((id, rest)) = line.strip_prefix('[').and_then(|it| it.split_once("] ")) else { continue };
        let number = |key: &str| rest.split(' ').find_map(|it| it.strip_prefix(key));
        if rest.starts_with("FUNC_PROTO ") {
            prototypes.extend(number("vlen=").and_then(|it| it.parse::<usize>().ok()).map(|it| (id, it)));
        } else if let Some((name, _)) = rest.strip_prefix("FUNC '").and_then(|it| it.split_once('\'')) {
            functions.extend(number("type_id=").map(|it| (name, it)));
        }
    }
    functions.iter().filter_map(|(name, id)| Some((*name, *prototypes.get(id)?))).collect()
}

/// Declarations of C, each on its own, and whether they compile if the claim is true.
fn statements(question: &[&str], answer: &[&str]) -> Result<Vec<(String, bool)>> {
    let zeros = |n: usize| vec!["0"; n];
    let call = |hook: &str, arguments: &[&str]| {
        format!("void f(btf_trace_{hook} hook) {{ (*hook)({}); }}", arguments.join(", "))
    };
    Ok(match (question, answer) {
        (["field", path], _) => {
            let (root, rest) = path.split_once('.').context("a field without a struct")?;
            let offset = format!("__builtin_offsetof(struct {root}, {rest})");
            match answer {
                ["-"] => vec![(format!("unsigned long x = {offset};"), false)],
                [at, size] => vec![(
                    format!(
                        "_Static_assert({offset} == {at} && sizeof(((struct {root} *)0)->{rest}) == {size}, \"\");"
                    ),
                    true,
                )],
                _ => bail!("a field has an offset and a size"),
            }
        }
        // Where a bit field is cannot be asked; but it is one, or has one byte.
        (["bits", path], _) => {
            let (root, rest) = path.split_once('.').context("a field without a struct")?;
            let set = format!("void f(struct {root} *it) {{ it->{rest} = 1; }}");
            vec![(set, answer != ["-"])]
        }
        (["enumerator", name], ["-"]) => vec![(format!("long x = {name};"), false)],
        (["enumerator", name], [value]) => vec![(format!("_Static_assert({name} == {value}, \"\");"), true)],
        (["hook", name], ["-"]) => vec![(format!("btf_trace_{name} x;"), false)],
        (["hook", name], [arity]) => {
            // Its own argument comes before those that a program sees.
            let arity = arity.parse::<usize>()? + 1;
            vec![
                (call(name, &zeros(arity - 1)), false),
                (call(name, &zeros(arity)), true),
                (call(name, &zeros(arity + 1)), false),
            ]
        }
        // Whether another argument is of the type cannot be asked: one that may be anything takes it as well.
        (["argument", ..], ["-"]) => Vec::new(),
        (["argument", hook, of, arity], [position]) => {
            let mut arguments = zeros(arity.parse::<usize>()? + 1);
            let position = position.parse::<usize>()? + 1;
            let (right, wrong) = (format!("(struct {of} *)0"), "(struct of_another_kind *)0");
            ensure!(position < arguments.len(), "an argument beyond the last");
            arguments[position] = &right;
            let with_right = call(hook, &arguments);
            arguments[position] = wrong;
            vec![(with_right, true), (call(hook, &arguments), false)]
        }
        _ => bail!("unknown words"),
    })
}

/// Compiles all lines at once: the compiler names each that is wrong.
fn compile(folder: &Path, lines: &[Line]) -> Result<Vec<String>> {
    // Each declares names of its own.
    let declared = lines.iter().enumerate().map(|(idx, line)| {
        let text = line.text.replacen(" x", &format!(" x{idx}"), 1).replacen(" f(", &format!(" f{idx}("), 1);
        format!("{text}\n")
    });
    let source = format!("#include \"vmlinux.h\"\n{}", declared.collect::<String>());
    fs::write(folder.join("claims.c"), source)?;
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-fsyntax-only", "-fmax-errors=0", "-DBPF_NO_PRESERVE_ACCESS_INDEX"])
        .args(["-Werror=incompatible-pointer-types", "-Werror=int-conversion", "claims.c"])
        .env("LC_ALL", "C")
        .current_dir(folder)
        .output()
        .context("start cc")?;
    let complaints = String::from_utf8_lossy(&compiled.stderr);
    let mut refused = BTreeSet::new();
    for complaint in complaints.lines().filter(|it| it.contains(" error: ")) {
        let number =
            complaint.strip_prefix("claims.c:").and_then(|it| it.split(':').next()?.parse::<usize>().ok());
        let number = number.with_context(|| format!("the header does not compile: {complaint}"))?;
        // The first line is the header's.
        refused.insert(number - 2);
    }
    ensure!(compiled.status.success() == refused.is_empty(), "cc: {}\n{complaints}", compiled.status);
    let wrong = lines.iter().enumerate().filter(|(idx, line)| line.compiles == refused.contains(idx));
    Ok(wrong.map(|(_, line)| format!("{}, but the compiler disagrees: {}", line.claim, line.text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "struct task { int state; struct { long a; union { int pid; int tid; }; }; int bits : 3; };\n\
                          struct rq; enum { CLOCK_BIT = 4 };\n\
                          typedef void (*btf_trace_switch)(void *, int, struct task *, struct rq *);\n";

    /// What the compiler has against claims on [`HEADER`].
    fn wrong(claims: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("vmlinux.h"), HEADER).unwrap();
        let parts = claims.lines().map(|it| (it, it.split_once(" = ").unwrap()));
        let lines: Vec<Line> = parts.flat_map(|(claim, it)| in_c(claim, it.0, it.1).unwrap()).collect();
        let wrong = compile(folder.path(), &lines).unwrap();
        wrong.into_iter().map(|it| it.split(", but").next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn agrees_with_what_is_so() {
        let claims = "field task.pid = 16 4\nfield task.state = 0 4\nfield task.bits = -\nbits task.bits = 128 3\nfield task.uid = -\n\
                      field cfs.rq = -\nenumerator CLOCK_BIT = 4\nenumerator CLOCK = -\nhook switch = 3\nhook wake = -\n\
                      argument switch task 3 = 1\nargument switch cfs 3 = -";
        assert_eq!(wrong(claims), [""; 0]);
    }

    #[test]
    fn disagrees_with_what_is_not() {
        for claim in [
            "field task.pid = 12 4",
            "field task.pid = 16 8",
            "field task.pid = -",
            "field task.uid = 4 4",
            "bits task.byte = 128 3",
            "enumerator CLOCK_BIT = 5",
            "enumerator CLOCK_BIT = -",
            "hook switch = 2",
            "hook switch = -",
            "hook wake = 1",
            "argument switch task 3 = 2",
        ] {
            assert_eq!(wrong(claim).first().map(String::as_str), Some(claim));
        }
    }

    #[test]
    fn counts_parameters_in_the_dump() {
        let dump = "[5] FUNC_PROTO '(anon)' ret_type_id=3 vlen=2\n\t'file' type_id=9\n\
                    [6] FUNC 'vfs_read' type_id=5 linkage=static\n[7] STRUCT 'file' size=8 vlen=1\n";
        assert_eq!(functions(dump), HashMap::from([("vfs_read", 2)]));
    }
}
