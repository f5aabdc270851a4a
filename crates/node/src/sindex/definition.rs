//! What an index covers, as `sindex-create` says it.

/// The type of the values in an index; others in the same place are not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueType {
    /// Integers.
    Numeric,
    /// Strings, by hash.
    Text,
    /// Blobs, by hash.
    Blob,
    /// GeoJSON, by cells.
    Geo,
}

impl ValueType {
    /// All of them, in the order in which error texts name them.
    const ALL: [ValueType; 4] = [ValueType::Numeric, ValueType::Text, ValueType::Blob, ValueType::Geo];

    /// The protocol's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ValueType::Numeric => "numeric",
            ValueType::Text => "string",
            ValueType::Blob => "blob",
            ValueType::Geo => "geo2dsphere",
        }
    }

    /// The type with this name, in any case.
    pub(crate) fn parse(name: &str) -> Option<ValueType> {
        ValueType::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

/// Which part of a bin (or of what its context leads to) is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collection {
    /// The value itself.
    Default,
    /// Every element of a list.
    List,
    /// Every key of a map.
    MapKeys,
    /// Every value of a map.
    MapValues,
    /// Nothing but the record: an index of a set's records.
    Set,
}

impl Collection {
    /// All of them, by their number in field 26.
    const ALL: [Collection; 5] =
        [Collection::Default, Collection::List, Collection::MapKeys, Collection::MapValues, Collection::Set];

    /// The protocol's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Collection::Default => "default",
            Collection::List => "list",
            Collection::MapKeys => "mapkeys",
            Collection::MapValues => "mapvalues",
            Collection::Set => "set",
        }
    }

    /// The collection with this number in field 26.
    pub(crate) fn from_number(number: u8) -> Option<Collection> {
        Collection::ALL.get(usize::from(number)).copied()
    }

    /// The collection with this name, in any case.
    pub(crate) fn parse(name: &str) -> Option<Collection> {
        Collection::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

/// What an index covers. Two indexes with equal definitions are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The set; none for all records of the namespace.
    pub(crate) set: Option<String>,
    /// The bin; none for an index of an expression or of a set's records.
    pub(crate) bin: Option<String>,
    /// The packed expression whose value is indexed; empty without one.
    pub(crate) expression: Vec<u8>,
    /// The encoded context that leads into the bin; empty without one.
    pub(crate) context: Vec<u8>,
    /// Which part of the value is indexed.
    pub(crate) collection: Collection,
    /// What is indexed there; none for an index of a set's records.
    pub(crate) value_type: Option<ValueType>,
}

impl Definition {
    /// A definition that says only this.
    pub(crate) fn of(collection: Collection) -> Definition {
        let (expression, context) = (Vec::new(), Vec::new());
        Definition { set: None, bin: None, expression, context, collection, value_type: None }
    }
}
