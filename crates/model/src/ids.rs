//! Names of things that cross a wire as opaque text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::Timestamp;

/// 64 bits of a hash over a stream's labels: the same labels give the same hash from every source and after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamHash(pub u64);

/// The identity of one physical line: cursor and permalink (contract §3). Sorts by time, then stream, then by the
/// ordinal among the lines of that stream with the same nanosecond. As text: 36 hexadecimal digits that sort alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    pub at: Timestamp,
    pub stream: StreamHash,
    pub ordinal: u16,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}{:04x}", self.at.0, self.stream.0, self.ordinal)
    }
}

impl FromStr for EntryId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a line id: 36 lower-case hexadecimal digits", text.chars().take(60).collect::<String>());
        if text.len() != 36 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        let part = |range: std::ops::Range<usize>| u64::from_str_radix(&text[range], 16).map_err(|_| wrong());
        Ok(Self {
            at: Timestamp(i64::try_from(part(0..16)?).map_err(|_| wrong())?),
            stream: StreamHash(part(16..32)?),
            ordinal: u16::try_from(part(32..36)?).expect("four hexadecimal digits"),
        })
    }
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn an_id_survives_its_text_and_sorts_like_it(a in (0..i64::MAX, 0..u64::MAX, 0..u16::MAX), b in (0..i64::MAX, 0..u64::MAX, 0..u16::MAX)) {
            let id = |(at, stream, ordinal)| EntryId { at: Timestamp(at), stream: StreamHash(stream), ordinal };
            let (a, b) = (id(a), id(b));
            proptest::prop_assert_eq!(a.to_string().parse::<EntryId>(), Ok(a));
            proptest::prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in ["", "x", &"f".repeat(36), &"0".repeat(35), &"é".repeat(18), &"A".repeat(36)] {
            assert!(text.parse::<EntryId>().is_err(), "{text}");
        }
    }
}
