//! Loki's JSON push: `{"streams":[{"stream":{…},"values":[["<ns>","line",{…}?],…]}]}`. Timestamps are strings; metadata is
//! flat and of strings.

use std::{borrow::Cow, cell::Cell, fmt};

use model::Labels;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{Bounds, Metadata, Push, PushEntry, PushError, PushStream, labels};

/// Decodes a body; lines without escapes stay in it.
///
/// # Errors
/// [`PushError::Empty`], [`PushError::Json`], [`PushError::Labels`], [`PushError::TooMany`].
pub fn decode<'a>(body: &'a [u8], bounds: &Bounds) -> Result<Push<'a>, PushError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(PushError::Empty);
    }
    // Invalid UTF-8 is an error of the whole body here: JSON is text by definition (RFC 8259 §8.1).
    let room = Room { streams: Cell::new(bounds.max_streams), entries: Cell::new(bounds.max_entries), full: Cell::new(None) };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let push = Request(&room).deserialize(&mut deserializer);
    if let Some(what) = room.full.get() {
        return Err(PushError::TooMany(what));
    }
    let push = push.map_err(|error| PushError::Json(format!("unmarshalerDecoder: {error}")))?;
    for stream in &push.streams {
        if stream.labels.0.keys().any(|name| !labels::is_name(name)) {
            // Loki writes the labels as text and reads that back; so the error speaks of that text.
            labels::parse(&labels::show(&stream.labels))?;
        }
    }
    Ok(push)
}

/// How much may still come.
struct Room {
    streams: Cell<usize>,
    entries: Cell<usize>,
    full: Cell<Option<&'static str>>,
}

impl Room {
    fn take<E: Error>(&self, cell: &Cell<usize>, what: &'static str) -> Result<(), E> {
        match cell.get().checked_sub(1) {
            Some(left) => {
                cell.set(left);
                Ok(())
            }
            None => {
                self.full.set(Some(what));
                Err(E::custom("too many"))
            }
        }
    }
}

struct Request<'r>(&'r Room);

impl<'de> DeserializeSeed<'de> for Request<'_> {
    type Value = Push<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Push<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Request<'_> {
    type Value = Push<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with streams")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Push<'de>, A::Error> {
        let mut push = Push::default();
        while let Some(Text(key)) = map.next_key()? {
            if key == "streams" {
                map.next_value_seed(Streams { room: self.0, push: &mut push })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(push)
    }
}

struct Streams<'r, 'p, 'de> {
    room: &'r Room,
    push: &'p mut Push<'de>,
}

impl<'de> DeserializeSeed<'de> for Streams<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Streams<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of streams")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(stream) = seq.next_element_seed(Stream(self.room))? {
            self.push.streams.push(stream);
        }
        Ok(())
    }
}

struct Stream<'r>(&'r Room);

impl<'de> DeserializeSeed<'de> for Stream<'_> {
    type Value = PushStream<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PushStream<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Stream<'_> {
    type Value = PushStream<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with stream and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PushStream<'de>, A::Error> {
        self.0.take(&self.0.streams, "streams")?;
        let mut stream = PushStream::default();
        while let Some(Text(key)) = map.next_key()? {
            match key.as_ref() {
                "stream" => {
                    let Pairs(pairs) = map.next_value()?;
                    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
                    stream.labels = Labels(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect());
                }
                "values" => map.next_value_seed(Values { room: self.0, entries: &mut stream.entries })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(stream)
    }
}

struct Values<'r, 'p, 'de> {
    room: &'r Room,
    entries: &'p mut Vec<PushEntry<'de>>,
}

impl<'de> DeserializeSeed<'de> for Values<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(Entry(entry)) = seq.next_element()? {
            self.room.take(&self.room.entries, "entries")?;
            self.entries.push(entry);
        }
        Ok(())
    }
}

struct Entry<'de>(PushEntry<'de>);

