//! The info port's plain text: one command a line, answered as `command TAB value`.
//!
//! What people type into `telnet` works as in a frame, since a line is handed to the engine as an info frame of
//! one command and answered without the frame's header.

use super::connection::Connection;
use super::desk::Desk;
use super::exchange::Taken;
use shipload_wire::frame::{Frame, HEADER_SIZE, INFO, VERSION};

/// Answers the line at the start of `rest`.
pub(super) fn execute_line(connection: &mut Connection, rest: &[u8], desk: &mut Desk) -> Taken {
    let limit = desk.limits.line_size;
    let scanned = connection.scanned.min(rest.len());
    let fresh = rest.get(scanned..).unwrap_or_default();
    let Some(end) = fresh.iter().position(|byte| *byte == b'\n').map(|place| scanned + place) else {
        if rest.len() <= limit {
            // What was looked at once is not looked at again, however slowly a line comes.
            connection.scanned = rest.len();
            return Taken::Incomplete(0);
        }
        desk.output.extend_from_slice(b"ERROR:4:line too long\n");
        connection.refuse("an endless line to the info port", desk);
        return Taken::Refused;
    };
    connection.scanned = 0;
    let line = rest.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // An empty line is somebody pressing return, not a command.
    if !line.is_empty() {
        let mut body = line.to_vec();
        body.push(b'\n');
        let from = desk.output.len();
        connection.answer(&Frame { version: VERSION, kind: INFO, body: &body }, desk);
        let to = desk.output.len().min(from + HEADER_SIZE);
        desk.output.drain(from..to);
    }
    Taken::Used(end + 1)
}
