//! How many service threads are active, decided four times a second.
//!
//! A thread more is worth its wake-ups only when the busiest one is short of time *and* a processor is idle: on a
//! machine that is fully used, another thread would only take turns with those that run already. A thread less is
//! enough when the others can take its work and still have time to spare. Between active threads connections are
//! moved when one is busy and another is not.

use super::crew::Crew;

/// Percent of its time at which a thread counts as busy.
const BUSY_PCT: u64 = 75;
/// Percent of one processor that must be idle before a thread more is active.
const IDLE_PCT: u64 = 60;
/// Percent of its time below which an active thread can take work from a busy one.
const SPARE_PCT: u64 = 45;
/// Percent of their time that the remaining threads may be busy on average when there is a thread less.
const LESS_PCT: u64 = 50;
/// Looks in a row that must agree before a thread more is active.
const GROW_AFTER: u32 = 2;
/// Looks in a row that must agree before a thread less is active.
const SHRINK_AFTER: u32 = 12;

/// What the balancer sees at one look.
#[derive(Debug, Clone)]
struct Look {
    /// Percent of the time since the last look that each active thread was busy.
    busy_pct: Vec<u64>,
    /// Threads there are.
    threads: usize,
    /// Idle processor time of the machine, in percent of one processor.
    idle_pct: u64,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Stay,
    /// A thread more, which takes work from the busiest.
    Grow {
        from: usize,
    },
    /// The last active thread gives all it has to the least busy one.
    Shrink {
        to: usize,
    },
    /// One active thread takes work from another.
    Even {
        from: usize,
        to: usize,
    },
}

/// Looks at the crew and moves connections.
#[derive(Debug, Default)]
pub(crate) struct Balancer {
    busy_ns: Vec<u64>,
    looked_mono_ns: u64,
    wants_more: u32,
    wants_less: u32,
}

impl Balancer {
    /// One look; `idle_pct` is the machine's idle processor time in percent of one processor.
    pub(crate) fn look(&mut self, crew: &Crew, idle_pct: u64, mono_ns: u64) {
        let busy_ns: Vec<u64> = (0..crew.len()).map(|thread| crew.busy_ns(thread)).collect();
        let window_ns = mono_ns.saturating_sub(self.looked_mono_ns).max(1);
        let last = std::mem::replace(&mut self.busy_ns, busy_ns);
        self.looked_mono_ns = mono_ns;
        if last.is_empty() || crew.len() < 2 {
            return;
        }
        let used = self.busy_ns.iter().zip(&last).map(|(now, last)| now.saturating_sub(*last));
        let busy_pct: Vec<u64> = used.map(|ns| (ns * 100 / window_ns).min(100)).take(crew.active()).collect();
        let look = Look { busy_pct, threads: crew.len(), idle_pct };
        let decision = self.decide(&look);
        if decision != Decision::Stay {
            tracing::debug!(?look, ?decision, "service threads");
        }
        follow(crew, &look, decision);
    }

    fn decide(&mut self, look: &Look) -> Decision {
        let threads = || look.busy_pct.iter().copied().enumerate();
        let busiest = threads().max_by_key(|(_, busy)| *busy);
        let laziest = threads().min_by_key(|(_, busy)| *busy);
        let (Some((from, most)), Some((to, least))) = (busiest, laziest) else { return Decision::Stay };
        let active = look.busy_pct.len();
        let grow = most >= BUSY_PCT && active < look.threads && look.idle_pct >= IDLE_PCT;
        let others = (active as u64).saturating_sub(1);
        let shrink = others > 0 && look.busy_pct.iter().sum::<u64>() <= others * LESS_PCT;
        self.wants_more = if grow { self.wants_more + 1 } else { 0 };
        self.wants_less = if shrink { self.wants_less + 1 } else { 0 };
        if most >= BUSY_PCT && least <= SPARE_PCT && from != to {
            return Decision::Even { from, to };
        }
        if self.wants_more >= GROW_AFTER {
            self.wants_more = 0;
            return Decision::Grow { from };
        }
        if self.wants_less >= SHRINK_AFTER {
            self.wants_less = 0;
            let to = threads().take(active - 1).min_by_key(|(_, busy)| *busy).map_or(0, |(thread, _)| thread);
            return Decision::Shrink { to };
        }
        Decision::Stay
    }
}

