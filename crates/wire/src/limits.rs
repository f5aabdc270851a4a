//! Limits: how much of a client's word is believed before the connection is given up.

/// Bounds on what one peer may send. All sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest body that a message, admin or compressed frame may announce.
    pub frame_size: usize,
    /// Largest body that an info frame may announce.
    pub info_size: usize,
    /// Largest size that a compressed frame may unpack to, the inner frame's header included.
    pub inflated_size: usize,
    /// Most commands that are answered in one info frame; what follows them is dropped.
    pub info_lines: usize,
    /// Longest line that the plain-text info port accepts.
    pub line_size: usize,
}

/// One binary megabyte.
const MIB: usize = 1 << 20;

impl Default for Limits {
    /// What a real server was seen to accept (128 MiB frames), and tighter bounds where clients need little.
    fn default() -> Self {
        Limits {
            frame_size: 128 * MIB,
            info_size: 16 * MIB,
            inflated_size: 128 * MIB,
            info_lines: 1000,
            line_size: MIB,
        }
    }
}
