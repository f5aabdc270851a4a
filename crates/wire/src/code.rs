//! Result codes: what an answer says about how a command ended.
//!
//! One list gives number, name and readable text, so that they cannot drift apart. Source: `guide/protocol.md`
//! part 1.6.

use std::fmt;

/// Declares the codes once and derives number, lookup and text from that list.
macro_rules! result_codes {
    ($($(#[$mark:meta])? $number:literal $name:ident $text:literal)*) => {
        /// How a command ended, with the protocol's numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(u8)]
        pub enum ResultCode {
            $(#[doc = concat!("Code ", $number, ": ", $text, ".")] $(#[$mark])? $name = $number,)*
        }

        impl ResultCode {
            /// Every code, ascending.
            pub const ALL: &'static [ResultCode] = &[$(ResultCode::$name),*];

            /// The code with this number; none when the protocol does not define it.
            #[must_use]
            pub fn from_number(number: u8) -> Option<ResultCode> {
                match number {
                    $($number => Some(ResultCode::$name),)*
                    _ => None,
                }
            }

            /// A short text for people, in lower case and without a full stop.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(ResultCode::$name => $text,)*
                }
            }
        }
    };
}

result_codes! {
    #[default] 0 Ok "ok"
    1 ServerError "server error"
    2 NotFound "record not found"
    3 Generation "generation does not match"
    4 Parameter "invalid request"
    5 RecordExists "record exists"
    6 BinExists "bin exists"
    7 ClusterChange "cluster key mismatch"
    8 ServerFull "server is full"
    9 Timeout "timeout"
    10 AlwaysForbidden "operation not possible in this configuration"
    11 Unavailable "partition unavailable"
    12 IncompatibleType "bin has an incompatible type"
    13 RecordTooBig "record too big"
    14 KeyBusy "record busy"
    15 ScanAborted "scan aborted"
    16 UnsupportedFeature "unsupported feature"
    17 BinNotFound "bin not found"
    18 DeviceOverload "device overload"
    19 KeyMismatch "key mismatch"
    20 NamespaceNotFound "namespace not found"
    21 BinName "invalid bin name"
    22 Forbidden "operation not allowed at this time"
    23 ElementNotFound "element not found"
    24 ElementExists "element exists"
    25 EnterpriseOnly "enterprise only"
    26 NotApplicable "operation not applicable"
    27 FilteredOut "filtered out"
    28 LostConflict "lost conflict"
    29 InvalidEncoding "invalid encoding"
    32 XdrKeyBusy "cross-datacenter write pending on this record"
    50 QueryEnd "end of the list"
    51 SecurityNotSupported "security not supported"
    52 SecurityNotEnabled "security not enabled"
    53 SecuritySchemeNotSupported "security scheme not supported"
    54 InvalidCommand "invalid security command"
    55 InvalidField "invalid security field"
    56 IllegalState "illegal security state"
    60 InvalidUser "invalid user"
    61 UserExists "user exists"
    62 InvalidPassword "invalid password"
    63 ExpiredPassword "expired password"
    64 ForbiddenPassword "forbidden password"
    65 InvalidCredential "invalid credential"
    66 ExpiredSession "expired session"
    70 InvalidRole "invalid role"
    71 RoleExists "role exists"
    72 InvalidPrivilege "invalid privilege"
    73 InvalidWhitelist "invalid whitelist"
    74 QuotasNotEnabled "quotas not enabled"
    75 InvalidQuota "invalid quota"
    80 NotAuthenticated "not authenticated"
    81 RoleViolation "role violation"
    82 NotWhitelisted "not whitelisted"
    83 QuotaExceeded "quota exceeded"
    91 LdapSetup "LDAP is not set up"
    92 LdapTlsSetup "LDAP TLS is not set up"
    93 LdapAuthentication "LDAP authentication failed"
    94 LdapQuery "LDAP query failed"
    100 Udf "UDF error"
    120 TxnBlocked "record locked by another transaction"
    121 TxnVersionMismatch "transaction version mismatch"
    122 TxnExpired "transaction expired"
    123 TxnTooManyWrites "too many writes in the transaction"
    124 TxnCommitted "transaction already committed"
    125 TxnAborted "transaction already aborted"
    126 TxnAlreadyLocked "record already locked by this transaction"
    127 TxnMonitorExists "transaction monitor exists"
    150 BatchDisabled "batch disabled"
    151 BatchTooManyKeys "too many keys in the batch"
    152 BatchQueuesFull "batch queues full"
    160 GeoJson "invalid GeoJSON"
    200 IndexFound "index exists"
    201 IndexNotFound "index not found"
    202 IndexOutOfMemory "index out of memory"
    203 IndexNotReadable "index not readable"
    204 IndexGeneric "index error"
    205 IndexNameTooLong "index name too long"
    206 IndexTooMany "too many indexes"
    210 QueryAborted "query aborted"
    211 QueryQueueFull "query queue full"
    212 QueryTimeout "query timeout"
    213 QueryGeneric "query error"
}

impl ResultCode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::ResultCode;

    #[test]
    fn numbers_round_trip_and_texts_differ() {
        for pair in ResultCode::ALL.windows(2) {
            assert!(pair[0].number() < pair[1].number());
        }
        let mut texts: Vec<_> = ResultCode::ALL.iter().map(|code| code.to_string()).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), ResultCode::ALL.len());
        for number in 0..=255 {
            let known = ResultCode::ALL.iter().find(|code| code.number() == number);
            assert_eq!(ResultCode::from_number(number), known.copied());
        }
        assert_eq!(ResultCode::default(), ResultCode::Ok);
    }
}
