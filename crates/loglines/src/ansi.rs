//! Terminal codes in a line: colours become styles, everything else that would move a cursor or ring a bell goes.
//! Runs in the browser too, for every row shown: small and without tables. Codes: ECMA-48, and xterm's `ctlseqs`.

use std::borrow::Cow;

/// A run of text in one style. Owned only where codes inside the run were taken out, or controls made visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    pub text: Cow<'a, str>,
    pub style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// 0..=7 the basic colours, 8..=15 their bright forms; the theme says what they look like.
    Ansi(u8),
    /// 16..=231 a 6×6×6 cube, 232..=255 greys.
    Palette(u8),
    Rgb(u8, u8, u8),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    pub fg: Option<Color>,
    pub bg: Option<Color>,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub inverse: bool,
    pub strike: bool,
}

/// The line in runs of equal style, no run empty. Their texts together are [`strip`]`(line)`.
pub fn spans(line: &str) -> Vec<Span<'_>> {
    let mut spans: Vec<Span<'_>> = Vec::new();
    let mut style = Style::default();
    each(line, |piece| {
        let text = match piece {
            Piece::Text(text) => Cow::Borrowed(text),
            Piece::Picture(c) => Cow::Owned(c.to_string()),
            Piece::Sgr(parameters) => return style.apply(parameters),
        };
        match spans.last_mut() {
            Some(last) if last.style == style => last.text.to_mut().push_str(&text),
            _ => spans.push(Span { text, style }),
        }
    });
    spans
}

/// The line without its codes; other control characters but the tab become pictures of themselves (U+2400…).
pub fn strip(line: &str) -> Cow<'_, str> {
    if !line.bytes().any(is_special) {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    each(line, |piece| match piece {
        Piece::Text(text) => plain.push_str(text),
        Piece::Picture(c) => plain.push(c),
        Piece::Sgr(_) => {}
    });
    Cow::Owned(plain)
}

impl Style {
    /// Class names: `fg-1 bg-4 bold dim italic underline inverse strike`, those that apply. Only the sixteen theme
    /// colours are classes; others are in [`Style::inline`]. With `inverse` the two colours have changed places already:
    /// the class need only give the defaults for the colour that is not set.
    pub fn classes(&self) -> String {
        let mut classes = String::new();
        let (fg, bg) = self.painted();
        for (prefix, color) in [("fg-", fg), ("bg-", bg)] {
            if let Some(Color::Ansi(n)) = color {
                add_class(&mut classes, prefix);
                // By hand: no formatting machinery in the browser for two digits.
                if n >= 10 {
                    classes.push('1');
                }
                classes.push(char::from(b'0' + n % 10));
            }
        }
        for (on, name) in [
            (self.bold, "bold"),
            (self.dim, "dim"),
            (self.italic, "italic"),
            (self.underline, "underline"),
            (self.inverse, "inverse"),
            (self.strike, "strike"),
        ] {
            if on {
                add_class(&mut classes, name);
            }
        }
        classes
    }

    /// A `style` attribute for the colours that are no classes: `color:#rrggbb;background:#rrggbb`, or one of the two.
    pub fn inline(&self) -> Option<String> {
        let mut css = String::new();
        let (fg, bg) = self.painted();
        for (property, color) in [("color:#", fg), ("background:#", bg)] {
            if let Some(rgb) = color.and_then(Color::rgb) {
                if !css.is_empty() {
                    css.push(';');
                }
                css.push_str(property);
                for half in rgb.into_iter().flat_map(|byte| [byte >> 4, byte & 15]) {
                    css.push(char::from(if half < 10 { b'0' + half } else { b'a' + half - 10 }));
                }
            }
        }
        (!css.is_empty()).then_some(css)
    }

    /// Foreground and background as they are painted.
    fn painted(&self) -> (Option<Color>, Option<Color>) {
        if self.inverse { (self.bg, self.fg) } else { (self.fg, self.bg) }
    }

