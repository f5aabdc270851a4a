//! From what lower rooms refuse to the protocol's result codes.

use shipload_store::StoreError;
use shipload_value::Refusal;
use shipload_wire::code::ResultCode;

/// The one result code of a refusal by the values' room.
pub(crate) fn value(refusal: Refusal) -> ResultCode {
    match refusal {
        Refusal::Malformed => ResultCode::ServerError,
        Refusal::Parameter => ResultCode::Parameter,
        Refusal::BinExists => ResultCode::BinExists,
        Refusal::IncompatibleType => ResultCode::IncompatibleType,
        Refusal::RecordTooBig => ResultCode::RecordTooBig,
        Refusal::BinNotFound => ResultCode::BinNotFound,
        Refusal::BinName => ResultCode::BinName,
        Refusal::ElementNotFound => ResultCode::ElementNotFound,
        Refusal::ElementExists => ResultCode::ElementExists,
        Refusal::NotApplicable => ResultCode::NotApplicable,
        Refusal::Encoding => ResultCode::InvalidEncoding,
        Refusal::GeoJson => ResultCode::GeoJson,
    }
}

/// The one result code of a refusal by the store.
pub(crate) fn store(error: StoreError) -> ResultCode {
    match error {
        StoreError::BinName => ResultCode::BinName,
        StoreError::TooManyBins => ResultCode::Parameter,
        StoreError::RecordTooBig => ResultCode::RecordTooBig,
        StoreError::Full | StoreError::Device => ResultCode::ServerFull,
        StoreError::Overload => ResultCode::DeviceOverload,
    }
}
