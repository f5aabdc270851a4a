//! Bracket expressions: sets of bytes such as `[^a-z_[:digit:]]`.
//!
//! A set is collected as 256 truths and written as ranges, so that nothing of POSIX' own rules (a `]` in first
//! place, a `-` in last, no escapes) has to be expressed in another syntax.

use crate::Refusal;

/// Translates the bracket expression whose content starts at `at`; gives the position behind it.
pub(super) fn translate(
    pattern: &[u8],
    at: usize,
    newline: bool,
    out: &mut String,
) -> Result<usize, Refusal> {
    let mut content = Content { pattern, at };
    let negated = content.skip(b"^");
    let mut set = Set([false; 256]);
    let mut first = true;
    loop {
        if !first && content.skip(b"]") {
            break;
        }
        first = false;
        if content.skip(b"[:") {
            class(content.until(b":]")?, &mut set)?;
            continue;
        }
        let low = content.element()?;
        let is_range = content.rest().starts_with(b"-") && !content.rest().starts_with(b"-]");
        let high = if is_range {
            content.skip(b"-");
            content.element()?
        } else {
            low
        };
        if low > high {
            return Err(Refusal::Parameter);
        }
        (low..=high).for_each(|byte| set.add(byte));
    }
    set.write(negated, newline, out);
    Ok(content.at)
}

/// A set of bytes.
struct Set([bool; 256]);

impl Set {
    fn add(&mut self, byte: u8) {
        if let Some(member) = self.0.get_mut(usize::from(byte)) {
            *member = true;
        }
    }

    /// Writes the set; when lines count, a negated set does not match the line break.
    fn write(&self, negated: bool, newline: bool, out: &mut String) {
        out.push_str(if negated { "[^" } else { "[" });
        for (byte, member) in (0..=u8::MAX).zip(&self.0) {
            if *member || (negated && newline && byte == b'\n') {
                out.push_str(&format!("\\x{byte:02x}"));
            }
        }
        out.push(']');
    }
}

/// The content that is left.
struct Content<'p> {
    pattern: &'p [u8],
    at: usize,
}

impl<'p> Content<'p> {
    fn rest(&self) -> &'p [u8] {
        self.pattern.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, prefix: &[u8]) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at = self.at.saturating_add(prefix.len());
        }
        found
    }

    /// What stands before an end mark, which is skipped.
    fn until(&mut self, end: &[u8; 2]) -> Result<&'p [u8], Refusal> {
        let length = self.rest().windows(2).position(|pair| pair == end).ok_or(Refusal::Parameter)?;
        let content = self.rest().get(..length).unwrap_or_default();
        self.at = self.at.saturating_add(length).saturating_add(end.len());
        Ok(content)
    }

    /// One byte, also in the forms `[.x.]` and `[=x=]`.
    fn element(&mut self) -> Result<u8, Refusal> {
        for (start, end) in [(b"[.", b".]"), (b"[=", b"=]")] {
            if self.skip(start) {
                return match self.until(end)? {
                    [byte] => Ok(*byte),
                    _ => Err(Refusal::Parameter),
                };
            }
        }
        let byte = *self.rest().first().ok_or(Refusal::Parameter)?;
        self.at = self.at.saturating_add(1);
        Ok(byte)
    }
}

/// Adds a named class.
fn class(name: &[u8], set: &mut Set) -> Result<(), Refusal> {
    let member: fn(&u8) -> bool = match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b'\t'..=b'\r' | b' '),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return Err(Refusal::Parameter),
    };
    (0..=u8::MAX).filter(member).for_each(|byte| set.add(byte));
    Ok(())
}
