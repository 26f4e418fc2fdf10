//! Docker's log bytes become lines with a time. Two framings: multiplexed (an 8-byte header before each message) and
//! raw (a terminal's). Which one is decided by how the container was made, never by looking at the bytes. With
//! `timestamps=1` Docker writes an RFC 3339 time and a space before *every message*, and a line of more than 16 KiB is
//! several messages of one time without a newline between them. Sync; knows no HTTP.

use loglines::decode::LineDecoder;
use model::Timestamp;

/// What Docker's copier reads at once: a longer line is cut into messages of exactly this size.
const MESSAGE_BYTES: usize = 16 * 1024;
/// A longer frame is no log message: the stream is broken or not what it says.
const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// Docker writes 30 bytes and a space; other engines may write an offset.
const MAX_STAMP_BYTES: usize = 40;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {0} bytes: this is no log stream")]
    TooLong(usize),
    #[error("a frame of stream {0}: this is no log stream")]
    NoStream(u8),
    /// What the Engine says of itself amid the lines.
    #[error("the Docker Engine: {0}")]
    Engine(String),
}

/// Where a process wrote a line. A terminal has one output only: `Out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Out = 0,
    Err = 1,
}

/// One line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawLine {
    pub output: Output,
    /// Of the line's first message.
    pub at: Timestamp,
    pub text: String,
}

/// Bytes in any pieces, lines out; the same lines however the bytes were cut. Lines of one output keep their order.
pub struct LogDecoder {
    framing: Framing,
    /// Bytes of a frame or of a time that has not fully arrived.
    held: Vec<u8>,
    outputs: [Half; 2],
    /// Messages seen. `tail=N` counts these, not lines.
    pub messages: u64,
    /// The time of the very first message.
    pub first_at: Option<Timestamp>,
}

enum Framing {
    Multiplexed,
    Terminal { place: Place, stamp: Vec<u8> },
}

/// Where in a terminal's stream we are.
#[derive(Clone, Copy)]
enum Place {
    /// Before a time.
    Head,
    /// Inside a message, so many bytes in.
    Body(usize),
    /// Behind a whole message without a newline: the same time follows, if the line goes on.
    Boundary,
}

/// One output's line that has not ended.
#[derive(Default)]
struct Half {
    decoder: LineDecoder,
    at: Timestamp,
}

impl LogDecoder {
    /// `tty`: whether the container has a terminal.
    pub fn new(tty: bool) -> Self {
        let framing = if tty { Framing::Terminal { place: Place::Head, stamp: Vec::new() } } else { Framing::Multiplexed };
        Self { framing, held: Vec::new(), outputs: <[Half; 2]>::default(), messages: 0, first_at: None }
    }

