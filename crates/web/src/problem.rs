//! Errors as `application/problem+json`, each with a code that does not change.

use crate::records::Trouble;
use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shipload_wire::ResultCode;
use utoipa::ToSchema;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:shipload:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// A word that does not change from version to version.
    pub code: String,
    /// What was wrong with this very request.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Problem {
    /// A problem with this status and code; its title is the code in words.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:shipload:problem:{code}"),
            title: code.replace('-', " "),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
        }
    }

    /// A request that is not of the form that it must have.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// A body that is JSON, but not what is wanted.
    #[must_use]
    pub fn unprocessable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-content", detail)
    }

    /// The record or resource is not there.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// The record is not as the request demands.
    #[must_use]
    pub fn precondition() -> Problem {
        Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition-failed",
            "the record has another version, or is not there, or is there already",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let later = status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS;
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if later {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Problem {
        let (status, code) = match trouble {
            Trouble::Refused => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Trouble::InDoubt => (StatusCode::BAD_GATEWAY, "in-doubt"),
            Trouble::Late => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            Trouble::Garbled => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Problem::new(status, code, trouble.to_string())
    }
}

impl From<ResultCode> for Problem {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "codes of security and transactions are no answers to what is asked here"
    )]
    fn from(result: ResultCode) -> Problem {
        use ResultCode as R;
        use StatusCode as S;
        let (status, code) = match result {
            R::NotFound => (S::NOT_FOUND, "not-found"),
            R::NamespaceNotFound => (S::NOT_FOUND, "namespace-not-found"),
            R::IndexNotFound => (S::NOT_FOUND, "index-not-found"),
            R::BinNotFound | R::ElementNotFound => (S::NOT_FOUND, "element-not-found"),
            R::Generation | R::FilteredOut => (S::PRECONDITION_FAILED, "precondition-failed"),
            R::RecordExists => (S::CONFLICT, "record-exists"),
            R::IndexFound => (S::CONFLICT, "index-exists"),
            R::BinExists | R::ElementExists => (S::CONFLICT, "element-exists"),
            R::KeyMismatch => (S::CONFLICT, "key-mismatch"),
            R::KeyBusy | R::DeviceOverload | R::BatchQueuesFull | R::QueryQueueFull => {
                (S::TOO_MANY_REQUESTS, "busy")
            }
            R::QuotaExceeded => (S::TOO_MANY_REQUESTS, "quota-exceeded"),
            R::Timeout | R::QueryTimeout => (S::GATEWAY_TIMEOUT, "timeout"),
            R::Unavailable | R::ClusterChange => (S::SERVICE_UNAVAILABLE, "unavailable"),
            R::ServerFull => (S::INSUFFICIENT_STORAGE, "full"),
            R::RecordTooBig => (S::PAYLOAD_TOO_LARGE, "record-too-big"),
            R::Parameter
            | R::BinName
            | R::BatchTooManyKeys
            | R::IndexNameTooLong
            | R::IncompatibleType
            | R::NotApplicable
            | R::GeoJson => (S::UNPROCESSABLE_ENTITY, "bad-content"),
            R::InvalidEncoding | R::Udf | R::IndexGeneric | R::IndexNotReadable | R::UnsupportedFeature => {
                (S::UNPROCESSABLE_ENTITY, "not-possible")
            }
            R::Forbidden | R::AlwaysForbidden | R::EnterpriseOnly => (S::FORBIDDEN, "forbidden"),
            R::QueryAborted | R::ScanAborted => (S::CONFLICT, "aborted"),
            _ => (S::INTERNAL_SERVER_ERROR, "internal"),
        };
        Problem::new(status, code, format!("{result} (code {})", result.number()))
    }
}
