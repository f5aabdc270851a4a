//! Encryption of what lies on devices: AES-256 in XTS mode, sector by sector.
//!
//! Guarantees: equal bytes in different places are different on the device; nothing but headers, marks and wiped heads is
//! in clear. XTS hides, it does not prove who wrote: damage is found by the checksums inside. The sector is 512 bytes,
//! which disks write as a whole: a sector to which records are added is written again with the same beginning.

use aes::Aes256;
use aes::cipher::KeyInit as _;
use std::fmt;
use xts_mode::{Xts128, get_tweak_default};

/// Two keys of 256 bits: one for the data, one for the places.
pub type Key = [u8; 64];

/// Bytes of a sector.
pub(crate) const SECTOR: usize = 512;
/// Stands for the file with the index where a device's number does.
pub(crate) const INDEX_DEVICE: u16 = u16::MAX;
/// Stands for the commit journal where a device's number does.
pub(crate) const JOURNAL_DEVICE: u16 = u16::MAX - 1;
/// Where no sector is: what a key makes of zeros there tells it from other keys.
const CHECK_SECTOR: u128 = u128::MAX;

/// A key at work.
pub(crate) struct Cipher(Xts128<Aes256>);

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys are shown to nobody.
        f.write_str("Cipher")
    }
}

impl Cipher {
    pub(crate) fn new(key: &Key) -> Cipher {
        let (data, places) = key.split_at(32);
        let aes = |key: &[u8]| Aes256::new_from_slice(key).expect("invariant: half of a key has 256 bits");
        Cipher(Xts128::new(aes(data), aes(places)))
    }

    /// Tells this key from others, and says nothing else about it.
    pub(crate) fn check(&self) -> [u8; 16] {
        let mut zeros = [0; SECTOR];
        self.0.encrypt_sector(&mut zeros, get_tweak_default(CHECK_SECTOR));
        zeros.first_chunk().copied().unwrap_or_default()
    }

    /// Encrypts whole sectors that lie at `offset` of a device.
    pub(crate) fn encrypt(&self, device: u16, offset: u64, sectors: &mut [u8]) {
        self.0.encrypt_area(sectors, SECTOR, first(device, offset), get_tweak_default);
    }

    /// Decrypts whole sectors that lie at `offset` of a device.
    pub(crate) fn decrypt(&self, device: u16, offset: u64, sectors: &mut [u8]) {
        self.0.decrypt_area(sectors, SECTOR, first(device, offset), get_tweak_default);
    }
}

fn first(device: u16, offset: u64) -> u128 {
    (u128::from(device) << 64) | u128::from(offset / SECTOR as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_a_device_and_a_key_change_everything() {
        let key = |byte| std::array::from_fn(|at| u8::try_from(at).unwrap() ^ byte);
        let (one, other) = (Cipher::new(&key(0)), Cipher::new(&key(1)));
        assert_ne!(one.check(), other.check());
        let plain: Vec<u8> = (0..1024u32).map(|at| u8::try_from(at % 7).unwrap()).collect();
        let encrypted = |cipher: &Cipher, device, offset| {
            let mut bytes = plain.clone();
            cipher.encrypt(device, offset, &mut bytes);
            bytes
        };
        let here = encrypted(&one, 0, 4096);
        let others =
            [encrypted(&one, 0, 4608), encrypted(&one, 1, 4096), encrypted(&other, 0, 4096), plain.clone()];
        assert!(others.iter().all(|bytes| bytes.chunks(16).zip(here.chunks(16)).all(|(a, b)| a != b)));
        let mut back = here;
        one.decrypt(0, 4096, &mut back);
        assert_eq!(back, plain);
    }
}