    /// # Errors
    /// [`FrameError`]; the decoder is of no more use then.
    pub fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(RawLine)) -> Result<(), FrameError> {
        let joined;
        let bytes = if self.held.is_empty() {
            bytes
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            joined = held;
            &joined
        };
        let used = match self.framing {
            Framing::Multiplexed => self.frames(bytes, out)?,
            Framing::Terminal { .. } => self.terminal(bytes, false, out)?,
        };
        self.held.extend_from_slice(&bytes[used..]);
        Ok(())
    }

    /// Whether a line has begun and not ended.
    pub fn is_partial(&self) -> bool {
        self.outputs.iter().any(|half| half.decoder.is_partial())
    }

    /// Gives out the lines that have not ended: at the end of the stream, or when one was waited for long enough.
    pub fn finish(&mut self, out: &mut impl FnMut(RawLine)) {
        if let Framing::Terminal { .. } = self.framing {
            let held = std::mem::take(&mut self.held);
            let _ = self.terminal(&held, true, out);
        }
        for output in [Output::Out, Output::Err] {
            self.end_line(output, out);
        }
    }

    fn frames(&mut self, bytes: &[u8], out: &mut impl FnMut(RawLine)) -> Result<usize, FrameError> {
        let mut used = 0;
        while let Some((header, rest)) = bytes[used..].split_at_checked(8) {
            let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
            if length > MAX_FRAME_BYTES {
                return Err(FrameError::TooLong(length));
            }
            let output = match header[0] {
                0 | 1 => Some(Output::Out),
                2 => Some(Output::Err),
                3 => None,
                other => return Err(FrameError::NoStream(other)),
            };
            let Some(payload) = rest.get(..length) else { break };
            used += 8 + length;
            let Some(output) = output else {
                return Err(FrameError::Engine(String::from_utf8_lossy(payload).trim().to_owned()));
            };
            match leading_stamp(payload) {
                Some((at, length)) => self.message(output, at, &payload[length..], out),
                None => self.message(output, self.outputs[output as usize].at, payload, out),
            }
        }
        Ok(used)
    }

    /// A message of one output. A time other than the unfinished line's means that the line ended without a newline, as
    /// the last line of a process may.
    fn message(&mut self, output: Output, at: Timestamp, payload: &[u8], out: &mut impl FnMut(RawLine)) {
        self.begin(output, at, out);
        self.content(output, payload, out);
    }

    fn begin(&mut self, output: Output, at: Timestamp, out: &mut impl FnMut(RawLine)) {
        self.messages += 1;
        self.first_at.get_or_insert(at);
        if self.outputs[output as usize].at != at {
            self.end_line(output, out);
            self.outputs[output as usize].at = at;
        }
    }

    fn content(&mut self, output: Output, bytes: &[u8], out: &mut impl FnMut(RawLine)) {
        let terminal = matches!(self.framing, Framing::Terminal { .. });
        let (half, messages) = (&mut self.outputs[output as usize], &mut self.messages);
        let at = half.at;
        half.decoder.push(bytes, |text| *messages += emit(RawLine { output, at, text }, terminal, out));
    }

    fn end_line(&mut self, output: Output, out: &mut impl FnMut(RawLine)) {
        let terminal = matches!(self.framing, Framing::Terminal { .. });
        let (half, messages) = (&mut self.outputs[output as usize], &mut self.messages);
        let at = half.at;
        half.decoder.finish(|text| *messages += emit(RawLine { output, at, text }, terminal, out));
    }

    /// How many of `bytes` were used; `last` says that no more will come.
    fn terminal(&mut self, bytes: &[u8], last: bool, out: &mut impl FnMut(RawLine)) -> Result<usize, FrameError> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let Framing::Terminal { place, stamp } = &mut self.framing else { unreachable!("called for terminals") };
            if rest.is_empty() {
                return Ok(used);
            }
            match *place {
                // Head → Body
                Place::Head => {
                    if !last && rest.len() < MAX_STAMP_BYTES && !rest.contains(&b' ') && !rest.contains(&b'\n') {
                        return Ok(used);
                    }
                    *place = Place::Body(0);
                    if let Some((at, length)) = leading_stamp(rest) {
                        stamp.clear();
                        stamp.extend_from_slice(&rest[..length]);
                        used += length;
                        self.begin(Output::Out, at, out);
                    } else if rest.starts_with(b"Error grabbing logs") {
                        return Err(FrameError::Engine(String::from_utf8_lossy(rest).trim().to_owned()));
                    }
                }
                // Body → (Head | Boundary | Body)
                Place::Body(inside) => {
                    let piece = &rest[..rest.len().min(MESSAGE_BYTES - inside)];
                    let length = match piece.iter().position(|b| *b == b'\n') {
                        Some(end) => {
                            *place = Place::Head;
                            end + 1
                        }
                        None => {
                            let inside = inside + piece.len();
                            *place = if inside == MESSAGE_BYTES { Place::Boundary } else { Place::Body(inside) };
                            piece.len()
                        }
                    };
                    used += length;
                    self.content(Output::Out, &rest[..length], out);
                }
                // Boundary → Body
                Place::Boundary => {
                    if rest.len() < stamp.len() && stamp.starts_with(rest) && !last {
                        return Ok(used);
                    }
                    *place = Place::Body(0);
                    if rest.starts_with(stamp) {
                        used += stamp.len();
                        self.messages += 1;
                    }
                }
            }
        }
    }
}

