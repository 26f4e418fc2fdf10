//! What the two ends of a socket say to each other.

use model::{ClientMsg, ServerMsg};

/// Read, written and read again, a message is the same.
pub fn socket_messages(bytes: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<ClientMsg>(bytes) {
        let text = serde_json::to_string(&message).expect("it was read");
        assert_eq!(serde_json::from_str::<ClientMsg>(&text).expect("it was written by us"), message);
    }
    if let Ok(message) = serde_json::from_slice::<ServerMsg>(bytes) {
        let text = serde_json::to_string(&message).expect("it was read");
        assert_eq!(serde_json::from_str::<ServerMsg>(&text).expect("it was written by us"), message);
    }
}
