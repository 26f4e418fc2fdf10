//! What the owner of a store decides.

const MINUTE: i64 = 60_000_000_000;
const MIB: usize = 1 << 20;

/// When an append is durable (contract §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// After the fsync that its batch shares with those that came meanwhile. Nobody waits for company: the fsync that is
    /// under way is the only delay.
    Group,
    /// After the write; [`crate::Store::maintain`] syncs at least this often.
    Interval { nanos: i64 },
    /// After the write; the kernel decides.
    Off,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub sync: Sync,
    /// Older lines are removed, and refused when they arrive. Unset: kept for ever.
    pub retain_ns: Option<i64>,
    /// What all files together may take; the oldest go first. Unset: no bound.
    pub retain_bytes: Option<u64>,
    /// Text in one block, at most 8 MiB. Larger compress a little better, smaller spare more of a search.
    pub block_bytes: usize,
    /// Of zstd. See LAYOUT.md for what others give.
    pub level: i32,
    /// Lines in memory that are not yet in blocks. At half of it [`crate::Store::maintain`] seals, at all of it `append`
    /// itself does.
    pub head_bytes: usize,
    /// A stream's lines are sealed this long after the first of them came, even if they fill no block.
    pub head_age_ns: i64,
    pub wal_segment_bytes: u64,
    /// On the disk. Beyond it streams are sealed, however small, so that old segments can go.
    pub wal_bytes: u64,
    /// Longer lines are refused. At most 8 MiB.
    pub line_bytes: usize,
    /// Streams beyond it are refused.
    pub streams: usize,
    /// Files of blocks are merged up to this size.
    pub pack_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sync: Sync::Group,
            retain_ns: Some(7 * 24 * 60 * MINUTE),
            retain_bytes: Some(10 << 30),
            block_bytes: MIB,
            level: 1,
            head_bytes: 32 * MIB,
            head_age_ns: 30 * MINUTE,
            wal_segment_bytes: 4 << 20,
            wal_bytes: 16 << 20,
            line_bytes: MIB,
            streams: 100_000,
            pack_bytes: 64 << 20,
        }
    }
}
