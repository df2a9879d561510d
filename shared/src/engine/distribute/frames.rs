//! What a part gave, as a file: a frame for each block, and one at the end that says how many there were.
//!
//! A frame is a byte that says what it holds, its length, and as many bytes: a Zstandard frame with a checksum. So a block is
//! written as soon as it is judged, read without the others, and never taken for whole when it is not.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Phase, RunError};

use super::{PartStore, part_file};

/// What a frame holds. The upper half of the byte changes whenever a block is kept in another way, such as a number in another
/// scale: a frame of another version of the engine is refused instead of misread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A judged block.
    Block = 0x20,
    /// The end of the part.
    End = 0x21,
    /// Why there is nothing else.
    Refused = 0x22,
}

/// Which part it was, and how much there is of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The part.
    pub part: usize,
    /// How many blocks.
    pub blocks: u64,
    /// How many rows.
    pub rows: u64,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Block, Self::End, Self::Refused];
}

/// The fastest: a part is read once, soon, and deleted.
const LEVEL: i32 = 1;

/// Bytes in a Zstandard frame with a checksum.
fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::with_capacity(bytes.len() / 2), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// A value in compact form.
pub fn pack(value: &impl Serialize) -> io::Result<Vec<u8>> {
    packed(&postcard::to_allocvec(value).map_err(io::Error::other)?)
}

/// A value that was packed.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(&zstd::stream::decode_all(bytes)?).map_err(io::Error::other)
}

/// Writes a packed value as a frame.
pub fn write(out: &mut dyn Write, kind: Kind, packed: &[u8]) -> io::Result<()> {
    out.write_all(&[kind as u8])?;
    out.write_all(&u32::try_from(packed.len()).map_err(io::Error::other)?.to_le_bytes())?;
    out.write_all(packed)
}

/// Reads the next frame.
pub fn read(file: &mut dyn Read) -> io::Result<(Kind, Vec<u8>)> {
    let mut head = [0; 5];
    file.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind).ok_or(io::ErrorKind::InvalidData)?;
    let length = u32::from_le_bytes(length);
    let mut packed = Vec::new();
    // No more than what is there takes room, whatever a damaged length says.
    if file.take(u64::from(length)).read_to_end(&mut packed)? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((kind, packed))
}

/// Keeps, in place of what a part gives, why it gives nothing: then the last step fails the run with it.
///
/// # Errors
/// It cannot be written.
pub fn refuse(store: &dyn PartStore, part: usize, why: &RunError) -> Result<(), RunError> {
    let name = part_file(part);
    let kept = serde_json::to_vec(why).map_err(io::Error::other).and_then(|json| packed(&json)).and_then(|packed| {
        let mut file = store.create(&name)?;
        write(&mut file, Kind::Refused, &packed)?;
        file.flush()
    });
    kept.map_err(|error| RunError::output(Phase::Output, &name, &error))
}

/// Why a part was refused.
pub fn refusal(packed: &[u8]) -> io::Result<RunError> {
    Ok(serde_json::from_slice(&zstd::stream::decode_all(packed)?)?)
}
