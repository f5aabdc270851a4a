//! Appends values to a buffer, each in its shortest form, with the headers that official clients write
//! (strings and blobs both in the str family).

use super::FLAG_PERSIST_INDEX;

/// Appends nil.
pub fn nil(out: &mut Vec<u8>) {
    out.push(0xc0);
}

/// Appends a boolean.
pub fn bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { 0xc3 } else { 0xc2 });
}

/// Appends a signed integer: positive ones in the unsigned forms.
pub fn int(out: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u64::try_from(value) {
        return uint(out, value);
    }
    if let Ok(value) = i8::try_from(value) {
        if value < -32 {
            out.push(0xd0);
        }
        out.push(value.cast_unsigned());
    } else if let Ok(value) = i16::try_from(value) {
        out.push(0xd1);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(0xd2);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xd3);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends an unsigned integer.
pub fn uint(out: &mut Vec<u8>, value: u64) {
    if let Ok(value) = u8::try_from(value) {
        if value > 0x7f {
            out.push(0xcc);
        }
        out.push(value);
    } else if let Ok(value) = u16::try_from(value) {
        out.push(0xcd);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Ok(value) = u32::try_from(value) {
        out.push(0xce);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(0xcf);
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends a double.
pub fn double(out: &mut Vec<u8>, value: f64) {
    out.push(0xcb);
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends the header of a string of `size` bytes (its type byte counted).
pub fn bytes_head(out: &mut Vec<u8>, size: usize) {
    let size = count(size);
    match size {
        0..=31 => out.push(0xa0 | low(size)),
        32..=0xff => out.extend_from_slice(&[0xd9, low(size)]),
        0x100..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&half(size));
        }
        _ => {
            out.push(0xdb);
            out.extend_from_slice(&size.to_be_bytes());
        }
    }
}

/// Appends bytes that already start with their particle type byte, or that have none (raw strings).
pub fn bytes(out: &mut Vec<u8>, raw: &[u8]) {
    bytes_head(out, raw.len());
    out.extend_from_slice(raw);
}

/// Appends a string or blob with its particle type byte.
pub fn typed(out: &mut Vec<u8>, kind: u8, raw: &[u8]) {
    bytes_head(out, raw.len().saturating_add(1));
    out.push(kind);
    out.extend_from_slice(raw);
}

/// Appends the header of an array of `size` elements.
pub fn array_head(out: &mut Vec<u8>, size: usize) {
    container_head(out, count(size), 0x90, 0xdc);
}

/// Appends the header of a map of `size` pairs.
pub fn map_head(out: &mut Vec<u8>, size: usize) {
    container_head(out, count(size), 0x80, 0xde);
}

/// Appends the start of a list of `size` elements: with an ext element when there are flags.
pub fn list_start(out: &mut Vec<u8>, flags: u8, size: usize) {
    let flags = flags & !FLAG_PERSIST_INDEX;
    if flags == 0 {
        return array_head(out, size);
    }
    array_head(out, size.saturating_add(1));
    ext(out, flags, &[]);
}

/// Appends the start of a map of `size` pairs: with an ext pair when there are flags.
pub fn map_start(out: &mut Vec<u8>, flags: u8, size: usize) {
    let flags = flags & !FLAG_PERSIST_INDEX;
    if flags == 0 {
        return map_head(out, size);
    }
    map_head(out, size.saturating_add(1));
    ext(out, flags, &[]);
    nil(out);
}

/// Appends an ext value.
pub fn ext(out: &mut Vec<u8>, kind: u8, data: &[u8]) {
    let size = count(data.len());
    match size {
        1 => out.push(0xd4),
        2 => out.push(0xd5),
        4 => out.push(0xd6),
        8 => out.push(0xd7),
        16 => out.push(0xd8),
        0..=0xff => out.extend_from_slice(&[0xc7, low(size)]),
        0x100..=0xffff => {
            out.push(0xc8);
            out.extend_from_slice(&half(size));
        }
        _ => {
            out.push(0xc9);
            out.extend_from_slice(&size.to_be_bytes());
        }
    }
    out.push(kind);
    out.extend_from_slice(data);
}

fn container_head(out: &mut Vec<u8>, size: u32, fix: u8, wide: u8) {
    match size {
        0..=15 => out.push(fix | low(size)),
        16..=0xffff => {
            out.push(wide);
            out.extend_from_slice(&half(size));
        }
        _ => {
            out.push(wide.saturating_add(1));
            out.extend_from_slice(&size.to_be_bytes());
        }
    }
}

/// Counts fit: nothing that is written here is larger than a frame, which is far below 4 GiB.
fn count(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn low(size: u32) -> u8 {
    let [_, _, _, low] = size.to_be_bytes();
    low
}

fn half(size: u32) -> [u8; 2] {
    let [_, _, high, low] = size.to_be_bytes();
    [high, low]
}