impl<'de> Deserialize<'de> for Entry<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Entry<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("[\"<nanoseconds>\", \"line\", {metadata}]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entry<'de>, A::Error> {
                let Text(at) = seq.next_element()?.ok_or_else(|| A::Error::custom("a value without a timestamp"))?;
                let at = at.parse().map_err(|_| {
                    let shown: String = at.chars().take(40).collect();
                    A::Error::custom(format_args!("a timestamp must be a string of nanoseconds, not {shown:?}"))
                })?;
                let Text(line) = seq.next_element()?.ok_or_else(|| A::Error::custom("a value without a line"))?;
                let Pairs(metadata) = seq.next_element()?.unwrap_or_default();
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Entry(PushEntry { at, line, metadata }))
            }
        }
        deserializer.deserialize_seq(Parts)
    }
}

/// A string, borrowed where it has no escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;
        impl<'de> Visitor<'de> for Str {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Str)
    }
}

/// A flat object of strings; `null` is none.
#[derive(Default)]
struct Pairs<'de>(Metadata<'de>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_unit<E>(self) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares an error by its beginning.
    fn check(body: &str, expect: Result<usize, &str>) {
        let got = decode(body.as_bytes(), &Bounds::default()).map(|push| push.lines()).map_err(|error| error.to_string());
        match (got, expect) {
            (Ok(lines), Ok(expect)) => assert_eq!(lines, expect, "{body}"),
            (Err(text), Err(expect)) => assert!(text.starts_with(expect), "{body}: {text}"),
            (got, expect) => panic!("{body}: {got:?}, wanted {expect:?}"),
        }
    }

    #[test]
    fn bodies_decode_or_say_what_is_wrong() {
        let at = "loghttp.PushRequest.Streams: []loghttp.LogProtoStream: ";
        check(r#"{"streams": ["#, Err(at));
        check("", Err("EOF"));
        check(r#"{"streams": []}"#, Ok(0));
        check(r#"{"streams": null, "more": {"x": [1]}}"#, Ok(0));
        check(r#"{"streams": [{"stream": {}, "values": [["1795365360000000000", "x"]]}]}"#, Ok(1));
        check(r#"{"streams": [{"stream": {"a": "b"}, "values": [["1", "x", {"k": "v\n"}, 7], ["2", "y", null]]}]}"#, Ok(2));
        check(
            r#"{"streams": [{"stream": {"bad-name": "x"}, "values": [["1795365360000000000", "x"]]}]}"#,
            Err("couldn't parse labels: 1:5: parse error: unexpected character inside braces: '-'"),
        );
        check(r#"{"streams": [{"stream": {"app": "e"}, "values": [["yesterday", "x"]]}]}"#, Err(&format!("{at}unmarshalerDecoder: ")));
        check(
            r#"{"streams": [{"stream": {"app": "e"}, "values": [[1795365360000000000, "x"]]}]}"#,
            Err(&format!("{at}unmarshalerDecoder: ")),
        );
        check(
            r#"{"streams": [{"stream": {"app": "e"}, "values": [["1795365360000000000", "x", {"n": 1}]]}]}"#,
            Err(&format!("{at}unmarshalerDecoder: ")),
        );
        check(r#"{"streams": [{"stream": {"app": "e"}, "values": [["1"]]}]}"#, Err(at));
    }

    #[test]
    fn too_much_is_refused() {
        let body = br#"{"streams": [{"stream": {}, "values": [["1", "x"], ["2", "y"]]}]}"#;
        assert_eq!(decode(body, &Bounds { max_streams: 1, max_entries: 1 }), Err(PushError::TooMany("entries")));
        assert_eq!(decode(body, &Bounds { max_streams: 0, max_entries: 9 }), Err(PushError::TooMany("streams")));
        assert_eq!(PushError::TooMany("entries").status(), 413);
    }

    #[test]
    fn lines_without_escapes_are_borrowed() {
        let body = br#"{"streams": [{"stream": {}, "values": [["1", "plain"], ["2", "a\tb"]]}]}"#;
        let push = decode(body, &Bounds::default()).unwrap();
        let [first, second] = &push.streams[0].entries[..] else { panic!() };
        assert!(matches!(first.line, Cow::Borrowed("plain")));
        assert_eq!(second.line, "a\tb");
    }
}
