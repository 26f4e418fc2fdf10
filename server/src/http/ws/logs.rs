//! Live lines: `/ws/logs` and `/ws/logs/{service}`.

use std::time::Instant;

use axum::{
    Extension,
    extract::{
        RawQuery, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use model::{ClientMsg, EntryId, Permission, Problem};
use ops::{
    OpCtx,
    access::Action,
    live::{Tail, TailFrom},
    sockets::SocketGuard,
};
use tokio::time::{interval, timeout};

use super::{PING_EVERY, PONG_WITHIN, WRITE_TIMEOUT, close};
use crate::http::{
    AppState,
    problem::Refusal,
    rest::{
        path::{PathText, service_in_path},
        query::Query,
    },
};

/// A viewer asks for its history with the socket; more than this it gets by paging.
const MAX_TAIL: usize = 5_000;
const DEFAULT_TAIL: usize = 500;
/// A client's message is a few dozen bytes.
const MAX_MESSAGE_BYTES: usize = 4_096;

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

pub async fn all(state: State<AppState>, cx: Extension<OpCtx>, raw: RawQuery, upgrade: Upgrade) -> Response {
    open(state, cx, raw, None, upgrade).await.unwrap_or_else(IntoResponse::into_response)
}

pub async fn one(state: State<AppState>, cx: Extension<OpCtx>, PathText(service): PathText, raw: RawQuery, upgrade: Upgrade) -> Response {
    open(state, cx, raw, Some(service_in_path(service)), upgrade).await.unwrap_or_else(IntoResponse::into_response)
}

async fn open(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
    service: Option<String>,
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    let user = cx.require(Action::LogsTail)?;
    let mut query = Query::read(raw.as_deref())?;
    let ask = query.log_ask(service)?;
    let tail = query.parsed::<usize>("tail", "a whole number from 0 to 5000")?;
    let after = query.parsed::<EntryId>("after", "a line's id")?;
    query.end("query, service, level, search, regex, invert, field, tail, after")?;
    let from = match (after, tail) {
        (Some(_), Some(_)) => return Err(Refusal(Problem::bad_input("after", "it excludes tail"))),
        (Some(id), None) => TailFrom::After(id),
        (None, Some(lines)) if lines > MAX_TAIL => {
            return Err(Refusal(Problem::bad_input("tail", format!("{lines} is not within 0 to {MAX_TAIL}"))));
        }
        (None, lines) => TailFrom::Newest(lines.unwrap_or(DEFAULT_TAIL)),
    };
    let upgrade = upgrade.map_err(|_| Refusal(Problem::bad_input("upgrade", "this path speaks WebSocket only (RFC 6455)")))?;
    let guard = state.ops.sockets.register(user, Some(Permission::LogsRead));
    let tail = state.ops.log_tail(&cx, &ask, from).await?;
    Ok(upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES).max_write_buffer_size(4 << 20).on_upgrade(
        move |socket| async move {
            let _open = state.metrics.socket("logs");
            run(socket, tail, &guard, &state).await;
        },
    ))
}

async fn run(mut socket: WebSocket, mut tail: Tail, guard: &SocketGuard, state: &AppState) {
    let mut ping = interval(PING_EVERY);
    ping.tick().await;
    let mut heard = Instant::now();
    let ending = loop {
        let outgoing = tokio::select! {
            biased;
            () = guard.cancel.cancelled() => break Some((close::SESSION_ENDED, "the session ended")),
            () = state.closing.cancelled() => break Some((close::RESTARTING, "the console is restarting")),
            incoming = socket.recv() => {
                heard = Instant::now();
                match incoming {
                    None | Some(Err(_) | Ok(Message::Close(_))) => break None,
                    Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                        Ok(ClientMsg::Pause) => tail.pause(),
                        Ok(ClientMsg::Resume { after }) => tail.resume(after).await,
                        Err(_) => break Some((close::BAD_MESSAGE, "send pause or resume as JSON text")),
                    },
                    Some(Ok(Message::Binary(_))) => break Some((close::BAD_MESSAGE, "send pause or resume as JSON text")),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                }
                continue;
            }
            json = tail.next() => text(json),
            _ = ping.tick() => {
                if heard.elapsed() > PONG_WITHIN {
                    break None;
                }
                Message::Ping(Bytes::new())
            }
        };
        // While this waits for a slow reader nothing piles up here: the hub counts what it may not queue.
        let sending = timeout(WRITE_TIMEOUT, socket.send(outgoing));
        let sent = tokio::select! {
            () = guard.cancel.cancelled() => break Some((close::SESSION_ENDED, "the session ended")),
            sent = sending => sent,
        };
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(_)) => break None,
            Err(_) => break Some((close::TOO_SLOW, "nothing was read for 30 seconds")),
        }
    };
    if let Some((code, reason)) = ending {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // A reader that does not read will not read this either.
        drop(timeout(std::time::Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await);
    }
}

fn text(json: Bytes) -> Message {
    match Utf8Bytes::try_from(json) {
        Ok(text) => Message::Text(text),
        Err(_) => unreachable!("JSON is UTF-8"),
    }
}
