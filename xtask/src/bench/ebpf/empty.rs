//! Programs that do nothing, attached where others are: what the kernel measures of them is its own clock, and what
//! they cost a load is what the kernel takes to call a program.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use aya::{Btf, Ebpf, EbpfLoader, programs::Program};
use object::{
    Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
    write::{Object, Symbol, SymbolSection},
};

use super::programs::is_tracepoint;

const NAME: &str = "empty";

/// `r0 = 0; exit`: see Documentation/bpf/standardization/instruction-set.rst of the kernel.
const CODE: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// Makes them.
pub(crate) struct Factory {
    btf: Btf,
    loader: EbpfLoader<'static>,
    object: Vec<u8>,
}

/// One of them; detached when dropped.
pub(crate) struct Empty {
    pub(crate) hook: String,
    /// The id of the program.
    pub(crate) id: u32,
    _program: Ebpf,
}

impl Factory {
    pub(crate) fn new() -> Result<Self> {
        let btf = Btf::from_sys_fs().context("read the kernel's types")?;
        let mut loader = EbpfLoader::new();
        // It is for relocations.
        loader.btf(None);
        Ok(Self { btf, loader, object: object()? })
    }

    /// One on each of these hooks that is a tracepoint.
    pub(crate) fn attach_all(&mut self, hooks: &BTreeSet<String>) -> Result<Vec<Empty>> {
        hooks.iter().filter(|it| is_tracepoint(it)).map(|it| self.attach(it)).collect()
    }

    fn attach(&mut self, hook: &str) -> Result<Empty> {
        let mut object = self.loader.load(&self.object).context("open the empty program")?;
        let Some(Program::BtfTracePoint(program)) = object.program_mut(NAME) else {
            bail!("the empty program is not in its object");
        };
        program
            .load(hook, &self.btf)
            .and_then(|()| program.attach())
            .with_context(|| format!("attach an empty program to {hook}"))?;
        let id = program.info()?.id();
        Ok(Empty { hook: hook.to_owned(), id, _program: object })
    }
}

/// An object file as a compiler would make it.
fn object() -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"Dual MIT/GPL\0", 1);
    let text = object.add_section(Vec::new(), b"tp_btf".to_vec(), SectionKind::Text);
    object.append_section_data(text, &CODE, 8);
    object.add_symbol(Symbol {
        name: NAME.into(),
        value: 0,
        size: CODE.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    Ok(object.write()?)
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _, read::elf::ElfFile64};

    use super::*;

    #[test]
    fn the_object_holds_one_program_under_a_licence() {
        let bytes = object().unwrap();
        let file: ElfFile64<'_> = ElfFile64::parse(&*bytes).unwrap();
        assert_eq!(file.architecture(), Architecture::Bpf);
        let section = |name| file.section_by_name(name).unwrap();
        assert_eq!(section("license").data().unwrap(), b"Dual MIT/GPL\0");
        assert_eq!(section("tp_btf").data().unwrap(), CODE);
        let program = file.symbol_by_name(NAME).unwrap();
        assert_eq!((program.address(), program.size()), (0, 16));
        assert_eq!(program.section_index(), Some(section("tp_btf").index()));
    }
}
