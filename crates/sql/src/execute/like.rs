//! `LIKE` patterns.

/// Whether a text matches a pattern with `%`, `_` and an escape sign.
#[must_use]
pub(super) fn like(text: &str, pattern: &str, fold: bool, escape: Option<char>) -> bool {
    let lower = |text: &str| if fold { text.to_lowercase() } else { text.to_owned() };
    let text: Vec<char> = lower(text).chars().collect();
    let pieces = pieces(&lower(pattern), escape);
    matches(&text, &pieces)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Char(char),
}

fn pieces(pattern: &str, escape: Option<char>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            _ if Some(c) == escape => Piece::Char(chars.next().unwrap_or(c)),
            '%' => Piece::Any,
            '_' => Piece::One,
            other => Piece::Char(other),
        });
    }
    pieces
}

/// Greedy with one bookmark: time is at most length times length.
fn matches(text: &[char], pieces: &[Piece]) -> bool {
    let (mut at, mut piece) = (0, 0);
    let mut bookmark: Option<(usize, usize)> = None;
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                bookmark = Some((at, piece));
                piece += 1;
            }
            Some(Piece::One) => (at, piece) = (at + 1, piece + 1),
            Some(Piece::Char(c)) if text.get(at) == Some(c) => (at, piece) = (at + 1, piece + 1),
            Some(Piece::Char(_)) | None => match bookmark {
                Some((from, any)) => {
                    bookmark = Some((from + 1, any));
                    (at, piece) = (from + 1, any + 1);
                }
                None => return false,
            },
        }
    }
    pieces.get(piece..).unwrap_or_default().iter().all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match() {
        assert!(like("abc", "a%", false, None));
        assert!(like("abc", "%b%", false, None));
        assert!(like("abc", "_b_", false, None));
        assert!(!like("abc", "_b", false, None));
        assert!(like("ABC", "a%c", true, None));
        assert!(like("a%c", "a\\%c", false, Some('\\')));
        assert!(!like("abc", "a\\%c", false, Some('\\')));
        assert!(like("", "%", false, None));
    }
}
