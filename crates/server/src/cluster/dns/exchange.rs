//! One question to one name server: by datagram, and by TCP when the answer does not fit one.

use super::message::{Answer, Kind, Malformed, NO_SUCH_NAME, Question};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Longer than any answer by datagram that was not asked for with an extension.
const DATAGRAM_MAX: usize = 4096;

/// How a name server failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Trouble {
    /// No answer in time.
    #[error("does not answer")]
    Silent,
    /// It can't be reached.
    #[error("can't be reached: {0}")]
    Unreachable(ErrorKind),
    /// It said that it failed or won't.
    #[error("answers with error {0}")]
    Code(u8),
    /// An answer that can't be read.
    #[error("answers nonsense")]
    Malformed,
    /// The name can't be asked for.
    #[error("can't be asked for such a name")]
    BadName,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        let kind = error.kind();
        if matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            Trouble::Silent
        } else {
            Trouble::Unreachable(kind)
        }
    }
}

type Heard = Option<Result<Answer, Malformed>>;

/// All addresses of a name, of both families; empty when the server says that there are none.
pub(super) fn ask(server: SocketAddr, name: &str, patience: Duration) -> Result<Vec<IpAddr>, Trouble> {
    let id = random();
    let question = |id, kind| Question::new(id, name, kind).ok_or(Trouble::BadName);
    let questions = [question(id, Kind::A)?, question(id ^ 1, Kind::Aaaa)?];
    let mut heard = by_datagram(server, &questions, patience)?;
    for (question, heard) in questions.iter().zip(&mut heard) {
        let Some(Ok(short)) = heard else { continue };
        if short.truncated
            && let Ok(long) = by_stream(server, question, patience)
        {
            *short = long;
        }
    }
    judge(heard)
}

/// The names of an address; empty when the server says that there are none.
pub(super) fn ask_names(
    server: SocketAddr,
    address: Ipv4Addr,
    patience: Duration,
) -> Result<Vec<String>, Trouble> {
    let [a, b, c, d] = address.octets();
    let name = format!("{d}.{c}.{b}.{a}.in-addr.arpa");
    let question = Question::new(random(), &name, Kind::Ptr).ok_or(Trouble::BadName)?;
    let [heard] = by_datagram(server, &[question], patience)?;
    match heard {
        Some(Ok(answer)) if answer.code == 0 || answer.code == NO_SUCH_NAME => Ok(answer.names),
        Some(Ok(answer)) => Err(Trouble::Code(answer.code)),
        Some(Err(Malformed)) => Err(Trouble::Malformed),
        None => Err(Trouble::Silent),
    }
}

/// What two answers mean together.
fn judge(heard: [Heard; 2]) -> Result<Vec<IpAddr>, Trouble> {
    let mut found = Vec::new();
    let mut trouble = None;
    let mut nothing = false;
    for one in heard {
        match one {
            Some(Ok(answer)) if answer.code == 0 => found.extend(answer.addresses),
            Some(Ok(answer)) if answer.code == NO_SUCH_NAME => nothing = true,
            Some(Ok(answer)) => trouble = Some(Trouble::Code(answer.code)),
            Some(Err(Malformed)) => trouble = Some(Trouble::Malformed),
            None => trouble = trouble.or(Some(Trouble::Silent)),
        }
    }
    match trouble {
        Some(trouble) if found.is_empty() && !nothing => Err(trouble),
        Some(_) | None => Ok(found),
    }
}

/// Asks all questions at once and waits for all answers.
fn by_datagram<const N: usize>(
    server: SocketAddr,
    questions: &[Question; N],
    patience: Duration,
) -> Result<[Heard; N], Trouble> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Connected: datagrams of others are not received, and a closed port is told of at once.
    socket.connect(server)?;
    for question in questions {
        socket.send(question.packet())?;
    }
    let end = Instant::now() + patience;
    let mut heard = [const { None }; N];
    let mut buffer = [0; DATAGRAM_MAX];
    while heard.iter().any(Option::is_none) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        let bytes = match socket.recv(&mut buffer) {
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                let trouble = Trouble::from(error);
                // One answer may be there already.
                if trouble == Trouble::Silent || heard.iter().any(Option::is_some) {
                    break;
                }
                return Err(trouble);
            }
        };
        for (question, heard) in questions.iter().zip(&mut heard) {
            if heard.is_none() {
                *heard = question.read(bytes);
            }
        }
    }
    Ok(heard)
}

/// Asks over a connection: a length in two bytes stands before each message.
fn by_stream(server: SocketAddr, question: &Question, patience: Duration) -> Result<Answer, Trouble> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    let end = Instant::now() + patience;
    stream.set_write_timeout(Some(patience))?;
    stream.set_nodelay(true)?;
    let length = u16::try_from(question.packet().len()).map_err(|_| Trouble::BadName)?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(question.packet());
    stream.write_all(&message)?;
    let mut length = [0; 2];
    read_by(&mut stream, end, &mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    read_by(&mut stream, end, &mut answer)?;
    match question.read(&answer) {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(Malformed)) | None => Err(Trouble::Malformed),
    }
}

/// Fills the buffer; a server that sends a byte now and then does not get more time for it.
fn read_by(stream: &mut TcpStream, end: Instant, mut buffer: &mut [u8]) -> Result<(), Trouble> {
    while !buffer.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::Silent);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer) {
            Ok(0) => return Err(Trouble::Unreachable(ErrorKind::UnexpectedEof)),
            Ok(length) => buffer = buffer.split_at_mut_checked(length).map_or(&mut [], |(_, rest)| rest),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A number that a stranger can't guess: the standard library seeds its hash tables with random bits.
fn random() -> u16 {
    let [low, high, ..] = RandomState::new().hash_one(0).to_le_bytes();
    u16::from_le_bytes([low, high])
}
