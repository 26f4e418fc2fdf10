//! The figures of our own process, read from `/proc` when somebody asks. What cannot be read is left out.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use super::figure::Figure;

/// `USER_HZ`: in which unit `/proc/<pid>/stat` counts time, on every architecture that we build for (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut put = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn Figure| {
            metric.put(encoder.encode_descriptor(name, help, unit, metric.kind())?)
        };
        let read = |path: &str| fs::read_to_string(path).ok();
        if let Some(bytes) = read("/proc/self/status").and_then(|status| resident_bytes(&status)) {
            put("process_resident_memory", "Memory that is in RAM.", Some(&Unit::Bytes), &ConstGauge::new(bytes))?;
        }
        if let Some(times) = read("/proc/self/stat").and_then(|stat| Times::parse(&stat)) {
            put("process_cpu", "Processor time used, user and system.", Some(&Unit::Seconds), &ConstCounter::new(times.cpu_seconds))?;
            if let Some(boot) = read("/proc/stat").and_then(|stat| boot_seconds(&stat)) {
                let start = ConstGauge::new(boot + times.start_seconds);
                put("process_start_time", "When the process started, in Unix time.", Some(&Unit::Seconds), &start)?;
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // The directory itself is open while we count.
            let count = i64::try_from(open.count()).unwrap_or(i64::MAX) - 1;
            put("process_open_fds", "File descriptors that are open.", None, &ConstGauge::new(count))?;
        }
        Ok(())
    }
}

/// `VmRSS` of `/proc/self/status`, which is in KiB.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Of `/proc/self/stat`.
#[derive(Debug, PartialEq)]
struct Times {
    cpu_seconds: f64,
    /// Since the machine started.
    start_seconds: f64,
}

impl Times {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses and may hold both. The third follows the last `)`.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self { cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND, start_seconds: ticks(22)? / TICKS_PER_SECOND })
    }
}

/// `btime` of `/proc/stat`: Unix time at which the machine started.
fn boot_seconds(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let stat = "42 (a) b) c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 12345 99 88 77";
        assert_eq!(Times::parse(stat), Some(Times { cpu_seconds: 2.0, start_seconds: 123.45 }));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 * 1024 * 1024));
        assert_eq!(boot_seconds("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000.0));
        for junk in ["", "42 (x", "42 (x) S 1"] {
            assert_eq!((Times::parse(junk), resident_bytes(junk), boot_seconds(junk)), (None, None, None));
        }
    }
}
