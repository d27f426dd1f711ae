//! The types in a kernel's boot image: Documentation/arch/x86/boot.rst, and the section `.BTF` of the ELF file inside.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use object::{File, Object, ObjectSection};

const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Of the format before frames, which the kernel's build uses.
const LZ4: &[u8] = &[0x02, 0x21, 0x4c, 0x18];
/// What a block of it holds, and the last one less.
const LZ4_BLOCK: usize = 8 << 20;

/// The BTF of a kernel, from its `vmlinuz`.
pub(super) fn types(vmlinuz: &[u8]) -> Result<Vec<u8>> {
    let vmlinux = unpack(payload(vmlinuz)?)?;
    let file = File::parse(&*vmlinux).context("read the kernel as an ELF file")?;
    let section =
        file.section_by_name(".BTF").context("find .BTF: a kernel without CONFIG_DEBUG_INFO_BTF")?;
    Ok(section.data()?.to_vec())
}

/// The compressed kernel.
fn payload(vmlinuz: &[u8]) -> Result<&[u8]> {
    const SETUP_SECTORS: usize = 0x1f1;
    const MAGIC: usize = 0x202;
    const PAYLOAD_OFFSET: usize = 0x248;
    const PAYLOAD_LEN: usize = 0x24c;
    ensure!(vmlinuz.get(MAGIC..MAGIC + 4) == Some(b"HdrS"), "this is no boot image for x86");
    let setup = 512 * (usize::from(vmlinuz[SETUP_SECTORS]) + 1);
    let start = setup + word(vmlinuz, PAYLOAD_OFFSET)?;
    let end = start + word(vmlinuz, PAYLOAD_LEN)?;
    vmlinuz.get(start..end).context("the boot image is cut off")
}

/// What was compressed. Its size follows it in four bytes.
fn unpack(payload: &[u8]) -> Result<Vec<u8>> {
    let packed = payload.split_at_checked(payload.len().saturating_sub(4)).context("an empty payload")?.0;
    let size = word(payload, packed.len())?;
    let mut unpacked = Vec::with_capacity(size);
    if packed.starts_with(ZSTD) {
        zstd::Decoder::new(packed)?.read_to_end(&mut unpacked)?;
    } else if let Some(mut rest) = packed.strip_prefix(LZ4) {
        while !rest.is_empty() {
            let block = rest.get(4..4 + word(rest, 0)?).context("a block is cut off")?;
            unpacked.extend(lz4_flex::block::decompress(block, LZ4_BLOCK)?);
            rest = &rest[4 + block.len()..];
        }
    } else {
        bail!("the kernel is compressed in another way than zstd and LZ4: {:02x?}", &packed[..4]);
    }
    ensure!(unpacked.len() == size, "unpacked {} of {size} bytes", unpacked.len());
    Ok(unpacked)
}

fn word(bytes: &[u8], at: usize) -> Result<usize> {
    let word = bytes.get(at..).and_then(|it| it.first_chunk()).context("a word is cut off")?;
    Ok(u32::from_le_bytes(*word) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacks_what_kernels_are_packed_with() {
        let kernel: Vec<u8> = (0..LZ4_BLOCK + 5000).map(|it| (it / 1000) as u8).collect();
        let size = (kernel.len() as u32).to_le_bytes();
        let zstd = [zstd::encode_all(&*kernel, 1).unwrap(), size.to_vec()].concat();
        assert!(unpack(&zstd).unwrap() == kernel);
        let mut lz4 = LZ4.to_vec();
        for block in kernel.chunks(LZ4_BLOCK).map(lz4_flex::block::compress) {
            lz4.extend((block.len() as u32).to_le_bytes());
            lz4.extend(block);
        }
        lz4.extend(size);
        assert!(unpack(&lz4).unwrap() == kernel);
        assert!(unpack(&lz4[..lz4.len() - 1]).is_err());
        assert!(unpack(b"\xfd7zXZ\0 and more").unwrap_err().to_string().contains("in another way"));
    }

    #[test]
    fn finds_the_payload_behind_the_setup_code() {
        let mut image = vec![0; 2000];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x250].copy_from_slice(&[8, 0, 0, 0, 3, 0, 0, 0]);
        image[1032..1035].copy_from_slice(b"abc");
        assert_eq!(payload(&image).unwrap(), b"abc");
        assert!(payload(&image[..1034]).is_err());
        assert!(payload(b"MZ").is_err());
    }
}
