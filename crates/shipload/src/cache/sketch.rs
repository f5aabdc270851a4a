//! The cluster's sketch as the cache uses it: which records may have older copies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use shipload_value::Digest;

/// A sketch, and the moment at which it was true at the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch {
    /// Milliseconds on the clock of this process.
    pub(super) time_ms: u64,
    bits: Vec<u8>,
    hashes: u64,
    tainted: Vec<u8>,
}

impl Sketch {
    /// From an answer of `/v1/sketch/NAMESPACE`; none when it makes no sense.
    pub(super) fn read(body: &[u8], time_ms: u64) -> Option<Sketch> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let bytes = |name: &str| STANDARD.decode(answer.get(name)?.as_str()?).ok();
        let bits = bytes("b")?;
        let size = answer.get("m")?.as_u64()?;
        let hashes = answer.get("h")?.as_u64().filter(|hashes| (1..=32).contains(hashes))?;
        let tainted = if answer.get("tainted").is_some() { bytes("tainted")? } else { Vec::new() };
        (size > 0 && size == bits.len() as u64 * 8).then_some(Sketch { time_ms, bits, hashes, tainted })
    }

    /// Whether caches may hold an older copy of the record.
    pub(super) fn names(&self, digest: &Digest) -> bool {
        if is_set(&self.tainted, u64::from(digest.partition().number())) {
            return true;
        }
        let [_, _, _, _, a, b, c, d, e, f, g, h, ..] = digest.0;
        let (x, y) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]) | 1);
        let size = self.bits.len() as u64 * 8;
        (0..self.hashes).all(|n| is_set(&self.bits, (u64::from(x) + n * u64::from(y)) % size))
    }

    /// Bytes of the filter.
    pub(super) fn bytes(&self) -> usize {
        self.bits.len() + self.tainted.len()
    }
}

fn is_set(bits: &[u8], bit: u64) -> bool {
    let byte = usize::try_from(bit / 8).ok().and_then(|byte| bits.get(byte));
    byte.is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
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
        assert!(sketch.names(&digest));
        assert!(!sketch.names(&Digest([9; 20])));
        let tainted =
            format!(r#"{{"m": 64, "h": 5, "b": "AAAAAAAAAAA=", "tainted": "AQ{}"}}"#, "A".repeat(2));
        let sketch = Sketch::read(tainted.as_bytes(), 7).expect("a sketch");
        assert!(sketch.names(&digest), "partition 0 is tainted");
        assert!(!sketch.names(&Digest([9; 20])));
        for wrong in ["", "{}", r#"{"m": 8, "h": 5, "b": "AAA="}"#, r#"{"m": 0, "h": 5, "b": ""}"#] {
            assert!(Sketch::read(wrong.as_bytes(), 7).is_none(), "{wrong}");
        }
    }
}
