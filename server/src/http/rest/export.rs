//! Export: all lines of a range, streamed: as the engine finds them where it can, else page by page. Memory holds some batches or one
//! page.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::header;
use logql::engine::LogRow;
use model::{Direction, Entry, LogPage, Problem, Timestamp};
use ops::{
    OpCtx,
    access::{Action, AuditEvent, Outcome},
    logs::{LogQuery, entry_of, service_of},
    source::engine::{QueryError, Rows},
};

use super::{
    path::{PathText, service_in_path},
    query::{LOG_PARAMETERS, Query},
};
use crate::http::{AppState, problem::Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ndjson,
    Json,
    Csv,
    Txt,
}

impl std::str::FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "ndjson" => Self::Ndjson,
            "json" => Self::Json,
            "csv" => Self::Csv,
            "txt" => Self::Txt,
            _ => return Err(()),
        })
    }
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Txt => "text/plain; charset=utf-8",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Txt => "txt",
        }
    }

    fn head(self) -> &'static str {
        match self {
            Self::Ndjson | Self::Txt => "",
            Self::Json => "[",
            Self::Csv => "timestamp,service,level,message,id\r\n",
        }
    }

    fn tail(self) -> &'static str {
        if self == Self::Json { "]\n" } else { "" }
    }

    fn write(self, entry: &Entry, first: bool, out: &mut Vec<u8>) {
        match self {
            Self::Ndjson => {
                serde_json::to_writer(&mut *out, entry).expect("entries serialise");
                out.push(b'\n');
            }
            Self::Json => {
                out.extend_from_slice(if first { b"\n" } else { b",\n" });
                serde_json::to_writer(&mut *out, entry).expect("entries serialise");
            }
            Self::Csv => {
                csv_row([&entry.timestamp.to_string(), &entry.service, entry.level.as_str(), &entry.message, &entry.id.to_string()], out)
            }
            Self::Txt => txt_line(&entry.timestamp.to_string(), &entry.service, &entry.message, out),
        }
    }

    /// As [`Format::write`] writes the entry of the row; fields are looked for only where they are written.
    fn write_row(self, row: &LogRow, first: bool, out: &mut Vec<u8>) {
        match self {
            Self::Ndjson | Self::Json | Self::Csv => self.write(&entry_of(row), first, out),
            Self::Txt => txt_line(&Timestamp(row.at).to_string(), service_of(row), &row.line, out),
        }
    }
}

