//! The functions: Go's own, and those that Loki documents.

use std::{borrow::Cow, cmp::Ordering};

use regex::{Regex, RegexBuilder};

use super::{
    Context, MAX_OUTPUT_BYTES, format,
    strings::{self, escape_html, escape_js, escape_url, one_of, title},
    time,
    value::Value,
};
use crate::syntax::{translate, units};

/// What a function may look at beside its arguments.
pub struct Call<'a, 'b> {
    pub cx: &'a Context<'a>,
    /// Made of the first argument, if that stands in the template.
    pub regex: Option<&'b Regex>,
}

type Run = for<'a, 'b> fn(&Call<'a, 'b>, &mut [Value<'a>]) -> Result<Value<'a>, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    And,
    Or,
    /// A row of [`TABLE`].
    Of(usize),
}

impl Function {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "and" => Some(Self::And),
            "or" => Some(Self::Or),
            _ => TABLE.iter().position(|row| row.0 == name).map(Self::Of),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Of(row) => TABLE.get(row).map_or("", |row| row.0),
        }
    }

    /// The least and the greatest number of arguments.
    pub fn arity(self) -> (usize, usize) {
        match self {
            Self::And | Self::Or => (1, MANY),
            Self::Of(row) => TABLE.get(row).map_or((0, 0), |row| (row.1, row.2)),
        }
    }

    pub fn takes_regex(self) -> bool {
        matches!(self.name(), "regexReplaceAll" | "regexReplaceAllLiteral" | "count")
    }

    /// How many bytes of its arguments it gets through in one of the steps that a line's templates may take: some look at a byte
    /// many times, or make much of it.
    pub fn read_per_step(self) -> usize {
        match self.name() {
            "regexReplaceAll" | "regexReplaceAllLiteral" => BYTES_PER_STEP / 16,
            "count" | "fromJson" | "printf" => BYTES_PER_STEP / 8,
            _ => BYTES_PER_STEP,
        }
    }

    /// How many bytes it makes in a step: the digits of a float are dear.
    pub fn made_per_step(self) -> usize {
        if self.name() == "printf" { BYTES_PER_STEP / 8 } else { BYTES_PER_STEP }
    }

    pub fn run<'a>(self, call: &Call<'a, '_>, args: &mut [Value<'a>]) -> Result<Value<'a>, String> {
        match self {
            Self::And | Self::Or => Ok(Value::Nil),
            Self::Of(row) => TABLE.get(row).map_or(Ok(Value::Nil), |row| row.3(call, args)),
        }
    }
}

/// # Errors
/// In Go's words.
pub fn regex(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern).map_err(|error| error.to_string())?;
    let built = RegexBuilder::new(&translated).size_limit(1 << 20).dfa_size_limit(1 << 20).build();
    built.map_err(|_| format!("error parsing regexp: invalid or unsupported syntax: `{pattern}`"))
}

const MANY: usize = usize::MAX;

/// Bytes read or made that count as much as a call.
pub const BYTES_PER_STEP: usize = 64;

fn text<'v>(value: &'v Value<'_>) -> Result<&'v str, String> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(format!("wrong type for value; expected string; got {}", other.kind())),
    }
}

fn int(value: &Value<'_>) -> Result<i64, String> {
    match value {
        Value::Int(value) => Ok(*value),
        other => Err(format!("wrong type for value; expected int; got {}", other.kind())),
    }
}

fn instant(value: &Value<'_>) -> Result<i128, String> {
    match value {
        Value::Time(nanos) => Ok(*nanos),
        other => Err(format!("wrong type for value; expected time.Time; got {}", other.kind())),
    }
}

fn own<'a>(text: impl Into<String>) -> Result<Value<'a>, String> {
    Ok(Value::Text(Cow::Owned(text.into())))
}

/// The part that a function cut out of its argument, without copying what is borrowed anyway.
fn cut<'a>(value: &mut Value<'a>, cut: impl Fn(&str) -> &str) -> Result<Value<'a>, String> {
    match std::mem::replace(value, Value::Nil) {
        Value::Text(Cow::Borrowed(text)) => {
            // The part lies in `text`, so its bounds do.
            let part = cut(text);
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            Ok(Value::Text(Cow::Borrowed(text.get(start..start + part.len()).unwrap_or_default())))
        }
        Value::Text(Cow::Owned(text)) => own(cut(&text)),
        other => text(&other).map(|_| Value::Nil),
    }
}