    /// Applies the parameters of one `SGR`: numbers between `;`, each with sub-parameters between `:`.
    fn apply(&mut self, parameters: &str) {
        let mut rest = parameters.split(';');
        while let Some(parameter) = rest.next() {
            let mut parts = parameter.split(':').map(number);
            let Some(code) = parts.next().flatten() else { continue };
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = parts.next() != Some(Some(0)),
                7 => self.inverse = true,
                9 => self.strike = true,
                21 => self.underline = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                29 => self.strike = false,
                30..=37 => self.fg = Some(Color::Ansi(code as u8 - 30)),
                40..=47 => self.bg = Some(Color::Ansi(code as u8 - 40)),
                90..=97 => self.fg = Some(Color::Ansi(code as u8 - 82)),
                100..=107 => self.bg = Some(Color::Ansi(code as u8 - 92)),
                39 => self.fg = None,
                49 => self.bg = None,
                // 58 colours the underline, which we do not; its arguments have to go all the same.
                38 | 48 | 58 => {
                    let color = if parameter.contains(':') { colon_color(parts) } else { semicolon_color(&mut rest.by_ref().map(number)) };
                    match code {
                        38 => self.fg = color.or(self.fg),
                        48 => self.bg = color.or(self.bg),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}

impl Color {
    fn indexed(n: u8) -> Self {
        if n < 16 { Self::Ansi(n) } else { Self::Palette(n) }
    }

    /// Red, green and blue; `None` for the theme's colours.
    fn rgb(self) -> Option<[u8; 3]> {
        let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
        match self {
            Self::Ansi(_) | Self::Palette(0..16) => None,
            Self::Palette(n @ 16..232) => Some([step((n - 16) / 36), step((n - 16) / 6 % 6), step((n - 16) % 6)]),
            Self::Palette(n) => Some([8 + 10 * (n - 232); 3]),
            Self::Rgb(r, g, b) => Some([r, g, b]),
        }
    }
}

fn add_class(classes: &mut String, name: &str) {
    if !classes.is_empty() {
        classes.push(' ');
    }
    classes.push_str(name);
}

/// A parameter's number; an empty one is zero.
fn number(text: &str) -> Option<u16> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

/// `5;n` or `2;r;g;b`.
fn semicolon_color(parts: &mut dyn Iterator<Item = Option<u16>>) -> Option<Color> {
    let byte = |parts: &mut dyn Iterator<Item = Option<u16>>| u8::try_from(parts.next()??).ok();
    match parts.next()?? {
        5 => byte(parts).map(Color::indexed),
        2 => {
            // All three are taken, also where one is out of range: they are not codes of their own.
            let rgb = [byte(parts), byte(parts), byte(parts)];
            Some(Color::Rgb(rgb[0]?, rgb[1]?, rgb[2]?))
        }
        _ => None,
    }
}

/// `5:n`, `2:r:g:b`, or `2:<colour space>:r:g:b` (ISO 8613-6; the space, often empty, is not looked at).
fn colon_color(parts: impl Iterator<Item = Option<u16>>) -> Option<Color> {
    let mut found = [0_u16; 8];
    let mut count = 0;
    for part in parts.take(found.len()) {
        found[count] = part?;
        count += 1;
    }
    let byte = |at: usize| u8::try_from(found[at]).ok();
    match (found[0], count) {
        (5, 2..) => byte(1).map(Color::indexed),
        (2, 4) => Some(Color::Rgb(byte(1)?, byte(2)?, byte(3)?)),
        (2, 5..) => Some(Color::Rgb(byte(2)?, byte(3)?, byte(4)?)),
        _ => None,
    }
}

enum Piece<'a> {
    Text(&'a str),
    /// A control character, as its picture.
    Picture(char),
    /// The parameters of a `CSI … m`.
    Sgr(&'a str),
}

fn is_special(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Cuts a line into what is shown and what sets a style. One pass; what is unterminated ends with the line.
fn each<'a>(line: &'a str, mut piece: impl FnMut(Piece<'a>)) {
    let bytes = line.as_bytes();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let byte = bytes[at];
        if !is_special(byte) {
            at += 1;
            continue;
        }
        if from < at {
            piece(Piece::Text(&line[from..at]));
        }
        match byte {
            0x1b => {
                let end = escape_end(bytes, at);
                if bytes[at + 1..end].first() == Some(&b'[') && bytes[end - 1] == b'm' {
                    let parameters = &line[at + 2..end - 1];
                    if parameters.bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':') {
                        piece(Piece::Sgr(parameters));
                    }
                }
                at = end;
            }
            // A progress line's carriage returns: all it said stays readable.
            b'\r' | b'\n' => at += 1,
            0x7f => {
                piece(Piece::Picture('\u{2421}'));
                at += 1;
            }
            control => {
                piece(Piece::Picture(char::from_u32(0x2400 + u32::from(control)).expect("the control pictures are characters")));
                at += 1;
            }
        }
        from = at;
    }
    if from < at {
        piece(Piece::Text(&line[from..at]));
    }
}

/// Where the sequence that begins with the ESC at `at` ends. Always a char boundary: sequences are ASCII, and the
/// strings inside an OSC end before an ESC, at a BEL, or with the line.
fn escape_end(bytes: &[u8], at: usize) -> usize {
    let run = |from: usize, set: std::ops::RangeInclusive<u8>| {
        bytes[from..].iter().position(|b| !set.contains(b)).map_or(bytes.len(), |n| from + n)
    };
    match bytes.get(at + 1) {
        Some(b'[') => {
            let end = run(run(at + 2, 0x30..=0x3f), 0x20..=0x2f);
            if matches!(bytes.get(end), Some(0x40..=0x7e)) { end + 1 } else { end }
        }
        // OSC, DCS, SOS, PM, APC: a string up to BEL or ST (`ESC \`). Where it never ends, only its start goes.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => match memchr::memchr2(0x07, 0x1b, &bytes[at + 2..]) {
            None => at + 2,
            Some(n) if bytes[at + 2 + n] == 0x07 => at + 2 + n + 1,
            Some(n) if bytes.get(at + 3 + n) == Some(&b'\\') => at + 2 + n + 2,
            Some(n) => at + 2 + n,
        },
        // Designations such as `ESC ( B`.
        Some(0x20..=0x2f) => {
            let end = run(at + 1, 0x20..=0x2f);
            if matches!(bytes.get(end), Some(0x30..=0x7e)) { end + 1 } else { end }
        }
        Some(b'7' | b'8' | b'=' | b'>' | b'c' | b'D' | b'E' | b'H' | b'M' | b'N' | b'O' | b'Z' | b'\\') => at + 2,
        _ => at + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Spans as `{classes|inline}text`, the default style as bare text.
    fn check(line: &str, expect: &str) {
        let mut shown = String::new();
        for span in spans(line) {
            let style = [Some(span.style.classes()).filter(|c| !c.is_empty()), span.style.inline()];
            if span.style != Style::default() {
                shown += &format!("{{{}}}", style.into_iter().flatten().collect::<Vec<_>>().join("|"));
            } else if !shown.is_empty() {
                shown += "{}";
            }
            shown += &span.text;
        }
        assert_eq!(shown, expect, "{line:?}");
    }

    #[test]
    fn codes_become_styles_and_the_rest_goes() {
        for (line, expect) in [
            ("plain\ttext é", "plain\ttext é"),
            ("", ""),
            ("\x1b[31mred\x1b[0m done", "{fg-1}red{} done"),
            ("\x1b[1;4;92;44mx\x1b[mz", "{fg-10 bg-4 bold underline}x{}z"),
            ("\x1b[2m\x1b[3m\x1b[9ma\x1b[22mb\x1b[23;29mc", "{dim italic strike}a{italic strike}b{}c"),
            ("\x1b[38;5;208mo\x1b[48;5;3m!", "{color:#ff8700}o{bg-3|color:#ff8700}!"),
            ("\x1b[38;2;1;2;255mx\x1b[39my", "{color:#0102ff}x{}y"),
            ("\x1b[38:2::1:2:3mx\x1b[38:2:4:5:6my\x1b[48:5:240mz", "{color:#010203}x{color:#040506}y{color:#040506;background:#585858}z"),
            ("\x1b[31;7minv\x1b[27mno", "{bg-1 inverse}inv{fg-1}no"),
            ("\x1b[4:3mcurly\x1b[4:0mno", "{underline}curly{}no"),
            ("\x1b[58;5;1;1mx", "{bold}x"),
            ("\x1b[38;5mx\x1b[38;2;300;1;1my\x1b[999mz", "xyz"),
            ("\x1b[31ma\x1b[Kb\x1b[2Kc", "{fg-1}abc"),
            ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x07 end", "link end"),
            ("\x1b]0;title\x07x", "x"),
            ("a\x1b]unterminated", "aunterminated"),
            ("a\x1b]cut\x1b[1mb", "a{bold}b"),
            ("\x1b[?25l\x1b[>4;2mx\x1b(By\x1b7z\x1b", "xyz"),
            ("\x1b[12", ""),
            ("\x1b[éx", "éx"),
            ("\x1b\x1b[31mx", "{fg-1}x"),
            ("nul\0bell\x07del\x7f", "nul␀bell␇del␡"),
            ("10%\r50%\r100%", "10%50%100%"),
            ("\x1b[31m\x1b[0m", ""),
        ] {
            check(line, expect);
        }
    }

    #[test]
    fn a_plain_line_is_not_copied() {
        assert!(matches!(strip("plain\tline é"), Cow::Borrowed(_)));
        assert!(matches!(spans("\x1b[31mred")[0].text, Cow::Borrowed("red")));
    }

    proptest! {
        #[test]
        fn spans_together_are_the_stripped_line(line in "(\x1b|\\[|\\]|[0-9;:?m]|\r|\0|\x07|\\\\|é|[ -~]|\\PC){0,60}") {
            let together: String = spans(&line).iter().map(|span| &*span.text).collect();
            prop_assert_eq!(&together, &strip(&line));
            prop_assert!(!together.contains(|c: char| c.is_ascii() && is_special(c as u8)));
            prop_assert!(spans(&line).iter().all(|span| !span.text.is_empty()));
        }
    }
}
