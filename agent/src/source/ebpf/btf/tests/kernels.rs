//! What the probes find in the types of real kernels: in those of `kernels/*.btf`, which `cargo xtask btf --update`
//! reduces from Debian's, and in whole ones.

use std::{env, fs, path::Path};

use proptest::prelude::*;

use super::{super::*, claims::Question, reduce::reduce};
use crate::{
    source::ebpf::{
        Error,
        declared::ALL,
        resolve::{Resolved, resolve},
    },
    testing::fuzz,
};
use ebpf_probes::spec::{Constant, Need, Origin, Spec};

const KERNELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/source/ebpf/btf/kernels");
const TABLE: &str = include_str!("../kernels/table.txt");
const STALE: &str = "run `cargo xtask btf --update` and read what changes";

/// A kernel's series and its types.
struct Kernel {
    series: String,
    btf: Btf,
}

/// Those in a folder, oldest first.
fn kernels(folder: &Path) -> Vec<Kernel> {
    let paths = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let paths = paths.filter(|it| it.extension().is_some_and(|it| it == "btf"));
    let mut kernels: Vec<Kernel> = paths
        .map(|path| Kernel {
            series: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            btf: Btf::parse(fs::read(&path).unwrap()).unwrap(),
        })
        .collect();
    let numbers = |it: &Kernel| it.series.split('.').map(|it| it.parse().unwrap()).collect::<Vec<u32>>();
    kernels.sort_by_key(numbers);
    kernels
}

/// All features of a probe, wanted.
fn features(spec: &Spec) -> Vec<(&'static str, u32)> {
    let features = spec.constants.iter().filter(|it| matches!(it.origin, Origin::Feature));
    features.map(|it| (it.name, 1)).collect()
}

/// A row for each probe and each of its constants, a column for each kernel.
fn table(kernels: &[Kernel]) -> String {
    let mut rows = vec![vec!["probe and constant".to_owned()]];
    rows[0].extend(kernels.iter().map(|it| it.series.clone()));
    for spec in ALL {
        let found: Vec<_> = kernels.iter().map(|it| resolve(spec, &it.btf, &features(spec))).collect();
        let runs = found.iter().map(|it| it.as_ref().map_or_else(Error::reason, |_| "runs".to_owned()));
        rows.push([spec.name.to_owned()].into_iter().chain(runs).collect());
        let is_found = |it: &&Constant| !matches!(it.origin, Origin::Setting | Origin::Feature);
        for constant in spec.constants.iter().filter(is_found) {
            let value = |it: &Result<Resolved, _>| {
                let constants = &it.as_ref().ok()?.constants;
                let (_, value) = constants.iter().find(|it| it.0 == constant.name)?;
                (*value != probe_abi::ABSENT).then(|| value.to_string())
            };
            let values = found.iter().map(|it| value(it).unwrap_or_else(|| "-".to_owned()));
            rows.push([format!("  {}", constant.name)].into_iter().chain(values).collect());
        }
        for program in spec.programs.iter().filter(|it| !matches!(it.need, Need::Always)) {
            let has = |it: &Result<Resolved, _>| {
                it.as_ref().is_ok_and(|it| it.programs.iter().any(|it| it.name == program.name))
            };
            let words = found.iter().map(|it| if has(it) { "yes" } else { "-" }.to_owned());
            rows.push([format!("  {}", program.attach)].into_iter().chain(words).collect());
        }
    }
    let width = |column: usize| rows.iter().map(|it| it[column].chars().count()).max().unwrap();
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:width$}") } else { format!("  {cell:>width$}") }
        });
        cells.collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}

#[test]
fn each_kernel_has_what_the_probes_need() {
    let kernels = kernels(Path::new(KERNELS));
    assert!(kernels.len() >= 5 && kernels[0].series == "5.10", "there are {}", kernels.len());
    let found = table(&kernels);
    assert!(found == TABLE, "{STALE}; found\n{found}expected\n{TABLE}");
}

/// Also of the running kernel, if no others are given.
#[test]
#[ignore = "reads whole kernels' BTF"]
fn whole_kernels_say_what_their_reductions_say() {
    let given = env::var_os("HOSTLENS_BTF");
    let kernels = match &given {
        Some(folder) => kernels(Path::new(folder)),
        None => {
            let btf = Btf::parse(fs::read("/sys/kernel/btf/vmlinux").unwrap()).unwrap();
            vec![Kernel { series: "running".to_owned(), btf }]
        }
    };
    let questions = Question::of(ALL);
    let claims = |btf: &Btf| questions.iter().map(|it| it.claim(btf) + "\n").collect::<String>();
    let mut reductions = Vec::new();
    for Kernel { series, btf } in &kernels {
        let bytes = reduce(btf, &questions);
        let reduction = Btf::parse(bytes.clone()).unwrap();
        assert_eq!(claims(btf), claims(&reduction), "{series}");
        if let Some(folder) = &given {
            fs::write(Path::new(folder).join(format!("{series}.claims")), claims(btf)).unwrap();
        }
        reductions.push((Kernel { series: series.clone(), btf: reduction }, bytes));
    }
    let table = table(&kernels);
    println!("{table}");
    if env::var_os("HOSTLENS_BTF_UPDATE").is_some() {
        fs::remove_dir_all(KERNELS).unwrap();
        fs::create_dir(KERNELS).unwrap();
        for (kernel, bytes) in reductions {
            fs::write(Path::new(KERNELS).join(format!("{}.btf", kernel.series)), bytes).unwrap();
        }
        fs::write(Path::new(KERNELS).join("table.txt"), table).unwrap();
    }
}

/// Asks all that the probes ask.
fn interrogate(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes.to_vec()) else { return };
    for spec in ALL {
        resolve(spec, &btf, &features(spec)).ok();
    }
    for question in Question::of(ALL) {
        question.claim(&btf);
    }
}

#[test]
fn truncated_kernels_are_refused() {
    for Kernel { series, btf } in kernels(Path::new(KERNELS)) {
        for len in 0..btf.bytes.len() {
            assert!(Btf::parse(btf.bytes[..len].to_vec()).is_err(), "{len} bytes of {series}");
        }
    }
}

#[test]
#[ignore = "fuzzes for ten seconds"]
fn fuzzed_btf() {
    let kernels = kernels(Path::new(KERNELS));
    let seeds: Vec<&[u8]> = kernels.iter().map(|it| &it.btf.bytes[..]).collect();
    fuzz(&seeds, interrogate);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn damaged_kernels_are_an_answer_or_an_error(
        which: prop::sample::Index,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..16),
    ) {
        let kernels = kernels(Path::new(KERNELS));
        let mut bytes = which.get(&kernels).btf.bytes.clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        interrogate(&bytes);
    }
}
