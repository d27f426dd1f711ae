//! `/proc/cpuinfo`: see proc_cpuinfo(5). The names of x86, and those by which other architectures tell the same: each
//! writes the file as it likes (`arch/*/kernel/cpu/proc.c` and the like). Read by hand: the procfs crate copies each of
//! the 27 fields of each CPU, and knows x86 alone.

use crate::source::{decimal, for_each_line, lines, number, words};

/// What the kernel says of one CPU; empty where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct CpuInfo<'a> {
    pub cpu: u32,
    pub vendor: &'a [u8],
    pub family: &'a [u8],
    pub model: &'a [u8],
    pub model_name: &'a [u8],
    pub stepping: &'a [u8],
    pub microcode: &'a [u8],
    pub cache_size: &'a [u8],
    pub package: &'a [u8],
    pub core: &'a [u8],
    pub megahertz: Option<f64>,
    /// Words: what the CPU can do.
    pub flags: &'a [u8],
    /// Words: what is wrong with it.
    pub bugs: &'a [u8],
}

/// The CPUs that are online, as far as the file can be understood.
#[derive(Debug, Default)]
pub struct CpuInfos<'a> {
    pub cpus: Vec<CpuInfo<'a>>,
    /// What stands before the first CPU, and no empty line between, is said of all that follow.
    common: CpuInfo<'a>,
    /// Where the lines that come belong.
    current: Option<usize>,
}

impl<'a> CpuInfos<'a> {
    /// Takes in a file.
    ///
    /// # Errors
    /// The number of the first line that is not as documented; the others are taken in all the same.
    pub fn add(&mut self, text: &'a [u8]) -> Result<(), usize> {
        let added = for_each_line(lines(text), |_, line| self.add_line(line));
        self.end_cpu();
        added
    }

    /// An empty line ends what is said of a CPU, or of all.
    fn end_cpu(&mut self) {
        self.current = None;
        if self.cpus.is_empty() {
            let common = std::mem::take(&mut self.common);
            // Linux before 3.8 numbers no CPU of an ARM board that has one.
            self.cpus.extend(Some(common).filter(|it| !it.model_name.is_empty()));
        }
    }

    fn add_line(&mut self, line: &'a [u8]) -> Option<()> {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            if line.trim_ascii().is_empty() {
                self.end_cpu();
            }
            return Some(());
        };
        let name = line[..colon].trim_ascii_end();
        let value = &line[colon + 1..];
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"processor" => self.begin(value),
            // s390x lists its CPUs, then tells of each.
            b"cpu number" => {
                let cpu: u32 = number(value)?;
                self.current = self.cpus.iter().position(|it| it.cpu == cpu);
                Some(())
            }
            _ => match name.strip_prefix(b"processor ") {
                Some(cpu) => self.begin(cpu),
                None => self.set(name, value),
            },
        }
    }

    /// Begins the CPU of that number.
    fn begin(&mut self, cpu: &[u8]) -> Option<()> {
        self.current = None;
        let cpu = number(cpu)?;
        if self.cpus.last().is_none_or(|last| last.cpu != cpu) {
            self.cpus.push(CpuInfo { cpu, ..self.common.clone() });
        }
        self.current = self.cpus.len().checked_sub(1);
        Some(())
    }

    fn set(&mut self, name: &[u8], value: &'a [u8]) -> Option<()> {
        let cpu = match self.current {
            Some(current) => &mut self.cpus[current],
            None if self.cpus.is_empty() => match name {
                b"vendor_id" | b"system type" | b"Processor" | b"Features" | b"features" => &mut self.common,
                _ => return Some(()),
            },
            // Old ARM kernels tell the features of all CPUs after the last one.
            None if name == b"Features" => {
                self.cpus.iter_mut().for_each(|cpu| cpu.flags = value);
                return Some(());
            }
            None => return Some(()),
        };
        let field = match name {
            // In this order: x86, PowerPC, MIPS and LoongArch, for all CPUs.
            b"vendor" | b"vendor_id" | b"cpu" | b"system type" => &mut cpu.vendor,
            b"cpu family" | b"CPU Family" => &mut cpu.family,
            b"model" => &mut cpu.model,
            // x86 and ARM, old ARM, MIPS, LoongArch, RISC-V.
            b"model name" | b"Processor" | b"cpu model" | b"Model Name" | b"isa" => &mut cpu.model_name,
            b"stepping" => &mut cpu.stepping,
            b"microcode" => &mut cpu.microcode,
            b"cache size" => &mut cpu.cache_size,
            b"physical id" => &mut cpu.package,
            b"core id" | b"hart" => &mut cpu.core,
            b"flags" | b"Features" | b"features" => &mut cpu.flags,
            b"bugs" => &mut cpu.bugs,
            b"cpu MHz" | b"cpu MHz dynamic" => {
                cpu.megahertz = Some(decimal(value.trim_ascii())?);
                return Some(());
            }
            // PowerPC: `3000.000000MHz`.
            b"clock" => {
                cpu.megahertz = Some(decimal(words(value).next()?.strip_suffix(b"MHz")?)?);
                return Some(());
            }
            _ => return Some(()),
        };
        *field = value;
        Some(())
    }
}
