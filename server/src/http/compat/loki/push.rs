//! Where programs send lines: Loki's push and OTLP. Answered when the lines are on disk.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use ops::{
    OpCtx,
    source::engine::{PushBody, PushFormat},
};

use super::{Failure, answer::refused, content_type};
use crate::http::AppState;

/// Compressed; what comes out of it is bounded by the decoder.
const MAX_BODY_BYTES: usize = 32 << 20;

fn encoding(headers: &HeaderMap) -> String {
    headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default().trim().to_ascii_lowercase()
}

pub async fn loki(state: AppState, cx: OpCtx, headers: &HeaderMap, body: Body) -> Response {
    let format = if content_type(headers) == "application/json" { PushFormat::LokiJson } else { PushFormat::LokiProto };
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, format!("request body too large: at most {MAX_BODY_BYTES} bytes\n"));
    };
    match state.ops.log_push(&cx, PushBody { bytes, format, encoding: encoding(headers) }).await {
        Ok(pushed) => match pushed.refusal {
            None => StatusCode::NO_CONTENT.into_response(),
            Some((status, why)) => refused(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), why + "\n"),
        },
        Err(error) => Failure::from(error).into_response(),
    }
}

pub async fn otlp(state: AppState, cx: OpCtx, headers: &HeaderMap, body: Body) -> Response {
    let (format, shape) = match logpush::body::Format::of_otlp(&content_type(headers)) {
        Ok(shape @ logpush::body::Format::Json) => (PushFormat::OtlpJson, shape),
        Ok(shape) => (PushFormat::OtlpProto, shape),
        Err(error) => {
            return refused(StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNSUPPORTED_MEDIA_TYPE), error.to_string());
        }
    };
    let kind = if format == PushFormat::OtlpJson { "application/json" } else { "application/x-protobuf" };
    let failed = |status: StatusCode, why: &str| {
        (status, [(header::CONTENT_TYPE, kind)], logpush::otlp::answer::failure(shape, status.as_u16(), why)).into_response()
    };
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return failed(StatusCode::PAYLOAD_TOO_LARGE, "request body too large");
    };
    match state.ops.log_push(&cx, PushBody { bytes, format, encoding: encoding(headers) }).await {
        Ok(pushed) => match pushed.refusal {
            None => ([(header::CONTENT_TYPE, kind)], logpush::otlp::answer::export(shape, 0, "")).into_response(),
            // Some lines are kept: the sender must not send those again (OTLP, "Partial Success").
            Some((status, why)) if pushed.stored > 0 && status < 429 => {
                ([(header::CONTENT_TYPE, kind)], logpush::otlp::answer::export(shape, pushed.rejected, &why)).into_response()
            }
            Some((status, why)) => failed(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &why),
        },
        Err(error) => Failure::from(error).into_response(),
    }
}
