//! Answers: a value, or an error with the code and text that clients look for.

use core::fmt;
use shipload_wire::ResultCode;
use std::borrow::Cow;

/// What a command answers.
pub(super) type Answer = Result<String, InfoError>;

/// An error value: `ERROR:<code>:<text>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InfoError {
    /// A few old answers have no code.
    code: Option<ResultCode>,
    text: Cow<'static, str>,
}

impl InfoError {
    pub(super) fn new(code: ResultCode, text: impl Into<Cow<'static, str>>) -> InfoError {
        InfoError { code: Some(code), text: text.into() }
    }

    /// Error 4: the request itself is wrong.
    pub(super) fn parameter(text: impl Into<Cow<'static, str>>) -> InfoError {
        InfoError::new(ResultCode::Parameter, text)
    }

    /// `ERROR::<text>`, as a few commands answer.
    pub(super) fn without_code(text: impl Into<Cow<'static, str>>) -> InfoError {
        InfoError { code: None, text: text.into() }
    }

    pub(super) fn unrecognized() -> InfoError {
        InfoError::parameter("unrecognized command")
    }

    pub(super) fn unknown_namespace() -> InfoError {
        InfoError::new(ResultCode::NamespaceNotFound, "namespace not found on node")
    }
}

impl fmt::Display for InfoError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(out, "ERROR:{}:{}", code.number(), self.text),
            None => write!(out, "ERROR::{}", self.text),
        }
    }
}

/// `key=value` pairs joined with `;`.
#[derive(Debug, Default)]
pub(super) struct Pairs(String);

impl Pairs {
    pub(super) fn push(&mut self, key: &str, value: impl fmt::Display) {
        use fmt::Write as _;
        if !self.0.is_empty() {
            self.0.push(';');
        }
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{key}={value}");
    }

    /// Keys that exist on other servers and are always 0 here.
    pub(super) fn zeros(&mut self, keys: &[&str]) {
        for key in keys {
            self.push(key, 0);
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}
