//! gzip (RFC 1952) and zstd (RFC 8878) over a whole answer, with state that is kept from one answer to the next.

use super::{Coding, Templates};
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use std::io;

/// The first level of both: the next one takes twice the time for 15 % (gzip) and 1 % (zstd) less.
const LEVEL: u32 = 1;

/// Compresses answers, one at a time. What a coding needs is allocated at its first use.
#[derive(Default)]
pub struct Compressor {
    deflate: Option<Compress>,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Compressor {
    /// Replaces what `out` holds by `plain`, the last answer that `templates` wrote, in `coding`.
    ///
    /// # Errors
    /// When the library cannot allocate its state.
    pub fn pack(
        &mut self,
        coding: Coding,
        plain: &[u8],
        templates: &mut Templates,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        out.clear();
        match coding {
            Coding::Gzip => self.gzip(plain, templates, out),
            Coding::Zstd => self.zstd(plain, out),
        }
    }

    fn gzip(&mut self, plain: &[u8], templates: &mut Templates, out: &mut Vec<u8>) -> io::Result<()> {
        // Deflate, no flags, no time, fastest level, Unix.
        const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3];
        out.extend_from_slice(&HEADER);
        if !templates.deflate(plain, out) {
            self.deflate(plain, out)?;
        }
        let mut crc = Crc::new();
        crc.update(plain);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        Ok(())
    }

    fn deflate(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let deflate = self.deflate.get_or_insert_with(|| Compress::new(Compression::new(LEVEL), false));
        deflate.reset();
        loop {
            out.reserve((plain.len() / 4).max(1024));
            let rest = &plain[deflate.total_in() as usize..];
            if deflate.compress_vec(rest, out, FlushCompress::Finish)? == Status::StreamEnd {
                return Ok(());
            }
        }
    }

    fn zstd(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(zstd::bulk::Compressor::new(LEVEL as i32)?),
        };
        out.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        zstd.compress_to_buffer(plain, out)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn what_is_packed_unpacks_again_and_again() {
        let mut compressor = Compressor::default();
        let text: Vec<u8> = (0..20_000_u32)
            .flat_map(|i| format!("node_x{{cpu=\"{i}\"}} {}\n", i * i % 97).into_bytes())
            .collect();
        for plain in [&b""[..], b"node_load1 0.5\n", &text, &text[..70_000]] {
            let mut packed = b"of before".to_vec();
            compressor.pack(Coding::Gzip, plain, &mut Templates::default(), &mut packed).unwrap();
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == plain, "gzip of {} bytes", plain.len());

            let mut packed = b"of before".to_vec();
            compressor.pack(Coding::Zstd, plain, &mut Templates::default(), &mut packed).unwrap();
            assert!(zstd::decode_all(&packed[..]).unwrap() == plain, "zstd of {} bytes", plain.len());
        }
    }
}
