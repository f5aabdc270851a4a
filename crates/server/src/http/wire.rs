//! Frames over a stream: requests out, whole frames of answers in.

use shipload_web::Trouble;
use shipload_wire::frame::HEADER_SIZE;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A frame announces its size; more than this is believed of nobody.
const FRAME_MAX: usize = 256 << 20;
/// The least that is read at once.
const READ: usize = 4 << 10;

/// Sends frames. An error means that nothing of them was executed: the other end was gone already.
pub(super) async fn send<S: AsyncWrite + Unpin>(stream: &mut S, frames: &[u8]) -> Result<(), Trouble> {
    stream.write_all(frames).await.map_err(|_| Trouble::Refused)
}

/// The next whole frame, header and body, appended to `out`. `rest` holds bytes that were read beyond it.
pub(super) async fn receive<S: AsyncRead + Unpin>(
    stream: &mut S,
    rest: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    let size = loop {
        if let Some(size) = whole_size(rest)? {
            if rest.len() >= size {
                break size;
            }
            rest.reserve(size - rest.len());
        } else {
            rest.reserve(READ);
        }
        match stream.read_buf(rest).await {
            Ok(0) | Err(_) => return Err(Trouble::InDoubt),
            Ok(_) => {}
        }
    };
    if out.is_empty() && rest.len() == size {
        std::mem::swap(out, rest);
        rest.clear();
    } else {
        out.extend_from_slice(rest.get(..size).unwrap_or_default());
        rest.drain(..size);
    }
    Ok(())
}

/// Bytes of the frame at the start of the buffer, as far as they are known.
fn whole_size(buffer: &[u8]) -> Result<Option<usize>, Trouble> {
    let Some(&[_, _, s0, s1, s2, s3, s4, s5]) = buffer.first_chunk::<HEADER_SIZE>() else { return Ok(None) };
    let size = u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]);
    let size = usize::try_from(size).ok().filter(|size| *size <= FRAME_MAX).ok_or(Trouble::Garbled)?;
    Ok(Some(HEADER_SIZE + size))
}

#[cfg(test)]
mod tests {
    use super::{receive, send};
    use shipload_web::Trouble;
    use shipload_wire::frame;
    use tokio::io::duplex;

    fn framed(body: &[u8]) -> Vec<u8> {
        [&frame::header(frame::MESSAGE, body.len()), body].concat()
    }

    #[tokio::test]
    async fn frames_come_whole_however_they_are_cut() {
        let (mut near, mut far) = duplex(5);
        let sent = [framed(b"one"), framed(&[7; 100])].concat();
        let writer = tokio::spawn(async move { send(&mut far, &sent).await });
        let (mut rest, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
        receive(&mut near, &mut rest, &mut first).await.expect("whole");
        receive(&mut near, &mut rest, &mut second).await.expect("whole");
        assert_eq!((first, second), (framed(b"one"), framed(&[7; 100])));
        assert!(rest.is_empty());
        writer.await.expect("no panic").expect("sent");
        assert_eq!(receive(&mut near, &mut rest, &mut Vec::new()).await, Err(Trouble::InDoubt));
    }

    #[tokio::test]
    async fn absurd_sizes_are_not_believed() {
        let (mut near, mut far) = duplex(64);
        send(&mut far, &frame::header(frame::MESSAGE, 1 << 40)).await.expect("sent");
        assert_eq!(receive(&mut near, &mut Vec::new(), &mut Vec::new()).await, Err(Trouble::Garbled));
    }
}
