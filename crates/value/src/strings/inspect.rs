//! The operations that read a string.

use super::{base64, pattern, points, search, string, text_argument};
use crate::arguments::Args;
use crate::msgpack::writer;
use crate::{OwnedParticle, ParticleType, Refusal};

/// A reading operation with its arguments.
pub(super) enum Question<'a> {
    Length,
    Part { start: i64, end: Option<i64> },
    Point(i64),
    Find { wanted: &'a str, occurrence: i64 },
    Contains(&'a str),
    Begins(&'a str),
    Ends(&'a str),
    Integer,
    Double,
    Bytes,
    IsNumber { integers: bool, fractions: bool },
    IsUpper,
    IsLower,
    Blob,
    Split(Option<&'a str>),
    Base64,
    Matches { pattern: &'a str, flags: u64 },
}

impl<'a> Question<'a> {
    /// Reads the arguments of an operation.
    pub(super) fn parse(code: i64, mut args: Args<'a>) -> Result<Question<'a>, Refusal> {
        let question = match code {
            0 => Question::Length,
            1 => Question::Part { start: args.int()?, end: args.optional_int()? },
            2 => Question::Point(args.int()?),
            3 => {
                let (wanted, occurrence) = (text_argument(&mut args)?, args.optional_int()?.unwrap_or(1));
                if occurrence == 0 {
                    return Err(Refusal::Parameter);
                }
                Question::Find { wanted, occurrence }
            }
            4 => Question::Contains(text_argument(&mut args)?),
            5 => Question::Begins(text_argument(&mut args)?),
            6 => Question::Ends(text_argument(&mut args)?),
            7 => Question::Integer,
            8 => Question::Double,
            9 => Question::Bytes,
            10 => match args.optional_int()?.unwrap_or(0) {
                0 => Question::IsNumber { integers: true, fractions: true },
                1 => Question::IsNumber { integers: true, fractions: false },
                2 => Question::IsNumber { integers: false, fractions: true },
                _ => return Err(Refusal::Parameter),
            },
            11 => Question::IsUpper,
            12 => Question::IsLower,
            13 => Question::Blob,
            14 if args.left() == 0 => Question::Split(None),
            14 => Question::Split(Some(text_argument(&mut args)?)),
            15 => Question::Base64,
            16 => Question::Matches { pattern: text_argument(&mut args)?, flags: args.flags()? },
            _ => return Err(Refusal::Parameter),
        };
        args.finish()?;
        Ok(question)
    }

    /// What the operation answers of a text.
    pub(super) fn answer(&self, text: &str) -> Result<OwnedParticle, Refusal> {
        Ok(match self {
            Question::Length => OwnedParticle::integer(points::count(text)),
            Question::Part { start, end } => part(text, points::range(text, *start, *end)),
            Question::Point(index) => {
                let next = if *index == -1 { None } else { Some(index.saturating_add(1)) };
                part(text, points::range(text, *index, next))
            }
            Question::Find { wanted, occurrence } => OwnedParticle::integer(find(text, wanted, *occurrence)),
            Question::Contains(wanted) => truth(search::places(text, wanted).next().is_some()),
            Question::Begins(wanted) => truth(search::begins(text, wanted)),
            Question::Ends(wanted) => truth(search::ends(text, wanted)),
            Question::Integer => OwnedParticle::integer(text.parse().map_err(|_| Refusal::Parameter)?),
            Question::Double => {
                let value: f64 = text.parse().map_err(|_| Refusal::Parameter)?;
                OwnedParticle { kind: ParticleType::Double, bytes: value.to_be_bytes().to_vec() }
            }
            Question::Bytes => OwnedParticle::integer(i64::try_from(text.len()).unwrap_or(i64::MAX)),
            Question::IsNumber { integers, fractions } => {
                truth((*integers && text.parse::<i64>().is_ok()) || (*fractions && is_fraction(text)))
            }
            Question::IsUpper => truth(!text.chars().any(|point| is_cased(point) && !point.is_uppercase())),
            Question::IsLower => truth(!text.chars().any(|point| is_cased(point) && !point.is_lowercase())),
            Question::Blob => OwnedParticle { kind: ParticleType::Blob, bytes: text.as_bytes().to_vec() },
            Question::Split(separator) => split(text, separator.unwrap_or_default()),
            Question::Base64 => base64::decode(text)?,
            Question::Matches { pattern, flags } => truth(pattern::compile(pattern, *flags)?.is_match(text)),
        })
    }
}

fn part(text: &str, range: std::ops::Range<usize>) -> OwnedParticle {
    string(text.get(range).unwrap_or_default().as_bytes().to_vec())
}

fn truth(value: bool) -> OwnedParticle {
    OwnedParticle { kind: ParticleType::Bool, bytes: vec![u8::from(value)] }
}

fn is_cased(point: char) -> bool {
    point.is_uppercase() || point.is_lowercase()
}

/// A number with a digit behind its decimal point.
fn is_fraction(text: &str) -> bool {
    let behind = text.split_once('.').and_then(|(_, behind)| behind.chars().next());
    behind.is_some_and(|point| point.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

/// The code point at which a text is found for the n-th time, from the end when n is negative; -1 for nowhere.
fn find(text: &str, wanted: &str, occurrence: i64) -> i64 {
    let mut places = search::places(text, wanted);
    let index = match usize::try_from(occurrence) {
        Ok(nth) => Some(nth.saturating_sub(1)),
        Err(_) => {
            let back = usize::try_from(occurrence.unsigned_abs()).unwrap_or(usize::MAX);
            search::places(text, wanted).count().checked_sub(back)
        }
    };
    let place = index.and_then(|index| places.nth(index));
    place.map_or(-1, |place| points::count(text.get(..place.start).unwrap_or_default()))
}

/// The pieces of a text between separators; without one, its code points.
fn split(text: &str, separator: &str) -> OwnedParticle {
    let mut pieces: Vec<&str> = Vec::new();
    if separator.is_empty() {
        pieces.extend(text.split_inclusive(|_| true));
    } else {
        let mut last = 0;
        for place in search::places(text, separator) {
            pieces.push(text.get(last..place.start).unwrap_or_default());
            last = place.end;
        }
        pieces.push(text.get(last..).unwrap_or_default());
    }
    let mut bytes = Vec::new();
    writer::array_head(&mut bytes, pieces.len());
    for piece in pieces {
        writer::typed(&mut bytes, ParticleType::String.number(), piece.as_bytes());
    }
    OwnedParticle { kind: ParticleType::List, bytes }
}
