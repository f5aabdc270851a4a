//! The environment variables of the official container image, and a few more of the same kind.
//!
//! See <https://github.com/aerospike/aerospike-server.docker>. They count in a container only, and there only where no
//! file is given, as in that image. Each may instead be given as `NAME_FILE` with the path of a file whose content is
//! the value, which is how engines hand out secrets.

use std::collections::BTreeMap;

/// A variable that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variable {
    AccessAddress,
    AlternateAddress,
    ClusterName,
    DefaultTtl,
    FabricAddress,
    FabricPort,
    HeartbeatAddress,
    HeartbeatPort,
    InfoAddress,
    InfoPort,
    MemGb,
    Namespace,
    NsupPeriod,
    ReplFactor,
    Seeds,
    ServiceAddress,
    ServicePort,
    ServiceThreads,
    StorageGb,
}

impl Variable {
    const ALL: [Variable; 19] = [
        Variable::AccessAddress,
        Variable::AlternateAddress,
        Variable::ClusterName,
        Variable::DefaultTtl,
        Variable::FabricAddress,
        Variable::FabricPort,
        Variable::HeartbeatAddress,
        Variable::HeartbeatPort,
        Variable::InfoAddress,
        Variable::InfoPort,
        Variable::MemGb,
        Variable::Namespace,
        Variable::NsupPeriod,
        Variable::ReplFactor,
        Variable::Seeds,
        Variable::ServiceAddress,
        Variable::ServicePort,
        Variable::ServiceThreads,
        Variable::StorageGb,
    ];

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Variable::AccessAddress => "ACCESS_ADDRESS",
            Variable::AlternateAddress => "ALTERNATE_ACCESS_ADDRESS",
            Variable::ClusterName => "CLUSTER_NAME",
            Variable::DefaultTtl => "DEFAULT_TTL",
            Variable::FabricAddress => "FABRIC_ADDRESS",
            Variable::FabricPort => "FABRIC_PORT",
            Variable::HeartbeatAddress => "HB_ADDRESS",
            Variable::HeartbeatPort => "HB_PORT",
            Variable::InfoAddress => "INFO_ADDRESS",
            Variable::InfoPort => "INFO_PORT",
            Variable::MemGb => "MEM_GB",
            Variable::Namespace => "NAMESPACE",
            Variable::NsupPeriod => "NSUP_PERIOD",
            Variable::ReplFactor => "REPL_FACTOR",
            Variable::Seeds => "SEEDS",
            Variable::ServiceAddress => "SERVICE_ADDRESS",
            Variable::ServicePort => "SERVICE_PORT",
            Variable::ServiceThreads => "SERVICE_THREADS",
            Variable::StorageGb => "STORAGE_GB",
        }
    }

    /// How a complaint names it.
    pub(crate) fn origin(self) -> String {
        format!("environment {}", self.name())
    }
}

/// What the variables say.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageVariables {
    /// Whether this is a container at all.
    pub(crate) container: bool,
    values: BTreeMap<Variable, String>,
    warnings: Vec<String>,
}

impl ImageVariables {
    /// As they are in this process's environment.
    pub(crate) fn read() -> ImageVariables {
        let mut read = ImageVariables::in_container(|name| std::env::var(name).ok());
        if std::env::var_os("FEATURE_KEY_FILE").is_some() {
            read.warnings.push("environment FEATURE_KEY_FILE: there are no feature keys here".to_owned());
        }
        read
    }

    /// As a container with this environment has them.
    pub(crate) fn in_container(environment: impl Fn(&str) -> Option<String>) -> ImageVariables {
        let mut read = ImageVariables { container: true, ..ImageVariables::default() };
        for variable in Variable::ALL {
            let name = variable.name();
            let given = |name: &str| environment(name).filter(|value| !value.is_empty());
            let of_file = given(&format!("{name}_FILE")).and_then(|path| read.secret(name, &path));
            // For a service of the same name Kubernetes puts `SERVICE_PORT=tcp://10.0.0.1:3000` into every container.
            let plain = given(name).filter(|value| !value.starts_with("tcp://"));
            if let Some(value) = of_file.or(plain) {
                read.values.insert(variable, value);
            }
        }
        read
    }

    /// The value of one; none when it is not given or empty.
    pub(crate) fn get(&self, variable: Variable) -> Option<&str> {
        self.values.get(&variable).map(String::as_str)
    }

    /// What could not be read.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn secret(&mut self, name: &str, path: &str) -> Option<String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Err(error) => {
                self.warnings.push(format!("environment {name}_FILE: {path} can't be read: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageVariables, Variable};

    #[test]
    fn a_file_stands_in_for_a_value_and_what_kubernetes_says_is_not_meant_for_us() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("name");
        std::fs::write(&path, "shop\n").expect("written");
        let path = path.display().to_string();
        let environment = |name: &str| match name {
            "CLUSTER_NAME_FILE" => Some(path.clone()),
            "CLUSTER_NAME" => Some("other".to_owned()),
            "NAMESPACE_FILE" => Some("/no/such/file".to_owned()),
            "SERVICE_PORT" => Some("tcp://10.0.0.1:3000".to_owned()),
            "SEEDS" => Some(String::new()),
            _ => None,
        };
        let read = ImageVariables::in_container(environment);
        assert_eq!(read.get(Variable::ClusterName), Some("shop"));
        assert_eq!((read.get(Variable::ServicePort), read.get(Variable::Seeds)), (None, None));
        assert_eq!(read.warnings().len(), 1, "{:?}", read.warnings());
        assert!(read.warnings()[0].starts_with("environment NAMESPACE_FILE: /no/such/file can't be read"));
    }
}
