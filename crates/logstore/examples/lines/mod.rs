//! Lines as eight services write them, the same for the same seed: JSON, logfmt, plain text and access log in equal parts, half of
//! them with a random 128-bit id. For what measures the engine, in this crate and over HTTP.

use model::{Labels, Timestamp};

/// xorshift64*: no more is asked of it than to be quick and the same everywhere.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    pub fn id(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

pub const SERVICES: [&str; 8] = ["checkout", "gateway", "worker", "auth", "search", "billing", "mailer", "web"];
const PATHS: [&str; 6] = ["/api/v1/cart", "/api/v1/orders", "/login", "/static/app.js", "/api/v1/users", "/health"];
const MSGS: [&str; 6] = [
    "request finished",
    "payment authorised",
    "cache miss, loading from database",
    "retrying connection to upstream",
    "user session refreshed",
    "job scheduled for execution",
];
const LEVELS: [&str; 4] = ["debug", "info", "warn", "error"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

pub fn labels(service: usize) -> Labels {
    Labels::from([
        ("service", SERVICES[service]),
        ("service_name", SERVICES[service]),
        ("job", "dockerlogs"),
        ("host", "local"),
        ("stream", "stdout"),
    ])
}

/// RFC 3339 to the microsecond.
fn stamp(at: i64) -> String {
    let whole = Timestamp::from_secs(at.div_euclid(1_000_000_000)).to_string();
    format!("{}.{:06}Z", &whole[..19], at.rem_euclid(1_000_000_000) / 1_000)
}

/// A line of a service (its place in [`SERVICES`]) at a time in nanoseconds. `id` stands where the random one would.
pub fn line(rng: &mut Rng, service: usize, at: i64, id: Option<&str>) -> String {
    let (user, ms, status) = (
        rng.below(50_000),
        rng.below(2_000_000) as f64 / 1000.0,
        [200, 200, 200, 200, 201, 204, 301, 404, 500, 503][rng.below(10) as usize],
    );
    let (path, msg, level) = (PATHS[rng.below(6) as usize], MSGS[rng.below(6) as usize], LEVELS[rng.below(4) as usize]);
    let random = if rng.below(2) == 0 { rng.id() } else { String::new() };
    let id = id.unwrap_or(&random);
    let stamp = stamp(at);
    match service % 4 {
        0 => format!(
            r#"{{"time":"{stamp}","level":"{level}","msg":"{msg}","service":"{}","user_id":{user},"duration_ms":{ms:.3},"status":{status},"path":"{path}","trace_id":"{id}","region":"eu-central-1"}}"#,
            SERVICES[service]
        ),
        1 => format!(
            r#"time={stamp} level={level} msg="{msg}" component={} user=u{user} duration={ms:.2}ms status={status} path={path} caller=handler.go:{} trace={id} host=node-{}"#,
            SERVICES[service],
            rng.below(400),
            rng.below(9)
        ),
        2 => format!(
            "{stamp} {level:>5} [{}-thread-{}] com.example.shop.{}.Service - {msg} for user {user} took {ms:.1} ms request {id} after {} attempts",
            SERVICES[service],
            rng.below(16),
            SERVICES[service],
            rng.below(4)
        ),
        _ => format!(
            r#"10.{}.{}.{} - - [{}/{}/{}:{} +0000] "GET {path}?id={user}&session={id} HTTP/1.1" {status} {} "https://shop.example.com/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" {ms:.3}"#,
            rng.below(4),
            rng.below(256),
            rng.below(256),
            &stamp[8..10],
            MONTHS[stamp[5..7].parse::<usize>().map_or(0, |month| month - 1)],
            &stamp[..4],
            &stamp[11..19],
            rng.below(90_000)
        ),
    }
}
