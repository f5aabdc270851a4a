//! Which elements an operation means, and in what order it names them.
//!
//! A selection knows the chosen positions three times, since the recorded server answers values, indexes and ranks
//! in different orders, depending on how the elements were found: see [`Selection`].

/// A run of positions: the first, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first position.
    pub(super) start: usize,
    /// How many.
    pub(super) count: usize,
}

impl Run {
    /// The positions.
    pub(super) fn positions(self) -> std::ops::Range<usize> {
        self.start..self.start.saturating_add(self.count)
    }

    /// The run without what lies outside of a container of this size, from a start and count as clients send them:
    /// a negative start counts from the end and may lie before the first; a negative or missing count has no end.
    pub(super) fn clip(start: i64, count: Option<i64>, size: usize) -> Run {
        let size_signed = i64::try_from(size).unwrap_or(i64::MAX);
        let from = if start < 0 { start.saturating_add(size_signed) } else { start };
        Run::clip_relative(from, count, size)
    }

    /// As [`Run::clip`], but a negative start lies before the first position.
    pub(super) fn clip_relative(start: i64, count: Option<i64>, size: usize) -> Run {
        let end = match count {
            Some(count) if count >= 0 => start.saturating_add(count),
            Some(_) | None => i64::MAX,
        };
        let clamp = |position: i64| usize::try_from(position.max(0)).unwrap_or(usize::MAX).min(size);
        Run::between(clamp(start), clamp(end))
    }

    /// The run from one position up to another one, empty when they are in the wrong order.
    pub(super) fn between(start: usize, end: usize) -> Run {
        Run { start, count: end.saturating_sub(start) }
    }

    /// What the run leaves of a container of this size, when that is one piece.
    fn outside(self, size: usize) -> Option<Run> {
        let end = self.start.saturating_add(self.count);
        if self.count == 0 {
            Some(Run { start: 0, count: size })
        } else if self.start == 0 {
            Some(Run::between(end, size))
        } else if end >= size {
            Some(Run::between(0, self.start))
        } else {
            None
        }
    }

    /// The same positions counted from the end; as a run, it goes upwards again.
    pub(super) fn reversed(self, size: usize) -> Run {
        Run { start: size.saturating_sub(self.start).saturating_sub(self.count), count: self.count }
    }
}

/// A position as clients send it: a negative one counts from the end. None when there is no such element.
pub(super) fn position(index: i64, size: usize) -> Option<usize> {
    let size_signed = i64::try_from(size).unwrap_or(i64::MAX);
    let index = if index < 0 { index.saturating_add(size_signed) } else { index };
    usize::try_from(index).ok().filter(|index| *index < size)
}

/// The ranks of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ranks {
    /// Each chosen element's own, in the order of the values.
    Own,
    /// A run, told upwards whatever the order of the values.
    Run(Run),
    /// These, in this order.
    Listed(Vec<usize>),
    /// The server does not tell them for this operation.
    Untold,
}

/// The chosen elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    /// The positions, in the order in which values, keys and pairs are answered.
    pub(super) values: Vec<usize>,
    /// The positions, in the order in which indexes are answered.
    pub(super) indexes: Vec<usize>,
    /// The index run that the selection is, if it was found as one.
    pub(super) index_run: Option<Run>,
    /// How ranks are answered.
    pub(super) ranks: Ranks,
    /// Whether any element was found.
    pub(super) exists: bool,
}

impl Selection {
    /// A run of indexes.
    pub(super) fn indexes(run: Run, size: usize) -> Selection {
        let values: Vec<usize> = run.positions().collect();
        let ranks = if run.count == size { Ranks::Run(run) } else { Ranks::Own };
        Selection { indexes: values.clone(), exists: !values.is_empty(), values, index_run: Some(run), ranks }
    }

    /// What a run of indexes leaves.
    pub(super) fn not_indexes(run: Run, size: usize) -> Selection {
        match run.outside(size) {
            Some(rest) => Selection::indexes(rest, size),
            None => Selection::scattered(others(&run.positions().collect::<Vec<_>>(), size), Ranks::Own),
        }
    }

    /// A run of ranks; `at_ranks` tells the indexes at a run of them.
    pub(super) fn ranks(run: Run, at_ranks: impl Fn(Run) -> Vec<usize>) -> Selection {
        Selection::scattered(at_ranks(run), Ranks::Run(run))
    }

    /// What a run of ranks leaves: in rank order when that is a run, too; by index otherwise.
    pub(super) fn not_ranks(run: Run, size: usize, at_ranks: impl Fn(Run) -> Vec<usize>) -> Selection {
        if let Some(rest) = run.outside(size) {
            return Selection::ranks(rest, at_ranks);
        }
        let ranks = others(&run.positions().collect::<Vec<_>>(), size);
        Selection::scattered(others(&at_ranks(run), size), Ranks::Listed(ranks))
    }

    /// Single elements in this order.
    pub(super) fn scattered(values: Vec<usize>, ranks: Ranks) -> Selection {
        Selection { indexes: values.clone(), exists: !values.is_empty(), values, index_run: None, ranks }
    }

    /// The ranks that a list of them leaves.
    pub(super) fn not_listed(ranks: &[usize], size: usize) -> Ranks {
        Ranks::Listed(others(ranks, size))
    }
}

/// The positions below `size` that are not among these, ascending.
pub(super) fn others(chosen: &[usize], size: usize) -> Vec<usize> {
    let mut left = vec![true; size];
    for position in chosen {
        if let Some(slot) = left.get_mut(*position) {
            *slot = false;
        }
    }
    left.iter().enumerate().filter_map(|(position, left)| left.then_some(position)).collect()
}
