//! A pack: many blocks in one file, their filters behind them, a footer with all headers once more, a trailer. Written
//! under another name, synced, renamed, never changed. A pack says which packs it replaces, so the directory itself is
//! the catalogue and there is no manifest that could be lost. The layout is in LAYOUT.md.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    block::{BlockHeader, Encoded, MAGIC, Section},
    bytes::{Cursor, MAX_NUMBER, number_in, put_varint, sum64},
    fs::{Append, Fs, ReadAt, read_whole},
};

pub const VERSION: u32 = 1;
const HEAD_MAGIC: &[u8; 8] = b"DLPACKv1";
const TAIL_MAGIC: &[u8; 8] = b"DLPACKzz";
const HEAD_LEN: u64 = 32;
const TRAILER_LEN: u64 = 32;
const MAX_FOOTER_BYTES: u64 = 256 << 20;
/// More than any header.
const WINDOW: u64 = 1 << 20;

pub fn file_name(id: u64) -> String {
    format!("{id:016x}.pack")
}

pub fn id_of(name: &str) -> Option<u64> {
    number_in(name, ".pack")
}

/// A pack that is open. Readable for as long as somebody holds it, removed or not.
pub struct Pack {
    pub id: u64,
    pub file: Arc<dyn ReadAt>,
    pub bytes: u64,
    /// Something in it is damaged: it is to be written anew without that.
    pub damaged: AtomicBool,
}

/// Where a block lies.
pub struct Block {
    pub pack: Arc<Pack>,
    pub offset: u64,
    pub filter_offset: u64,
    /// Without labels: the stream has them.
    pub header: BlockHeader,
    /// Set aside; not read any more.
    pub bad: AtomicBool,
    pub bad_filter: AtomicBool,
}

impl Block {
    pub fn set_aside(&self) -> bool {
        self.pack.damaged.store(true, Ordering::Relaxed);
        !self.bad.swap(true, Ordering::Relaxed)
    }

    pub fn is_bad(&self) -> bool {
        self.bad.load(Ordering::Relaxed)
    }
}

/// What stands at a pack's end.
#[derive(Debug, PartialEq, Eq)]
pub struct Footer {
    pub id: u64,
    pub replaces: Vec<u64>,
    /// Offsets of the block and of its filter.
    pub blocks: Vec<(u64, u64, BlockHeader)>,
}

