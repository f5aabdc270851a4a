//! The `docker` and `docker-compose` programs, each call towards one engine.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// The programs towards one engine.
#[derive(Debug, Clone)]
pub(crate) struct Docker {
    socket: PathBuf,
}

impl Docker {
    pub(crate) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // The classic builder is in every engine; the other one is a part of its own.
        command.env("DOCKER_BUILDKIT", "0").env("DOCKER_HOST", self.host()).stdin(Stdio::null());
        // Whatever the user's own engine needs; that one is none of our business.
        for name in ["DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs `docker WORDS` and gives what it printed, without the last line's end.
    pub(crate) fn run(&self, words: &[&str]) -> Result<String> {
        finish(self.command("docker").args(words), &format!("docker {}", words.join(" ")))
    }

    /// As [`Docker::run`], with what it said to both of its ends.
    pub(crate) fn run_both(&self, words: &[&str]) -> Result<String> {
        let output = self.command("docker").args(words).output().context("cannot run docker")?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("docker {}: {}", words.join(" "), err.trim());
        }
        Ok(format!("{out}{err}"))
    }

    /// As [`Docker::run`], with one line in a text and blanks between its words.
    pub(crate) fn line(&self, line: &str) -> Result<String> {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Starts `docker WORDS`; what it prints is read when it has ended.
    pub(crate) fn start(&self, words: &[&str]) -> Result<Child> {
        let mut command = self.command("docker");
        command.args(words).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().context("cannot run docker")
    }

    /// Runs `docker WORDS` with more variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], words: &[&str]) -> Result<String> {
        let mut command = self.command("docker");
        command.args(words).envs(variables.iter().copied());
        finish(&mut command, &format!("docker {}", words.join(" ")))
    }

    /// Runs `docker-compose -p PROJECT -f FILE WORDS` with more variables.
    pub(crate) fn compose(
        &self,
        variables: &[(&str, &str)],
        project: &str,
        file: &Path,
        words: &[&str],
    ) -> Result<String> {
        let mut command = self.command("docker-compose");
        // A plain `docker-compose` of Debian reads the environment of Docker's own client too.
        command.envs(variables.iter().copied()).arg("-p").arg(project).arg("-f").arg(file).args(words);
        finish(&mut command, &format!("docker-compose {}", words.join(" ")))
    }

    /// Carries an image to another engine.
    pub(crate) fn carry(&self, image: &str, other: &Docker) -> Result<()> {
        let mut save = self.command("docker").args(["save", image]).stdout(Stdio::piped()).spawn()?;
        let stream = save.stdout.take().context("docker save has no output")?;
        let mut load = other.command("docker");
        finish(load.arg("load").stdin(stream), "docker load")?;
        if !save.wait()?.success() {
            bail!("docker save {image} failed");
        }
        Ok(())
    }

    /// Makes an image of a tar stream: `docker import WORDS`.
    pub(crate) fn import(&self, stream: ChildStdout, words: &[&str]) -> Result<String> {
        finish(self.command("docker").arg("import").args(words).stdin(stream), "docker import")
    }

    /// Takes away all containers, those that ended as well, with their volumes.
    pub(crate) fn remove_all(&self) -> Result<()> {
        for id in self.line("ps -aq --no-trunc")?.lines() {
            self.run(&["rm", "-f", "-v", id])?;
        }
        Ok(())
    }

    /// Ids of running containers that match all filters.
    pub(crate) fn containers(&self, filters: &[&str]) -> Result<Vec<String>> {
        let mut words = vec!["ps", "-q", "--no-trunc"];
        for filter in filters {
            words.extend(["--filter", filter]);
        }
        Ok(self.run(&words)?.lines().map(str::to_owned).collect())
    }
}

fn finish(command: &mut Command, what: &str) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("cannot run {what}"))?;
    if !status.success() {
        bail!(
            "{what}: {} {}",
            String::from_utf8_lossy(&stderr).trim(),
            String::from_utf8_lossy(&stdout).trim()
        );
    }
    Ok(String::from_utf8_lossy(&stdout).trim_end().to_owned())
}
