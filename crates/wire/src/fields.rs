//! Fields: the named parameters of a command, parsed by id in any order.
//!
//! Unknown ids are stepped over; of a field that is given twice the first counts, as on a real server. What a field
//! holds is not judged here: a digest of 19 bytes is found as 19 bytes.

use crate::bits::field;
use crate::cursor::Cursor;
use crate::error::DecodeError;

/// Declares the known fields once: struct member, id, document.
macro_rules! fields {
    ($($name:ident $id:path, $doc:literal;)*) => {
        /// The known fields of one message, each as it was sent; none when it was not.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Fields<'a> {
            $(#[doc = $doc] pub $name: Option<&'a [u8]>,)*
        }

        impl<'a> Fields<'a> {
            /// No fields.
            pub(crate) const EMPTY: Fields<'a> = Fields { $($name: None,)* };

            #[inline]
            fn slot(&mut self, id: u8) -> Option<&mut Option<&'a [u8]>> {
                match id {
                    $($id => Some(&mut self.$name),)*
                    _ => None,
                }
            }

            /// The fields that are present, ascending by id.
            pub fn present(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
                [$(($id, self.$name)),*].into_iter().filter_map(|(id, data)| Some((id, data?)))
            }
        }
    };
}

fields! {
    namespace field::NAMESPACE, "Namespace name.";
    set field::SET, "Set name, maybe empty.";
    key field::KEY, "User key: particle type byte and key bytes.";
    record_version field::RECORD_VERSION, "Record version of a transaction, 7 bytes little endian.";
    digest field::DIGEST, "Digest; 20 bytes when it is a valid one.";
    txn_id field::TXN_ID, "Transaction id, u64 little endian.";
    txn_deadline field::TXN_DEADLINE, "Transaction deadline, u32 little endian.";
    task_id field::TASK_ID, "Task id of a query, u64.";
    socket_timeout field::SOCKET_TIMEOUT, "Socket timeout of a query, u32, ms.";
    records_per_second field::RECORDS_PER_SECOND, "Pace of a query, u32.";
    partitions field::PARTITIONS, "Partitions to read from the start, u16 little endian each.";
    digests field::DIGESTS, "Digests after which to go on, 20 bytes each.";
    max_records field::MAX_RECORDS, "Most records wanted, u64.";
    bvals field::BVALS, "Index values, u64 little endian each.";
    index_name field::INDEX_NAME, "Secondary index name.";
    index_range field::INDEX_RANGE, "Secondary index range, see [`crate::query::IndexRange`].";
    index_context field::INDEX_CONTEXT, "Secondary index context, msgpack.";
    index_expression field::INDEX_EXPRESSION, "Secondary index expression, packed.";
    index_type field::INDEX_TYPE, "Secondary index collection type, u8.";
    udf_package field::UDF_PACKAGE, "UDF package.";
    udf_function field::UDF_FUNCTION, "UDF function.";
    udf_args field::UDF_ARGS, "UDF arguments, a msgpack list.";
    udf_op field::UDF_OP, "UDF operation of a query: 1 aggregate, 2 background.";
    query_bins field::QUERY_BINS, "Bins that an old-style query wants.";
    batch field::BATCH, "The rows of a batch, see [`crate::batch::Batch`].";
    filter field::FILTER, "Filter expression, packed.";
    error_details field::ERROR_DETAILS, "Error details of an answer, a msgpack map.";
    groups field::GROUPS, "What a query measures, see [`crate::groups`].";
}

impl<'a> Fields<'a> {
    /// Reads `count` fields at the cursor into `self`, which holds none yet. In place, because moving this struct
    /// about would cost more than finding the fields.
    #[inline]
    pub(crate) fn fill(&mut self, cursor: &mut Cursor<'a>, count: u16) -> Result<(), DecodeError> {
        for _ in 0..count {
            let size = cursor.size()?;
            let (&id, data) = cursor.take(size)?.split_first().ok_or(DecodeError::FieldSize)?;
            if let Some(slot) = self.slot(id) {
                slot.get_or_insert(data);
            }
        }
        Ok(())
    }

    /// The digest when it was sent and has 20 bytes.
    #[must_use]
    pub fn digest20(&self) -> Option<&'a [u8; 20]> {
        self.digest?.try_into().ok()
    }

    /// The user key as particle type number and bytes; none when absent or without a type byte.
    #[must_use]
    pub fn user_key(&self) -> Option<(u8, &'a [u8])> {
        self.key?.split_first().map(|(&kind, bytes)| (kind, bytes))
    }

    /// Whether any field of a transaction is present.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.record_version.is_some() || self.txn_id.is_some() || self.txn_deadline.is_some()
    }
}
