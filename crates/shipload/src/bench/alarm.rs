//! Waking up at a time that is finer than the event loop's milliseconds.
//!
//! A rate of 10,000 a second has 100 µs between two operations; the poll call can only wait for whole
//! milliseconds, and spinning would take a core away from the server. Linux has timers that are files.

use std::time::Duration;

/// How long the loop sleeps at most when nothing happens.
pub(super) const TICK: Duration = Duration::from_millis(20);

#[cfg(target_os = "linux")]
pub(super) use linux::Alarm;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::Alarm;

#[cfg(target_os = "linux")]
mod linux {
    use super::TICK;
    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use std::io;
    use std::os::fd::{AsRawFd as _, OwnedFd};
    use std::time::Duration;

    /// A timer that wakes a poll. Never read: arming it again takes back that it has rung.
    #[derive(Debug)]
    pub(in super::super) struct Alarm {
        timer: OwnedFd,
    }

    impl Alarm {
        pub(in super::super) fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
            let timer =
                timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Alarm { timer })
        }

        /// Rings after `wait`; returns the timeout that the poll should have.
        pub(in super::super) fn arm(&mut self, wait: Duration) -> io::Result<Duration> {
            if wait < TICK {
                let none = Timespec { tv_sec: 0, tv_nsec: 0 };
                let once = Timespec::try_from(wait).map_err(io::Error::other)?;
                let setting = Itimerspec { it_interval: none, it_value: once };
                timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting)?;
            }
            Ok(TICK)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use mio::{Registry, Token};
    use std::io;
    use std::time::Duration;

    /// Without such timers the poll's own timeout has to do.
    #[derive(Debug)]
    pub(in super::super) struct Alarm;

    impl Alarm {
        pub(in super::super) fn new(_registry: &Registry, _token: Token) -> io::Result<Alarm> {
            Ok(Alarm)
        }

        /// Returns the timeout that the poll should have.
        pub(in super::super) fn arm(&mut self, wait: Duration) -> io::Result<Duration> {
            Ok(wait.min(super::TICK))
        }
    }
}
