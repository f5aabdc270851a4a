//! Lua's patterns, matched with a bound on the work.
//!
//! Lua's own matcher tries again and again without looking at any limit, so that one pattern on one long text may
//! take hours. This one takes the same patterns and finds the same matches, and counts its steps.

use thiserror::Error;

/// The deepest nesting of attempts.
const DEPTH_MAX: u32 = 200;
/// The most captures in a pattern.
const CAPTURES_MAX: usize = 32;

/// Why a pattern was given up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PatternError {
    #[error("malformed pattern (ends with '%')")]
    EndsWithEscape,
    #[error("malformed pattern (missing ']')")]
    OpenClass,
    #[error("missing '[' after '%f' in pattern")]
    Frontier,
    #[error("missing arguments to '%b'")]
    Balance,
    #[error("unfinished capture")]
    OpenCapture,
    #[error("invalid pattern capture")]
    NoOpenCapture,
    #[error("invalid capture index")]
    CaptureIndex,
    #[error("too many captures")]
    TooManyCaptures,
    #[error("pattern too complex")]
    TooComplex,
    #[error("step limit")]
    Steps,
}

/// What a capture holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    /// It has begun here and not ended.
    Open(usize),
    /// The bytes from the first place up to the second.
    Text(usize, usize),
    /// A place, counted from 0.
    Position(usize),
}

/// A match: where it starts and ends, and what it captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) captures: Vec<Capture>,
}

/// Looks for the first match at `from` or later whose end is not `not_end`. Takes the steps that it needed off
/// `steps`.
pub(crate) fn find(
    subject: &[u8],
    pattern: &[u8],
    from: usize,
    not_end: Option<usize>,
    anchors: bool,
    steps: &mut u64,
) -> Result<Option<Match>, PatternError> {
    let anchored = anchors && pattern.first() == Some(&b'^');
    let pattern = if anchored { pattern.get(1..).unwrap_or_default() } else { pattern };
    let mut matcher = Matcher { subject, pattern, captures: Vec::new(), steps, depth: 0 };
    for start in from..=subject.len() {
        matcher.captures.clear();
        matcher.depth = 0;
        if let Some(end) = matcher.run(start, 0)?
            && Some(end) != not_end
        {
            if matcher.captures.iter().any(|capture| matches!(capture, Capture::Open(_))) {
                return Err(PatternError::OpenCapture);
            }
            return Ok(Some(Match { start, end, captures: matcher.captures }));
        }
        if anchored {
            break;
        }
    }
    Ok(None)
}

struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<Capture>,
    steps: &'a mut u64,
    depth: u32,
}

type Attempt = Result<Option<usize>, PatternError>;

