//! The results of a part as a file: a frame for each block, and a last frame with the number of blocks and rows.
//!
//! A frame is one byte for its kind, four bytes for its length (little-endian), and a Zstandard frame of that length with a
//! checksum. So each block is written as soon as it is judged and read without the others, and an incomplete block is never taken
//! for a whole one.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Phase, RunError};

use super::{PartStore, part_file};

/// Kind of a frame. The upper half of the byte changes whenever the stored form of a block changes, such as the scale of a
/// number, so that a frame of another version of the engine is refused instead of misread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// A judged block.
    Block = 0x30,
    /// The end of the part.
    End = 0x31,
    /// The error because of which the part has no results.
    Refused = 0x32,
}

/// The part that ends, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub part: usize,
    /// Number of blocks.
    pub blocks: u64,
    /// Number of rows.
    pub rows: u64,
}

impl FrameKind {
    const ALL: [Self; 3] = [Self::Block, Self::End, Self::Refused];
}

/// The fastest compression level, because a part is read once, soon, and then deleted.
const LEVEL: i32 = 1;

/// Compresses bytes into a Zstandard frame with a checksum.
fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::with_capacity(bytes.len() / 2), LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Packs a value: postcard, compressed.
pub fn pack(value: &impl Serialize) -> io::Result<Vec<u8>> {
    packed(&postcard::to_allocvec(value).map_err(io::Error::other)?)
}

/// Unpacks a value of [`pack`].
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(&zstd::stream::decode_all(bytes)?).map_err(io::Error::other)
}

/// Writes a packed value as a frame.
pub fn write(out: &mut dyn Write, kind: FrameKind, packed: &[u8]) -> io::Result<()> {
    out.write_all(&[kind as u8])?;
    out.write_all(&u32::try_from(packed.len()).map_err(io::Error::other)?.to_le_bytes())?;
    out.write_all(packed)
}

/// Reads the next frame. Returns its kind and its packed content.
pub fn read(file: &mut dyn Read) -> io::Result<(FrameKind, Vec<u8>)> {
    let mut head = [0; 5];
    file.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let kind = FrameKind::ALL.into_iter().find(|known| *known as u8 == kind).ok_or(io::ErrorKind::InvalidData)?;
    let length = u32::from_le_bytes(length);
    let mut packed = Vec::new();
    // The buffer grows with the bytes that are there, so a damaged length cannot reserve memory.
    if file.take(u64::from(length)).read_to_end(&mut packed)? < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((kind, packed))
}

/// Stores an error in place of the results of a part. The last step then fails the run with this error.
///
/// # Errors
/// `OutputFailed` when the file cannot be written.
pub fn refuse(store: &dyn PartStore, part: usize, why: &RunError) -> Result<(), RunError> {
    let name = part_file(part);
    let kept = serde_json::to_vec(why).map_err(io::Error::other).and_then(|json| packed(&json)).and_then(|packed| {
        let mut file = store.create(&name)?;
        write(&mut file, FrameKind::Refused, &packed)?;
        file.flush()
    });
    kept.map_err(|error| RunError::output(Phase::Output, &name, &error))
}

/// Unpacks the error of a refused part.
pub fn refusal(packed: &[u8]) -> io::Result<RunError> {
    Ok(serde_json::from_slice(&zstd::stream::decode_all(packed)?)?)
}
