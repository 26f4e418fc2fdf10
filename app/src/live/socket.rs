//! One WebSocket of ours, from the browser's end. Knows nothing of what is done with a frame.

use std::rc::Rc;

use model::{ClientMsg, ServerMsg};
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
                // A frame of a newer server that we do not understand is passed over.
                let frame = event.data().as_string().and_then(|text| serde_json::from_str(&text).ok());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_grow_rarer_up_to_a_limit() {
        for (tries, chance, expect) in [(0, 0.0, 500), (1, 0.0, 1_000), (4, 0.0, 8_000), (5, 0.0, 10_000), (90, 1.0, 12_500)] {
            assert_eq!(backoff(tries, chance), expect);
        }
    }
}
