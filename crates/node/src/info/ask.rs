//! One question: the command with its parameters, and what it takes to answer.

use super::InfoContext;
use super::answer::InfoError;
use crate::cluster::Ticket;
use crate::config::{NAMESPACE_NAME_MAX, SET_NAME_MAX};
use crate::namespace::Namespace;
use crate::node::Node;
use crate::now::Now;
use shipload_wire::ResultCode;
use shipload_wire::info::Command;
use std::cell::Cell;

/// What a request makes known to all nodes.
#[derive(Debug, Default)]
pub(crate) struct Spreading {
    /// Who is told when all nodes have it; none when nobody waits.
    pub(crate) ticket: Option<Ticket>,
    /// How many things there are to wait for.
    pub(crate) count: Cell<u32>,
}

/// A command on its way to its answer.
pub(super) struct Ask<'a> {
    pub(super) node: &'a Node,
    pub(super) command: Command<'a>,
    /// The whole command, as it was sent.
    pub(super) line: &'a str,
    pub(super) context: &'a InfoContext,
    pub(super) now: Now,
    /// What lasts is made known to all nodes; not when it came from another one.
    pub(super) spreading: Option<&'a Spreading>,
}

impl<'a> Ask<'a> {
    /// Makes all nodes know what was just done here; none for what was undone.
    pub(super) fn spread(&self, name: &str, value: Option<&[u8]>) {
        let Some(spreading) = self.spreading else { return };
        if self.node.spread(self.now, name, value, spreading.ticket) {
            spreading.count.set(spreading.count.get() + 1);
        }
    }

    /// The first of these parameters that is there. All but the first are old spellings, whose use is counted.
    pub(super) fn param(&self, keys: &[&str]) -> Option<&'a str> {
        let (place, value) =
            keys.iter().enumerate().find_map(|(place, key)| Some((place, self.command.param(key)?)))?;
        if place > 0 {
            self.node.config().note_deprecated();
        }
        Some(value)
    }

    /// A parameter that must be there; its value may be empty.
    pub(super) fn present(&self, key: &str) -> Result<&'a str, InfoError> {
        self.command.param(key).ok_or_else(|| InfoError::parameter(format!("missing '{key}'")))
    }

    /// The name of a namespace from one of these parameters, whether or not it exists.
    pub(super) fn namespace_name(&self, keys: &[&str]) -> Result<&'a str, InfoError> {
        let wrong = |text| InfoError::new(ResultCode::NamespaceNotFound, text);
        match self.param(keys) {
            None => Err(wrong("missing 'namespace'")),
            Some("") => Err(wrong("missing 'namespace' value")),
            Some(name) if name.len() > NAMESPACE_NAME_MAX => Err(wrong("'namespace' value too long")),
            Some(name) => Ok(name),
        }
    }

    /// The namespace that one of these parameters names.
    pub(super) fn namespace(&self, keys: &[&str]) -> Result<&'a Namespace, InfoError> {
        let name = self.namespace_name(keys)?;
        self.node.namespace(name.as_bytes()).ok_or_else(InfoError::unknown_namespace)
    }

    /// The name of a set, if the parameter is there.
    pub(super) fn set_name(&self) -> Result<Option<&'a str>, InfoError> {
        match self.command.param("set") {
            None => Ok(None),
            Some("") => Err(InfoError::parameter("missing 'set' value")),
            Some(name) if name.len() > SET_NAME_MAX => Err(InfoError::parameter("'set' value too long")),
            Some(name) => Ok(Some(name)),
        }
    }
}
