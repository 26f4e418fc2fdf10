//! `print`, `println` and `printf`, after Go's fmt.

use std::fmt::Write as _;

use super::{
    MAX_OUTPUT_BYTES,
    strings::HEX,
    value::{Value, print_float},
};

/// What a number is printed with at most: Rust takes no more than 65535, Go would not round there either.
const MAX_PRECISION: usize = 1000;

/// Spaces between two neighbours of which neither is a text.
///
/// # Errors
/// Where the result is beyond all bounds.
pub fn print(args: &[Value<'_>]) -> Result<String, String> {
    let mut out = String::new();
    for (at, value) in args.iter().enumerate() {
        if at > 0 && !matches!(value, Value::Text(_)) && !matches!(args[at - 1], Value::Text(_)) {
            out.push(' ');
        }
        value.print(&mut out);
        check(&out)?;
    }
    Ok(out)
}

/// # Errors
/// Where the result is beyond all bounds.
pub fn println(args: &[Value<'_>]) -> Result<String, String> {
    let mut out = String::new();
    for (at, value) in args.iter().enumerate() {
        out.push_str(if at > 0 { " " } else { "" });
        value.print(&mut out);
        check(&out)?;
    }
    out.push('\n');
    Ok(out)
}

/// # Errors
/// Where a text is beyond all bounds.
pub fn check(text: &str) -> Result<(), String> {
    if text.len() > MAX_OUTPUT_BYTES { Err(too_long()) } else { Ok(()) }
}

pub fn too_long() -> String {
    format!("text is longer than {MAX_OUTPUT_BYTES} bytes")
}

#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    zero: bool,
    space: bool,
    width: usize,
    precision: Option<usize>,
}

/// # Errors
/// Where the result is beyond all bounds.
pub fn printf(format: &str, args: &[Value<'_>]) -> Result<String, String> {
    let mut out = String::new();
    let mut args = args.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut spec = Spec::default();
        let flags = rest.find(|c| !matches!(c, '-' | '+' | '#' | '0' | ' ')).unwrap_or(rest.len());
        for flag in rest[..flags].chars() {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                '0' => spec.zero = true,
                _ => spec.space = true,
            }
        }
        rest = &rest[flags..];
        spec.width = size(&mut rest, &mut args).unwrap_or(0).min(MAX_OUTPUT_BYTES);
        if let Some(tail) = rest.strip_prefix('.') {
            rest = tail;
            spec.precision = Some(size(&mut rest, &mut args).unwrap_or(0).min(MAX_OUTPUT_BYTES));
        }
        let Some(verb) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        rest = &rest[verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
            continue;
        }
        match args.next() {
            Some(value) => one(&mut out, value, verb, &spec),
            None => {
                let _ = write!(out, "%!{verb}(MISSING)");
            }
        }
        check(&out)?;
    }
    out.push_str(rest);
    for (at, value) in args.as_slice().iter().enumerate() {
        let _ = write!(out, "{}{}=", if at > 0 { ", " } else { "%!(EXTRA " }, value.kind());
        value.print(&mut out);
        check(&out)?;
    }
    if !args.as_slice().is_empty() {
        out.push(')');
    }
    Ok(out)
}

/// A width in digits, or `*` for the next argument.
fn size(rest: &mut &str, args: &mut std::slice::Iter<'_, Value<'_>>) -> Option<usize> {
    if let Some(tail) = rest.strip_prefix('*') {
        *rest = tail;
        return args.next().and_then(|value| usize::try_from(value.to_int()).ok());
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, tail) = rest.split_at(digits);
    *rest = tail;
    number.parse().ok()
}

