//! The two compressed forms a file is served in.

use std::io::Write;

use brotli::enc::BrotliEncoderParams;

use crate::cache::{Cache, hash};

/// A file smaller than this fits one packet either way.
const MIN_BYTES: usize = 256;

/// The compressed forms that are worth having: `None` where the file is small or does not shrink.
#[derive(Default)]
pub struct Packed {
    pub br: Option<Vec<u8>>,
    pub gz: Option<Vec<u8>>,
}

/// Compresses at the highest quality: done once a build, read at every visit.
pub fn pack(bytes: &[u8], content_type: &str, cache: &Cache) -> anyhow::Result<Packed> {
    if bytes.len() < MIN_BYTES || !compressible(content_type) {
        return Ok(Packed::default());
    }
    let key = hash(&[bytes]);
    let br = cache.get_or(&format!("br-{key}"), || brotli(bytes))?;
    let gz = cache.get_or(&format!("gz-{key}"), || gzip(bytes))?;
    let worth = |packed: Vec<u8>| (packed.len() < bytes.len()).then_some(packed);
    Ok(Packed { br: worth(br), gz: worth(gz) })
}

fn brotli(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let params = BrotliEncoderParams { quality: 11, lgwin: 24, size_hint: bytes.len(), ..Default::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut packed, &params)?;
    Ok(packed)
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    // No name and no time in the header: the same bytes at every build.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Fonts and most pictures are compressed already.
fn compressible(content_type: &str) -> bool {
    content_type.starts_with("text/")
        || matches!(content_type, "application/wasm" | "application/json" | "application/manifest+json" | "image/svg+xml" | "image/x-icon")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::content_type;

    #[test]
    fn every_kind_of_file_in_the_site_has_its_type() {
        let cases = [
            ("/pkg/docaiche.0a1b2c3d.js", "text/javascript; charset=utf-8", true),
            ("/pkg/docaiche.0a1b2c3d.wasm", "application/wasm", true),
            ("/favicon.svg", "image/svg+xml", true),
            ("/fonts/a.woff2", "font/woff2", false),
            ("/README", "application/octet-stream", false),
        ];
        for (path, expect, packs) in cases {
            assert_eq!(content_type(path), expect, "{path}");
            assert_eq!(compressible(expect), packs, "{path}");
        }
    }

    #[test]
    fn packed_files_unpack_to_themselves_and_incompressible_ones_are_left_alone() {
        let dir = std::env::temp_dir().join(format!("xtask-pack-{}", std::process::id()));
        let cache = Cache::open(dir.clone()).unwrap();
        let text = b"a line of a log\n".repeat(100);
        let packed = pack(&text, "text/plain", &cache).unwrap();
        let mut unpacked = Vec::new();
        brotli::BrotliDecompress(&mut packed.br.unwrap().as_slice(), &mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        let mut unpacked = Vec::new();
        std::io::copy(&mut flate2::read::GzDecoder::new(packed.gz.unwrap().as_slice()), &mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        assert!(pack(b"short", "text/plain", &cache).unwrap().br.is_none());
        assert!(pack(&text, "font/woff2", &cache).unwrap().gz.is_none());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
