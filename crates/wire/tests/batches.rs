//! Batches: repeat rows, old rows, every optional part, and what must be refused.

use shipload_wire::bits::{batch, field, info1, info2, op};
use shipload_wire::request::{self, BatchRow, Key};
use shipload_wire::{Batch, DecodeError, Header, Op, Request, Row, frame};

const A: [u8; 20] = [1; 20];
const B: [u8; 20] = [2; 20];

/// Field 41 of an encoded batch.
fn field41(rows: &[BatchRow<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    request::batch(&mut out, batch::INLINE | batch::RESPOND_ALL_KEYS, rows, 1000);
    let got = Request::decode(&out[frame::HEADER_SIZE..]).expect("a message");
    assert_eq!(got.header.info1, info1::BATCH_INDEX);
    got.fields.batch.expect("the batch field").to_vec()
}

fn decode(data: &[u8]) -> Vec<Result<Row<'_>, DecodeError>> {
    Batch::decode(data).expect("a batch").rows().collect()
}

fn read_row(digest: &[u8; 20]) -> BatchRow<'_> {
    let header = Header { info1: info1::READ | info1::GET_ALL, ..Header::default() };
    BatchRow { key: Key::new("test", "demo", digest), header, ops: &[], repeat: false }
}

#[test]
fn rows_round_trip_and_repeat() {
    let ops = [Op { code: op::WRITE, kind: 3, name: b"n", value: b"v" }];
    let write = BatchRow {
        key: Key { user_key: Some((3, b"k")), ..Key::new("test", "", &B) },
        header: Header { info2: info2::WRITE, info4: 2, generation: 7, record_ttl: 60, ..Header::default() },
        ops: &ops,
        repeat: false,
    };
    let again = BatchRow { key: Key::new("test", "demo", &B), repeat: true, ..read_row(&B) };
    let data = field41(&[read_row(&A), again, write]);
    let rows = decode(&data);
    let [Ok(first), Ok(second), Ok(third)] = rows.as_slice() else { unreachable!("{rows:?}") };
    assert_eq!((first.index, first.digest, first.generation, first.ttl), (0, &A, None, Some(0)));
    assert_eq!((second.index, second.digest, second.info1), (1, &B, info1::READ | info1::GET_ALL));
    assert_eq!(second.fields, first.fields);
    assert_eq!(second.fields.set, Some(&b"demo"[..]));
    assert_eq!((third.info2, third.info4, third.generation, third.ttl), (1, 2, Some(7), Some(60)));
    assert_eq!(third.fields.user_key(), Some((3, &b"k"[..])));
    assert_eq!(third.ops.clone().collect::<Vec<_>>(), ops);
}

#[test]
fn an_old_row_has_one_info_byte() {
    let mut data = vec![0, 0, 0, 1, 0];
    data.extend_from_slice(&9u32.to_be_bytes());
    data.extend_from_slice(&A);
    data.extend_from_slice(&[0, info1::READ, 0, 1, 0, 1]);
    data.extend_from_slice(&[0, 0, 0, 5, field::NAMESPACE, b't', b'e', b's', b't']);
    data.extend_from_slice(&[0, 0, 0, 5, op::READ, 0, 0, 1, b'a']);
    let rows = decode(&data);
    let [Ok(row)] = rows.as_slice() else { unreachable!("{rows:?}") };
    assert_eq!((row.index, row.info1, row.info2, row.ttl), (9, info1::READ, 0, None));
    assert_eq!(row.fields.namespace, Some(&b"test"[..]));
    assert_eq!(row.ops.len(), 1);
}

#[test]
fn counts_that_lie_end_the_batch() {
    let mut data = field41(&[read_row(&A), read_row(&B)]);
    data[3] = 3;
    let rows = decode(&data);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2].as_ref().err(), Some(&DecodeError::Truncated));
    data[3] = 1;
    assert_eq!(decode(&data).len(), 1, "rows beyond the count are ignored");
    data[3] = 0;
    assert_eq!(Batch::decode(&data).err(), Some(DecodeError::EmptyBatch));
    data[0] = 0xff;
    assert_eq!(decode(&data).len(), 3, "an error row is the last");
    assert_eq!(Batch::decode(&data[..4]).err(), Some(DecodeError::Truncated));
}

#[test]
fn odd_row_types_are_refused() {
    let repeat_first = [&[0, 0, 0, 1, 0, 0, 0, 0, 0][..], &A, &[1]].concat();
    assert_eq!(decode(&repeat_first)[0].as_ref().err(), Some(&DecodeError::RepeatFirst));
    for kind in [0x20, 0x40, 0x80, 0x03, 0xff] {
        let data = [&[0, 0, 0, 1, 0, 0, 0, 0, 0][..], &A, &[kind], &[0; 40]].concat();
        assert_eq!(decode(&data)[0].as_ref().err(), Some(&DecodeError::RowType(kind)));
    }
}
