//! What a person or Grafana asks in LogQL.

use logql::{
    ast::Span,
    syntax::{Tokenized, complete, parse, parse_selector, parse_unchecked, pretty, tolerant},
};

/// Parsed, printed and parsed again, a query is the same; errors and words point into the text.
pub fn logql(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match parse_unchecked(text) {
        Ok(tree) => {
            let printed = tree.to_string();
            assert_eq!(parse_unchecked(&printed).as_ref(), Ok(&tree), "{text} → {printed}");
            let laid_out = pretty(&tree);
            assert_eq!(parse_unchecked(&laid_out).as_ref(), Ok(&tree), "{text} → {laid_out}");
        }
        Err(error) => assert!(is_within(error.span, text), "{:?} of {text}: {error}", error.span),
    }
    if let Err(error) = parse(text) {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(selector) = parse_selector(text) {
        assert!(selector.matchers.len() <= text.len());
    }
    let (words, diagnostics) = tolerant(text);
    let mut end = 0;
    for Tokenized { span, .. } in words {
        assert!(span.start >= end && is_within(span, text), "{span:?} of {text}");
        end = span.end;
    }
    for diagnostic in diagnostics {
        assert!(is_within(diagnostic.span, text), "{diagnostic:?} of {text}");
    }
    for cursor in [0, text.len() / 2, text.len()] {
        complete(text, cursor);
    }
}

fn is_within(span: Span, text: &str) -> bool {
    text.get(span.start as usize..span.end as usize).is_some()
}