/// Gives a line out. In a terminal's stream, a process that ended without a newline leaves its last line glued to the
/// first of the next start, with that one's time in between: it is later than the line's own, which no time that the
/// process itself wrote can be. Returns how many more messages that makes.
fn emit(mut line: RawLine, terminal: bool, out: &mut impl FnMut(RawLine)) -> u64 {
    let mut more = 0;
    let mut from = 1;
    while terminal && let Some(z) = line.text.get(from..).and_then(|rest| rest.find("Z ")).map(|at| at + from) {
        from = z + 1;
        let Some(head) = z.checked_sub(29).filter(|head| *head > 0) else { continue };
        if let Some((at, length)) = leading_stamp(&line.text.as_bytes()[head..])
            && head + length == z + 2
            && at > line.at
        {
            let text = line.text.split_off(z + 2);
            line.text.truncate(head);
            out(std::mem::replace(&mut line, RawLine { output: Output::Out, at, text }));
            (from, more) = (1, more + 1);
        }
    }
    out(line);
    more
}

/// The time at the head of a message, and its length with the space behind it.
fn leading_stamp(bytes: &[u8]) -> Option<(Timestamp, usize)> {
    let space = bytes.iter().take(MAX_STAMP_BYTES).position(|b| *b == b' ')?;
    let at = match bytes.first_chunk::<30>() {
        Some(fixed) if space == 30 && fixed[29] == b'Z' => fixed_stamp(fixed),
        _ => None,
    };
    let at = at.or_else(|| Timestamp::parse_rfc3339(std::str::from_utf8(&bytes[..space]).ok()?))?;
    Some((at, space + 1))
}

