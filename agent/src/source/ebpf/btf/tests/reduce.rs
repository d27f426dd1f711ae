//! The part of a kernel's types that some questions rest on, as BTF of its own: a few KB of several MB.

use std::collections::{BTreeSet, HashMap};

use super::{super::*, blob::Blob, claims::Question};

/// BTF in which each of these questions has the answer that it has in `btf`.
pub(super) fn reduce(btf: &Btf, questions: &BTreeSet<Question>) -> Vec<u8> {
    let mut reduction =
        Reduction { btf, names: BTreeSet::new(), blob: Blob::default(), done: HashMap::new() };
    for question in questions {
        match question {
            Question::Field(path) | Question::Bits(path) => reduction.names.extend(path.split('.').skip(1)),
            Question::Enumerator(name) => reduction.names.extend([*name]),
            _ => {}
        }
    }
    // Structs first: what only bears their name, as the type of an argument, must not be found in their stead.
    for question in questions {
        if let Question::Field(path) | Question::Bits(path) = question
            && let Some(id) = btf.find(STRUCT, path.split('.').next().unwrap_or_default())
        {
            reduction.keep(id);
        }
    }
    reduction.keep_enumerators();
    for question in questions {
        match question {
            Question::Hook(hook) | Question::Argument(hook, _) => reduction.keep_hook(hook),
            Question::Function(name) => reduction.keep_function(name),
            Question::List(name) => reduction.keep_function(&Question::function_of_list(name)),
            Question::Field(_) | Question::Bits(_) | Question::Enumerator(_) => {}
        }
    }
    reduction.blob.bytes()
}

struct Reduction<'a> {
    btf: &'a Btf,
    /// Of fields and enumerators that are asked for.
    names: BTreeSet<&'static str>,
    blob: Blob,
    /// New numbers of types, by the old ones.
    done: HashMap<u32, u32>,
}

impl Reduction<'_> {
    /// Keeps a type as far as its size and the fields that are asked for go: its new number.
    fn keep(&mut self, id: u32) -> u32 {
        let Some(found) = self.btf.get(id) else { return 0 };
        if let Some(new) = self.done.get(&id) {
            return *new;
        }
        let name = self.text(found.name);
        let word = |at| self.btf.word(at).unwrap();
        let new = match found.kind {
            STRUCT | UNION => self.keep_members(&found, &name),
            TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                let inner = self.keep(found.size_or_type);
                self.blob.add(found.kind, &name, 0, inner, &[])
            }
            INT => {
                let encoding = word(found.members);
                self.blob.add(INT, &name, 0, found.size_or_type, &[encoding])
            }
            ARRAY => {
                let (element, len) = (word(found.members), word(found.members + 8));
                let element = self.keep(element);
                self.blob.add(ARRAY, "", 0, 0, &[element, 0, len])
            }
            // Where it points to is of no interest.
            PTR => self.blob.add(PTR, "", 0, 0, &[]),
            kind => self.blob.add(kind, &name, 0, found.size_or_type, &[]),
        };
        self.done.insert(id, new);
        new
    }

    fn keep_members(&mut self, found: &Type, name: &str) -> u32 {
        let mut members = Vec::new();
        for member in (0..found.n_members).map(|idx| found.members + idx * 12) {
            let word = |at| self.btf.word(at).unwrap();
            let (name, id, place) = (self.text(word(member)), word(member + 4), word(member + 8));
            if name.is_empty() || self.names.contains(&*name) {
                let id = self.keep(id);
                members.extend([self.blob.name(&name), id, place]);
            }
        }
        let add = if found.kind_flag { Blob::add_flagged } else { Blob::add };
        add(&mut self.blob, found.kind, name, members.len() / 3, found.size_or_type, &members)
    }

    fn keep_enumerators(&mut self) {
        for found in (1..=self.btf.types.len() as u32).filter_map(|id| self.btf.get(id)) {
            let len = match found.kind {
                ENUM => 2,
                ENUM64 => 3,
                _ => continue,
            };
            let mut entries = Vec::new();
            for entry in (0..found.n_members).map(|idx| found.members + idx * len * 4) {
                let words: Vec<u32> = (0..len).map(|idx| self.btf.word(entry + idx * 4).unwrap()).collect();
                let name = self.text(words[0]);
                if self.names.contains(&*name) {
                    entries.push(self.blob.name(&name));
                    entries.extend(&words[1..]);
                }
            }
            if !entries.is_empty() {
                let add = if found.kind_flag { Blob::add_flagged } else { Blob::add };
                add(&mut self.blob, found.kind, "", entries.len() / len, found.size_or_type, &entries);
            }
        }
    }

    fn keep_hook(&mut self, hook: &str) {
        let Some(arguments) = self.btf.arguments(hook) else { return };
        let arguments: Vec<u32> = arguments.collect();
        let arguments: Vec<u32> = arguments.into_iter().map(|id| self.keep_argument(id)).collect();
        self.blob.hook(hook, &arguments);
    }

    /// Of a pointer to a struct the struct's name.
    fn keep_argument(&mut self, id: u32) -> u32 {
        let Some(pointer) = self.btf.resolve(id).filter(|it| it.kind == PTR) else { return self.keep(id) };
        let pointee = self.btf.resolve(pointer.size_or_type).filter(|it| it.kind == STRUCT);
        let name = pointee.map(|it| self.text(it.name));
        let pointee = name.map_or(0, |name| self.blob.add(STRUCT, &name, 0, 0, &[]));
        self.blob.add(PTR, "", 0, pointee, &[])
    }

    fn keep_function(&mut self, name: &str) {
        let Some(n_parameters) = self.btf.parameters(name) else { return };
        let parameters = vec![0; 2 * n_parameters as usize];
        let prototype = self.blob.add(FUNC_PROTO, "", n_parameters as usize, 0, &parameters);
        self.blob.add(FUNC, name, 0, prototype, &[]);
    }

    fn text(&self, offset: u32) -> String {
        let strings = &self.btf.bytes[self.btf.strings.clone()];
        let name = strings[offset as usize..].split(|it| *it == 0).next().unwrap();
        String::from_utf8(name.to_vec()).unwrap()
    }
}
