//! What an OTLP exporter is answered: `ExportLogsServiceResponse`, or `google.rpc.Status` where all was refused
//! (opentelemetry.io/docs/specs/otlp/#otlphttp-response).

use crate::{
    body::Format,
    wire::{put_bytes, put_varint},
};

/// The body that goes with 200. Where some records were refused it says how many and why; an exporter does not send them
/// again.
pub fn export(format: Format, rejected: u64, message: &str) -> Vec<u8> {
    let none = rejected == 0 && message.is_empty();
    match format {
        Format::Json if none => b"{}".to_vec(),
        Format::Json => {
            let partial = serde_json::json!({ "rejectedLogRecords": rejected.to_string(), "errorMessage": message });
            serde_json::json!({ "partialSuccess": partial }).to_string().into_bytes()
        }
        Format::Protobuf if none => Vec::new(),
        Format::Protobuf => {
            let mut partial = Vec::new();
            if rejected != 0 {
                put_varint(&mut partial, 1 << 3);
                put_varint(&mut partial, rejected);
            }
            put_bytes(&mut partial, 2, message.as_bytes());
            let mut out = Vec::new();
            put_bytes(&mut out, 1, &partial);
            out
        }
    }
}

/// The body that goes with a failure. `http_status` gives the code (google/rpc/code.proto).
pub fn failure(format: Format, http_status: u16, message: &str) -> Vec<u8> {
    let code: u64 = match http_status {
        400 | 413 | 422 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        429 => 8,
        503 => 14,
        504 => 4,
        _ => 13,
    };
    match format {
        Format::Json => serde_json::json!({ "code": code, "message": message }).to_string().into_bytes(),
        Format::Protobuf => {
            let mut out = Vec::new();
            put_varint(&mut out, 1 << 3);
            put_varint(&mut out, code);
            put_bytes(&mut out, 2, message.as_bytes());
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_those_of_the_specification() {
        let check = |got: Vec<u8>, expect: &[u8]| assert_eq!(got, expect, "{}", String::from_utf8_lossy(&got));
        check(export(Format::Json, 0, ""), b"{}");
        check(export(Format::Protobuf, 0, ""), b"");
        check(export(Format::Json, 2, "old"), br#"{"partialSuccess":{"errorMessage":"old","rejectedLogRecords":"2"}}"#);
        check(export(Format::Protobuf, 2, "old"), b"\x0a\x07\x08\x02\x12\x03old");
        check(failure(Format::Json, 400, "bad"), br#"{"code":3,"message":"bad"}"#);
        check(failure(Format::Protobuf, 429, "slow"), b"\x08\x08\x12\x04slow");
    }
}
