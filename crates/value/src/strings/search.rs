//! Finding a text in another one.
//!
//! Where both are plain or both are composed, bytes are compared. Otherwise a text is cut into pieces, each a
//! character with the marks that belong to it, and pieces are equal when they are canonically equivalent. Either
//! way the work is linear in both texts.

use std::collections::VecDeque;
use std::ops::Range;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// The places of a text in another one, from front to back, none inside another. An empty text is found once, at the
/// front.
pub(super) fn places<'a>(text: &'a str, wanted: &'a str) -> Box<dyn Iterator<Item = Range<usize>> + 'a> {
    if wanted.is_empty() {
        return Box::new(std::iter::once(0..0));
    }
    if are_comparable(text, wanted) {
        let length = wanted.len();
        return Box::new(text.match_indices(wanted).map(move |(at, _)| at..at.saturating_add(length)));
    }
    Box::new(Pieces::new(text, wanted))
}

/// Whether a text begins with another one.
pub(super) fn begins(text: &str, wanted: &str) -> bool {
    if are_comparable(text, wanted) {
        return text.starts_with(wanted);
    }
    let mut pieces = cut(text);
    cut(wanted).all(|(_, wanted)| pieces.next().is_some_and(|(_, piece)| same(piece, wanted)))
}

/// Whether a text ends with another one.
pub(super) fn ends(text: &str, wanted: &str) -> bool {
    if are_comparable(text, wanted) {
        return text.ends_with(wanted);
    }
    let (pieces, wanted) = (cut(text).count(), cut(wanted).map(|(_, piece)| piece));
    let count = wanted.clone().count();
    pieces >= count
        && cut(text)
            .skip(pieces.saturating_sub(count))
            .zip(wanted)
            .all(|((_, piece), wanted)| same(piece, wanted))
}

/// Whether equal bytes are all that equivalence can mean for these two.
fn are_comparable(a: &str, b: &str) -> bool {
    let composed = |text: &str| text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes;
    composed(a) && composed(b)
}

/// Whether two pieces are canonically equivalent.
fn same(a: &str, b: &str) -> bool {
    a == b || a.nfd().eq(b.nfd())
}

/// The pieces of a text, each with the byte at which it begins.
fn cut(text: &str) -> impl Iterator<Item = (usize, &str)> + Clone {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let tail = text.get(rest..).filter(|tail| !tail.is_empty())?;
        let end = tail.char_indices().skip(1).find(|(_, point)| !belongs(*point));
        let length = end.map_or(tail.len(), |(byte, _)| byte);
        let start = rest;
        rest = rest.saturating_add(length);
        Some((start, tail.get(..length)?))
    })
}

/// Whether a code point belongs to the character before it: marks, and the later letters of a Hangul syllable.
fn belongs(point: char) -> bool {
    is_combining_mark(point)
        || canonical_combining_class(point) != 0
        || matches!(point, '\u{1160}'..='\u{11ff}')
}

/// The search by pieces: each piece of the text is looked at once, as Knuth, Morris and Pratt do it.
struct Pieces<'a, I> {
    text: I,
    wanted: Vec<&'a str>,
    /// For each number of pieces that fit: how many of them begin a shorter fit.
    shorter: Vec<usize>,
    fitting: usize,
    /// Where the last pieces of the text begin, at most one for each wanted piece.
    begins: VecDeque<usize>,
}

impl<'a> Pieces<'a, ()> {
    #[expect(clippy::new_ret_no_self, reason = "the type of the iterator over a text has no name")]
    fn new(text: &'a str, wanted: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        let wanted: Vec<&str> = cut(wanted).map(|(_, piece)| piece).collect();
        let shorter = table(&wanted);
        Pieces { text: cut(text), wanted, shorter, fitting: 0, begins: VecDeque::new() }
    }
}

impl<'a, I: Iterator<Item = (usize, &'a str)>> Iterator for Pieces<'a, I> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let (start, piece) = self.text.next()?;
            if self.begins.len() >= self.wanted.len() {
                self.begins.pop_front();
            }
            self.begins.push_back(start);
            self.fitting = advance(&self.wanted, &self.shorter, self.fitting, piece);
            if self.fitting == self.wanted.len() {
                self.fitting = 0;
                let begin = self.begins.front().copied().unwrap_or(start);
                return Some(begin..start.saturating_add(piece.len()));
            }
        }
    }
}

/// How many wanted pieces fit when `piece` comes after `fitting` of them.
fn advance(wanted: &[&str], shorter: &[usize], mut fitting: usize, piece: &str) -> usize {
    loop {
        if wanted.get(fitting).is_some_and(|wanted| same(wanted, piece)) {
            return fitting.saturating_add(1);
        }
        let Some(last) = fitting.checked_sub(1) else { return 0 };
        fitting = shorter.get(last).copied().unwrap_or(0);
    }
}

fn table(wanted: &[&str]) -> Vec<usize> {
    let mut shorter = vec![0];
    let mut fitting = 0;
    for piece in wanted.iter().skip(1) {
        fitting = advance(wanted, &shorter, fitting, piece);
        shorter.push(fitting);
    }
    shorter
}
