//! The first bytes of a device: whose it is, and how it is divided.
//!
//! Byte by byte: `docs/format/device.md`.

use thiserror::Error;

/// The first bytes of every device.
pub const DEVICE_MAGIC: [u8; 8] = *b"shipdisk";
/// The latest version of the device format: 2 for encrypted devices, 1 for others.
pub const DEVICE_VERSION: u16 = 2;
/// Bytes that the header takes.
pub const DEVICE_HEADER_SIZE: usize = 512;

/// Where the checksum lies.
const CHECKSUM_AT: usize = 508;
/// Where the namespace's name lies, and the most bytes that it may have.
const NAMESPACE: (usize, usize) = (40, 31);
/// Where it stands how the device is encrypted, and what tells the key from others.
const CIPHER_AT: usize = 137;
const KEY_CHECK_AT: usize = 138;
/// AES-256 in XTS mode.
const AES_256_XTS: u8 = 1;
/// Where the cluster's name lies, and the most bytes that it may have.
const CLUSTER: (usize, usize) = (72, 64);

/// The header of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceHeader {
    /// Names the devices that belong together; chosen at random when they are formatted.
    pub volume: [u8; 16],
    /// This device's place among them.
    pub index: u16,
    /// How many there are.
    pub count: u16,
    /// Bytes of a slot.
    pub slot_bytes: u32,
    /// Slots of this device.
    pub slots: u32,
    /// Name of the namespace, at most 31 bytes.
    pub namespace: String,
    /// Name of the cluster, at most 64 bytes; empty when it has none.
    pub cluster: String,
    /// Encrypted with the key that this tells from others; none: not encrypted.
    pub key_check: Option<[u8; 16]>,
}

/// Why bytes are not the header of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeviceHeaderError {
    /// Nothing but zeros.
    #[error("its header is zero")]
    Zero,
    /// Other bytes than ours.
    #[error("it is not a device of Shipload's")]
    NotOurs,
    /// The checksum does not match the bytes.
    #[error("its header's checksum does not match")]
    Checksum,
    /// Written by a later version of this program.
    #[error("it has format version {0}, this program knows versions up to {DEVICE_VERSION}")]
    Newer(u16),
    /// A field holds an impossible value.
    #[error("its header holds an impossible value")]
    Field,
}

impl DeviceHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; DEVICE_HEADER_SIZE] {
        let mut bytes = [0; DEVICE_HEADER_SIZE];
        bytes[0..8].copy_from_slice(&DEVICE_MAGIC);
        // Who knows only version 1 can use what is not encrypted.
        let version: u16 = if self.key_check.is_some() { 2 } else { 1 };
        bytes[8..10].copy_from_slice(&version.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.index.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.count.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.volume);
        bytes[32..36].copy_from_slice(&self.slot_bytes.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.slots.to_le_bytes());
        put_name(&mut bytes, NAMESPACE, &self.namespace);
        put_name(&mut bytes, CLUSTER, &self.cluster);
        if let Some(check) = &self.key_check {
            bytes[CIPHER_AT] = AES_256_XTS;
            bytes[KEY_CHECK_AT..KEY_CHECK_AT + 16].copy_from_slice(check);
        }
        let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn decode(bytes: &[u8; DEVICE_HEADER_SIZE]) -> Result<DeviceHeader, DeviceHeaderError> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Err(DeviceHeaderError::Zero);
        }
        if bytes[0..8] != DEVICE_MAGIC {
            return Err(DeviceHeaderError::NotOurs);
        }
        let checksum = u32_at(bytes, CHECKSUM_AT);
        if crc32c::crc32c(&bytes[..CHECKSUM_AT]) != checksum {
            return Err(DeviceHeaderError::Checksum);
        }
        let version = u16_at(bytes, 8);
        if version == 0 || version > DEVICE_VERSION {
            return Err(DeviceHeaderError::Newer(version));
        }
        let mut check = [0; 16];
        check.copy_from_slice(&bytes[KEY_CHECK_AT..KEY_CHECK_AT + 16]);
        let key_check = match (version, bytes[CIPHER_AT]) {
            (1, _) => None,
            (_, AES_256_XTS) => Some(check),
            (_, _) => return Err(DeviceHeaderError::Field),
        };
        let mut volume = [0; 16];
        volume.copy_from_slice(&bytes[16..32]);
        let header = DeviceHeader {
            volume,
            index: u16_at(bytes, 10),
            count: u16_at(bytes, 12),
            slot_bytes: u32_at(bytes, 32),
            slots: u32_at(bytes, 36),
            namespace: name_at(bytes, NAMESPACE).ok_or(DeviceHeaderError::Field)?,
            cluster: name_at(bytes, CLUSTER).ok_or(DeviceHeaderError::Field)?,
            key_check,
        };
        let sound = header.index < header.count
            && header.slots > 0
            && header.slot_bytes.is_power_of_two()
            && (super::SLOT_BYTES_MIN..=super::SLOT_BYTES_MAX).contains(&header.slot_bytes);
        if sound { Ok(header) } else { Err(DeviceHeaderError::Field) }
    }
}

fn u16_at(bytes: &[u8; DEVICE_HEADER_SIZE], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8; DEVICE_HEADER_SIZE], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A length, then the name; a name that is too long is cut.
fn put_name(bytes: &mut [u8; DEVICE_HEADER_SIZE], (at, max): (usize, usize), name: &str) {
    let name = name.as_bytes().get(..max).unwrap_or(name.as_bytes());
    bytes[at] = u8::try_from(name.len()).unwrap_or(0);
    bytes[at + 1..at + 1 + name.len()].copy_from_slice(name);
}

fn name_at(bytes: &[u8; DEVICE_HEADER_SIZE], (at, max): (usize, usize)) -> Option<String> {
    let length = usize::from(bytes[at]);
    if length > max {
        return None;
    }
    String::from_utf8(bytes.get(at + 1..at + 1 + length)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_any_flipped_bit_is_seen() {
        let header = DeviceHeader {
            volume: *b"0123456789abcdef",
            index: 1,
            count: 3,
            slot_bytes: 1 << 20,
            slots: 77,
            namespace: "test".to_owned(),
            cluster: "c".repeat(64),
            key_check: None,
        };
        let encrypted = DeviceHeader { key_check: Some([9; 16]), ..header.clone() };
        assert_eq!(DeviceHeader::decode(&encrypted.encode()).unwrap(), encrypted);
        let bytes = header.encode();
        assert_eq!(DeviceHeader::decode(&bytes).unwrap(), header);
        for bit in 0..DEVICE_HEADER_SIZE * 8 {
            let mut broken = bytes;
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(DeviceHeader::decode(&broken).is_err(), "bit {bit}");
        }
        assert_eq!(DeviceHeader::decode(&[0; 512]), Err(DeviceHeaderError::Zero));
    }
}
