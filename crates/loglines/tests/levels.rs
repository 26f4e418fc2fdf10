//! Level detection over samples in the formats of real programs (`levels.txt`).

#![allow(clippy::unwrap_used, reason = "a test may")]

use model::Level;

#[test]
fn each_sample_has_its_level() {
    let mut wrong = Vec::new();
    let (mut cases, mut negative) = (0, 0);
    for row in include_str!("levels.txt").lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let (expect, line) = row.split_once('\t').expect("a level, a tab, a line");
        let line = line.replace('␛', "\x1b").replace('␉', "\t");
        let expect: Level = expect.parse().expect(row);
        cases += 1;
        negative += usize::from(expect == Level::Unknown);
        let found = loglines::level::detect(&line);
        if found != expect {
            wrong.push(format!("{found} instead of {row}"));
        }
        assert_eq!(loglines::understand(&line).level, found);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 120 && negative >= 30, "{cases} cases, {negative} negative");
}