fn fold_int<'a>(args: &[Value<'a>], each: fn(i64, i64) -> i64) -> Result<Value<'a>, String> {
    Ok(Value::Int(args.iter().map(Value::to_int).reduce(each).unwrap_or(0)))
}

fn fold_float<'a>(args: &[Value<'a>], each: fn(f64, f64) -> f64) -> Result<Value<'a>, String> {
    Ok(Value::Float(args.iter().map(Value::to_float).reduce(each).unwrap_or(0.0)))
}

fn divide<'a>(args: &[Value<'a>], each: fn(i64, i64) -> i64) -> Result<Value<'a>, String> {
    match (args[0].to_int(), args[1].to_int()) {
        (_, 0) => Err("runtime error: integer divide by zero".into()),
        (left, right) => Ok(Value::Int(each(left, right))),
    }
}

fn seconds<'a>(args: &[Value<'a>]) -> Result<Value<'a>, String> {
    Ok(Value::Float(units::go_duration(text(&args[0])?)? as f64 / 1e9))
}

fn compare(left: &Value<'_>, right: &Value<'_>) -> Result<Ordering, String> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Ok(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => Ok(left.partial_cmp(right).unwrap_or(Ordering::Less)),
        (Value::Text(left), Value::Text(right)) => Ok(left.cmp(right)),
        (Value::Bool(_) | Value::Nil | Value::List(_) | Value::Map(_) | Value::Labels(_) | Value::Time(_), _) => {
            Err("invalid type for comparison".into())
        }
        _ => Err("incompatible types for comparison".into()),
    }
}

fn equal<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<bool, String> {
    match (left, right) {
        (Value::Nil, other) | (other, Value::Nil) => Ok(*other == Value::Nil),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Time(left), Value::Time(right)) => Ok(left == right),
        (Value::List(_) | Value::Map(_) | Value::Labels(_), _) => Err("non-comparable type".into()),
        _ => compare(left, right).map(|order| order == Ordering::Equal).map_err(|_| "incompatible types for comparison".into()),
    }
}

fn ordered<'a>(args: &[Value<'a>], wanted: &[Ordering]) -> Result<Value<'a>, String> {
    compare(&args[0], &args[1]).map(|order| Value::Bool(wanted.contains(&order)))
}

fn round<'a>(args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let round_on = args.get(2).map_or(0.5, Value::to_float);
    let power = 10_f64.powi(i32::try_from(args[1].to_int().clamp(-300, 300)).unwrap_or(0));
    let digits = args[0].to_float() * power;
    let rounded = if digits.fract() >= round_on { digits.ceil() } else { digits.floor() };
    Ok(Value::Float(rounded / power))
}

fn index<'a>(args: &mut [Value<'a>]) -> Result<Value<'a>, String> {
    let (first, keys) = args.split_first_mut().ok_or("no value")?;
    keys.iter().try_fold(std::mem::replace(first, Value::Nil), |value, key| match value {
        Value::Labels(labels) => Ok(labels.get(text(key)?)),
        Value::Map(mut map) => Ok(map.remove(text(key)?).unwrap_or(Value::Nil)),
        Value::List(mut list) => {
            let at = int(key)?;
            let found = usize::try_from(at).ok().filter(|at| *at < list.len());
            found.map(|at| list.swap_remove(at)).ok_or_else(|| format!("error calling index: reflect: slice index out of range: {at}"))
        }
        Value::Text(text) => {
            let at = int(key)?;
            let byte = usize::try_from(at).ok().and_then(|at| text.as_bytes().get(at).copied());
            byte.map(|byte| Value::Int(i64::from(byte))).ok_or_else(|| format!("index out of range: {at}"))
        }
        other => Err(format!("can't index item of type {}", other.kind())),
    })
}