fn one(out: &mut String, value: &Value<'_>, verb: char, spec: &Spec) {
    let text = match (verb, value) {
        ('v', Value::Text(text)) if spec.sharp => crate::syntax::quote(text),
        ('v', Value::Int(_)) => return number(out, value, 'd', spec),
        ('v', Value::Float(_)) => return number(out, value, 'g', spec),
        ('v' | 's', Value::Nil) => format!("{}<nil>{}", if verb == 's' { "%!s(" } else { "" }, if verb == 's' { ")" } else { "" }),
        ('s', Value::Bool(_) | Value::Int(_) | Value::Float(_)) => format!("%!s({}={})", value.kind(), value.to_text()),
        ('v' | 's', _) => {
            let text = value.to_text();
            match spec.precision {
                Some(precision) if verb == 's' || matches!(value, Value::Text(_)) => text.chars().take(precision).collect(),
                _ => text,
            }
        }
        ('q', Value::Text(text)) => crate::syntax::quote(text),
        ('q', Value::Int(code)) => format!("{:?}", u32::try_from(*code).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')),
        ('x', Value::Text(text)) => hex(text, b"0123456789abcdef"),
        ('X', Value::Text(text)) => hex(text, HEX),
        ('t', Value::Bool(_)) => value.to_text(),
        ('T', _) => value.kind().to_owned(),
        ('c', Value::Int(code)) => u32::try_from(*code).ok().and_then(char::from_u32).unwrap_or('\u{fffd}').to_string(),
        ('U', Value::Int(code)) => format!("U+{code:04X}"),
        ('d' | 'b' | 'o' | 'x' | 'X', Value::Int(_)) | ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Float(_)) => {
            return number(out, value, verb, spec);
        }
        _ => format!("%!{verb}({}={})", value.kind(), value.to_text()),
    };
    pad(out, &text, spec, false);
}

fn hex(text: &str, digits: &[u8; 16]) -> String {
    text.bytes().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(digits[usize::from(digit)])).collect()
}

fn number(out: &mut String, value: &Value<'_>, verb: char, spec: &Spec) {
    let precision = spec.precision.map(|precision| precision.min(MAX_PRECISION));
    let (negative, digits) = match value {
        Value::Int(value) => {
            let magnitude = value.unsigned_abs();
            let digits = match verb {
                'b' => format!("{magnitude:b}"),
                'o' => format!("{magnitude:o}"),
                'x' => format!("{}{magnitude:x}", if spec.sharp { "0x" } else { "" }),
                'X' => format!("{}{magnitude:X}", if spec.sharp { "0X" } else { "" }),
                _ => magnitude.to_string(),
            };
            let width = precision.unwrap_or(0);
            (*value < 0, format!("{digits:0>width$}"))
        }
        other => {
            let value = other.to_float();
            let magnitude = value.abs();
            let digits = match (verb, precision) {
                ('f' | 'F', precision) => format!("{magnitude:.*}", precision.unwrap_or(6)),
                ('e' | 'E', precision) => exponent(&format!("{magnitude:.*e}", precision.unwrap_or(6)), verb),
                (_, Some(precision)) => general(magnitude, precision.max(1)),
                (_, None) => print_float(magnitude),
            };
            (value.is_sign_negative(), digits)
        }
    };
    let sign = match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let whole = sign.len() + digits.len();
    if spec.zero && !spec.minus && whole < spec.width && !(precision.is_some() && matches!(value, Value::Int(_))) {
        let _ = write!(out, "{sign}{}{digits}", "0".repeat(spec.width - whole));
    } else {
        pad(out, &format!("{sign}{digits}"), spec, true);
    }
}

/// Rust's `1.5e3` in Go's form `1.5e+03`.
fn exponent(text: &str, verb: char) -> String {
    let Some((digits, power)) = text.split_once('e') else { return text.to_owned() };
    let power: i32 = power.parse().unwrap_or(0);
    format!("{digits}{verb}{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

/// `%.3g`: so many significant digits, no zeros at the end.
fn general(value: f64, precision: usize) -> String {
    let scientific = format!("{value:.*e}", precision - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let strip = |text: &str| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() };
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if power < -4 || power >= limit {
        let (digits, _) = scientific.split_once('e').unwrap_or((&scientific, ""));
        return exponent(&format!("{}e{power}", strip(digits)), 'e');
    }
    strip(&format!("{value:.*}", usize::try_from(limit - 1 - power).unwrap_or(0)))
}

fn pad(out: &mut String, text: &str, spec: &Spec, number: bool) {
    let missing = spec.width.saturating_sub(text.chars().count());
    let fill = if spec.zero && !spec.minus && !number { "0" } else { " " };
    if spec.minus {
        out.push_str(text);
        out.push_str(&" ".repeat(missing));
    } else {
        out.push_str(&fill.repeat(missing));
        out.push_str(text);
    }
}