/// Reads a footer from untrusted bytes.
pub fn read_footer(bytes: &[u8]) -> Option<Footer> {
    let (body, sum) = bytes.split_last_chunk::<8>()?;
    if sum64(body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let mut cursor = Cursor::new(body);
    let id = cursor.u64()?;
    let replaces = (0..cursor.count()?).map(|_| cursor.u64().filter(|id| *id <= MAX_NUMBER)).collect::<Option<_>>()?;
    let count = cursor.count()?;
    let mut blocks = Vec::new();
    for _ in 0..count {
        let (offset, filter_offset) = (cursor.u64()?, cursor.u64()?);
        let header = BlockHeader::read(cursor.rest()).ok()?;
        cursor.take(header.len as usize)?;
        blocks.push((offset, filter_offset, header));
    }
    cursor.is_empty().then_some(Footer { id, replaces, blocks })
}

/// A pack as it was found.
pub struct Found {
    pub pack: Arc<Pack>,
    pub replaces: Vec<u64>,
    /// Blocks with their labels still in the header.
    pub blocks: Vec<Block>,
    /// What was wrong with the file.
    pub trouble: Option<String>,
}

/// Opens a pack. Where the footer is damaged, the blocks are found by their own headers.
pub fn open(fs: &dyn Fs, path: &Path, id: u64) -> io::Result<Found> {
    let file = fs.open(path)?;
    let bytes = file.len()?;
    let (footer, trouble) = match footer_of(&*file, bytes)? {
        Some(footer) if footer.id == id => (footer, None),
        _ => {
            let footer = rescue(&*file, bytes, id)?;
            let trouble = format!("the footer of {} is damaged; {} blocks found without it", file_name(id), footer.blocks.len());
            (footer, Some(trouble))
        }
    };
    let pack = Arc::new(Pack { id, file, bytes, damaged: AtomicBool::new(trouble.is_some()) });
    let blocks = footer.blocks.into_iter().map(|(offset, filter_offset, header)| block(&pack, offset, filter_offset, header)).collect();
    Ok(Found { pack, replaces: footer.replaces, blocks, trouble })
}

fn block(pack: &Arc<Pack>, offset: u64, filter_offset: u64, header: BlockHeader) -> Block {
    Block { pack: Arc::clone(pack), offset, filter_offset, header, bad: AtomicBool::new(false), bad_filter: AtomicBool::new(false) }
}

fn footer_of(file: &dyn ReadAt, bytes: u64) -> io::Result<Option<Footer>> {
    let Some(trailer_at) = bytes.checked_sub(TRAILER_LEN) else { return Ok(None) };
    let mut trailer = [0; TRAILER_LEN as usize];
    file.read_at(trailer_at, &mut trailer)?;
    let mut cursor = Cursor::new(&trailer);
    let place = (cursor.u64(), cursor.u64(), cursor.u64(), cursor.take(8));
    let (Some(offset), Some(len), Some(sum), Some(magic)) = place else { return Ok(None) };
    let fits = offset.checked_add(len).is_some_and(|end| end == trailer_at) && len <= MAX_FOOTER_BYTES;
    if magic != TAIL_MAGIC || sum64(&trailer[..16]) != sum || !fits {
        return Ok(None);
    }
    let mut footer = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_at(offset, &mut footer)?;
    Ok(read_footer(&footer))
}

/// Walks from block to block; where a header is damaged, to the next one that is not.
fn rescue(file: &dyn ReadAt, bytes: u64, id: u64) -> io::Result<Footer> {
    let mut blocks: Vec<(u64, u64, BlockHeader)> = Vec::new();
    let mut at = HEAD_LEN;
    let mut window = Vec::new();
    let mut blocks_end = at;
    while at < bytes {
        window.resize(usize::try_from((bytes - at).min(WINDOW)).map_err(io::Error::other)?, 0);
        file.read_at(at, &mut window)?;
        if let Ok(header) = BlockHeader::read(&window)
            && at + header.block_len() <= bytes
        {
            let next = at + header.block_len();
            blocks.push((at, 0, header));
            (at, blocks_end) = (next, next);
            continue;
        }
        // Copies of headers in the footer have no sections behind them, so their end lies beyond the file or their
        // checksums fail when they are read; they start behind the filters.
        at += match memchr::memmem::find(&window[1..], &MAGIC.to_le_bytes()) {
            Some(skip) => skip as u64 + 1,
            None if window.len() as u64 == WINDOW => WINDOW - 3,
            None => break,
        };
        if blocks.len() > 1_000_000 {
            break;
        }
    }
    // A header met twice is the footer's copy of it.
    let mut seen = std::collections::HashSet::new();
    blocks.retain(|(_, _, header)| seen.insert((header.hash, header.min, header.max, header.sections[5].sum, header.sections[0].sum)));
    blocks_end = blocks.last().map_or(blocks_end, |(offset, _, header)| offset + header.block_len());
    for (_, filter_offset, header) in &mut blocks {
        *filter_offset = blocks_end;
        blocks_end += u64::from(header.filter.len);
    }
    Ok(Footer { id, replaces: Vec::new(), blocks })
}

/// Writes a pack. Nothing is there under its name until [`PackWriter::finish`] has synced all of it.
pub struct PackWriter<'a> {
    fs: &'a dyn Fs,
    dir: PathBuf,
    id: u64,
    file: Box<dyn Append>,
    pending: Vec<u8>,
    len: u64,
    blocks: Vec<(u64, u64, BlockHeader)>,
    filters: Vec<u8>,
}

impl<'a> PackWriter<'a> {
    pub fn create(fs: &'a dyn Fs, dir: &Path, id: u64) -> io::Result<Self> {
        let file = fs.create(&dir.join(temporary_name(id)))?;
        let mut pending = Vec::with_capacity(1 << 20);
        pending.extend_from_slice(HEAD_MAGIC);
        pending.extend_from_slice(&VERSION.to_le_bytes());
        pending.extend_from_slice(&[0; 4]);
        pending.extend_from_slice(&id.to_le_bytes());
        let sum = sum64(&pending);
        pending.extend_from_slice(&sum.to_le_bytes());
        Ok(Self { fs, dir: dir.to_owned(), id, file, pending, len: HEAD_LEN, blocks: Vec::new(), filters: Vec::new() })
    }

    pub fn push(&mut self, encoded: Encoded) -> io::Result<()> {
        self.put(encoded.header, &[&encoded.bytes], &encoded.filter)
    }

