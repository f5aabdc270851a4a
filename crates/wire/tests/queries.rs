//! Partition queries and index ranges: what is understood and what is refused.

use shipload_wire::bits::{field, info1, info3, op};
use shipload_wire::query::IndexRange;
use shipload_wire::request::{self, Query};
use shipload_wire::{DecodeError, Fields, Op, PartitionQuery, Request, frame};

fn decode<'a>(fields: &Fields<'a>) -> Result<PartitionQuery<'a>, DecodeError> {
    PartitionQuery::decode(fields)
}

#[test]
fn a_query_round_trips() {
    let digests = [[5; 20], [6; 20]];
    let query = Query {
        namespace: "test",
        set: "demo",
        partitions: &[0, 4095, 17],
        digests: &digests,
        bins: &[b"a", b"b"],
        reads: &[],
        rows: None,
        no_bin_data: true,
        max_records: 333,
        records_per_second: 3,
        task_id: 99,
        socket_timeout_ms: 30_000,
        filter: b"",
        groups: b"",
        along: b"",
    };
    let mut out = Vec::new();
    request::query(&mut out, &query);
    let got = Request::decode(&out[frame::HEADER_SIZE..]).unwrap();
    assert_eq!(got.header.info1, info1::READ | info1::GET_NOBINDATA);
    assert_eq!(got.header.info3, info3::PARTITION_DONE);
    assert_eq!(got.ops.len(), 2);
    let parts = decode(&got.fields).unwrap();
    assert!(parts.names_partitions());
    assert_eq!(parts.partitions().collect::<Vec<_>>(), [0, 4095, 17]);
    assert_eq!(parts.digests().collect::<Vec<_>>(), [&digests[0], &digests[1]]);
    assert_eq!(parts.bvals().len(), 0);
    assert_eq!((parts.max_records, parts.records_per_second), (333, 3));
    assert_eq!((parts.task_id, parts.socket_timeout_ms), (Some(99), 30_000));
}

#[test]
fn a_query_may_read_all_bins_and_something_else() {
    let last = Op { code: op::EXP_READ, kind: 4, name: b"x", value: &[0x92, 0x91, 66, 0] };
    let query = Query { namespace: "test", reads: &[request::read_op(b""), last], ..Query::default() };
    let mut out = Vec::new();
    request::query(&mut out, &query);
    let got = Request::decode(&out[frame::HEADER_SIZE..]).unwrap();
    assert_eq!(got.header.info1, info1::READ | info1::GET_ALL);
    let names: Vec<_> = got.ops.clone().map(|op| (op.code, op.name)).collect();
    assert_eq!(names, [(op::READ, b"".as_slice()), (op::EXP_READ, b"x")]);
}

#[test]
fn a_query_without_its_fields_is_understood_as_unlimited() {
    let parts = decode(&Fields::default()).unwrap();
    assert!(!parts.names_partitions());
    assert_eq!((parts.task_id, parts.max_records, parts.records_per_second), (None, 0, 0));
}

#[test]
fn partition_lists_are_checked() {
    let refused: [&[u8]; 5] = [b"", &[1], &[1, 0, 2], &[0, 0x10], &[1, 0, 2, 0, 1, 0]];
    for partitions in refused {
        let fields = Fields { partitions: Some(partitions), ..Fields::default() };
        assert_eq!(decode(&fields).err(), Some(DecodeError::Field(field::PARTITIONS)), "{partitions:?}");
    }
}

#[test]
fn a_partition_is_named_once() {
    let mut digest = [9u8; 20];
    digest[..2].copy_from_slice(&[0x34, 0xf2]);
    let partition = [0x34, 0x02];
    let fields = Fields { partitions: Some(&partition), digests: Some(&digest), ..Fields::default() };
    assert_eq!(decode(&fields).err(), Some(DecodeError::Field(field::DIGESTS)));
    let twice = [digest, digest].concat();
    let fields = Fields { digests: Some(&twice), ..Fields::default() };
    assert_eq!(decode(&fields).err(), Some(DecodeError::Field(field::DIGESTS)));
    let fields = Fields { digests: Some(&digest[..19]), ..Fields::default() };
    assert_eq!(decode(&fields).err(), Some(DecodeError::Field(field::DIGESTS)));
}

#[test]
fn index_values_go_with_digests() {
    let digest = [9u8; 20];
    let value = (-5i64).to_le_bytes();
    let fields = Fields { digests: Some(&digest), bvals: Some(&value), ..Fields::default() };
    assert_eq!(decode(&fields).unwrap().bvals().collect::<Vec<_>>(), [-5]);
    let two = [value, value].concat();
    let fields = Fields { digests: Some(&digest), bvals: Some(&two), ..Fields::default() };
    assert_eq!(decode(&fields).err(), Some(DecodeError::Field(field::BVALS)));
}

#[test]
fn numbers_have_their_exact_width() {
    let short = [0u8; 3];
    let cases = [
        (Fields { task_id: Some(&short), ..Fields::default() }, field::TASK_ID),
        (Fields { socket_timeout: Some(&short), ..Fields::default() }, field::SOCKET_TIMEOUT),
        (Fields { records_per_second: Some(&short), ..Fields::default() }, field::RECORDS_PER_SECOND),
        (Fields { max_records: Some(&short), ..Fields::default() }, field::MAX_RECORDS),
    ];
    for (fields, id) in cases {
        assert_eq!(decode(&fields).err(), Some(DecodeError::Field(id)));
    }
}

#[test]
fn an_index_range_has_one_range_and_nothing_more() {
    let mut data = vec![1, 1, b'a', 1];
    for value in [10u64, 20] {
        data.extend_from_slice(&8u32.to_be_bytes());
        data.extend_from_slice(&value.to_be_bytes());
    }
    let range = IndexRange::decode(&data).unwrap();
    assert_eq!(range.encode(), data);
    assert_eq!((range.bin, range.kind), (&b"a"[..], 1));
    assert_eq!((range.begin[7], range.end[7]), (10, 20));
    for size in 0..data.len() {
        assert!(IndexRange::decode(&data[..size]).is_err());
    }
    assert_eq!(IndexRange::decode(&[&data[..], b"x"].concat()).err(), Some(DecodeError::Trailing));
    for count in [0, 2] {
        data[0] = count;
        assert_eq!(IndexRange::decode(&data).err(), Some(DecodeError::Field(field::INDEX_RANGE)));
    }
}
