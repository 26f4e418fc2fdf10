//! Loki's tail: lines of a query over a WebSocket, as they come.

use std::{collections::VecDeque, time::Duration};

use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
    response::Response,
};
use http::StatusCode;
use logql::{ast::Expr, syntax};
use model::Permission;
use ops::{
    access::Action,
    sockets::SocketGuard,
    source::engine::{TailItem, Tailed},
};
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Call, Failure, Upgrade, answer::streams};
use crate::http::ws::{WRITE_TIMEOUT, close};

/// Loki pings every second; its clients take silence for a broken connection.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Loki ends a tail after an hour; clients begin a new one.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Lines of one frame.
const FRAME_LINES: usize = 100;
const MAX_DELAY_S: usize = 5;
/// Batches that may wait for their time; the others wait where they come from.
const WAITING: usize = 256;

pub async fn open(call: Call, upgrade: Upgrade) -> Result<Response, Failure> {
    let user = call.cx.require(Action::LogsTail)?.clone();
    let expr = syntax::parse(call.params.get("query"))?;
    let limit = call.params.count("limit", 100)?.min(5_000);
    let delay = match call.params.get("delay_for") {
        "" | "0" => 0,
        _ => call.params.count("delay_for", 0)?,
    };
    if delay > MAX_DELAY_S {
        return Err(format!("delay_for can't be greater than {MAX_DELAY_S}").into());
    }
    // An hour back where unset, as in every other call.
    let (start, _) = call.params.range(call.now())?;
    let upgrade = upgrade.map_err(|_| Failure::Text(StatusCode::BAD_REQUEST, "Bad Request\n".to_owned()))?;
    let guard = call.state.ops.sockets.register(&user, Some(Permission::LogsRead));
    let Expr::Log(log) = expr else {
        return Ok(upgrade.on_upgrade(|mut socket| async move {
            end(&mut socket, 1011, "only log selector is supported").await;
        }));
    };
    let tailed = call.state.ops.query_tail(&call.cx, &log, start, limit, call.how()).await?;
    let flags = call.flags();
    Ok(upgrade.max_message_size(4_096).max_write_buffer_size(4 << 20).on_upgrade(move |socket| async move {
        let _open = call.state.metrics.socket("loki_tail");
        let closing = call.state.closing.clone();
        run(socket, tailed, Ends { guard: &guard, closing: &closing }, flags, Duration::from_secs(delay as u64)).await;
    }))
}

/// Why a tail ends: the close frame, where there is somebody to read it.
type Ending = Option<(u16, &'static str)>;

/// What ends a tail from our side.
struct Ends<'a> {
    guard: &'a SocketGuard,
    closing: &'a CancellationToken,
}

impl Ends<'_> {
    async fn reached(&self) -> Ending {
        tokio::select! {
            biased;
            () = self.guard.cancel.cancelled() => Some((close::SESSION_ENDED, "the session ended")),
            () = self.closing.cancelled() => Some((close::RESTARTING, "the console is restarting")),
        }
    }

    /// Nothing goes out any more once the tail has ended, however slowly it is read.
    async fn send(&self, socket: &mut WebSocket, message: Message) -> Result<(), Ending> {
        tokio::select! {
            biased;
            ending = self.reached() => Err(ending),
            sent = timeout(WRITE_TIMEOUT, socket.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(None),
                Err(_) => Err(Some((close::TOO_SLOW, "nothing was read for 30 seconds"))),
            },
        }
    }
}

/// Each batch goes out `delay` after it came: late lines of other streams may still come before it.
async fn run(mut socket: WebSocket, mut tailed: Tailed, ends: Ends<'_>, flags: Option<Vec<String>>, delay: Duration) {
    let mut ping = interval(PING_EVERY);
    ping.tick().await;
    let over = tokio::time::sleep(LONGEST);
    tokio::pin!(over);
    let mut dropped = Vec::new();
    // `None` is the tail's end.
    let mut waiting: VecDeque<(Instant, Option<TailItem>)> = VecDeque::new();
    let ending = 'open: loop {
        let is_over = waiting.back().is_some_and(|(_, item)| item.is_none());
        let due = waiting.front().map(|(due, _)| *due);
        tokio::select! {
            biased;
            ending = ends.reached() => break ending,
            () = &mut over => break Some((1000, "reached tail max duration limit")),
            incoming = socket.recv() => {
                if matches!(incoming, None | Some(Err(_) | Ok(Message::Close(_)))) {
                    break None;
                }
                continue;
            }
            _ = ping.tick() => {
                if let Err(ending) = ends.send(&mut socket, Message::Ping(bytes::Bytes::new())).await {
                    break ending;
                }
                continue;
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            item = tailed.recv(), if !is_over && waiting.len() < WAITING => {
                waiting.push_back((Instant::now() + delay, item));
                continue;
            }
        }
        match waiting.pop_front().and_then(|(_, item)| item) {
            None => break Some((1011, "the tail ended")),
            Some(TailItem::Failed(_)) => break Some((1011, "the query failed")),
            Some(TailItem::Dropped { from, to, .. }) => {
                dropped.extend([from, to].map(|at| json!({ "labels": {}, "timestamp": at.to_string() })));
            }
            Some(TailItem::Rows(rows)) => {
                for rows in rows.chunks(FRAME_LINES) {
                    let frame = frame(rows, std::mem::take(&mut dropped), flags.as_deref());
                    if let Err(ending) = ends.send(&mut socket, Message::Text(frame.to_string().into())).await {
                        break 'open ending;
                    }
                }
            }
        }
    };
    if let Some((code, reason)) = ending {
        end(&mut socket, code, reason).await;
    }
}

/// One stream per line and label set in a row, as Loki sends them.
fn frame(rows: &[logql::engine::LogRow], dropped: Vec<Value>, flags: Option<&[String]>) -> Value {
    let categorize = flags.is_some_and(|flags| flags.iter().any(|flag| flag == "categorize-labels"));
    let mut frame = json!({ "streams": streams(rows, categorize) });
    if !dropped.is_empty() {
        frame["dropped_entries"] = dropped.into();
    }
    if let Some(flags) = flags {
        frame["encodingFlags"] = json!(flags);
    }
    frame
}

async fn end(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    // A reader that does not read will not read this either.
    drop(timeout(Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await);
}
