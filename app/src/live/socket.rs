//! One WebSocket of ours, from the browser's end. Knows nothing of what is done with a frame.

use std::rc::Rc;

use model::{ClientMsg, Code, Entry, EntryId, ServerMsg, StreamState};
use serde::Deserialize;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{CloseEvent, Event, MessageEvent, WebSocket};

/// Close codes of ours.
pub const SESSION_ENDED: u16 = 4401;
pub const FORBIDDEN: u16 = 4403;
pub const NOT_FOUND: u16 = 4404;

/// What happened on a socket.
pub enum SocketEvent {
    Open,
    Frame(ServerMsg),
    /// Nothing follows. `opened` is false where the server did not take the socket at all.
    Closed {
        code: u16,
        opened: bool,
    },
}

/// An open socket; dropped, it is closed and silent.
pub struct Socket {
    inner: WebSocket,
    _listeners: Listeners,
}

type Listeners = (Closure<dyn FnMut(Event)>, Closure<dyn FnMut(MessageEvent)>, Closure<dyn FnMut(CloseEvent)>);

impl Socket {
    /// Opens a path of this origin; `None` where the browser refuses the address.
    pub fn open(path: &str, tell: Rc<dyn Fn(SocketEvent)>) -> Option<Self> {
        let location = leptos::prelude::window().location();
        let scheme = if location.protocol().as_deref() == Ok("https:") { "wss://" } else { "ws://" };
        let host = location.host().ok()?;
        let inner = WebSocket::new(&[scheme, &host, path].concat()).ok()?;
        let opened = Rc::new(std::cell::Cell::new(false));
        let on_open = {
            let (tell, opened) = (tell.clone(), opened.clone());
            Closure::<dyn FnMut(Event)>::new(move |_| {
                opened.set(true);
                tell(SocketEvent::Open);
            })
        };
        let on_message = {
            let tell = tell.clone();
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                let frame = event.data().as_string().and_then(|text| read_frame(&text));
                if let Some(frame) = frame {
                    tell(SocketEvent::Frame(frame));
                }
            })
        };
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
            tell(SocketEvent::Closed { code: event.code(), opened: opened.get() });
        });
        inner.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        inner.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        inner.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Some(Self { inner, _listeners: (on_open, on_message, on_close) })
    }

    /// Sends where the socket is open; else the message is of no use any more.
    pub fn send(&self, message: &ClientMsg) {
        if self.inner.ready_state() == WebSocket::OPEN {
            let text = serde_json::to_string(message).expect("a message of ours serialises");
            // It fails only while connecting, which was asked above.
            let _ = self.inner.send_with_str(&text);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.inner.set_onopen(None);
        self.inner.set_onmessage(None);
        self.inner.set_onclose(None);
        // It fails only for a close code, and none is given.
        let _ = self.inner.close();
    }
}

/// Milliseconds until the next try: half a second, doubled each time up to ten, and up to a quarter more by `chance`
/// (0 to 1), so that a thousand viewers do not come back at once.
pub fn backoff(tries: u32, chance: f64) -> u32 {
    let base = (500_u32 << tries.min(5)).min(10_000);
    base + (f64::from(base / 4) * chance) as u32
}

/// A frame with every member of every kind: read at once, where a tagged enum would be read twice.
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    entries: Vec<Entry>,
    #[serde(default)]
    dropped: u64,
    #[serde(default)]
    from: Option<EntryId>,
    #[serde(default)]
    to: Option<EntryId>,
    #[serde(default)]
    state: Option<StreamState>,
    #[serde(default)]
    code: Option<Code>,
    #[serde(default)]
    detail: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Logs,
    Gap,
    State,
    Error,
}

/// `None` for a frame of a newer server that we do not understand.
fn read_frame(text: &str) -> Option<ServerMsg> {
    let frame: Frame = serde_json::from_str(text).ok()?;
    Some(match frame.kind {
        Kind::Logs => ServerMsg::Logs { entries: frame.entries },
        Kind::Gap => ServerMsg::Gap { dropped: frame.dropped, from: frame.from, to: frame.to },
        Kind::State => ServerMsg::State { state: frame.state? },
        Kind::Error => ServerMsg::Error { code: frame.code?, detail: frame.detail },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_grow_rarer_up_to_a_limit() {
        for (tries, chance, expect) in [(0, 0.0, 500), (1, 0.0, 1_000), (4, 0.0, 8_000), (5, 0.0, 10_000), (90, 1.0, 12_500)] {
            assert_eq!(backoff(tries, chance), expect);
        }
    }

    #[test]
    fn every_frame_of_the_server_is_read() {
        let id: EntryId = "18ea00000000000000000000000000070001".parse().unwrap();
        let entry = Entry {
            id,
            timestamp: id.at,
            service: "web".into(),
            level: model::Level::Warn,
            message: "a \"line\"".into(),
            fields: model::log::Fields(vec![("user".into(), "ada".into())]),
            labels: std::sync::Arc::new(model::Labels::from([("service", "web")])),
            group: id,
            cut: Some(70_000),
        };
        for frame in [
            ServerMsg::Logs { entries: vec![entry] },
            ServerMsg::Logs { entries: vec![] },
            ServerMsg::Gap { dropped: 3, from: Some(id), to: None },
            ServerMsg::State { state: StreamState::Reconnecting },
            ServerMsg::Error { code: Code::BadInput, detail: "x".into() },
        ] {
            assert_eq!(read_frame(&serde_json::to_string(&frame).unwrap()), Some(frame));
        }
        assert_eq!(read_frame(r#"{"type":"news"}"#), None);
    }
}