fn follow(crew: &Crew, look: &Look, decision: Decision) {
    let busy = |thread: usize| look.busy_pct.get(thread).copied().unwrap_or(0);
    match decision {
        Decision::Stay => {}
        Decision::Grow { from } => {
            let newest = crew.active();
            crew.set_active(newest + 1);
            crew.ask(from, share(crew.connections(from), busy(from), 0), newest);
        }
        Decision::Shrink { to } => {
            let last = crew.active().saturating_sub(1);
            crew.set_active(last);
            crew.ask(last, usize::MAX, to);
        }
        Decision::Even { from, to } => {
            crew.ask(from, share(crew.connections(from), busy(from), busy(to)), to);
        }
    }
}

/// How many connections make two threads equally busy, if all are alike.
fn share(connections: usize, busy_from: u64, busy_to: u64) -> usize {
    let part = busy_from.saturating_sub(busy_to) * connections as u64 / (2 * busy_from.max(1));
    usize::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Balancer, Decision, GROW_AFTER, Look, SHRINK_AFTER, share};

    fn look(busy_pct: &[u64], idle_pct: u64) -> Look {
        Look { busy_pct: busy_pct.to_vec(), threads: 4, idle_pct }
    }

    /// The first decision that is not to stay, and after how many looks it comes.
    fn decided(look: &Look) -> Option<(u32, Decision)> {
        let mut balancer = Balancer::default();
        let mut looks = 1..=100;
        looks.find_map(|count| {
            Some(balancer.decide(look)).filter(|it| *it != Decision::Stay).map(|it| (count, it))
        })
    }

    #[test]
    fn a_thread_more_needs_work_and_an_idle_processor() {
        assert_eq!(decided(&look(&[90], 100)), Some((GROW_AFTER, Decision::Grow { from: 0 })));
        assert_eq!(decided(&look(&[90], 20)), None, "no processor is idle");
        assert_eq!(decided(&look(&[60], 100)), None, "the thread has time");
        assert_eq!(decided(&look(&[90, 95, 91, 92], 100)), None, "there are no more threads");
        assert_eq!(decided(&look(&[80, 95, 70], 100)), Some((GROW_AFTER, Decision::Grow { from: 1 })));
    }

    #[test]
    fn a_thread_less_is_enough_when_the_others_have_time() {
        assert_eq!(decided(&look(&[20, 10], 100)), Some((SHRINK_AFTER, Decision::Shrink { to: 0 })));
        assert_eq!(decided(&look(&[40, 30, 25], 100)), Some((SHRINK_AFTER, Decision::Shrink { to: 1 })));
        assert_eq!(decided(&look(&[40, 30], 100)), None);
        assert_eq!(decided(&look(&[0], 100)), None, "one is always active");
    }

    #[test]
    fn busy_threads_give_to_idle_ones_at_once() {
        assert_eq!(decided(&look(&[20, 90], 0)), Some((1, Decision::Even { from: 1, to: 0 })));
        assert_eq!(share(16, 90, 0), 8);
        assert_eq!(share(16, 80, 40), 4);
        assert_eq!(share(1, 100, 0), 0, "a single connection stays where it is");
    }

    #[test]
    fn one_look_that_differs_starts_the_count_anew() {
        let mut balancer = Balancer::default();
        for _ in 0..10 {
            assert_eq!(balancer.decide(&look(&[90], 100)), Decision::Stay);
            assert_eq!(balancer.decide(&look(&[50], 100)), Decision::Stay);
        }
    }
}
