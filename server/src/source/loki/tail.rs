//! Lines of a query as they come: by Loki's WebSocket, by asking every second where that does not open, and by asking for
//! what came meanwhile where it broke off.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use base64::Engine as _;
use futures::StreamExt;
use http::{StatusCode, header};
use logql::{
    ast::LogExpr,
    engine::{LogParams, LogRow},
};
use model::{Direction, EntryId};
use ops::source::engine::{How, LogEngine, QueryError, TailItem, Tailed};
use reqwest::{Method, Upgraded};
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

use super::{
    answer::{self, number},
    client::{Client, FLAGS, NAME},
    id_of,
    query::LokiEngine,
    walk::Walk,
};

const BATCHES: usize = 8;
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Loki pings every second.
const SILENCE: Duration = Duration::from_secs(15);
const POLL_EVERY: Duration = Duration::from_secs(1);
/// Polls before the socket is tried again.
const POLLS: u32 = 30;
/// Between two tries to reach a Loki that is away; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Lines of so long before the last one are asked for again: they may have come late.
const OVERLAP_NS: i64 = 5 * model::time::NANOS_PER_SEC;
/// Ids by which lines that come again are known.
const SEEN: usize = 50_000;
const MAX_FRAME_BYTES: usize = 64 << 20;

type Socket = WebSocketStream<Upgraded>;

pub async fn tail(engine: &LokiEngine, log: &LogExpr, start: i64, limit: usize, how: How) -> Result<Tailed, QueryError> {
    let client = engine.0.client.clone();
    // Opened before what is there is read: a line in between is in one of the two, or in both and told apart by its id.
    let socket = open(&client, log).await;
    let params = LogParams { start, end: i64::MAX, limit: Some(limit), direction: Direction::Backward, after: None, interval_ns: 0 };
    let mut history = if limit == 0 { Vec::new() } else { engine.logs(log, params, how).await?.value };
    history.reverse();
    let floor = match history.first() {
        _ if limit == 0 => how.now.0,
        Some(first) if history.len() >= limit => first.at.saturating_add(1),
        _ => start,
    };
    let (sender, tailed) = mpsc::channel(BATCHES);
    let mut follower = Follower { client, log: log.clone(), floor, last: floor.max(how.now.0 - OVERLAP_NS), seen: Seen::default(), sender };
    tokio::spawn(async move {
        let closed = follower.sender.clone();
        tokio::select! {
            () = closed.closed() => {}
            () = follower.run(history, socket) => {}
        }
    });
    Ok(tailed)
}

/// A socket that tells lines from now on; `None` where none opens, whatever the reason.
async fn open(client: &Client, log: &LogExpr) -> Option<Socket> {
    let key = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 16]>());
    let request = client
        .request(Method::GET, "loki/api/v1/tail")
        .query(&[("query", log.to_string()), ("start", client.now().0.to_string()), ("limit", "1000".to_owned())])
        .header(FLAGS.0, FLAGS.1)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key);
    let response = timeout(OPEN_TIMEOUT, request.send()).await.ok()?.ok()?;
    let accepted =
        response.headers().get(header::SEC_WEBSOCKET_ACCEPT).is_some_and(|value| value == derive_accept_key(key.as_bytes()).as_str());
    if response.status() != StatusCode::SWITCHING_PROTOCOLS || !accepted {
        tracing::debug!(kind = "external_service", peer = NAME, status = %response.status(), "the tail is polled: no socket opens");
        return None;
    }
    let upgraded = timeout(OPEN_TIMEOUT, response.upgrade()).await.ok()?.ok()?;
    let config = WebSocketConfig::default().max_message_size(Some(MAX_FRAME_BYTES)).max_frame_size(Some(MAX_FRAME_BYTES));
    Some(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
}

struct Follower {
    client: Arc<Client>,
    log: LogExpr,
    /// Older lines are not asked for.
    floor: i64,
    /// The latest time of all that was told.
    last: i64,
    seen: Seen,
    sender: mpsc::Sender<TailItem>,
}

/// Nobody listens any more, or the query is refused.
struct Over;

impl Follower {
    async fn run(&mut self, history: Vec<LogRow>, mut socket: Option<Socket>) {
        let mut wait = FIRST_WAIT;
        if self.tell(history).await.is_err() {
            return;
        }
        loop {
            // (Open → Listening → Lost) | (Closed → Polling): then what came meanwhile is asked for, and it begins anew.
            let ended = match socket.take() {
                Some(open) => {
                    wait = FIRST_WAIT;
                    self.listen(open).await
                }
                None => self.poll().await,
            };
            if ended.is_err() {
                return;
            }
            socket = open(&self.client, &self.log).await;
            while let Err(error) = self.catch_up().await {
                if self.is_over(error).await {
                    return;
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
                // Away for a while: what was opened before may be dead.
                socket = open(&self.client, &self.log).await;
            }
        }
    }

    /// Until the socket ends.
    async fn listen(&mut self, mut socket: Socket) -> Result<(), Over> {
        loop {
            let text = match timeout(SILENCE, socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_)))) => continue,
                Ok(None | Some(Err(_) | Ok(Message::Close(_)))) | Err(_) => return Ok(()),
            };
            let Ok((mut rows, dropped)) = answer::frame(&text) else { return Ok(()) };
            number(&mut rows, Direction::Forward);
            self.tell(rows).await?;
            if let (Some(from), Some(to)) = (dropped.iter().min(), dropped.iter().max()) {
                let item = TailItem::Dropped { lines: dropped.len() as u64, from: *from, to: *to };
                self.sender.send(item).await.map_err(|_| Over)?;
            }
        }
    }

    async fn poll(&mut self) -> Result<(), Over> {
        for _ in 0..POLLS {
            tokio::time::sleep(POLL_EVERY).await;
            if let Err(error) = self.catch_up().await {
                return if self.is_over(error).await { Err(Over) } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// Asks for what came since the last line, and somewhat before it.
    async fn catch_up(&mut self) -> Result<(), QueryError> {
        let start = self.last.saturating_sub(OVERLAP_NS).max(self.floor).max(self.seen.from);
        let mut walk = Walk::new(self.client.clone(), self.log.clone(), start, i64::MAX, Direction::Forward);
        while !walk.is_done() {
            let rows = walk.next(1_000).await?;
            if self.tell(rows).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn tell(&mut self, mut rows: Vec<LogRow>) -> Result<(), Over> {
        rows.retain(|row| self.seen.is_new(id_of(row)));
        let Some(last) = rows.iter().map(|row| row.at).max() else { return Ok(()) };
        self.last = self.last.max(last);
        self.sender.send(TailItem::Rows(rows)).await.map_err(|_| Over)
    }

    /// Whether trying again is of no use; says so then.
    async fn is_over(&self, error: QueryError) -> bool {
        let over = matches!(error, QueryError::Refused { status, .. } if (400..500).contains(&status) && status != 429);
        if over {
            drop(self.sender.send(TailItem::Failed(error)).await);
        }
        over
    }
}

/// The ids of the last lines.
#[derive(Default)]
struct Seen {
    ids: HashSet<EntryId>,
    order: VecDeque<EntryId>,
    /// Of lines before this time ids are forgotten.
    from: i64,
}

impl Seen {
    fn is_new(&mut self, id: EntryId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
            self.from = self.from.max(oldest.at.0.saturating_add(1));
        }
        true
    }
}
