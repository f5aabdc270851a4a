//! Packed registers.
//!
//! A particle is a flags byte, index bits, minhash bits, eight bytes of a kept count (little endian, zero when there
//! is none), then 2^index registers from the most significant bit on. A register holds a rank (6 bits) above a
//! minhash: the value that leaves the largest number in a register wins it.

use super::hash::hash;
use crate::hll_particle::{self, HEAD_SIZE};
use crate::{OwnedParticle, ParticleType};

/// Bits of a rank.
const RANK_BITS: u8 = 6;
/// Bytes before the kept count.
const COUNT_AT: usize = 3;
/// Bytes that hold any register, wherever in its first byte it begins.
const SPAN: usize = 9;

/// How many bits select a register, and how many of them a minhash has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) index_bits: u8,
    pub(super) minhash_bits: u8,
}

impl Shape {
    /// The shape with these bits; none when they are out of range.
    pub(super) fn new(index_bits: u8, minhash_bits: u8) -> Option<Shape> {
        hll_particle::size(index_bits, minhash_bits)?;
        Some(Shape { index_bits, minhash_bits })
    }

    /// Registers of an HLL.
    pub(super) fn registers(self) -> usize {
        1_usize.checked_shl(u32::from(self.index_bits)).unwrap_or(0)
    }

    /// The register that a value goes to, and what it leaves there.
    fn place(self, value: &[u8]) -> (usize, u64) {
        let (low, high) = hash(value);
        let mask = self.registers().saturating_sub(1);
        let index = usize::try_from(low & u64::try_from(mask).unwrap_or(0)).unwrap_or(0);
        let rank = u64::from(high.trailing_zeros().saturating_add(1).min(63));
        let minhash = low.checked_shr(u32::from(self.index_bits)).unwrap_or(0) & self.minhash_mask();
        (index, rank.checked_shl(u32::from(self.minhash_bits)).unwrap_or(0) | minhash)
    }

    fn minhash_mask(self) -> u64 {
        1_u64.checked_shl(u32::from(self.minhash_bits)).unwrap_or(0).wrapping_sub(1)
    }

    fn register_bits(self) -> usize {
        usize::from(self.minhash_bits.saturating_add(RANK_BITS))
    }
}

/// An HLL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch {
    shape: Shape,
    bytes: Vec<u8>,
}

impl Sketch {
    /// The HLL in a particle's bytes; none when they are malformed.
    pub(super) fn parse(bytes: &[u8]) -> Option<Sketch> {
        hll_particle::check(bytes).ok()?;
        let [_, index_bits, minhash_bits, ..] = bytes else { return None };
        Some(Sketch { shape: Shape::new(*index_bits, *minhash_bits)?, bytes: bytes.to_vec() })
    }

    /// An HLL without values.
    pub(super) fn empty(shape: Shape) -> Sketch {
        let size = hll_particle::size(shape.index_bits, shape.minhash_bits).unwrap_or(HEAD_SIZE);
        let mut bytes = vec![0, shape.index_bits, shape.minhash_bits];
        bytes.resize(size, 0);
        Sketch { shape, bytes }
    }

    /// The HLL as a bin value.
    pub(super) fn into_particle(self) -> OwnedParticle {
        OwnedParticle { kind: ParticleType::Hll, bytes: self.bytes }
    }

    /// The bits of the HLL.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Adds an encoded value; whether that changed a register.
    pub(super) fn add(&mut self, value: &[u8]) -> bool {
        let (index, left) = self.shape.place(value);
        let larger = left > self.register(index);
        if larger {
            self.set_register(index, left);
            self.keep_count(0);
        }
        larger
    }

    /// Whether an encoded value may have been added.
    pub(super) fn may_contain(&self, value: &[u8]) -> bool {
        let (index, left) = self.shape.place(value);
        self.register(index) >= left
    }

    /// Keeps a count with the registers; 0 is none.
    pub(super) fn keep_count(&mut self, count: i64) {
        let kept = self.bytes.iter_mut().skip(COUNT_AT).zip(count.to_le_bytes());
        kept.for_each(|(to, from)| *to = from);
    }

    /// All registers, rank and minhash in one number.
    pub(super) fn registers(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.shape.registers()).map(|index| self.register(index))
    }

    /// All registers' ranks.
    pub(super) fn ranks(&self) -> impl Iterator<Item = u64> + '_ {
        let below = u32::from(self.shape.minhash_bits);
        self.registers().map(move |register| register.checked_shr(below).unwrap_or(0))
    }

    /// The HLL with less bits: registers fall together, and minhashes go unless both shapes are the same.
    pub(super) fn reduced(&self, shape: Shape) -> Sketch {
        let mut reduced = Sketch::empty(shape);
        reduced.take_in(self);
        reduced
    }

    /// Takes in what another HLL holds, which must have the same shape, or as many index bits or more. Ranks only
    /// meet ranks: this HLL must not have minhashes then.
    pub(super) fn take_in(&mut self, other: &Sketch) {
        let mask = self.shape.registers().saturating_sub(1);
        let drop = other.shape.minhash_bits.saturating_sub(self.shape.minhash_bits);
        for (index, register) in other.registers().enumerate() {
            let register = register.checked_shr(u32::from(drop)).unwrap_or(0);
            if register > self.register(index & mask) {
                self.set_register(index & mask, register);
            }
        }
    }

    /// A register: rank and minhash in one number.
    fn register(&self, index: usize) -> u64 {
        let (first, behind) = self.span(index);
        let mut window = [0; 16];
        let bytes = self.bytes.iter().skip(first).take(SPAN);
        window.iter_mut().skip(16_usize.saturating_sub(SPAN)).zip(bytes).for_each(|(to, from)| *to = *from);
        let value = u128::from_be_bytes(window).checked_shr(behind).unwrap_or(0);
        u64::try_from(value & self.mask()).unwrap_or(0)
    }

    fn set_register(&mut self, index: usize, value: u64) {
        let (first, behind) = self.span(index);
        let mask = self.mask().checked_shl(behind).unwrap_or(0).to_be_bytes();
        let value = u128::from(value).checked_shl(behind).unwrap_or(0).to_be_bytes();
        let skip = 16_usize.saturating_sub(SPAN);
        let new = mask.iter().zip(&value).skip(skip);
        for (byte, (mask, value)) in self.bytes.iter_mut().skip(first).take(SPAN).zip(new) {
            *byte = *byte & !mask | value & mask;
        }
    }

    /// A register's first byte, and how many bits of the bytes from there on are behind it.
    fn span(&self, index: usize) -> (usize, u32) {
        let bits = self.shape.register_bits();
        let start = index.saturating_mul(bits);
        let end = (start % 8).saturating_add(bits);
        let behind = SPAN.saturating_mul(8).saturating_sub(end);
        (HEAD_SIZE.saturating_add(start / 8), u32::try_from(behind).unwrap_or(0))
    }

    /// All bits of a register.
    fn mask(&self) -> u128 {
        let bits = u32::try_from(self.shape.register_bits()).unwrap_or(0);
        1_u128.checked_shl(bits).unwrap_or(0).wrapping_sub(1)
    }
}
