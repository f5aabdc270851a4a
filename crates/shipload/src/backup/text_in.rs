//! Text as records.
//!
//! Lengths are bounded, so that a damaged file can't ask for more memory than a record may have.

use std::io::BufRead;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::entry::{Bin, Entry, kind};
use super::globals::{IndexLine, Module};

/// The longest text of a value: 8 MiB in base 64, and room.
const VALUE_MAX: usize = 16 << 20;
/// The longest other word.
const WORD_MAX: usize = 1 << 16;

/// What stands in a backup.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Record(Entry),
    Index(IndexLine),
    Module(Module),
}

/// A file of a backup that is read from its start.
#[derive(Debug)]
pub(super) struct Reader<R> {
    input: R,
    /// Bytes read so far, for messages.
    at: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    pub(super) fn open(input: R) -> Result<Reader<R>> {
        let mut reader = Reader { input, at: 0 };
        let line = reader.line()?;
        ensure!(line == b"Version 3.1" || line == b"Version 3.0", "not a backup of version 3.0 or 3.1");
        while reader.peek()? == Some(b'#') {
            reader.line()?;
        }
        Ok(reader)
    }

    /// What comes next; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        let from = self.at;
        let item = match self.peek()? {
            None => return Ok(None),
            Some(b'*') => self.global(),
            Some(_) => self.record().map(Item::Record),
        };
        item.map(Some).with_context(|| format!("in what begins at byte {from}"))
    }

    fn record(&mut self) -> Result<Entry> {
        let mut entry = Entry::default();
        let count = loop {
            self.expect(b"+ ")?;
            match self.byte()? {
                b'k' => {
                    self.expect(b" ")?;
                    let bin = self.value(false)?.context("a key without a value")?;
                    entry.key = Some((bin.kind, bin.value));
                    continue;
                }
                b'n' => entry.namespace = self.word_of_line()?,
                b'd' => {
                    let digest = STANDARD.decode(self.word_of_line()?).context("the digest")?;
                    entry.digest = digest.try_into().ok().context("a digest has 20 bytes")?;
                }
                b's' => entry.set = self.word_of_line()?,
                b'g' => entry.generation = number(&self.word_of_line()?)?,
                b't' => entry.void_time = number(&self.word_of_line()?)?,
                b'b' => break number::<u16>(&self.word_of_line()?)?,
                other => bail!("unknown letter '{}'", other.escape_ascii()),
            }
        };
        for _ in 0..count {
            self.expect(b"- ")?;
            // A bin without a value is no bin.
            entry.bins.extend(self.value(true)?);
        }
        Ok(entry)
    }

    /// Letter, name if wanted, value, line end. None for a value of nothing.
    fn value(&mut self, named: bool) -> Result<Option<Bin>> {
        let letter = self.byte()?;
        let mut next = self.byte()?;
        let raw = next == b'!';
        if raw {
            next = self.byte()?;
        }
        ensure!(next == b' ', "a blank is missing");
        let (name, end) = if named { self.word()? } else { (Vec::new(), b' ') };
        if letter == b'N' {
            ensure!(end == b'\n', "a value of nothing has a value");
            return Ok(None);
        }
        ensure!(end == b' ', "a value is missing");
        let (kind, value) = match letter {
            b'I' => (kind::INTEGER, number::<i64>(&self.word()?.0)?.to_be_bytes().to_vec()),
            b'D' => (kind::DOUBLE, number::<f64>(&self.word()?.0)?.to_be_bytes().to_vec()),
            b'Z' => match self.word()?.0.as_slice() {
                b"T" => (kind::BOOL, vec![1]),
                b"F" => (kind::BOOL, vec![0]),
                other => bail!("'{}' is neither T nor F", other.escape_ascii()),
            },
            b'S' => (kind::STRING, self.counted()?),
            b'G' => (kind::GEO_JSON, [&[0, 0, 0], self.counted()?.as_slice()].concat()),
            _ => {
                let known = kind::AS_BYTES.iter().find(|(_, known)| *known == letter);
                let Some((kind, _)) = known else { bail!("unknown type '{}'", letter.escape_ascii()) };
                let text = self.counted()?;
                (*kind, if raw { text } else { STANDARD.decode(text).context("base 64")? })
            }
        };
        Ok(Some(Bin { name, kind, value }))
    }

    /// A length, a blank, so many bytes, line end.
    fn counted(&mut self) -> Result<Vec<u8>> {
        let (length, end) = self.word()?;
        ensure!(end == b' ', "bytes are missing");
        let length: usize = number(&length)?;
        ensure!(length <= VALUE_MAX, "a value of {length} bytes");
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).context("the file is cut off")?;
        self.at += length as u64;
        self.expect(b"\n")?;
        Ok(bytes)
    }

    /// A line about an index or a module, whose content may have lines of its own.
    fn global(&mut self) -> Result<Item> {
        self.expect(b"* ")?;
        match self.byte()? {
            b'u' => {
                self.expect(b" L ")?;
                let (name, end) = self.word()?;
                ensure!(end == b' ', "a module without content");
                Ok(Item::Module(Module { name, content: self.counted()? }))
            }
            b'i' => {
                self.expect(b" ")?;
                self.index().map(Item::Index)
            }
            other => bail!("unknown letter '{}'", other.escape_ascii()),
        }
    }

    fn index(&mut self) -> Result<IndexLine> {
        let mut words = Vec::new();
        loop {
            let (word, end) = self.word()?;
            words.push(word);
            if end == b'\n' {
                break;
            }
            ensure!(words.len() < 16, "too many words about an index");
        }
        let mut words = words.into_iter();
        let mut next = || words.next().context("a word about an index is missing");
        let (namespace, set, name) = (next()?, next()?, next()?);
        let letter =
            |word: Vec<u8>| <[u8; 1]>::try_from(word).ok().map(|[letter]| letter).context("a letter");
        let collection = letter(next()?)?;
        ensure!(next()? == b"1", "an index of several bins");
        let (bin, value_type) = (next()?, letter(next()?)?);
        let context = words.next().unwrap_or_default();
        ensure!(words.next().is_none(), "too many words about an index");
        Ok(IndexLine { namespace, set, name, collection, bin, value_type, context })
    }

    fn word_of_line(&mut self) -> Result<Vec<u8>> {
        self.expect(b" ")?;
        let (word, end) = self.word()?;
        ensure!(end == b'\n', "too much on a line");
        Ok(word)
    }

    /// Bytes up to a blank or line end, unescaped, and which of the two it was.
    fn word(&mut self) -> Result<(Vec<u8>, u8)> {
        let mut word = Vec::new();
        loop {
            match self.byte()? {
                b'\\' => word.push(self.byte()?),
                end @ (b' ' | b'\n') => return Ok((word, end)),
                byte => word.push(byte),
            }
            ensure!(word.len() <= WORD_MAX, "a word of more than {WORD_MAX} bytes");
        }
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                byte => line.push(byte),
            }
            ensure!(line.len() <= WORD_MAX, "a line of more than {WORD_MAX} bytes");
        }
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<()> {
        for &wanted in wanted {
            let found = self.byte()?;
            ensure!(found == wanted, "'{}' where '{}' must be", found.escape_ascii(), wanted.escape_ascii());
        }
        Ok(())
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        Ok(self.input.fill_buf().context("cannot read the backup")?.first().copied())
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = self.peek()?.context("the file is cut off")?;
        self.input.consume(1);
        self.at += 1;
        Ok(byte)
    }
}

