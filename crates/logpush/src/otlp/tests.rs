use super::*;
use crate::wire::{put_bytes, put_varint};

const NOW: i64 = 1_000;

/// Prints streams as `{labels} time|line|metadata`.
fn show(push: &Push<'_>) -> Vec<String> {
    let mut out = Vec::new();
    for stream in &push.streams {
        for entry in &stream.entries {
            let metadata: Vec<_> = entry.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
            out.push(format!("{} {}|{}|{}", crate::labels::show(&stream.labels), entry.at, entry.line, metadata.join(" ")));
        }
    }
    out
}

fn check(body: &[u8], format: Format, expect: Result<&[&str], &str>) {
    match (decode(body, format, &Bounds::default(), NOW), expect) {
        (Ok(push), Ok(expect)) => assert_eq!(show(&push), expect),
        (Err(error), Err(expect)) => assert!(error.to_string().starts_with(expect), "{error}"),
        (got, expect) => panic!("{got:?}, wanted {expect:?}"),
    }
}

#[test]
fn json_exports_become_streams() {
    let body = r#"{"resourceLogs":[{
        "resource":{"attributes":[
            {"key":"service.name","value":{"stringValue":"shop"}},
            {"key":"k8s.pod.name","value":{"stringValue":"p-1"}},
            {"key":"host.id","value":{"intValue":"7"}}]},
        "scopeLogs":[{
            "scope":{"name":"lib","version":"1.0","attributes":[{"key":"s","value":{"boolValue":true}}]},
            "logRecords":[
                {"timeUnixNano":"5","observedTimeUnixNano":6,"severityNumber":9,"severityText":"Info","body":{"stringValue":"hello"},
                 "attributes":[{"key":"http.request","value":{"kvlistValue":{"values":[{"key":"method","value":{"stringValue":"GET"}}]}}}],
                 "flags":1,"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","unknown":{"x":[1]}},
                {"observedTimeUnixNano":"8","severityNumber":"SEVERITY_NUMBER_WARN2","body":{"kvlistValue":{"values":[{"key":"b","value":{"doubleValue":1.5}}]}}},
                {"body":null,"traceId":"00000000000000000000000000000000"}
            ]}]}]}"#;
    let labels = r#"{k8s_pod_name="p-1", service_name="shop"}"#;
    check(
        body.as_bytes(),
        Format::Json,
        Ok(&[
            &format!(
                "{labels} 5|hello|http_request_method=GET observed_timestamp=6 severity_number=9 severity_text=Info flags=1 \
                 trace_id=5b8efff798038103d269b633813fc60c span_id=eee19b7ec3c1b174 host_id=7 s=true scope_name=lib scope_version=1.0"
            ),
            &format!("{labels} 8|{{\"b\":1.5}}|severity_number=14 host_id=7 s=true scope_name=lib scope_version=1.0"),
            &format!("{labels} 1000||host_id=7 s=true scope_name=lib scope_version=1.0"),
        ]),
    );
    check(b"{}", Format::Json, Ok(&[]));
    check(
        br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"xyz"}]}]}]}"#,
        Format::Json,
        Err("cannot read the export: a trace id"),
    );
    check(br#"{"resourceLogs":7}"#, Format::Json, Err("cannot read the export: "));
}

fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(field, bytes)| put_bytes(&mut out, *field, bytes));
    out
}

#[test]
fn protobuf_exports_become_streams() {
    let text = |text: &str| message(&[(1, text.as_bytes())]);
    let attribute = |key: &str, value: &[u8]| message(&[(1, key.as_bytes()), (2, value)]);
    let mut record = message(&[(5, &text("hello")), (6, &attribute("a.b", &text("c"))), (9, &[0xab; 16]), (3, b"Warning")]);
    record.extend([0x09, 5, 0, 0, 0, 0, 0, 0, 0]);
    put_varint(&mut record, 2 << 3);
    put_varint(&mut record, 13);
    let scope = message(&[(2, &record), (1, &message(&[(1, b"lib")]))]);
    let resource = message(&[(2, &scope), (1, &message(&[(1, &attribute("service.name", &text("shop")))]))]);
    check(
        &message(&[(1, &resource), (1, &resource)]),
        Format::Protobuf,
        Ok(
            &[r#"{service_name="shop"} 5|hello|a_b=c severity_number=13 severity_text=Warning trace_id=abababababababababababababababab scope_name=lib"#;
                2],
        ),
    );
    check(b"\x0a\x05abc", Format::Protobuf, Err("unexpected EOF"));

    let mut deep = text("x");
    for _ in 0..40 {
        deep = message(&[(5, &message(&[(1, &deep)]))]);
    }
    let record = message(&[(5, &deep)]);
    check(&message(&[(1, &message(&[(2, &message(&[(2, &record)]))]))]), Format::Protobuf, Err("proto: message is nested too deeply"));
}

#[test]
fn attributes_that_multiply_are_refused() {
    let text = message(&[(1, b"v")]);
    let attribute = message(&[(1, b"not.an.index.label"), (2, &text)]);
    let resource = message(&vec![(1, &attribute[..]); 3_000]);
    let record = message(&[(5, &text)]);
    let scope = message(&vec![(2, &record[..]); 3_000]);
    check(&message(&[(1, &message(&[(1, &resource), (2, &scope)]))]), Format::Protobuf, Err("too many attributes"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(0u8..0x50, 0..200)) {
        let _ = decode(&bytes, Format::Protobuf, &Bounds::default(), NOW);
        let _ = decode(&bytes, Format::Json, &Bounds::default(), NOW);
        let _ = crate::proto::decode(&bytes, &Bounds::default());
    }
}
