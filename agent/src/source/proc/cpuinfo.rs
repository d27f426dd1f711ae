//! `/proc/cpuinfo`: see proc_cpuinfo(5). The names of x86, and the few of them that arm64 has or spells otherwise.
//! Read by hand: the procfs crate copies each of the 27 fields of each CPU.

use crate::source::{lines, number};

/// What the kernel says of one CPU; empty where it says nothing.
#[derive(Debug, Default)]
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

/// All CPUs that are online.
///
/// # Errors
/// The number of the line that is not as documented.
pub fn parse(text: &[u8]) -> Result<Vec<CpuInfo<'_>>, usize> {
    let mut cpus: Vec<CpuInfo<'_>> = Vec::new();
    for (line_number, line) in lines(text) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let name = line[..colon].trim_ascii_end();
        let value = &line[colon + 1..];
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if name == b"processor" {
            cpus.push(CpuInfo { cpu: number(value).ok_or(line_number)?, ..CpuInfo::default() });
            continue;
        }
        let cpu = cpus.last_mut().ok_or(line_number)?;
        let field = match name {
            b"vendor" | b"vendor_id" => &mut cpu.vendor,
            b"cpu family" => &mut cpu.family,
            b"model" => &mut cpu.model,
            b"model name" => &mut cpu.model_name,
            b"stepping" => &mut cpu.stepping,
            b"microcode" => &mut cpu.microcode,
            b"cache size" => &mut cpu.cache_size,
            b"physical id" => &mut cpu.package,
            b"core id" => &mut cpu.core,
            b"flags" | b"Features" => &mut cpu.flags,
            b"bugs" => &mut cpu.bugs,
            b"cpu MHz" => {
                cpu.megahertz = Some(number(value).ok_or(line_number)?);
                continue;
            }
            _ => continue,
        };
        *field = value;
    }
    Ok(cpus)
}
