//! Many records in one request; the node hands each row on to its owner.

use super::answer::{code, last_update, malformed, record};
use super::single::{TIMEOUT_MS, particles, read_header, read_ops, write_ops};
use super::{ASKED_AGAIN, Bins, Digest, PAUSE, Place, Record, RecordError, Records, To, Write};
use super::{closed, key_particle};
use shipload_wire::bits::{batch as flags, info2};
use shipload_wire::request::{self, BatchRow, Key};
use shipload_wire::{Header, ResultCode, response};
use tokio::time::sleep;

/// Rows that go in one request.
const ROWS_MAX: usize = 1000;

/// How one row ended.
pub(super) type Outcome<T> = Result<T, RecordError>;

impl Records {
    /// Reads records; none where there is none. In the order asked.
    ///
    /// # Errors
    /// When a node refuses, or can't be reached.
    pub async fn get_many(
        &self,
        place: &Place,
        digests: &[Digest],
        bins: &Bins,
    ) -> Result<Vec<Option<Record>>, RecordError> {
        let mut found = Vec::with_capacity(digests.len());
        let time = last_update();
        let (header, ops) = (read_header(bins), read_ops(bins, &time));
        for chunk in digests.chunks(ROWS_MAX) {
            let rows: Vec<BatchRow<'_>> = chunk
                .iter()
                .map(|digest| BatchRow {
                    key: Key::new(&place.namespace, &place.set, digest),
                    header: Header { record_ttl: 0, ..header },
                    ops: &ops,
                    repeat: false,
                })
                .collect();
            for (code, record) in self.rows(&rows, chunk).await? {
                match code {
                    ResultCode::Ok => found.push(Some(record)),
                    ResultCode::NotFound => found.push(None),
                    refused => return Err(RecordError::Refused(refused)),
                }
            }
        }
        Ok(found)
    }