fn length<'a>(value: &Value<'a>) -> Result<Value<'a>, String> {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Labels(labels) => labels.all().len(),
        other => return Err(format!("len of type {}", other.kind())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn with_regex<T>(call: &Call<'_, '_>, pattern: &str, run: impl FnOnce(&Regex) -> T) -> Result<T, String> {
    match call.regex {
        Some(regex) => Ok(run(regex)),
        None => regex(pattern).map(|regex| run(&regex)),
    }
}

fn repeated<'a>(count: i64, text: &str) -> Result<Value<'a>, String> {
    let count = usize::try_from(count).map_err(|_| "strings: negative Repeat count")?;
    match text.len().checked_mul(count) {
        Some(length) if length <= MAX_OUTPUT_BYTES => own(text.repeat(count)),
        _ => Err(format::too_long()),
    }
}

fn replaced<'a>(text: &str, old: &str, new: &str, count: i64) -> Result<Value<'a>, String> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let worst = (text.len() + 1).saturating_mul(new.len() + 1);
    if worst > MAX_OUTPUT_BYTES && text.matches(old).take(count).count().saturating_mul(new.len()) > MAX_OUTPUT_BYTES {
        return Err(format::too_long());
    }
    own(text.replacen(old, new, count))
}

/// `time.Time`, or a number of seconds.
fn date_of(call: &Call<'_, '_>, value: &Value<'_>) -> i128 {
    match value {
        Value::Time(nanos) => *nanos,
        Value::Int(seconds) => i128::from(*seconds) * 1_000_000_000,
        _ => i128::from(call.cx.now_ns),
    }
}

/// By its digits: days, seconds, milli-, micro- or nanoseconds.
fn unix_to_time<'a>(epoch: &str) -> Result<Value<'a>, String> {
    let number: i128 = epoch.parse::<i64>().map(i128::from).map_err(|_| format!("unable to parse time '{epoch}': invalid syntax"))?;
    let scale = match epoch.len() {
        5 => 86_400_000_000_000,
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return Err(format!("unable to parse time '{epoch}': unknown precision")),
    };
    Ok(Value::Time(number * scale))
}

fn to_date<'a>(layout: &Value<'_>, date: &Value<'_>) -> Result<Value<'a>, String> {
    Ok(Value::Time(time::parse(text(layout)?, text(date)?).unwrap_or(time::ZERO)))
}

