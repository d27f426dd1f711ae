//! No module needs one that needs it, so that each can be read after those it uses.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Fault, File,
    paths::{Modules, Path, module_of, written},
};

/// The folders in which crates have their modules.
const SOURCES: &[&str] = &["agent/src", "ebpf-probes/src", "tests/src", "xtask/src"];

/// Modules that use each other, by whatever way. What a folder's own file holds is its children's and their parent's:
/// the way up and down does not count.
pub(super) fn circles(files: &[File]) -> Vec<Fault> {
    SOURCES.iter().flat_map(|source| circles_in(source, files)).collect()
}

fn circles_in(source: &str, files: &[File]) -> Vec<Fault> {
    let modules = Modules::read(source, files);
    let mut uses = BTreeMap::<Path, BTreeMap<Path, usize>>::new();
    let mut homes = BTreeMap::new();
    for file in files {
        let Some(module) = module_of(source, &file.path) else { continue };
        let used = uses.entry(module.clone()).or_default();
        // What a macro's text names is used where the macro is.
        for (line, path) in written(&module, &file.code.replace("$crate::", "        ")) {
            let home = modules.home(&path);
            if !module.starts_with(&home) && !home.starts_with(&module) {
                used.entry(home).or_insert(line);
            }
        }
        homes.insert(module, file);
    }
    let mut faults = Vec::new();
    let mut told = BTreeSet::new();
    for (module, used) in &uses {
        for (other, line) in used {
            let Some(back) = way(&uses, other, module) else { continue };
            let names: Vec<String> = [module].into_iter().chain(&back).map(|it| it.join("::")).collect();
            if told.insert(back.into_iter().collect::<BTreeSet<_>>()) {
                faults.push(homes[module].fault(*line, format!("modules go round: {}", names.join(" → "))));
            }
        }
    }
    faults
}

/// The shortest way from one module to another, both included.
fn way(uses: &BTreeMap<Path, BTreeMap<Path, usize>>, from: &Path, to: &Path) -> Option<Vec<Path>> {
    let mut came_from = BTreeMap::<&Path, &Path>::new();
    let mut front = vec![from];
    while !front.is_empty() {
        let mut next = Vec::new();
        for module in front {
            for used in uses.get(module).into_iter().flat_map(BTreeMap::keys) {
                if used != from && !came_from.contains_key(used) {
                    came_from.insert(used, module);
                    next.push(used);
                }
            }
        }
        if came_from.contains_key(to) {
            let mut way = vec![to.clone()];
            let mut at = to;
            while let Some(before) = came_from.get(at) {
                way.push((*before).clone());
                at = before;
            }
            way.reverse();
            return Some(way);
        }
        front = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
        circles(&files).into_iter().map(|it| format!("{}:{}: {}", it.path, it.line, it.problem)).collect()
    }

    #[test]
    fn finds_a_circle_behind_names_of_the_parent() {
        let files = [
            ("agent/src/x/mod.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\npub use c::C;\n"),
            ("agent/src/x/a.rs", "use super::b::B;\n"),
            ("agent/src/x/b.rs", "use super::C;\n"),
            ("agent/src/x/c.rs", "use crate::x::{A};\n"),
        ];
        assert_eq!(found(&files), ["agent/src/x/a.rs:1: modules go round: x::a → x::b → x::c → x::a"; 1]);
        assert_eq!(found(&files[..3]), [""; 0]);
    }

    #[test]
    fn lets_children_use_what_their_parent_holds() {
        let files = [
            ("agent/src/x/mod.rs", "mod a;\nuse a::A;\npub struct X;\n"),
            ("agent/src/x/a.rs", "use super::X;\n"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }
}
