//! The cluster's sketch as the cache uses it: which records may have older copies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use shipload_value::{Digest, sketch};

/// A sketch, and the moment at which it was true at the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch {
    /// Milliseconds on the clock of this process.
    pub(super) time_ms: u64,
    sketch: sketch::Sketch,
}

impl Sketch {
    /// From an answer of `/v1/sketch/NAMESPACE`; none when it makes no sense.
    pub(super) fn read(body: &[u8], time_ms: u64) -> Option<Sketch> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let bytes = |name: &str| STANDARD.decode(answer.get(name)?.as_str()?).ok();
        let number = |name: &str| answer.get(name)?.as_u64();
        let tainted = if answer.get("tainted").is_some() { bytes("tainted")? } else { Vec::new() };
        let sketch = sketch::Sketch::of(number("m")?, number("h")?, bytes("b")?, tainted)?;
        Some(Sketch { time_ms, sketch })
    }

    /// Until when a copy is known to have been the record, that was asked for at this moment.
    pub(super) fn known_ms(&self, digest: &Digest, asked_ms: u64) -> u64 {
        self.sketch.known(digest, asked_ms, self.time_ms)
    }

    /// Bytes of the filter.
    pub(super) fn bytes(&self) -> usize {
        self.sketch.bits().len() + self.sketch.tainted().map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::Sketch;
    use shipload_value::Digest;

    #[test]
    fn answers_are_read() {
        let mut digest = [0; 20];
        digest[4] = 3;
        let digest = Digest(digest);
        // Bits 3, 4, 5, 6, 7: x is 3, y is 0 made odd.
        let sketch = Sketch::read(br#"{"m": 64, "h": 5, "b": "+AAAAAAAAAA="}"#, 7).expect("a sketch");
        assert_eq!(sketch.known_ms(&digest, 1), 1, "it is named");
        assert_eq!(sketch.known_ms(&Digest([9; 20]), 1), 7);
        let tainted =
            format!(r#"{{"m": 64, "h": 5, "b": "AAAAAAAAAAA=", "tainted": "AQ{}"}}"#, "A".repeat(2));
        let sketch = Sketch::read(tainted.as_bytes(), 7).expect("a sketch");
        assert_eq!(sketch.known_ms(&digest, 1), 1, "partition 0 is tainted");
        assert_eq!(sketch.known_ms(&Digest([9; 20]), 1), 7);
        for wrong in ["", "{}", r#"{"m": 8, "h": 5, "b": "AAA="}"#, r#"{"m": 0, "h": 5, "b": ""}"#] {
            assert!(Sketch::read(wrong.as_bytes(), 7).is_none(), "{wrong}");
        }
    }
}
