//! Bodies as they come: `Content-Encoding` undone, with a limit on what comes out.

use std::{borrow::Cow, io::Read};

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use crate::PushError;

/// What the body holds, by its `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    /// Protobuf in a snappy block, what Loki takes every other type for.
    Protobuf,
}

impl Format {
    /// Of a push to Loki's endpoint. `content_type` is the header, parameters included; without one, the empty text.
    pub fn of_push(content_type: &str) -> Self {
        if media_type(content_type).eq_ignore_ascii_case("application/json") { Self::Json } else { Self::Protobuf }
    }

    /// Of an OTLP export.
    ///
    /// # Errors
    /// [`PushError::ContentType`].
    pub fn of_otlp(content_type: &str) -> Result<Self, PushError> {
        let kind = media_type(content_type);
        if kind.eq_ignore_ascii_case("application/json") {
            Ok(Self::Json)
        } else if kind.eq_ignore_ascii_case("application/x-protobuf") {
            Ok(Self::Protobuf)
        } else {
            Err(PushError::ContentType(content_type.chars().take(100).collect()))
        }
    }
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The body of a push to Loki's endpoint, ready for [`crate::json::decode`] or [`crate::proto::decode`]. `encoding` is the
/// `Content-Encoding` header; `max_bytes` limits what comes out.
///
/// # Errors
/// [`PushError::Encoding`], [`PushError::TooLarge`], or damage.
pub fn decompress<'a>(body: &'a [u8], encoding: &str, format: Format, max_bytes: u64) -> Result<Cow<'a, [u8]>, PushError> {
    let encoding = encoding.trim();
    let body = match encoding {
        // The block is part of the format; naming it twice is tolerated.
        "snappy" if format == Format::Protobuf => Cow::Borrowed(body),
        _ => plain(body, encoding, max_bytes)?,
    };
    match format {
        Format::Json => Ok(body),
        Format::Protobuf => unsnap(&body, max_bytes).map(Cow::Owned),
    }
}

/// A body without its `Content-Encoding`: none, `gzip`, `deflate` or `snappy` (a block).
///
/// # Errors
/// As [`decompress`].
pub fn plain<'a>(body: &'a [u8], encoding: &str, max_bytes: u64) -> Result<Cow<'a, [u8]>, PushError> {
    match encoding.trim() {
        "" | "identity" if body.len() as u64 > max_bytes => Err(PushError::TooLarge { size: body.len() as u64, max: max_bytes }),
        "" | "identity" => Ok(Cow::Borrowed(body)),
        "gzip" => inflate(GzDecoder::new(body), "gzip", max_bytes).map(Cow::Owned),
        // RFC 9110 means zlib by it; much software, Go's `compress/flate` included, means the raw stream.
        "deflate" if is_zlib(body) => inflate(ZlibDecoder::new(body), "zlib", max_bytes).map(Cow::Owned),
        "deflate" => inflate(DeflateDecoder::new(body), "flate", max_bytes).map(Cow::Owned),
        "snappy" => unsnap(body, max_bytes).map(Cow::Owned),
        other => Err(PushError::Encoding(other.chars().take(100).collect())),
    }
}

/// A snappy block, as [`decompress`] opens it.
pub fn snap(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("a batch is smaller than the 4 GiB of a block")
}

/// RFC 1950 §2.2: method 8, and the first two bytes as a number divide by 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [cmf, flg, ..] if cmf & 0x0f == 8 && (u16::from(*cmf) * 256 + u16::from(*flg)).is_multiple_of(31))
}

fn inflate(reader: impl Read, name: &str, max_bytes: u64) -> Result<Vec<u8>, PushError> {
    let mut out = Vec::new();
    reader.take(max_bytes.saturating_add(1)).read_to_end(&mut out).map_err(|error| PushError::Compression(format!("{name}: {error}")))?;
    if out.len() as u64 > max_bytes {
        return Err(PushError::TooLarge { size: out.len() as u64, max: max_bytes });
    }
    Ok(out)
}

fn unsnap(body: &[u8], max_bytes: u64) -> Result<Vec<u8>, PushError> {
    let size = snap::raw::decompress_len(body).map_err(|_| PushError::Snappy)?;
    if size as u64 > max_bytes {
        return Err(PushError::TooLarge { size: size as u64, max: max_bytes });
    }
    // Three bytes give at most 64: a longer promise is a lie, and would be allocated.
    if size / 64 > body.len() {
        return Err(PushError::Snappy);
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|_| PushError::Snappy)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write};

    use super::*;

    fn check(body: &[u8], encoding: &str, format: Format, max: u64, expect: Result<&[u8], &str>) {
        let got = decompress(body, encoding, format, max).map(Cow::into_owned).map_err(|error| error.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), expect, "{encoding} {format:?}");
    }

    #[test]
    fn encodings_are_undone_within_the_limit() {
        let text = b"abcabcabcabcabcabcabc".as_slice();
        let mut gzip = write::GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = write::ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(text).unwrap();
        let zlib = zlib.finish().unwrap();
        let mut raw = write::DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(text).unwrap();
        let raw = raw.finish().unwrap();
        let snappy = snap::raw::Encoder::new().compress_vec(text).unwrap();
        let too_large = Err("message size too large than max (21 vs 20)");

        check(text, "", Format::Json, 21, Ok(text));
        check(text, "", Format::Json, 20, too_large);
        check(&gzip, "gzip", Format::Json, 21, Ok(text));
        check(&gzip, "gzip", Format::Json, 20, too_large);
        check(&zlib, "deflate", Format::Json, 21, Ok(text));
        check(&raw, "deflate", Format::Json, 21, Ok(text));
        check(&snappy, "", Format::Protobuf, 21, Ok(text));
        check(&snappy, "snappy", Format::Protobuf, 21, Ok(text));
        check(&snappy, "snappy", Format::Protobuf, 20, too_large);
        check(text, "br", Format::Json, 21, Err("Content-Encoding \"br\" not supported"));
        check(br#"{"streams": []}"#, "", Format::Protobuf, 999, Err("snappy: corrupt input"));
        // Promises 4 GiB less one byte.
        check(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], "", Format::Protobuf, u64::MAX, Err("snappy: corrupt input"));
    }
}