/// `2026-11-22T18:22:50.544152405Z`, the form Docker always writes, read without a general parser: it is on the way of
/// every line.
fn fixed_stamp(text: &[u8; 30]) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| {
        text[range].iter().try_fold(0_i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    };
    if [text[4], text[7], text[10], text[13], text[16], text[19]] != *b"--T::." {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1970..=2261).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, years counted from March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    Some(Timestamp((((days * 24 + hour) * 60 + minute) * 60 + second) * model::time::NANOS_PER_SEC + number(20..29)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T1: &str = "2026-11-22T18:22:50.544152405Z ";
    const T2: &str = "2026-11-22T18:22:51.000000000Z ";

    fn frame(stream: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend((payload.len() as u32).to_be_bytes());
        frame.extend(payload);
        frame
    }

    fn decode(tty: bool, pieces: &[&[u8]]) -> Result<Vec<(Output, i64, String)>, FrameError> {
        let mut lines = Vec::new();
        let mut decoder = LogDecoder::new(tty);
        let mut out = |line: RawLine| lines.push((line.output, line.at.0, line.text));
        for piece in pieces {
            decoder.push(piece, &mut out)?;
        }
        decoder.finish(&mut out);
        Ok(lines)
    }

    fn at(stamp: &str) -> i64 {
        Timestamp::parse_rfc3339(stamp.trim()).unwrap().0
    }

    #[test]
    fn a_line_of_many_messages_is_one_line_of_one_time() {
        let long = "x".repeat(MESSAGE_BYTES);
        let bytes: Vec<u8> = [
            frame(1, format!("{T1}{long}").as_bytes()),
            frame(2, format!("{T2}err\n").as_bytes()),
            frame(1, format!("{T1}{long}").as_bytes()),
            frame(1, format!("{T1}end\n").as_bytes()),
            frame(1, format!("{T2}no newline").as_bytes()),
            frame(1, b"2026-11-22T18:22:52.000000000Z next\n"),
        ]
        .concat();
        let expect = vec![
            (Output::Err, at(T2), "err".to_owned()),
            (Output::Out, at(T1), format!("{long}{long}end")),
            (Output::Out, at(T2), "no newline".to_owned()),
            (Output::Out, at(T2) + 1_000_000_000, "next".to_owned()),
        ];
        assert_eq!(decode(false, &[&bytes]).unwrap(), expect);
        assert_eq!(decode(false, &bytes.chunks(1).collect::<Vec<_>>()).unwrap(), expect);
    }

    #[test]
    fn a_terminal_s_line_of_many_messages_is_one_line() {
        let long = "x".repeat(MESSAGE_BYTES);
        let bytes = format!("{T1}{long}{T1}{long}{T1}end\r\n{T1}\r\n{T1}{long}{T1}\r\n{T1}gone{T2}{T1}back\r\n{T2}no newline");
        let expect: Vec<_> = [
            (T1, format!("{long}{long}end")),
            (T1, String::new()),
            (T1, long),
            (T1, "gone".to_owned()),
            (T2, format!("{T1}back")),
            (T2, "no newline".to_owned()),
        ]
        .into_iter()
        .map(|(stamp, text)| (Output::Out, at(stamp), text))
        .collect();
        assert_eq!(decode(true, &[bytes.as_bytes()]).unwrap(), expect);
        assert_eq!(decode(true, &bytes.as_bytes().chunks(1).collect::<Vec<_>>()).unwrap(), expect);
    }

    #[test]
    fn what_is_no_log_stream_is_refused() {
        assert_eq!(decode(false, &[&[1, 0, 0, 0, 255, 0, 0, 0]]), Err(FrameError::TooLong(0xff00_0000)));
        assert_eq!(decode(false, &[b"HTTP/1.1 200 OK"]), Err(FrameError::TooLong(u32::from_be_bytes(*b"/1.1") as usize)));
        assert_eq!(decode(false, &[&frame(9, b"x")]), Err(FrameError::NoStream(9)));
        let said = "Error grabbing logs: invalid character";
        assert_eq!(decode(false, &[&frame(3, said.as_bytes())]), Err(FrameError::Engine(said.to_owned())));
        assert_eq!(decode(true, &[said.as_bytes()]), Err(FrameError::Engine(said.to_owned())));
    }

    #[test]
    fn times_are_read_in_docker_s_form_and_in_any_other() {
        for text in [
            "1970-01-01T00:00:00.000000000Z",
            "2024-02-29T23:59:59.999999999Z",
            "2100-03-01T00:00:00.000000001Z",
            "2026-11-22T18:22:50.5+01:00",
        ] {
            assert_eq!(
                leading_stamp(format!("{text} x").as_bytes()),
                Some((Timestamp::parse_rfc3339(text).unwrap(), text.len() + 1)),
                "{text}"
            );
        }
        for text in ["", " ", "2026-11-22T18:22:50.544152405Z", "yesterday x", "2026-13-22T18:22:50.544152405Z x"] {
            assert_eq!(leading_stamp(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_lines(
            messages in proptest::collection::vec((1..3_u8, 0..3_i64, proptest::collection::vec(prop_oneof![Just(b'\n'), Just(0), Just(0xff), Just(b'Z'), Just(b' '), any::<u8>()], 0..40)), 0..12),
            cuts in proptest::collection::vec(0..1_000_usize, 0..20),
            tty in any::<bool>(),
        ) {
            let bytes: Vec<u8> = messages
                .iter()
                .flat_map(|(stream, second, text)| {
                    let payload = [format!("2026-11-22T18:22:5{second}.000000000Z ").as_bytes(), text].concat();
                    if tty { payload } else { frame(*stream, &payload) }
                })
                .collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([bytes.len()]).collect();
            cuts.sort_unstable();
            let mut from = 0;
            let pieces: Vec<&[u8]> = cuts.into_iter().map(|cut| { let piece = &bytes[from..cut]; from = cut; piece }).collect();
            prop_assert_eq!(decode(tty, &pieces), decode(tty, &[&bytes]));
        }

        #[test]
        fn the_fast_reader_of_times_agrees_with_the_general_one(nanos in 0..9_000_000_000_000_000_000_i64) {
            let secs = Timestamp(nanos - nanos % 1_000_000_000);
            let text = format!("{}.{:09}Z", secs.to_string().trim_end_matches('Z'), nanos % 1_000_000_000);
            prop_assert_eq!(fixed_stamp(text.as_bytes().first_chunk().unwrap()), Some(Timestamp(nanos)));
        }
    }
}
