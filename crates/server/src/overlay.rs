//! Lays what flags and environment variables say over a configuration file.
//!
//! Every complaint names the flag or variable that it is about.

use crate::cluster::{SeedAddress, multicast};
use crate::conf;
use crate::image_variables::{ImageVariables, Variable};
use crate::options::{ConfigureError, Configured, Options};
use crate::ports;
use shipload_node::config::{Config, ConfigError, NamespaceKey, NetworkKey, NetworkPart, Scope, ServiceKey};
use std::sync::Arc;

/// Seconds between expiry passes of a namespace that no file describes, as the official image has it.
const NSUP_PERIOD_S: &str = "120";

/// A configuration in the making.
pub(crate) struct Overlay<'a> {
    pub(crate) options: &'a Options,
    pub(crate) config: Config,
    pub(crate) warnings: Vec<String>,
}

impl Overlay<'_> {
    pub(crate) fn run(mut self, image: &ImageVariables) -> Result<Configured, ConfigureError> {
        self.warnings = image.warnings().to_vec();
        match &self.options.config {
            Some(path) => {
                let items = conf::read(path)?;
                self.warnings.extend(conf::apply(&path.display().to_string(), &items, &mut self.config)?);
            }
            None => self.image_variables(image)?,
        }
        self.flags()?;
        if self.options.config.is_none() && self.config.namespaces().is_empty() {
            self.namespace("--namespace", image.get(Variable::Namespace).unwrap_or("test"))?;
        }
        self.image_namespace(image)?;
        if image.container && !self.config.network.is_given(NetworkKey::ServiceAddress) {
            self.replace("container", NetworkKey::ServiceAddress, "any")?;
        }
        self.seeds(image)?;
        self.groups()?;
        self.warnings.extend(self.config.check().map_err(ConfigureError::Whole)?);
        Ok(Configured { config: self.config, warnings: self.warnings })
    }

    fn image_variables(&mut self, image: &ImageVariables) -> Result<(), ConfigureError> {
        let network = [
            (Variable::ServiceAddress, NetworkKey::ServiceAddress),
            (Variable::ServicePort, NetworkKey::ServicePort),
            (Variable::AccessAddress, NetworkKey::ServiceAccessAddress),
            (Variable::AlternateAddress, NetworkKey::ServiceAlternateAccessAddress),
            (Variable::HeartbeatAddress, NetworkKey::HeartbeatAddress),
            (Variable::HeartbeatPort, NetworkKey::HeartbeatPort),
            (Variable::FabricAddress, NetworkKey::FabricAddress),
            (Variable::FabricPort, NetworkKey::FabricPort),
            (Variable::InfoAddress, NetworkKey::InfoAddress),
            (Variable::InfoPort, NetworkKey::InfoPort),
        ];
        for (variable, key) in network {
            if let Some(value) = image.get(variable) {
                self.replace(&variable.origin(), key, value)?;
            }
        }
        let service = [
            (Variable::ServiceThreads, ServiceKey::ServiceThreads),
            (Variable::ClusterName, ServiceKey::ClusterName),
        ];
        for (variable, key) in service {
            if let Some(value) = image.get(variable) {
                self.config.service.put(key, value).map_err(|error| flag(&variable.origin(), error))?;
            }
        }
        Ok(())
    }

    /// What the image's variables say about its one namespace; flags were there first.
    fn image_namespace(&mut self, image: &ImageVariables) -> Result<(), ConfigureError> {
        let only = match self.config.namespaces() {
            [only] if self.options.config.is_none() => Arc::clone(only),
            _ => return Ok(()),
        };
        let said = [
            (Variable::DefaultTtl, NamespaceKey::DefaultTtl, ""),
            (Variable::NsupPeriod, NamespaceKey::NsupPeriod, ""),
            (Variable::ReplFactor, NamespaceKey::ReplicationFactor, ""),
            (Variable::MemGb, NamespaceKey::DataSize, "G"),
            (Variable::StorageGb, NamespaceKey::Filesize, "G"),
        ];
        for (variable, key, unit) in said {
            // The period has a default that nobody gave.
            let flags_first = key != NamespaceKey::NsupPeriod && only.keys.is_given(key);
            if let Some(value) = image.get(variable).filter(|_| !flags_first) {
                let put = only.keys.put(key, &format!("{value}{unit}"));
                put.map_err(|error| flag(&variable.origin(), error))?;
            }
        }
        Ok(())
    }

    fn flags(&mut self) -> Result<(), ConfigureError> {
        let options = self.options;
        let mut addresses = options.addresses.iter();
        if let Some(first) = addresses.next() {
            self.replace("--address", NetworkKey::ServiceAddress, first)?;
        }
        for more in addresses {
            self.load("--address", &Scope::NetworkPart(NetworkPart::Service), "address", more)?;
        }
        let ports = &options.ports;
        let chosen = [
            ("--port", NetworkKey::ServicePort, ports.service),
            ("--fabric-port", NetworkKey::FabricPort, ports.fabric),
            ("--heartbeat-port", NetworkKey::HeartbeatPort, ports.heartbeat),
            ("--info-port", NetworkKey::InfoPort, ports.info),
            ("--http-port", NetworkKey::HttpPort, ports.http),
            ("--pg-port", NetworkKey::PgPort, ports.pg),
        ];
        for (origin, key, port) in chosen {
            if let Some(port) = port {
                self.replace(origin, key, &port.to_string())?;
            }
        }
        if let Some(data) = &options.data {
            let put = self.config.service.put(ServiceKey::DataDirectory, &data.display().to_string());
            put.map_err(|error| flag("--data", error))?;
        }
        if let Some(folder) = &options.sql_files {
            let put = self.config.service.put(ServiceKey::SqlFiles, &folder.display().to_string());
            put.map_err(|error| flag("--sql-files", error))?;
        }
        if let Some(hosts) = &options.sql_hosts {
            let put = self.config.service.put(ServiceKey::SqlHosts, hosts);
            put.map_err(|error| flag("--sql-hosts", error))?;
        }
        if let Some(threads) = options.service_threads {
            let put = self.config.service.put(ServiceKey::ServiceThreads, &threads.to_string());
            put.map_err(|error| flag("--service-threads", error))?;
        }
        options.namespaces.iter().try_for_each(|text| self.namespace("--namespace", text))?;
        options.settings.iter().try_for_each(|text| self.set(text))
    }

    /// `--seed` in place of the file's seeds. All are brought into the form `HOST:PORT`.
    fn seeds(&mut self, image: &ImageVariables) -> Result<(), ConfigureError> {
        let flags = self.options.seeds.iter().flat_map(|text| text.split([',', ' ', '\n', '\t']));
        let flags: Vec<String> = flags.filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let file = self.config.network.list(NetworkKey::HeartbeatMeshSeed);
        let variable = image.get(Variable::Seeds).unwrap_or_default().split([',', ' ', '\n', '\t']);
        let variable = variable.filter(|text| !text.is_empty()).map(str::to_owned);
        let (origin, seeds) = match (flags.is_empty(), file.is_empty()) {
            (false, _) => ("--seed", flags),
            (true, false) => ("mesh-seed-address-port", file),
            (true, true) => ("environment SEEDS", variable.collect()),
        };
        if seeds.is_empty() {
            return Ok(());
        }
        let own = ports::between_nodes(&self.config.network, NetworkKey::HeartbeatPort);
        let mut parsed = Vec::new();
        for value in seeds {
            let allowed = "HOST:PORT, such as db:3002, 10.0.0.1:3002 or [fd00::1]:3002";
            let seed = SeedAddress::parse(&value, own);
            parsed.push(seed.ok_or(ConfigureError::Form { origin: origin.to_owned(), value, allowed })?);
        }
        self.replace(origin, NetworkKey::HeartbeatMeshSeed, "")?;
        let part = Scope::NetworkPart(NetworkPart::Heartbeat);
        parsed
            .iter()
            .try_for_each(|seed| self.load(origin, &part, "mesh-seed-address-port", &seed.to_string()))
    }

    /// Multicast needs groups to join.
    fn groups(&self) -> Result<(), ConfigureError> {
        let network = &self.config.network;
        if !multicast::is_wanted(network) {
            return Ok(());
        }
        let groups = network.list(NetworkKey::HeartbeatMulticastGroup);
        let none = groups.is_empty().then(String::new);
        match none.or_else(|| groups.into_iter().find(|text| multicast::group(text).is_none())) {
            Some(value) => {
                let origin = "heartbeat mode multicast: multicast-group".to_owned();
                Err(ConfigureError::Form { origin, value, allowed: multicast::ALLOWED })
            }
            None => Ok(()),
        }
    }

    /// `NAME[:KEY=VALUE]...`: adds a namespace, or changes one of the file.
    fn namespace(&mut self, origin: &str, text: &str) -> Result<(), ConfigureError> {
        let (name, pairs) = text.split_once(':').unwrap_or((text, ""));
        let known = self.config.namespace(name).is_some();
        let namespace = self.config.add_namespace(name).map_err(|error| flag(origin, error))?;
        if !known {
            let put = namespace.keys.put(NamespaceKey::NsupPeriod, NSUP_PERIOD_S);
            put.map_err(|error| flag(origin, error))?;
        }
        for pair in pairs.split(':').filter(|pair| !pair.is_empty()) {
            let allowed = "NAME[:KEY=VALUE]..., such as test:default-ttl=30";
            let form = || ConfigureError::Form { origin: origin.to_owned(), value: pair.to_owned(), allowed };
            let (key, value) = pair.split_once('=').ok_or_else(form)?;
            self.load(origin, &Scope::Namespace(name.to_owned()), key, value)?;
        }
        Ok(())
    }

    /// `--set PATH=VALUE`.
    fn set(&mut self, text: &str) -> Result<(), ConfigureError> {
        let allowed = "PATH=VALUE, such as service.proto-fd-max=5000, network.http.port=8080, \
                       namespace.test.default-ttl=30 or namespace.test.set.demo.disable-eviction=true";
        let form = || ConfigureError::Form { origin: "--set".to_owned(), value: text.to_owned(), allowed };
        let (path, value) = text.split_once('=').ok_or_else(form)?;
        let (scope, key) = self.place(path).ok_or_else(form)?;
        self.load("--set", &scope, &key, value)
    }

    /// The stanza and key that a dotted path names.
    fn place(&mut self, path: &str) -> Option<(Scope, String)> {
        let (stanza, rest) = path.split_once('.')?;
        match stanza {
            "service" => Some((Scope::Service, rest.to_owned())),
            "mod-lua" => Some((Scope::ModLua, rest.to_owned())),
            "network" => {
                let (part, key) = rest.split_once('.')?;
                let opened = self.config.open(&Scope::Network, part, None).ok()?;
                Some((opened.scope, key.to_owned()))
            }
            "namespace" => {
                let (namespace, key) = rest.split_once('.')?;
                let namespace = namespace.to_owned();
                match key.strip_prefix("set.").and_then(|rest| rest.rsplit_once('.')) {
                    Some((set, key)) => Some((Scope::Set { namespace, set: set.to_owned() }, key.to_owned())),
                    None => Some((Scope::Namespace(namespace), key.to_owned())),
                }
            }
            _ => None,
        }
    }

    fn load(&mut self, origin: &str, scope: &Scope, key: &str, value: &str) -> Result<(), ConfigureError> {
        // In a file an unknown key may come from another version; on a command line it is a slip of the hand.
        let warning = self.config.load(scope, key, value).map_err(|error| flag(origin, error))?;
        self.warnings.extend(warning.map(|text| format!("{origin}: {text}")));
        Ok(())
    }

    fn replace(&mut self, origin: &str, key: NetworkKey, value: &str) -> Result<(), ConfigureError> {
        self.config.network.put(key, value).map_err(|error| flag(origin, error))
    }
}

fn flag(origin: &str, error: ConfigError) -> ConfigureError {
    ConfigureError::Flag { origin: origin.to_owned(), error }
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
