//! Partitions in the options of `COPY TO`: `0-99,200`.

use shipload_value::digest::PARTITION_COUNT;

/// Reads numbers and ranges with commas between. They come out in order and once; none when that is no list of partitions.
pub(super) fn read(text: &str) -> Option<Vec<u16>> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= PARTITION_COUNT {
            return None;
        }
        all.extend(first..=last);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// Partitions that are in order, as [`read`] reads them.
pub(super) fn ranges(partitions: &[u16]) -> String {
    let range = |run: &[u16]| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.first().map(ToString::to_string).unwrap_or_default(),
    };
    let runs = partitions.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    runs.map(range).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::{ranges, read};

    #[test]
    fn ranges_are_read_as_they_were_written() {
        for (text, again) in
            [("0-4095", "0-4095"), ("7, 1-2,3 ,2", "1-3,7"), ("5", "5"), ("4095,0", "0,4095")]
        {
            assert_eq!(ranges(&read(text).expect(text)), again);
        }
        let every_other: Vec<u16> = (0..4096).filter(|one| one % 2 == 0).collect();
        assert_eq!(read(&ranges(&every_other)), Some(every_other));
        for text in ["", "-", "4096", "3-2", "a", "1-", "1,,2", "-1", "99999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
