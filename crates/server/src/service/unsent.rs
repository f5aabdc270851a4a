//! Replies that the socket did not take yet.
//!
//! Empty nearly always, and then without memory: a reply normally goes straight from the thread's buffer into
//! the socket. Only what is left over is kept here.

use std::io::{self, ErrorKind, Write};
use std::ops::Range;

/// Bytes on their way to one client.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    /// How many of them are sent.
    sent: usize,
}

impl Unsent {
    /// Bytes that still have to leave.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held, in bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Sends what waits, as far as the socket takes it; how many bytes left.
    pub(super) fn flush(&mut self, socket: &mut impl Write) -> io::Result<usize> {
        if self.is_empty() {
            return Ok(0);
        }
        let left = send(socket, self.bytes.get(self.sent..).unwrap_or_default())?;
        self.sent += left;
        if self.is_empty() {
            *self = Unsent::default();
        }
        Ok(left)
    }

    /// Sends `output[own]` after what waits already, and keeps what the socket does not take. Returns how many
    /// bytes left. The caller clears `output`; its rest may be gone when it was kept as it is.
    pub(super) fn send(
        &mut self,
        socket: &mut impl Write,
        output: &mut Vec<u8>,
        own: Range<usize>,
    ) -> io::Result<usize> {
        let Some(bytes) = output.get(own.clone()).filter(|bytes| !bytes.is_empty()) else { return Ok(0) };
        if !self.is_empty() {
            self.compact();
            self.bytes.extend_from_slice(bytes);
            return self.flush(socket);
        }
        let left = send(socket, bytes)?;
        let rest = bytes.get(left..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(left);
        }
        // A long rest is kept by taking the buffer itself, when nobody else has bytes in it.
        if own == (0..output.len()) && rest.len() > left {
            *self = Unsent { bytes: std::mem::take(output), sent: left };
        } else {
            *self = Unsent { bytes: rest.to_vec(), sent: 0 };
        }
        Ok(left)
    }

    /// Drops what is sent already when it is more than what waits.
    fn compact(&mut self) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

/// One send; a socket without room takes 0 bytes.
fn send(socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Ok(0) if !bytes.is_empty() => return Err(ErrorKind::WriteZero.into()),
            Ok(left) => return Ok(left),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unsent;
    use std::io::{self, Write};

    /// Takes `room` bytes, then says that it would block.
    struct Narrow {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let n = bytes.len().min(self.room);
            if n == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.room -= n;
            self.taken.extend_from_slice(&bytes[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn order_is_kept_however_little_the_socket_takes() {
        let mut unsent = Unsent::default();
        let mut socket = Narrow { room: 0, taken: Vec::new() };
        let mut expected = Vec::new();
        for round in 0u8..100 {
            let mut output = vec![round; usize::from(round) * 3];
            expected.extend_from_slice(&output);
            socket.room = usize::from(round % 7) * 20;
            // Bytes of other connections may stand before and after.
            let (before, after) = (usize::from(round % 3), usize::from(round % 2));
            let own = before..before + output.len();
            output.splice(0..0, vec![255; before]);
            output.extend(vec![254; after]);
            unsent.send(&mut socket, &mut output, own).expect("no error");
        }
        while !unsent.is_empty() {
            socket.room = 50;
            unsent.flush(&mut socket).expect("no error");
        }
        assert_eq!(socket.taken, expected);
        assert_eq!(unsent.held(), 0);
    }
}
