//! Info text: lines in frames, lines on the plain-text port, commands and their parameters.
//!
//! Checked besides not crashing: no line holds a newline, both ports see the same lines, parameters are parts of
//! the line, an answer can be read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shipload_wire::info::{self, Command, LineCut};
use shipload_wire::response;

fuzz_target!(|bytes: &[u8]| {
    let lines: Vec<&[u8]> = info::lines(bytes, usize::MAX).collect();
    assert_eq!(plain(bytes), lines.len());
    for line in lines {
        assert!(!line.contains(&b'\n'));
        if let Ok(text) = std::str::from_utf8(line) {
            command(text);
        }
    }
    response::info_answers(bytes).for_each(drop);
});

/// Cuts lines as the plain-text port does and counts them.
fn plain(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let mut count = 0;
    while let LineCut::Line { line, consumed } = info::cut_line(rest, bytes.len() + 1) {
        assert!(line.len() < consumed);
        rest = &rest[consumed..];
        count += 1;
    }
    count
}

fn command(text: &str) {
    let command = Command::parse(text);
    assert!(text.starts_with(command.name));
    assert!(command.path().is_none_or(|path| text.ends_with(path)));
    for (key, value) in command.params() {
        assert!(text.contains(value));
        assert!(command.param(key).is_some());
    }
    let mut out = Vec::new();
    info::answer(&mut out, text.as_bytes(), "ok");
    if !text.contains('\t') {
        assert_eq!(response::info_answers(&out).next(), Some((text, "ok")));
    }
}
