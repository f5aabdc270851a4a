//! A service's specification as the engine wrote it, changed in place and sent back.
//!
//! Not by way of typed models: a field that they do not know, or spell otherwise, would be lost in the change
//! (`Healthcheck`, of all things, is one).

use super::{Engine, EngineError};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

const PATIENCE: Duration = Duration::from_secs(20);
/// The interface that all supported engines speak.
const VERSION: &str = "v1.40";

impl Engine {
    /// Changes the specification of a service.
    ///
    /// # Errors
    /// When the engine does not answer or refuses.
    pub(super) async fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<(), EngineError> {
        let found = self.raw("GET", &format!("/services/{name}"), "").await?;
        let version = found.pointer("/Version/Index").and_then(Value::as_u64).unwrap_or_default();
        let unreadable = || EngineError::Refused {
            host: self.host.clone(),
            why: format!("its answer about service {name} can't be read"),
        };
        // Never send back what was not read whole.
        let mut spec = found.get("Spec").filter(|spec| spec.is_object()).cloned().ok_or_else(unreadable)?;
        change(&mut spec);
        let path = format!("/services/{name}/update?version={version}");
        self.raw("POST", &path, &spec.to_string()).await.map(|_| ())
    }

    pub(super) async fn raw(&self, method: &str, path: &str, body: &str) -> Result<Value, EngineError> {
        let refused = |why: String| EngineError::Refused { host: self.host.clone(), why };
        let request = format!(
            "{method} /{VERSION}{path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let plain = self.host.strip_prefix("tcp://").or_else(|| self.host.strip_prefix("http://"));
        let talk = async {
            match (&self.secure, plain) {
                (Some(secure), _) => talk(secure.stream().await?, &request).await,
                (None, Some(address)) => talk(TcpStream::connect(address).await?, &request).await,
                (None, None) => {
                    let socket = self.host.trim_start_matches("unix://");
                    talk(UnixStream::connect(socket).await?, &request).await
                }
            }
        };
        let answered = tokio::time::timeout(PATIENCE, talk).await;
        let text = answered.map_err(|_| refused("no answer in time".to_owned()))?;
        let text = text.map_err(|error| refused(error.to_string()))?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let value: Value = serde_json::from_str(body.trim()).unwrap_or_default();
        if head.split_whitespace().nth(1).is_some_and(|code| code.starts_with('2')) {
            return Ok(value);
        }
        let why = value.get("message").and_then(Value::as_str).unwrap_or(body);
        Err(refused(why.to_owned()))
    }
}

/// Sends a request, and reads until the engine closes.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Ok(_) => {}
        // With TLS an engine may close without a farewell; whether the answer is whole, its form tells.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(error),
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Puts a value at a path of keys, making objects on the way.
pub(super) fn put(spec: &mut Value, path: &[&str], value: Value) {
    let mut place = spec;
    for key in path {
        if !place.is_object() {
            *place = Value::Object(serde_json::Map::new());
        }
        place = &mut place[*key];
    }
    *place = value;
}

#[cfg(test)]
mod tests {
    use super::put;
    use serde_json::json;

    #[test]
    fn what_is_not_changed_stays() {
        let mut spec = json!({"Mode": {"Replicated": {"Replicas": 1}}, "TaskTemplate": {"ContainerSpec": {"Healthcheck": {"Test": ["NONE"]}}}});
        put(&mut spec, &["Mode", "Replicated", "Replicas"], json!(3));
        put(&mut spec, &["UpdateConfig", "Order"], json!("stop-first"));
        assert_eq!(spec.pointer("/Mode/Replicated/Replicas"), Some(&json!(3)));
        assert_eq!(spec.pointer("/UpdateConfig/Order"), Some(&json!("stop-first")));
        assert_eq!(spec.pointer("/TaskTemplate/ContainerSpec/Healthcheck/Test/0"), Some(&json!("NONE")));
    }
}