    /// A block as it lay in another pack: its sections, and its filter, which may be missing.
    pub fn push_raw(&mut self, mut header: BlockHeader, sections: &[u8], filter: &[u8]) -> io::Result<()> {
        if filter.is_empty() {
            header.filter = Section::default();
        }
        let front = header.write();
        self.put(header, &[&front, sections], filter)
    }

    fn put(&mut self, header: BlockHeader, parts: &[&[u8]], filter: &[u8]) -> io::Result<()> {
        // The filter's place is told once all blocks are written; until then relative to the first filter.
        self.blocks.push((self.len, self.filters.len() as u64, header));
        self.filters.extend_from_slice(filter);
        for part in parts {
            self.pending.extend_from_slice(part);
            self.len += part.len() as u64;
        }
        if self.pending.len() >= 1 << 20 { self.drain() } else { Ok(()) }
    }

    fn drain(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// Makes it durable and gives the pack, its blocks (labels in the headers) in the order in which they came.
    pub fn finish(mut self, replaces: &[u64]) -> io::Result<(Arc<Pack>, Vec<Block>)> {
        let outcome = self.write_end(replaces);
        if outcome.is_err() {
            // What cannot be removed now is removed at the next start.
            let _ = self.fs.remove(&self.dir.join(temporary_name(self.id)));
            let _ = self.fs.remove(&self.dir.join(file_name(self.id)));
        }
        outcome
    }

    fn write_end(&mut self, replaces: &[u64]) -> io::Result<(Arc<Pack>, Vec<Block>)> {
        let filters_at = self.len;
        self.pending.append(&mut self.filters);
        let mut footer = Vec::new();
        footer.extend_from_slice(&self.id.to_le_bytes());
        put_varint(&mut footer, replaces.len() as u64);
        replaces.iter().for_each(|id| footer.extend_from_slice(&id.to_le_bytes()));
        put_varint(&mut footer, self.blocks.len() as u64);
        let mut filters_end = filters_at;
        for (offset, filter_offset, header) in &mut self.blocks {
            *filter_offset += filters_at;
            filters_end = *filter_offset + u64::from(header.filter.len);
            footer.extend_from_slice(&offset.to_le_bytes());
            footer.extend_from_slice(&filter_offset.to_le_bytes());
            footer.extend_from_slice(&header.write());
        }
        let sum = sum64(&footer);
        footer.extend_from_slice(&sum.to_le_bytes());
        let mut trailer = Vec::with_capacity(TRAILER_LEN as usize);
        trailer.extend_from_slice(&filters_end.to_le_bytes());
        trailer.extend_from_slice(&(footer.len() as u64).to_le_bytes());
        let sum = sum64(&trailer);
        trailer.extend_from_slice(&sum.to_le_bytes());
        trailer.extend_from_slice(TAIL_MAGIC);
        let bytes = filters_end + footer.len() as u64 + TRAILER_LEN;
        self.pending.append(&mut footer);
        self.pending.append(&mut trailer);
        self.drain()?;
        self.file.sync()?;
        let path = self.dir.join(file_name(self.id));
        self.fs.rename(&self.dir.join(temporary_name(self.id)), &path)?;
        self.fs.sync_dir(&self.dir)?;
        let pack = Arc::new(Pack { id: self.id, file: self.fs.open(&path)?, bytes, damaged: AtomicBool::new(false) });
        let blocks = std::mem::take(&mut self.blocks);
        let blocks = blocks.into_iter().map(|(offset, filter_offset, header)| block(&pack, offset, filter_offset, header)).collect();
        Ok((pack, blocks))
    }

    /// Throws away what was written.
    pub fn discard(self) {
        let _ = self.fs.remove(&self.dir.join(temporary_name(self.id)));
    }
}

fn temporary_name(id: u64) -> String {
    format!("{id:016x}.tmp")
}

/// The whole file as bytes: for tools and fuzzers. Gives its footer's blocks, or none.
pub fn read_bytes(bytes: &[u8]) -> Option<Footer> {
    struct Bytes<'a>(&'a [u8]);
    impl ReadAt for Bytes<'_> {
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let wanted = start.checked_add(buf.len()).and_then(|end| self.0.get(start..end)).ok_or(io::ErrorKind::UnexpectedEof)?;
            buf.copy_from_slice(wanted);
            Ok(())
        }
        fn len(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }
    }
    let file = Bytes(bytes);
    footer_of(&file, bytes.len() as u64).ok().flatten().or_else(|| rescue(&file, bytes.len() as u64, 0).ok())
}

/// Reads a small file, whole.
pub(crate) fn slurp(fs: &dyn Fs, path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read_whole(&*fs.open(path)?, max)
}