impl Matcher<'_> {
    fn step(&mut self) -> Result<(), PatternError> {
        *self.steps = self.steps.checked_sub(1).ok_or(PatternError::Steps)?;
        Ok(())
    }

    fn pat(&self, at: usize) -> Option<u8> {
        self.pattern.get(at).copied()
    }

    /// Matches the rest of the pattern at a place of the subject, one level deeper.
    fn deeper(&mut self, s: usize, p: usize) -> Attempt {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(PatternError::TooComplex);
        }
        let end = self.run(s, p);
        self.depth -= 1;
        end
    }

    /// Matches the rest of the pattern; says where the match ends.
    fn run(&mut self, mut s: usize, mut p: usize) -> Attempt {
        loop {
            self.step()?;
            let Some(code) = self.pat(p) else { return Ok(Some(s)) };
            match (code, self.pat(p + 1)) {
                (b'(', Some(b')')) => return self.open(s, p + 2, Capture::Position(s)),
                (b'(', _) => return self.open(s, p + 1, Capture::Open(s)),
                (b')', _) => return self.close(s, p + 1),
                (b'$', None) => return Ok((s == self.subject.len()).then_some(s)),
                (b'%', Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(after) => (s, p) = (after, p + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => match self.frontier(s, p + 2)? {
                    Some(after) => p = after,
                    None => return Ok(None),
                },
                (b'%', Some(digit @ b'0'..=b'9')) => match self.again(s, digit)? {
                    Some(after) => (s, p) = (after, p + 2),
                    None => return Ok(None),
                },
                _ => {
                    let after = self.class_end(p)?;
                    match self.pat(after) {
                        Some(b'*') => return self.greedy(s, p, after, 0),
                        Some(b'+') => return self.greedy(s, p, after, 1),
                        Some(b'-') => return self.lazy(s, p, after),
                        Some(b'?') => {
                            if self.single(s, p, after)
                                && let Some(end) = self.deeper(s + 1, after + 1)?
                            {
                                return Ok(Some(end));
                            }
                            p = after + 1;
                        }
                        Some(_) | None => {
                            if !self.single(s, p, after) {
                                return Ok(None);
                            }
                            (s, p) = (s + 1, after);
                        }
                    }
                }
            }
        }
    }

    fn open(&mut self, s: usize, p: usize, capture: Capture) -> Attempt {
        if self.captures.len() >= CAPTURES_MAX {
            return Err(PatternError::TooManyCaptures);
        }
        let level = self.captures.len();
        self.captures.push(capture);
        let end = self.deeper(s, p)?;
        if end.is_none() {
            self.captures.truncate(level);
        }
        Ok(end)
    }

    fn close(&mut self, s: usize, p: usize) -> Attempt {
        let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
        let level = open.ok_or(PatternError::NoOpenCapture)?;
        let Some(Capture::Open(start)) = self.captures.get(level).copied() else { return Ok(None) };
        self.set(level, Capture::Text(start, s));
        let end = self.deeper(s, p)?;
        if end.is_none() {
            self.set(level, Capture::Open(start));
        }
        Ok(end)
    }

    fn set(&mut self, level: usize, capture: Capture) {
        if let Some(place) = self.captures.get_mut(level) {
            *place = capture;
        }
    }

    /// `%bxy`: from an x to its y.
    fn balanced(&mut self, s: usize, p: usize) -> Attempt {
        let (Some(open), Some(close)) = (self.pat(p), self.pat(p + 1)) else {
            return Err(PatternError::Balance);
        };
        if self.subject.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut nested = 1u64;
        for (at, byte) in self.subject.iter().enumerate().skip(s + 1) {
            *self.steps = self.steps.checked_sub(1).ok_or(PatternError::Steps)?;
            if *byte == close {
                nested -= 1;
                if nested == 0 {
                    return Ok(Some(at + 1));
                }
            } else if *byte == open {
                nested += 1;
            }
        }
        Ok(None)
    }

    /// `%f[set]`: between a byte that is not in the set and one that is; says where the pattern goes on.
    fn frontier(&mut self, s: usize, p: usize) -> Attempt {
        if self.pat(p) != Some(b'[') {
            return Err(PatternError::Frontier);
        }
        let after = self.class_end(p)?;
        let before = s.checked_sub(1).and_then(|at| self.subject.get(at)).copied().unwrap_or(0);
        let next = self.subject.get(s).copied().unwrap_or(0);
        let here = !self.in_set(before, p, after) && self.in_set(next, p, after);
        Ok(here.then_some(after))
    }

    /// `%1`: what the first capture held, once more.
    fn again(&mut self, s: usize, digit: u8) -> Attempt {
        let index = usize::from(digit.wrapping_sub(b'1'));
        let (start, end) = match self.captures.get(index).copied() {
            Some(Capture::Text(start, end)) => (start, end),
            // A position is nothing that could be there once more; Lua finds no match either.
            Some(Capture::Position(_)) => return Ok(None),
            Some(Capture::Open(_)) | None => return Err(PatternError::CaptureIndex),
        };
        let text = self.subject.get(start..end).unwrap_or_default();
        *self.steps = self.steps.checked_sub(text.len() as u64).ok_or(PatternError::Steps)?;
        let rest = self.subject.get(s..).unwrap_or_default();
        Ok(rest.starts_with(text).then_some(s + text.len()))
    }

    /// As many as possible, then fewer.
    fn greedy(&mut self, s: usize, p: usize, after: usize, least: usize) -> Attempt {
        let mut count = 0;
        while self.single(s + count, p, after) {
            self.step()?;
            count += 1;
        }
        loop {
            if count < least {
                return Ok(None);
            }
            if let Some(end) = self.deeper(s + count, after + 1)? {
                return Ok(Some(end));
            }
            match count.checked_sub(1) {
                Some(fewer) => count = fewer,
                None => return Ok(None),
            }
        }
    }

    /// As few as possible, then more.
    fn lazy(&mut self, mut s: usize, p: usize, after: usize) -> Attempt {
        loop {
            if let Some(end) = self.deeper(s, after + 1)? {
                return Ok(Some(end));
            }
            if !self.single(s, p, after) {
                return Ok(None);
            }
            s += 1;
        }
    }

    /// Where the single class that begins here ends in the pattern.
    fn class_end(&self, p: usize) -> Result<usize, PatternError> {
        match self.pat(p) {
            Some(b'%') if self.pat(p + 1).is_none() => Err(PatternError::EndsWithEscape),
            Some(b'%') => Ok(p + 2),
            Some(b'[') => {
                let mut at = p + 1;
                if self.pat(at) == Some(b'^') {
                    at += 1;
                }
                // A closing bracket that stands first means itself.
                loop {
                    let byte = self.pat(at).ok_or(PatternError::OpenClass)?;
                    at += 1;
                    if byte == b'%' {
                        self.pat(at).ok_or(PatternError::OpenClass)?;
                        at += 1;
                    }
                    if self.pat(at) == Some(b']') {
                        return Ok(at + 1);
                    }
                }
            }
            Some(_) | None => Ok(p + 1),
        }
    }

    /// Whether the byte at a place of the subject is of the class between two places of the pattern.
    fn single(&self, s: usize, p: usize, after: usize) -> bool {
        let Some(byte) = self.subject.get(s).copied() else { return false };
        match (self.pat(p), self.pat(p + 1)) {
            (Some(b'.'), _) => true,
            (Some(b'%'), Some(class)) => in_class(byte, class),
            (Some(b'['), _) => self.in_set(byte, p, after),
            (Some(literal), _) => literal == byte,
            (None, _) => false,
        }
    }

    /// Whether a byte is in the set whose brackets stand at `p` and just before `after`.
    fn in_set(&self, byte: u8, p: usize, after: usize) -> bool {
        let last = after - 1;
        let mut at = p + 1;
        let negated = self.pat(at) == Some(b'^');
        if negated {
            at += 1;
        }
        let mut found = false;
        while at < last && !found {
            let first = self.pat(at).unwrap_or(0);
            if first == b'%' {
                found = in_class(byte, self.pat(at + 1).unwrap_or(0));
                at += 2;
            } else if self.pat(at + 1) == Some(b'-') && at + 2 < last {
                found = (first..=self.pat(at + 2).unwrap_or(0)).contains(&byte);
                at += 3;
            } else {
                found = first == byte;
                at += 1;
            }
        }
        found != negated
    }
}

/// Whether a byte is of a class letter; any other byte after the escape means itself.
fn in_class(byte: u8, class: u8) -> bool {
    let found = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => return class == byte,
    };
    found != class.is_ascii_uppercase()
}
