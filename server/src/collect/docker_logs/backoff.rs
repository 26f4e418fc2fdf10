//! How long to wait before the next try: 0.25 s at first, doubling to 10 s, with jitter so that a hundred followers do not
//! come back at one moment.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next(rand::random())).await;
    }

    /// `jitter` within 0 and 1.
    fn next(&mut self, jitter: f64) -> Duration {
        let whole = (FIRST * 2_u32.pow(self.tries.min(6))).min(LAST);
        self.tries += 1;
        whole.mul_f64(0.5 + jitter / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        backoff.reset();
        assert_eq!(backoff.next(0.0).as_millis(), 125);
    }
}
