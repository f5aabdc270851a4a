//! What handlers take from a request, with problems instead of plain texts where it is wrong.

use crate::key::{RecordKey, set_name};
use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_TYPE, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::convert::Infallible;

/// The record that a path names.
#[derive(Debug)]
pub struct Named(pub RecordKey);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Problem> {
        let path = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let Path((namespace, set, key)) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
        let key = RecordKey::parse(&namespace, &set, &key);
        key.map(Named).map_err(|error| Problem::bad_request(error.to_string()))
    }
}

/// The set that a path names; an empty name for none.
#[derive(Debug)]
pub struct InSet {
    /// The namespace's name.
    pub namespace: String,
    /// The set's name.
    pub set: String,
}

impl<S: Send + Sync> FromRequestParts<S> for InSet {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<InSet, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((namespace, set)) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
        Ok(InSet { namespace, set: set_name(&set).to_owned() })
    }
}

/// What a client knows already: the lines of `If-None-Match`, without the other headers.
#[derive(Debug)]
pub struct Known(pub HeaderMap);

impl<S: Send + Sync> FromRequestParts<S> for Known {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Known, Infallible> {
        let lines = parts.headers.get_all(IF_NONE_MATCH).iter();
        Ok(Known(lines.map(|line| (IF_NONE_MATCH, line.clone())).collect()))
    }
}

/// One name in a path.
#[derive(Debug)]
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Name, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Name(name)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// The parameters after the question mark.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Params<T>, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Params(params)).map_err(|error| Problem::bad_request(error.body_text()))
    }
}

/// A body of JSON.
#[derive(Debug)]
pub struct Content(pub Value);

impl<S: Send + Sync> FromRequest<S> for Content {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Content, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body must be application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|error| {
            let status = error.into_response().status();
            let code = if status == StatusCode::PAYLOAD_TOO_LARGE { "body-too-large" } else { "bad-request" };
            Problem::new(status, code, "the body can't be read")
        })?;
        let value = serde_json::from_slice(&bytes);
        value.map(Content).map_err(|error| Problem::bad_request(format!("the body is no JSON: {error}")))
    }
}

impl Content {
    /// The body as an object.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn object(self) -> Result<Map<String, Value>, Problem> {
        match self.0 {
            Value::Object(object) => Ok(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Problem::unprocessable("the body must be an object"))
            }
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}