fn txt_line(timestamp: &str, service: &str, message: &str, out: &mut Vec<u8>) {
    for part in [timestamp, " ", service, " ", message, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn csv_row(cells: [&str; 5], out: &mut Vec<u8>) {
    for (n, cell) in cells.into_iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        csv_cell(cell, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 4180 §2: quoted where it must be, quotes doubled.
fn csv_cell(cell: &str, out: &mut Vec<u8>) {
    if !cell.contains(['"', ',', '\r', '\n']) {
        out.extend_from_slice(cell.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

pub async fn all(state: State<AppState>, cx: Extension<OpCtx>, raw: RawQuery) -> Result<Response, Refusal> {
    export(state, cx, raw, None).await
}

pub async fn one(state: State<AppState>, cx: Extension<OpCtx>, PathText(service): PathText, raw: RawQuery) -> Result<Response, Refusal> {
    export(state, cx, raw, Some(service_in_path(service))).await
}

async fn export(
    State(state): State<AppState>,
    Extension(cx): Extension<OpCtx>,
    RawQuery(raw): RawQuery,
    service: Option<String>,
) -> Result<Response, Refusal> {
    cx.require(Action::LogsExport)?;
    let mut query = Query::read(raw.as_deref())?;
    let mut ask = query.log_ask(service)?;
    let format = query.parsed::<Format>("format", "ndjson, json, csv or txt")?.unwrap_or(Format::Ndjson);
    query.end(&format!("format, {LOG_PARAMETERS}"))?;
    ask.direction = Some(ask.direction.unwrap_or(Direction::Forward));
    // Lines that come while it runs would never let it end.
    ask.end_time.get_or_insert_with(|| "now".to_owned());
    // A `limit` is checked and then not used: an export is whole.
    let query = LogQuery { limit: LogQuery::MAX_LIMIT, ..LogQuery::parse(&ask, cx.now)? };
    // The first lines are read before the answer begins, so that an error is still an error.
    let lines = match state.ops.log_export_rows(&cx, &query).await? {
        Some(mut rows) => {
            let first = rows.recv().await.transpose().map_err(ops::Error::from)?;
            rows_body(format, first, rows)
        }
        None => {
            let first = state.ops.log_export_page(&cx, &query).await?;
            if let Some(warning) = first.warnings.first() {
                return Err(Refusal(Problem { detail: format!("the export would not be whole: {}", warning.detail), ..warning.clone() }));
            }
            pages_body(format, first, query, state, cx.clone())
        }
    };
    cx.audit
        .record(AuditEvent::new(&cx, "logs.export", ask.service.join(" "), Outcome::Done).detail(format!("format {}", format.extension())));
    let name =
        ask.service.first().map_or("logs", String::as_str).replace(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.', "_");
    let disposition = format!("attachment; filename=\"{name}.{}\"", format.extension());
    let head = stream::iter([Ok(Bytes::from_static(format.head().as_bytes()))]);
    let tail = stream::iter([Ok(Bytes::from_static(format.tail().as_bytes()))]);
    let body = Body::from_stream(head.chain(lines).chain(tail));
    Ok(([(header::CONTENT_TYPE, format.content_type().to_owned()), (header::CONTENT_DISPOSITION, disposition)], body).into_response())
}

/// Lines in the format asked for. Where they cannot go on they end with an error, and the body in the middle: a client sees a broken
/// transfer, never a file that only looks whole.
type Lines = BoxStream<'static, Result<Bytes, std::io::Error>>;

fn rows_body(format: Format, first: Option<Vec<LogRow>>, rows: Rows) -> Lines {
    let broken = |error: QueryError| std::io::Error::other(error.to_string());
    let batches = stream::iter(first.map(Ok)).chain(stream::unfold(rows, async |mut rows| rows.recv().await.map(|batch| (batch, rows))));
    let mut is_first = true;
    batches
        .map(move |batch| {
            let batch = batch.map_err(broken)?;
            let mut out = Vec::with_capacity(batch.iter().map(|row| row.line.len() + 512).sum());
            for row in &batch {
                format.write_row(row, is_first, &mut out);
                is_first = false;
            }
            Ok(Bytes::from(out))
        })
        .boxed()
}

fn pages_body(format: Format, first: LogPage, query: LogQuery, state: AppState, cx: OpCtx) -> Lines {
    let pages = stream::try_unfold((Some(first), query, true), move |(page, mut query, mut fresh)| {
        let (state, cx) = (state.clone(), cx.clone());
        async move {
            let Some(page) = page else { return Ok(None) };
            let mut out = Vec::with_capacity(page.logs.len() * 256);
            for entry in &page.logs {
                format.write(entry, fresh, &mut out);
                fresh = false;
            }
            let next = match page.next_cursor {
                None => None,
                Some(cursor) => {
                    query.cursor = cursor.parse().ok();
                    let page = state.ops.log_export_page(&cx, &query).await.map_err(|error| std::io::Error::other(error.to_string()))?;
                    if let Some(warning) = page.warnings.first() {
                        return Err(std::io::Error::other(warning.detail.clone()));
                    }
                    Some(page)
                }
            };
            Ok(Some((Bytes::from(out), (next, query, fresh))))
        }
    });
    pages.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_cell_is_quoted_where_it_must_be() {
        for (cell, expect) in
            [("plain", "plain"), ("a,b", "\"a,b\""), ("say \"hi\"", "\"say \"\"hi\"\"\""), ("two\nlines", "\"two\nlines\"")]
        {
            let mut out = Vec::new();
            csv_cell(cell, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
    }
}