    /// Writes records; each row ends for itself.
    pub async fn write_many(&self, place: &Place, writes: &[Write]) -> Vec<Outcome<u32>> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for chunk in writes.chunks(ROWS_MAX) {
            let keys: Vec<_> = chunk.iter().map(|write| write.key.as_ref().and_then(key_particle)).collect();
            let particles: Vec<_> = chunk.iter().map(|write| particles(&write.bins)).collect();
            let ops: Vec<_> = particles.iter().map(|particles| write_ops(particles)).collect();
            let rows: Vec<BatchRow<'_>> = chunk
                .iter()
                .zip(&keys)
                .zip(&ops)
                .map(|((write, key), ops)| {
                    let user_key = key.as_ref().map(|(kind, bytes)| (*kind, bytes.as_slice()));
                    let key = Key { user_key, ..Key::new(&place.namespace, &place.set, &write.digest) };
                    BatchRow { key, header: write.header(), ops, repeat: false }
                })
                .collect();
            let digests: Vec<Digest> = chunk.iter().map(|write| write.digest).collect();
            self.outcomes(&rows, &digests, &mut outcomes).await;
        }
        outcomes
    }

    /// Deletes records, each if it has its generation; false where there was none.
    pub async fn delete_many(&self, place: &Place, which: &[(Digest, Option<u32>)]) -> Vec<Outcome<bool>> {
        let mut outcomes = Vec::with_capacity(which.len());
        for chunk in which.chunks(ROWS_MAX) {
            let rows: Vec<BatchRow<'_>> = chunk
                .iter()
                .map(|(digest, generation)| {
                    let same = if generation.is_some() { info2::GENERATION } else { 0 };
                    let header = Header {
                        info2: info2::WRITE | info2::DELETE | same,
                        generation: generation.unwrap_or(0),
                        ..Header::default()
                    };
                    BatchRow {
                        key: Key::new(&place.namespace, &place.set, digest),
                        header,
                        ops: &[],
                        repeat: false,
                    }
                })
                .collect();
            let digests: Vec<Digest> = chunk.iter().map(|(digest, _)| *digest).collect();
            self.outcomes(&rows, &digests, &mut outcomes).await;
        }
        let absent = |outcome| match outcome {
            Ok(_) => Ok(true),
            Err(RecordError::Refused(ResultCode::NotFound)) => Ok(false),
            Err(error) => Err(error),
        };
        outcomes.into_iter().map(absent).collect()
    }

    async fn outcomes(&self, rows: &[BatchRow<'_>], digests: &[Digest], outcomes: &mut Vec<Outcome<u32>>) {
        match self.rows(rows, digests).await {
            Ok(answers) => outcomes.extend(answers.into_iter().map(|(code, record)| match code {
                ResultCode::Ok => Ok(record.generation),
                refused => Err(RecordError::Refused(refused)),
            })),
            Err(error) => {
                let again = || match &error {
                    RecordError::Refused(code) => RecordError::Refused(*code),
                    RecordError::Io(_) => RecordError::Io(std::io::Error::other(error.to_string())),
                };
                outcomes.extend(rows.iter().map(|_| Err(again())));
            }
        }
    }

    /// Sends the rows; one answer for each, in order. Rows of partitions without a master are sent again for a while.
    async fn rows(
        &self,
        rows: &[BatchRow<'_>],
        digests: &[Digest],
    ) -> Result<Vec<(ResultCode, Record)>, RecordError> {
        let mut found = self.rows_once(rows, digests).await?;
        for _ in 0..ASKED_AGAIN {
            let refused = |(place, (code, _)): (usize, &(ResultCode, Record))| {
                (*code == ResultCode::Unavailable).then_some(place)
            };
            let places: Vec<usize> = found.iter().enumerate().filter_map(refused).collect();
            if places.is_empty() {
                break;
            }
            sleep(PAUSE).await;
            let again: Vec<_> = places.iter().filter_map(|place| rows.get(*place).copied()).collect();
            let names: Vec<_> = places.iter().filter_map(|place| digests.get(*place).copied()).collect();
            for (place, answer) in places.iter().zip(self.rows_once(&again, &names).await?) {
                if let Some(slot) = found.get_mut(*place) {
                    *slot = answer;
                }
            }
        }
        Ok(found)
    }

    /// Sends the rows; one answer for each, in order. A row that is not answered has timed out, unless all such were not done.
    async fn rows_once(
        &self,
        rows: &[BatchRow<'_>],
        digests: &[Digest],
    ) -> Result<Vec<(ResultCode, Record)>, RecordError> {
        let mut out = Vec::new();
        request::batch(&mut out, flags::RESPOND_ALL_KEYS, rows, TIMEOUT_MS);
        let absent = |digest: &Digest| Record {
            digest: *digest,
            key: None,
            bins: Vec::new(),
            generation: 0,
            void_time: 0,
            last_update_ms: None,
        };
        let mut found: Vec<_> = digests.iter().map(|digest| (None, absent(digest))).collect();
        let mut answers = self.transport.send(&To::Own, out).await?;
        loop {
            let (_, body) = answers.next().await?.ok_or_else(closed)?;
            for message in response::messages(&body) {
                let message = message.map_err(malformed)?;
                if message.is_last() {
                    answers.finish();
                    let unanswered = match code(&message) {
                        ResultCode::Ok | ResultCode::Timeout => ResultCode::Timeout,
                        // They were not done: where nobody knows of one, the whole has timed out.
                        ResultCode::Unavailable => ResultCode::Unavailable,
                        refused => return Err(RecordError::Refused(refused)),
                    };
                    let rows = found.into_iter();
                    return Ok(rows.map(|(code, row)| (code.unwrap_or(unanswered), row)).collect());
                }
                let index = usize::try_from(message.header.transaction_ttl).unwrap_or(usize::MAX);
                let (Some(place), Some(digest)) = (found.get_mut(index), digests.get(index)) else {
                    continue;
                };
                *place = (Some(code(&message)), record(&message, Some(digest)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Records, To, Write};
    use crate::records::{Answers, Mode, RecordError, Transport};
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use shipload_wire::frame::HEADER_SIZE;
    use shipload_wire::{ResultCode, reply};
    use std::collections::VecDeque;
    use std::io;
    use std::sync::Arc;

    /// Answers requests with these rows and these ends, one after the other.
    struct Script(Mutex<VecDeque<Answer>>);

    type Answer = (Vec<(u32, ResultCode)>, ResultCode);

    struct Said(VecDeque<Vec<u8>>);

    #[async_trait]
    impl Answers for Said {
        async fn next(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
            Ok(self.0.pop_front().map(|mut frame| (3, frame.split_off(HEADER_SIZE))))
        }

        fn finish(self: Box<Self>) {}
    }

    #[async_trait]
    impl Transport for Script {
        async fn send(&self, _: &To, _: Vec<u8>) -> io::Result<Box<dyn Answers>> {
            let (rows, end) = self.0.lock().pop_front().expect("another answer");
            let mut frames = VecDeque::new();
            for (index, result) in rows {
                let mut frame = Vec::new();
                let mark = reply::begin_frame(&mut frame);
                reply::header(
                    &mut frame,
                    &reply::ReplyHeader { index, result, generation: 1, ..reply::ReplyHeader::default() },
                );
                reply::end_frame(&mut frame, mark);
                frames.push_back(frame);
            }
            let mut last = Vec::new();
            reply::last(&mut last, end);
            frames.push_back(last);
            Ok(Box::new(Said(frames)))
        }
    }

    async fn written(script: Vec<Answer>) -> Vec<Result<u32, ResultCode>> {
        let script = Arc::new(Script(Mutex::new(script.into())));
        let records = Records::new(Arc::clone(&script) as Arc<dyn Transport>);
        let place = Place { namespace: "test".to_owned(), set: "s".to_owned() };
        let write = |digest| Write {
            digest: [digest; 20],
            key: None,
            mode: Mode::Create,
            generation: None,
            bins: Vec::new(),
        };
        let outcomes = records.write_many(&place, &[write(1), write(2), write(3)]).await;
        assert!(script.0.lock().is_empty());
        let code = |error| match error {
            RecordError::Refused(code) => code,
            RecordError::Io(_) => ResultCode::ServerError,
        };
        outcomes.into_iter().map(|outcome| outcome.map_err(code)).collect()
    }

    #[tokio::test]
    async fn rows_that_were_not_done_are_sent_again_and_rows_in_doubt_are_not() {
        use ResultCode::{Ok as Done, RecordExists, Timeout, Unavailable};
        let some = vec![(0, Done), (2, RecordExists)];
        let again =
            written(vec![(some.clone(), Unavailable), (vec![], Unavailable), (vec![(0, Done)], Done)]).await;
        assert_eq!(again, [Ok(1), Ok(1), Err(RecordExists)]);
        assert_eq!(written(vec![(some.clone(), Done)]).await, [Ok(1), Err(Timeout), Err(RecordExists)]);
        assert_eq!(written(vec![(some, Timeout)]).await, [Ok(1), Err(Timeout), Err(RecordExists)]);
        assert_eq!(written(vec![(vec![], Timeout)]).await, [Err(Timeout); 3]);
    }
}
