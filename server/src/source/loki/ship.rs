//! Brings what was collected to Loki: one push after the other, in order, again until Loki has it or says that it will never
//! take it.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, header};
use tokio_util::sync::CancellationToken;

use super::{
    Loki,
    client::{Answer, NAME},
};
use crate::collect::outbox::{Outbox, Waiting};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What became of a push.
enum Fate {
    /// Loki has it but for so many of its lines.
    Done { rejected: u64 },
    /// It may take it later.
    Later(Option<Duration>),
}

/// Sends until `closing`; what waits then waits on disk.
pub async fn ship(loki: Arc<Loki>, outbox: Arc<Outbox>, closing: CancellationToken) {
    let sending = async {
        loop {
            let waiting = outbox.next().await;
            let rejected = deliver(&loki, &waiting).await;
            if let Err(error) = outbox.done(&waiting, rejected) {
                tracing::warn!(kind = "database", operation = "outbox_write", %error, "it cannot be remembered what Loki has: it is sent again after a restart");
            }
        }
    };
    tokio::select! {
        () = closing.cancelled() => {}
        () = sending => {}
    }
}

/// How many lines Loki did not take.
async fn deliver(loki: &Loki, waiting: &Waiting) -> u64 {
    let mut wait = FIRST_WAIT;
    loop {
        let request = loki.client().request(Method::POST, "loki/api/v1/push");
        let request = request.header(header::CONTENT_TYPE, "application/x-protobuf").body(waiting.body.clone());
        let fate = match loki.client().send(request).await {
            Ok(answer) => fate(&answer, waiting.lines),
            Err(_) => Fate::Later(None),
        };
        match fate {
            Fate::Done { rejected } => return rejected,
            Fate::Later(retry_after) => tokio::time::sleep(retry_after.unwrap_or(wait).min(LONGEST_WAIT)).await,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn fate(answer: &Answer, lines: u64) -> Fate {
    let status = answer.status;
    if status.is_success() {
        return Fate::Done { rejected: 0 };
    }
    let said = answer.said();
    // A message beyond Loki's own bounds never gets smaller.
    let too_large = status.is_server_error() && said.contains("larger than max");
    // Loki's word on the lines, and no page of a proxy. All else is for a person to set right, or for time.
    let is_final = matches!(status.as_u16(), 400 | 413 | 422) && !said.starts_with('<');
    if !too_large && !is_final {
        // Of the others the client tells.
        if !status.is_server_error() && !matches!(status.as_u16(), 401 | 403 | 429) {
            tracing::warn!(kind = "external_service", peer = NAME, %status, "lines wait, their push is not taken: {said}");
        }
        return Fate::Later(answer.retry_after);
    }
    let rejected = ignored(&said).unwrap_or(lines);
    tracing::warn!(kind = "external_service", peer = NAME, %status, rejected, "Loki does not take some lines: {said}");
    Fate::Done { rejected }
}

/// `…, total ignored: 2 out of 10`: the others are stored.
fn ignored(said: &str) -> Option<u64> {
    let (_, rest) = said.split_once("total ignored: ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn what_loki_will_never_take_is_let_go_and_all_else_is_sent_again() {
        for (status, said, expect) in [
            (204, "", Some(0)),
            (200, "", Some(0)),
            (400, "entry for stream '{}' has timestamp too old: 2026-01-01T00:00:00Z, oldest acceptable timestamp is: …", Some(10)),
            (400, "entry with timestamp 1 ignored, reason: 'entry too far behind', user 'x', total ignored: 2 out of 10", Some(2)),
            (413, "", Some(10)),
            (422, "", Some(10)),
            (500, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)", Some(10)),
            (429, "Ingestion rate limit exceeded", None),
            (500, "at least 1 live replicas required", None),
            (503, "", None),
            (401, "no org id", None),
            (302, "", None),
            (404, "404 page not found", None),
            (405, "Method Not Allowed", None),
            (407, "Proxy Authentication Required", None),
            (410, "", None),
            (415, "unsupported media type", None),
            (431, "Request Header Fields Too Large", None),
            (400, "<html><h1>400 The plain HTTP request was sent to HTTPS port</h1></html>", None),
            (413, "\n<html><h1>413 Request Entity Too Large</h1></html>", None),
        ] {
            let answer = Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, body: said.as_bytes().to_vec().into() };
            match (fate(&answer, 10), expect) {
                (Fate::Done { rejected }, Some(expect)) => assert_eq!(rejected, expect, "{status} {said}"),
                (Fate::Later(_), None) => {}
                _ => panic!("{status} {said}"),
            }
        }
    }
}
