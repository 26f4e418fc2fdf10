//! The protobuf wire format (protobuf.dev/programming-guides/encoding), read in place. Code generators copy every string;
//! here a line stays a slice of the body, and what is not asked for is stepped over.

use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("unexpected EOF")]
    Truncated,
    #[error("proto: integer overflow")]
    Overflow,
    #[error("proto: illegal tag {0}")]
    Tag(u64),
    #[error("proto: illegal wireType {0}")]
    Type(u8),
    #[error("proto: message is nested too deeply")]
    Depth,
    #[error("proto: too many values")]
    Many,
    #[error("proto: wrong wireType for field {0}")]
    Mismatch(u32),
}

/// One field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
    /// A start or end group mark, long deprecated; what lies between them reads as plain fields and is stepped over.
    Group,
}

/// Reads the fields of one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = u32::try_from(tag >> 3).ok().filter(|field| (1..1 << 29).contains(field)).ok_or(WireError::Tag(tag))?;
        let value = match (tag & 7) as u8 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                let (bytes, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            3 | 4 => Value::Group,
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(WireError::Type(other)),
        };
        Ok(Some((field, value)))
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        if let [first, rest @ ..] = self.rest
            && *first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        let mut value = 0u64;
        for (at, &byte) in self.rest.iter().enumerate().take(10) {
            if at == 9 && byte > 1 {
                return Err(WireError::Overflow);
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::Overflow })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self, field: u32) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Mismatch(field)),
        }
    }

    /// Invalid UTF-8 is replaced: Loki takes any bytes as a line.
    pub(crate) fn text(self, field: u32) -> Result<Cow<'a, str>, WireError> {
        let bytes = self.bytes(field)?;
        // `from_utf8_lossy` alone checks by the byte, which costs more than everything else here together.
        Ok(str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed))
    }

    pub(crate) fn number(self, field: u32) -> Result<u64, WireError> {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => Ok(number),
            Self::Fixed32(number) => Ok(u64::from(number)),
            _ => Err(WireError::Mismatch(field)),
        }
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length-delimited field.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_and_damage_is_named() {
        let check = |bytes: &[u8], expect: Result<Option<(u32, Value)>, WireError>| {
            assert_eq!(Reader::new(bytes).next(), expect, "{bytes:?}");
        };
        check(&[], Ok(None));
        check(&[0x08, 0x96, 0x01], Ok(Some((1, Value::Varint(150)))));
        check(&[0x0a, 2, b'h', b'i'], Ok(Some((1, Value::Bytes(b"hi")))));
        check(&[0x0d, 1, 0, 0, 0], Ok(Some((1, Value::Fixed32(1)))));
        check(&[0x08], Err(WireError::Truncated));
        check(&[0x0a, 9, b'h'], Err(WireError::Truncated));
        check(&[0x00], Err(WireError::Tag(0)));
        check(&[0x0f, 0], Err(WireError::Type(7)));
        check(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Err(WireError::Overflow));
        check(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Ok(Some((1, Value::Varint(u64::MAX)))));
        check(&[0x0a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Err(WireError::Truncated));
    }
}
