//! Programs in containers: the only way from a manager's host to nodes on an overlay network.

use super::{Engine, EngineError};
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::stream::StreamExt as _;

impl Engine {
    /// Runs a program in a container of this very engine; what it printed.
    ///
    /// # Errors
    /// When the container is not here, or the program ends with another status than 0.
    pub async fn run_in(&self, container: &str, words: &[&str]) -> Result<String, EngineError> {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(words.iter().map(|word| (*word).to_owned()).collect()),
            ..CreateExecOptions::default()
        };
        let trouble = |error| self.trouble(&error);
        let exec = self.docker().create_exec(container, options).await.map_err(trouble)?;
        let mut printed = String::new();
        if let StartExecResults::Attached { mut output, .. } =
            self.docker().start_exec(&exec.id, None).await.map_err(trouble)?
        {
            while let Some(part) = output.next().await {
                match part.map_err(trouble)? {
                    LogOutput::StdOut { message }
                    | LogOutput::StdErr { message }
                    | LogOutput::Console { message } => {
                        printed.push_str(&String::from_utf8_lossy(&message));
                    }
                    LogOutput::StdIn { .. } => {}
                }
            }
        }
        let ended = self.docker().inspect_exec(&exec.id).await.map_err(trouble)?;
        match ended.exit_code {
            Some(0) => Ok(printed),
            Some(_) | None => {
                Err(EngineError::Refused { host: self.host.clone(), why: printed.trim().to_owned() })
            }
        }
    }
}