fn number<T: std::str::FromStr>(word: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
    text.with_context(|| format!("'{}' is no number that fits", word.escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::super::text_out;
    use super::*;

    /// Written after the public description of the format: an index, a function of two lines, two records.
    const SAMPLE: &[u8] = b"Version 3.1\n# namespace test\n# first-file\n\
        * i test ship\\ yard length-index N 1 length N\n\
        * u L two.lua 11 -- a\n-- b\n\n\n\
        + k S 5 a b\nc\n+ n test\n+ d q+LsiGs1gD9duJDbzQSXytajtCY=\n+ s ship\\ yard\n+ g 7\n+ t 0\n+ b 5\n\
        - I length -12345\n- S a\\ name 4 \\ \n!\n- D weight 2.5\n- Z afloat T\n- B cargo 8 AAECAwQ=\n\
        + n test\n+ d AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n+ g 1\n+ t 500000000\n+ b 3\n\
        - N nothing\n- M! map 1 \x80\n- G where 2 {}\n";

    fn items(bytes: &[u8]) -> Result<Vec<Item>> {
        let mut reader = Reader::open(bytes)?;
        let mut items = Vec::new();
        while let Some(item) = reader.next()? {
            items.push(item);
        }
        Ok(items)
    }

    fn read(bytes: &[u8]) -> Result<Vec<Entry>> {
        let record = |item| match item {
            Item::Record(entry) => Some(entry),
            Item::Index(_) | Item::Module(_) => None,
        };
        Ok(items(bytes)?.into_iter().filter_map(record).collect())
    }

    /// The same as [`SAMPLE`] and more: every kind of value, of index and of module, after the public description.
    const GOLDEN: &[u8] = include_bytes!("golden-3.1.asb");

    #[test]
    fn the_golden_file_is_written_as_it_is_read() {
        let read = items(GOLDEN).unwrap();
        let mut text = text_out::head("test", true);
        for item in &read {
            match item {
                Item::Record(entry) => text_out::record(&mut text, entry).unwrap(),
                Item::Index(index) => text_out::index(&mut text, index),
                Item::Module(module) => text_out::module(&mut text, module),
            }
        }
        assert_eq!(text.escape_ascii().to_string(), GOLDEN.escape_ascii().to_string());
        let count = |wanted: fn(&Item) -> bool| read.iter().filter(|item| wanted(item)).count();
        assert_eq!(count(|item| matches!(item, Item::Index(_))), 5);
        assert_eq!(count(|item| matches!(item, Item::Module(_))), 2);
        let kinds: std::collections::BTreeSet<u8> = read
            .iter()
            .filter_map(|item| match item {
                Item::Record(entry) => Some(entry.bins.iter().map(|bin| bin.kind)),
                Item::Index(_) | Item::Module(_) => None,
            })
            .flatten()
            .collect();
        let all = [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 17, 18, 19, 20, 23];
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn the_public_description_is_read() {
        let entries = read(SAMPLE).unwrap();
        let [ship, other] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(ship.key, Some((3, b"a b\nc".to_vec())));
        assert_eq!((ship.set.as_slice(), ship.generation, ship.void_time), (&b"ship yard"[..], 7, 0));
        assert_eq!(ship.digest[..3], [0xab, 0xe2, 0xec]);
        let bin = |entry: &Entry, index: usize| {
            let bin = &entry.bins[index];
            (String::from_utf8(bin.name.clone()).unwrap(), bin.kind, bin.value.clone())
        };
        assert_eq!(bin(ship, 0), ("length".to_owned(), 1, (-12345i64).to_be_bytes().to_vec()));
        assert_eq!(bin(ship, 1), ("a name".to_owned(), 3, b"\\ \n!".to_vec()));
        assert_eq!(bin(ship, 2), ("weight".to_owned(), 2, 2.5f64.to_be_bytes().to_vec()));
        assert_eq!(bin(ship, 3), ("afloat".to_owned(), 17, vec![1]));
        assert_eq!(bin(ship, 4), ("cargo".to_owned(), 4, vec![0, 1, 2, 3, 4]));
        assert_eq!(bin(other, 0), ("map".to_owned(), 19, vec![0x80]));
        assert_eq!(bin(other, 1), ("where".to_owned(), 23, b"\0\0\0{}".to_vec()));
        assert_eq!((other.set.len(), other.void_time), (0, 500_000_000));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let entries = read(SAMPLE).unwrap();
        let mut text = text_out::head("test", true);
        entries.iter().for_each(|entry| text_out::record(&mut text, entry).unwrap());
        assert_eq!(read(&text).unwrap(), entries);
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, -0.0, 1e300, f64::MIN_POSITIVE] {
            let bin = Bin { name: b"d".to_vec(), kind: 2, value: number.to_be_bytes().to_vec() };
            let mut text = text_out::head("test", false);
            text_out::record(&mut text, &Entry { bins: vec![bin.clone()], ..Entry::default() }).unwrap();
            let value = read(&text).unwrap()[0].bins[0].value.clone();
            let back = f64::from_be_bytes(value.try_into().unwrap());
            assert!(back.to_bits() == number.to_bits() || (back.is_nan() && number.is_nan()), "{number}");
        }
    }

    #[test]
    fn cut_and_damaged_files_are_refused() {
        for length in 0..SAMPLE.len() {
            let cut = read(&SAMPLE[..length]);
            let whole_records = cut.as_ref().is_ok_and(|entries| {
                let mut text = Vec::new();
                entries.iter().for_each(|entry| text_out::record(&mut text, entry).unwrap());
                text.len() < length
            });
            assert!(cut.is_err() || whole_records, "{length}");
        }
        assert!(read(b"Version 9.9\n").is_err());
        assert!(read(b"Version 3.1\n+ k S 99999999999 x").is_err());
    }
}
