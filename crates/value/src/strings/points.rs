//! Places in a text, counted in code points. Places outside are moved to the nearest end.

/// The byte at which the code point with this number begins; negative numbers count from the end.
pub(super) fn byte(text: &str, index: i64) -> usize {
    if index < 0 {
        let Ok(back) = usize::try_from(index.unsigned_abs()) else { return 0 };
        return text.char_indices().rev().nth(back.saturating_sub(1)).map_or(0, |(byte, _)| byte);
    }
    let Ok(forward) = usize::try_from(index) else { return text.len() };
    text.char_indices().nth(forward).map_or(text.len(), |(byte, _)| byte)
}

/// The bytes from one code point up to (without) another; empty when they are in the wrong order.
pub(super) fn range(text: &str, start: i64, end: Option<i64>) -> std::ops::Range<usize> {
    let start = byte(text, start);
    let end = end.map_or(text.len(), |end| byte(text, end));
    start..end.max(start)
}

/// How many code points a text has.
pub(super) fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}
