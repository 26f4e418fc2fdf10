//! Times of lines, as a person's clock shows them. Formatting is the browser's: no table of zones comes with the page.

use std::cell::RefCell;

use js_sys::{Array, Function, Object, Reflect};
use model::Timestamp;
use wasm_bindgen::{JsCast, JsValue};

use super::log_view::LogStyle;
use crate::ui::text;

/// Turns instants into `MM-DD`, `HH:MM:SS` and `.mmm`. For the browser only.
pub struct LogClock {
    relative: bool,
    format: Option<Function>,
    /// The second that was formatted last: neighbours share it.
    last: RefCell<(i64, String)>,
}

/// The parts of a shown time.
pub struct Shown {
    pub date: String,
    pub time: String,
    pub fraction: String,
}

impl LogClock {
    pub fn new(style: &LogStyle) -> Self {
        Self {
            relative: style.relative,
            format: formatter(&style.zone).or_else(|| formatter("")),
            last: RefCell::new((i64::MIN, String::new())),
        }
    }

    pub fn is_relative(&self) -> bool {
        self.relative
    }

    pub fn show(&self, at: Timestamp) -> Shown {
        if self.relative {
            let passed = js_sys::Date::now() as i64 - at.millis();
            return Shown { date: String::new(), time: text::ago(passed), fraction: String::new() };
        }
        let mut last = self.last.borrow_mut();
        if last.0 != at.secs() {
            *last = (at.secs(), self.stamp(at));
        }
        let (date, time) = last.1.split_once(' ').unwrap_or(("", &last.1));
        Shown { date: date.get(5..).unwrap_or(date).to_owned(), time: time.to_owned(), fraction: fraction(at) }
    }

    /// The instant at which this clock shows `2026-11-22T16:36` or `2026-11-22T16:36:05`; where the clock is put forward over it, one
    /// nearby.
    pub fn instant(&self, wall: &str) -> Option<Timestamp> {
        let wall = match wall.len() {
            16 => [wall, ":00Z"].concat(),
            _ => [wall, "Z"].concat(),
        };
        let wall = Timestamp::parse_rfc3339(&wall)?;
        // The offset at the instant as if it were UTC's, and then at the one that comes of it: they differ around a change of it.
        let offset = |at: Timestamp| {
            let shown = Timestamp::parse_rfc3339(&(self.stamp(at).replace(' ', "T") + "Z"))?;
            Some(shown.0 - at.secs() * 1_000_000_000)
        };
        let guess = Timestamp(wall.0 - offset(wall)?);
        Some(Timestamp(wall.0 - offset(guess)?))
    }

    /// `2026-11-22 16:36:00`, the form of the Swedish locale.
    pub fn stamp(&self, at: Timestamp) -> String {
        let shown = self.format.as_ref().and_then(|format| format.call1(&JsValue::UNDEFINED, &JsValue::from_f64(at.millis() as f64)).ok());
        shown.and_then(|shown| shown.as_string()).unwrap_or_else(|| at.to_string().get(..19).unwrap_or_default().replace('T', " "))
    }
}

/// `.mmm`.
fn fraction(at: Timestamp) -> String {
    let ms = at.millis().rem_euclid(1_000);
    let digit = |n: i64| char::from(b'0' + (n % 10) as u8);
    ['.', digit(ms / 100), digit(ms / 10), digit(ms)].into_iter().collect()
}

/// `None` for a zone that the browser does not know.
fn formatter(zone: &str) -> Option<Function> {
    let make = intl("DateTimeFormat")?;
    let options = Object::new();
    let set = |name: &str, value: &str| Reflect::set(&options, &name.into(), &value.into());
    for (name, value) in [("dateStyle", "short"), ("timeStyle", "medium"), ("timeZone", zone)] {
        if !value.is_empty() {
            set(name, value).ok()?;
        }
    }
    let format = Reflect::construct(&make, &Array::of2(&"sv-SE".into(), &options)).ok()?;
    Reflect::get(&format, &"format".into()).ok()?.dyn_into().ok()
}

fn intl(name: &str) -> Option<Function> {
    let intl = Reflect::get(&js_sys::global(), &"Intl".into()).ok()?;
    Reflect::get(&intl, &name.into()).ok()?.dyn_into().ok()
}

/// The zones that the browser knows, for a list to choose from.
pub fn zones() -> Vec<String> {
    let zones = intl("supportedValuesOf").and_then(|list| list.call1(&JsValue::UNDEFINED, &"timeZone".into()).ok());
    let zones = zones.and_then(|zones| zones.dyn_into::<Array>().ok());
    zones.iter().flat_map(Array::iter).filter_map(|zone| zone.as_string()).collect()
}

/// Whether the browser knows a zone; an empty name is the browser's own.
pub fn is_zone(zone: &str) -> bool {
    formatter(zone).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_have_three_digits() {
        for (nanos, expect) in [(0, ".000"), (7_999_999, ".007"), (1_120_000_000, ".120"), (999_999_999, ".999")] {
            assert_eq!(fraction(Timestamp(nanos)), expect);
        }
    }
}
