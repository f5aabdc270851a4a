//! What a value of type bytes holds: a growing array and its particle type.
//!
//! All buffers of a state together may take as much as the state itself, since Lua's allocator does not see them.

use mlua::UserData;
use shipload_value::ParticleType;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that the buffers of one state take, and may take.
#[derive(Debug)]
pub(crate) struct Allowance {
    used: AtomicUsize,
    most: usize,
}

impl Allowance {
    pub(crate) fn new(most: usize) -> Arc<Allowance> {
        Arc::new(Allowance { used: AtomicUsize::new(0), most })
    }
}

/// A growing array of bytes.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    kind: ParticleType,
    allowance: Arc<Allowance>,
}

impl UserData for Buffer {}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.allowance.used.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Buffer {
    pub(crate) fn new(allowance: &Arc<Allowance>) -> Buffer {
        Buffer { bytes: Vec::new(), kind: ParticleType::Blob, allowance: Arc::clone(allowance) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn kind(&self) -> ParticleType {
        self.kind
    }

    /// Changes the particle type; only types whose value is plain bytes can be had.
    pub(crate) fn set_kind(&mut self, number: i64) -> bool {
        let kind = u8::try_from(number).ok().and_then(ParticleType::from_number);
        match kind {
            Some(
                kind @ (ParticleType::Blob
                | ParticleType::JavaBlob
                | ParticleType::CSharpBlob
                | ParticleType::PythonBlob
                | ParticleType::RubyBlob
                | ParticleType::PhpBlob
                | ParticleType::ErlangBlob
                | ParticleType::Vector
                | ParticleType::Hll),
            ) => {
                self.kind = kind;
                true
            }
            Some(
                ParticleType::Integer
                | ParticleType::Double
                | ParticleType::String
                | ParticleType::Bool
                | ParticleType::Map
                | ParticleType::List
                | ParticleType::GeoJson,
            )
            | None => false,
        }
    }

    /// Cuts, or grows with zeros; false when that is too much.
    pub(crate) fn resize(&mut self, size: usize) -> bool {
        let present = self.bytes.len();
        if size > present {
            let more = size - present;
            let used = self.allowance.used.load(Ordering::Relaxed);
            if used.saturating_add(more) > self.allowance.most {
                return false;
            }
            self.allowance.used.fetch_add(more, Ordering::Relaxed);
        } else {
            self.allowance.used.fetch_sub(present - size, Ordering::Relaxed);
        }
        self.bytes.resize(size, 0);
        true
    }

    /// Exactly `size` bytes from a 1-based index; none when they are not all there.
    pub(crate) fn get(&self, index: i64, size: usize) -> Option<&[u8]> {
        let start = place(index)?;
        self.bytes.get(start..start.checked_add(size)?)
    }

    /// At most `size` bytes from a 1-based index; none when the index is outside.
    pub(crate) fn some(&self, index: i64, size: i64) -> Option<&[u8]> {
        let start = place(index)?;
        let size = usize::try_from(size).unwrap_or(0);
        let end = start.saturating_add(size).min(self.bytes.len());
        self.bytes.get(start..end)
    }

    /// Writes from a 1-based index, growing where needed.
    pub(crate) fn set(&mut self, index: i64, text: &[u8]) -> bool {
        let range = place(index).and_then(|start| Some(start..start.checked_add(text.len())?));
        let Some(range) = range else { return false };
        if range.end > self.bytes.len() && !self.resize(range.end) {
            return false;
        }
        match self.bytes.get_mut(range) {
            Some(bytes) => {
                bytes.copy_from_slice(text);
                true
            }
            None => false,
        }
    }

    pub(crate) fn append(&mut self, text: &[u8]) -> bool {
        match i64::try_from(self.bytes.len()) {
            Ok(size) => self.set(size + 1, text),
            Err(_) => false,
        }
    }
}

fn place(index: i64) -> Option<usize> {
    usize::try_from(index).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Buffer};

    #[test]
    fn grows_up_to_the_allowance() {
        let allowance = Allowance::new(10);
        let mut buffer = Buffer::new(&allowance);
        assert!(buffer.set(3, b"ab"));
        assert_eq!(buffer.bytes(), b"\0\0ab");
        assert!(buffer.append(b"c") && !buffer.append(b"123456"));
        assert!(!buffer.set(0, b"x") && !buffer.set(-1, b"x") && !buffer.set(i64::MAX, b"x"));
        let mut other = Buffer::new(&allowance);
        assert!(!other.resize(6) && other.resize(5));
        assert!(buffer.resize(1) && other.resize(9));
        drop(other);
        assert!(buffer.resize(10));
        assert_eq!(buffer.get(10, 1), Some(&[0][..]));
        assert_eq!(buffer.get(10, 2), None);
        assert_eq!(buffer.some(10, 2), Some(&[0][..]));
    }

    #[test]
    fn keeps_only_types_of_bytes() {
        let mut buffer = Buffer::new(&Allowance::new(10));
        assert!(buffer.set_kind(18) && !buffer.set_kind(19) && !buffer.set_kind(-1) && !buffer.set_kind(260));
        assert_eq!(buffer.kind().number(), 18);
    }
}