/// Name, least and greatest number of arguments, code.
static TABLE: &[(&str, usize, usize, Run)] = &[
    ("__line__", 0, 0, |call, _| Ok(Value::Text(Cow::Borrowed(call.cx.line)))),
    ("__timestamp__", 0, 0, |call, _| Ok(Value::Time(i128::from(call.cx.at_ns)))),
    ("now", 0, 0, |call, _| Ok(Value::Time(i128::from(call.cx.now_ns)))),
    // Go's own.
    ("not", 1, 1, |_, args| Ok(Value::Bool(!args[0].truth()))),
    ("eq", 2, MANY, |_, args| {
        let (first, others) = args.split_first().ok_or("missing argument for comparison")?;
        others.iter().try_fold(false, |found, other| Ok(found || equal(first, other)?)).map(Value::Bool)
    }),
    ("ne", 2, 2, |_, args| equal(&args[0], &args[1]).map(|equal| Value::Bool(!equal))),
    ("lt", 2, 2, |_, args| ordered(args, &[Ordering::Less])),
    ("le", 2, 2, |_, args| ordered(args, &[Ordering::Less, Ordering::Equal])),
    ("gt", 2, 2, |_, args| ordered(args, &[Ordering::Greater])),
    ("ge", 2, 2, |_, args| ordered(args, &[Ordering::Greater, Ordering::Equal])),
    ("len", 1, 1, |_, args| length(&args[0])),
    ("index", 1, MANY, |_, args| index(args)),
    ("print", 0, MANY, |_, args| own(format::print(args)?)),
    ("println", 0, MANY, |_, args| own(format::println(args)?)),
    ("printf", 1, MANY, |_, args| own(format::printf(text(&args[0])?, &args[1..])?)),
    ("html", 1, MANY, |_, args| own(escape_html(&format::print(args)?))),
    ("js", 1, MANY, |_, args| own(escape_js(&format::print(args)?))),
    ("urlquery", 1, MANY, |_, args| own(escape_url(&format::print(args)?))),
    // Texts.
    ("ToLower", 1, 1, |_, args| own(text(&args[0])?.to_lowercase())),
    ("ToUpper", 1, 1, |_, args| own(text(&args[0])?.to_uppercase())),
    ("lower", 1, 1, |_, args| own(text(&args[0])?.to_lowercase())),
    ("upper", 1, 1, |_, args| own(text(&args[0])?.to_uppercase())),
    ("title", 1, 1, |_, args| own(title(text(&args[0])?))),
    ("Replace", 4, 4, |_, args| replaced(text(&args[0])?, text(&args[1])?, text(&args[2])?, int(&args[3])?)),
    ("replace", 3, 3, |_, args| replaced(text(&args[2])?, text(&args[0])?, text(&args[1])?, -1)),
    ("Trim", 2, 2, |_, args| {
        let in_set = one_of(text(&args[1])?);
        cut(&mut args[0], |text| text.trim_matches(&in_set))
    }),
    ("TrimLeft", 2, 2, |_, args| {
        let in_set = one_of(text(&args[1])?);
        cut(&mut args[0], |text| text.trim_start_matches(&in_set))
    }),
    ("TrimRight", 2, 2, |_, args| {
        let in_set = one_of(text(&args[1])?);
        cut(&mut args[0], |text| text.trim_end_matches(&in_set))
    }),
    ("TrimPrefix", 2, 2, |_, args| {
        let prefix = text(&args[1])?.to_owned();
        cut(&mut args[0], |text| text.strip_prefix(&*prefix).unwrap_or(text))
    }),
    ("TrimSuffix", 2, 2, |_, args| {
        let suffix = text(&args[1])?.to_owned();
        cut(&mut args[0], |text| text.strip_suffix(&*suffix).unwrap_or(text))
    }),
    ("TrimSpace", 1, 1, |_, args| cut(&mut args[0], str::trim)),
    ("trim", 1, 1, |_, args| cut(&mut args[0], str::trim)),
    ("trimAll", 2, 2, |_, args| {
        let in_set = one_of(text(&args[0])?);
        cut(&mut args[1], |text| text.trim_matches(&in_set))
    }),
    ("trimPrefix", 2, 2, |_, args| {
        let prefix = text(&args[0])?.to_owned();
        cut(&mut args[1], |text| text.strip_prefix(&*prefix).unwrap_or(text))
    }),
    ("trimSuffix", 2, 2, |_, args| {
        let suffix = text(&args[0])?.to_owned();
        cut(&mut args[1], |text| text.strip_suffix(&*suffix).unwrap_or(text))
    }),
    ("trunc", 2, 2, |_, args| {
        let count = int(&args[0])?;
        cut(&mut args[1], |text| strings::trunc(text, count))
    }),
    ("substr", 3, 3, |_, args| {
        let (start, end) = (int(&args[0])?, int(&args[1])?);
        cut(&mut args[2], |text| strings::substr(text, start, end))
    }),
    ("alignLeft", 2, 2, |_, args| own(strings::align(text(&args[1])?, int(&args[0])?, true)?)),
    ("alignRight", 2, 2, |_, args| own(strings::align(text(&args[1])?, int(&args[0])?, false)?)),
    ("indent", 2, 2, |_, args| own(strings::indent(text(&args[1])?, int(&args[0])?)?)),
    ("nindent", 2, 2, |_, args| own(format!("\n{}", strings::indent(text(&args[1])?, int(&args[0])?)?))),
    ("repeat", 2, 2, |_, args| repeated(int(&args[0])?, text(&args[1])?)),
    ("contains", 2, 2, |_, args| Ok(Value::Bool(text(&args[1])?.contains(text(&args[0])?)))),
    ("hasPrefix", 2, 2, |_, args| Ok(Value::Bool(text(&args[1])?.starts_with(text(&args[0])?)))),
    ("hasSuffix", 2, 2, |_, args| Ok(Value::Bool(text(&args[1])?.ends_with(text(&args[0])?)))),
    ("default", 1, 2, |_, args| {
        let given = args.get(1).is_some_and(Value::truth);
        Ok(std::mem::replace(&mut args[usize::from(given)], Value::Nil))
    }),
    ("b64enc", 1, 1, |_, args| own(strings::b64enc(text(&args[0])?))),
    ("b64dec", 1, 1, |_, args| own(strings::b64dec(text(&args[0])?))),
    ("urlencode", 1, 1, |_, args| own(escape_url(text(&args[0])?))),
    ("urldecode", 1, 1, |_, args| own(strings::unescape_url(text(&args[0])?)?)),
    ("fromJson", 1, 1, |_, args| Ok(serde_json::from_str(text(&args[0])?).map_or(Value::text(""), Value::from_json))),
    // Patterns.
    ("regexReplaceAll", 3, 3, |call, args| {
        let (pattern, source, new) = (text(&args[0])?, text(&args[1])?, text(&args[2])?);
        with_regex(call, pattern, |regex| strings::replace_regex(regex, source, new, true))??.map_or_else(|| own(source), own)
    }),
    ("regexReplaceAllLiteral", 3, 3, |call, args| {
        let (pattern, source, new) = (text(&args[0])?, text(&args[1])?, text(&args[2])?);
        with_regex(call, pattern, |regex| strings::replace_regex(regex, source, new, false))??.map_or_else(|| own(source), own)
    }),
    ("count", 2, 2, |call, args| {
        let (pattern, source) = (text(&args[0])?, text(&args[1])?);
        let count = with_regex(call, pattern, |regex| regex.find_iter(source).count())?;
        Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
    }),
    // Numbers.
    ("add", 1, MANY, |_, args| fold_int(args, i64::wrapping_add)),
    ("sub", 2, 2, |_, args| fold_int(args, i64::wrapping_sub)),
    ("mul", 1, MANY, |_, args| fold_int(args, i64::wrapping_mul)),
    ("div", 2, 2, |_, args| divide(args, i64::wrapping_div)),
    ("mod", 2, 2, |_, args| divide(args, i64::wrapping_rem)),
    ("addf", 1, MANY, |_, args| fold_float(args, |left, right| left + right)),
    ("subf", 1, MANY, |_, args| fold_float(args, |left, right| left - right)),
    ("mulf", 1, MANY, |_, args| fold_float(args, |left, right| left * right)),
    ("divf", 1, MANY, |_, args| fold_float(args, |left, right| left / right)),
    ("max", 1, MANY, |_, args| fold_int(args, Ord::max)),
    ("min", 1, MANY, |_, args| fold_int(args, Ord::min)),
    ("maxf", 1, MANY, |_, args| fold_float(args, f64::max)),
    ("minf", 1, MANY, |_, args| fold_float(args, f64::min)),
    ("ceil", 1, 1, |_, args| Ok(Value::Float(args[0].to_float().ceil()))),
    ("floor", 1, 1, |_, args| Ok(Value::Float(args[0].to_float().floor()))),
    ("round", 2, 3, |_, args| round(args)),
    ("int", 1, 1, |_, args| Ok(Value::Int(args[0].to_int()))),
    ("float64", 1, 1, |_, args| Ok(Value::Float(args[0].to_float()))),
    ("bytes", 1, 1, |_, args| own(units::go_bytes(text(&args[0])?)?.to_string())),
    ("duration", 1, 1, |_, args| seconds(args)),
    ("duration_seconds", 1, 1, |_, args| seconds(args)),
    // Times.
    ("date", 2, 2, |call, args| own(time::format(text(&args[0])?, date_of(call, &args[1])))),
    ("toDate", 2, 2, |_, args| to_date(&args[0], &args[1])),
    // Zones other than UTC would need a table; as for an unknown zone, the time is taken as UTC.
    ("toDateInZone", 3, 3, |_, args| {
        text(&args[1])?;
        to_date(&args[0], &args[2])
    }),
    ("unixToTime", 1, 1, |_, args| unix_to_time(text(&args[0])?)),
    ("unixEpoch", 1, 1, |_, args| own(instant(&args[0])?.div_euclid(1_000_000_000).to_string())),
    ("unixEpochMillis", 1, 1, |_, args| own(instant(&args[0])?.div_euclid(1_000_000).to_string())),
    ("unixEpochNanos", 1, 1, |_, args| own(instant(&args[0])?.to_string())),
];
