//! The paths that a file writes, and the modules that they lead to.

use std::collections::{BTreeMap, BTreeSet};

use super::File;

/// From the crate's root: `["http", "access", "tls"]`.
pub(super) type Path = Vec<String>;

/// The modules of one crate.
#[derive(Debug, Default)]
pub(super) struct Modules {
    all: BTreeSet<Path>,
    /// What a name of a module stands for when it is another's: `pub use slot::Summary`.
    names: BTreeMap<(Path, String), Path>,
}

impl Modules {
    /// Those of `files` below the folder `source`.
    pub(super) fn read(source: &str, files: &[File]) -> Self {
        let mut modules = Self::default();
        for file in files {
            modules.all.extend(module_of(source, &file.path));
        }
        for file in files {
            let Some(module) = module_of(source, &file.path) else { continue };
            for (name, path) in imports(&module, &file.code) {
                modules.names.insert((module.clone(), name), path);
            }
        }
        modules
    }

    /// The module in which what `path` names is declared.
    pub(super) fn home(&self, path: &[String]) -> Path {
        let mut path = path.to_vec();
        // An import can lead to another one; a circle of them does not compile.
        for _ in 0..16 {
            let n_known = (0..=path.len()).rev().find(|n| self.all.contains(&path[..*n])).unwrap_or_default();
            let next =
                path.get(n_known).and_then(|name| self.names.get(&(path[..n_known].to_vec(), name.clone())));
            match next {
                Some(next) if *next != path => path = [next, &path[n_known + 1..]].concat(),
                _ => return path[..n_known].to_vec(),
            }
        }
        path
    }
}

/// `agent/src/http/access/mod.rs` → `http::access`, where `source` is `agent/src`.
pub(super) fn module_of(source: &str, path: &str) -> Option<Path> {
    let inside = path.strip_prefix(source)?.strip_prefix('/')?.strip_suffix(".rs")?;
    let mut names: Path = inside.split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|it| ["mod", "lib", "main"].contains(&it.as_str())) {
        names.pop();
    }
    Some(names)
}

/// All paths that `code`, in `module`, begins with `crate`, `self` or `super`, from the crate's root, with their lines.
/// Groups are taken apart.
pub(super) fn written(module: &[String], code: &str) -> Vec<(usize, Path)> {
    let roots = ["crate::", "self::", "super::"];
    let mut starts: Vec<usize> =
        roots.iter().flat_map(|root| code.match_indices(root)).map(|(start, _)| start).collect();
    starts.sort_unstable();
    let mut found = Vec::new();
    let mut end = 0;
    for start in starts {
        let is_whole = !code[..start].ends_with(|it: char| it.is_alphanumeric() || "_:".contains(it));
        // Else it stands in a group, and was read with it.
        if is_whole && start >= end {
            let mut leaves = Vec::new();
            end = branch(code, start, &[], &mut leaves);
            for (at, _, path) in leaves {
                found.extend(absolute(module, path).map(|path| (line(code, at), path)));
            }
        }
    }
    found
}

/// What the `use` declarations of `module` bring into it, by the name that it has there.
fn imports(module: &[String], code: &str) -> Vec<(String, Path)> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("use ") {
        if code[..start].ends_with(|it: char| it.is_alphanumeric() || it == '_') {
            continue;
        }
        let mut leaves = Vec::new();
        branch(code, start + "use ".len(), &[], &mut leaves);
        for (_, alias, path) in leaves {
            let Some(name) = alias.or_else(|| path.last().cloned()) else { continue };
            // A path that begins with a name is one of this module's children, or another crate.
            let path = absolute(module, path.clone()).unwrap_or_else(|| [module, &path].concat());
            found.push((name, path));
        }
    }
    found
}

/// From the crate's root, if it begins there, here or above.
fn absolute(module: &[String], path: Path) -> Option<Path> {
    let mut names = path.into_iter().peekable();
    let mut base = module.to_vec();
    match names.next()?.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop();
            while names.next_if(|it| it == "super").is_some() {
                base.pop();
            }
        }
        _ => return None,
    }
    base.extend(names);
    Some(base)
}

/// Where the last name of a path stands, its other name, and the whole path.
type Leaf = (usize, Option<String>, Path);

/// Reads one path, which may end in a group of others, and returns where it ends.
fn branch(code: &str, mut at: usize, before: &[String], leaves: &mut Vec<Leaf>) -> usize {
    let mut path = before.to_vec();
    let mut last = at;
    loop {
        at = skip_space(code, at);
        if code[at..].starts_with('{') {
            at += 1;
            while !code[at..].is_empty() && !code[at..].starts_with('}') {
                let end = branch(code, at, &path, leaves);
                // Something that is no path: the group is left as it is.
                at = if end == at { at + code[at..].chars().next().map_or(0, char::len_utf8) } else { end };
                at = skip_space(code, at);
                at += usize::from(code[at..].starts_with(','));
                at = skip_space(code, at);
            }
            return at + usize::from(code[at..].starts_with('}'));
        }
        let name: String = code[at..].chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
        if name.is_empty() {
            break;
        }
        last = at;
        at += name.len();
        // `a::{self}` is `a`.
        if name != "self" || path.is_empty() {
            path.push(name);
        }
        if !code[at..].starts_with("::") {
            break;
        }
        at += 2;
    }
    let mut alias = None;
    let after = skip_space(code, at);
    if let Some(rest) = code[after..].strip_prefix("as ") {
        let name: String = rest.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
        at = after + "as ".len() + name.len();
        alias = Some(name);
    }
    if path.len() > before.len() || at > last {
        leaves.push((last, alias, path));
    }
    at
}

fn skip_space(code: &str, at: usize) -> usize {
    code.len() - code[at..].trim_start().len()
}

fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect()
    }

    fn found(module: &str, code: &str) -> Vec<(usize, String)> {
        let mut found: Vec<_> =
            written(&path(module), code).into_iter().map(|(line, path)| (line, path.join("::"))).collect();
        found.sort();
        found
    }

    #[test]
    fn takes_groups_apart() {
        let code = "use crate::{\n    config::{self, Key as K}, source::Host,\n    http,\n};\n$crate::scrape::x!();\n";
        let expected =
            [(2, "config"), (2, "config::Key"), (2, "source::Host"), (3, "http"), (5, "scrape::x")];
        assert_eq!(found("collectors", code), expected.map(|(line, path)| (line, path.to_owned())));
    }

    #[test]
    fn follows_paths_up() {
        let code = "use super::{a::B, super::c};\nfn f() -> super::super::D { self::g() }\n";
        let expected = [(1, "x::a::B"), (1, "c"), (2, "D"), (2, "x::y::g")];
        let mut expected = expected.map(|(line, path)| (line, path.to_owned()));
        expected.sort();
        assert_eq!(found("x::y", code), expected);
    }

    #[test]
    fn finds_where_a_name_is_declared() {
        let files = [
            File::new("a/src/x/mod.rs", "mod y;\nmod z;\npub use y::{Y, other as Other};\npub struct Own;\n"),
            File::new("a/src/x/y.rs", "pub use super::z::Z;\n"),
            File::new("a/src/x/z.rs", "pub struct Z;\n"),
        ];
        let modules = Modules::read("a/src", &files);
        for (name, home) in
            [("x::Y", "x::y"), ("x::Other", "x::y"), ("x::y::Z", "x::z"), ("x::Own", "x"), ("x::z", "x::z")]
        {
            assert_eq!(modules.home(&path(name)), path(home), "{name}");
        }
    }
}
