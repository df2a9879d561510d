//! The text of a tape, converted from any supported encoding to UTF-8.
//!
//! A byte order mark decides the encoding. Without one, zeros reveal UTF-16 (see [`utf16_by_zeros`]). Other text is UTF-8 if all
//! of it is, and Windows-1252 otherwise. The two agree on ASCII, so the rest of the tape is read ahead only when the first other
//! byte appears.

use std::{io::Read, sync::Mutex};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::{Phase, RunError, RunErrorCode},
    hex::hex,
};

use super::source::TapeSource;

/// How the text of a tape is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Encoding {
    /// UTF-8, which includes ASCII.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, low byte first, recognised by its byte order mark or its zeros.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, high byte first, recognised by its byte order mark or its zeros.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// Windows-1252: any text without a mark that is not UTF-8.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// Number of bytes read at a time when the rest of a tape decides its encoding.
const CHUNK: usize = 256 * 1024;
/// Number of bytes of a tape without a mark that decide whether it is UTF-16.
const SAMPLE_BYTES: usize = 4 * 1024;
/// UTF-16 without a mark needs at least this many characters: fewer prove nothing.
const SAMPLE_CHARACTERS: usize = 4;

/// The encoding of one tape, decided once for all its readers.
#[derive(Debug, Default)]
pub struct EncodingChoice(Mutex<Option<Encoding>>);

impl EncodingChoice {
    /// The encoding as far as it is decided: UTF-8 while only ASCII has been read.
    pub fn get(&self) -> Encoding {
        self.0.lock().ok().and_then(|choice| *choice).unwrap_or(Encoding::Utf8)
    }

    /// An encoding that is decided before anything is read.
    pub fn known(encoding: Encoding) -> Self {
        Self(Mutex::new(Some(encoding)))
    }

    fn decide(&self, with: impl FnOnce() -> std::io::Result<Encoding>) -> std::io::Result<Encoding> {
        let mut choice = self.0.lock().map_err(|_| std::io::Error::other("the encoding was not decided"))?;
        match *choice {
            Some(encoding) => Ok(encoding),
            None => Ok(*choice.insert(with()?)),
        }
    }
}

enum Mode {
    /// Nothing has been read yet.
    Start,
    /// Only ASCII so far.
    Ascii,
    /// The rest is UTF-8. Without `verify` this is known; with `verify` a mark says so, and the reader checks it.
    Utf8 {
        verify: bool,
    },
    Decode(Decoder),
}

/// Reads the text of a tape from its beginning, as UTF-8, and takes the fingerprint of its raw bytes on the way.
pub struct TextReader<'s> {
    source: &'s dyn TapeSource,
    choice: &'s EncodingChoice,
    raw: Box<dyn Read + Send>,
    copy: Option<RawCopy>,
    hash: Option<Sha256>,
    offset: u64,
    /// Length of the byte order mark, in bytes.
    mark: u64,
    mode: Mode,
    chunk_bytes: usize,
    /// The last chunk, if it has to be decoded.
    encoded: Vec<u8>,
    /// The first bytes of a character that the end of the last chunk cut, in UTF-8 that is still to be verified.
    cut: Vec<u8>,
    ended: bool,
}

/// Receives a copy of a tape's raw bytes while they are read.
pub type RawCopy = Box<dyn std::io::Write + Send>;

/// Size and hash of the raw bytes of a tape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Number of bytes.
    pub size: u64,
    /// SHA-256 of the bytes, in lower-case hexadecimal.
    pub sha256: String,
}

impl Fingerprint {
    /// The fingerprint of `size` bytes with this hash.
    pub fn new(size: u64, hash: Sha256) -> Self {
        Self { size, sha256: hex(&hash.finalize()) }
    }
}

impl<'s> TextReader<'s> {
    /// Starts reading, `chunk_bytes` at a time. With `fingerprint`, [`Self::finish`] returns the hash of all raw bytes; `copy`
    /// receives the raw bytes.
    pub fn new(
        source: &'s dyn TapeSource,
        choice: &'s EncodingChoice,
        chunk_bytes: usize,
        fingerprint: bool,
        copy: Option<RawCopy>,
    ) -> Result<Self, RunError> {
        let raw = source.open_at(0).map_err(|error| RunError::unreadable(source.name(), &error))?;
        let hash = fingerprint.then(Sha256::new);
        Ok(Self {
            source,
            choice,
            raw,
            copy,
            hash,
            offset: 0,
            mark: 0,
            mode: Mode::Start,
            // The first chunk must hold a whole byte order mark.
            chunk_bytes: chunk_bytes.max(4),
            encoded: Vec::new(),
            cut: Vec::new(),
            ended: false,
        })
    }

    /// Starts reading at `offset`, where a character begins, in a tape that is known to be UTF-8 as a whole.
    pub fn resume(
        source: &'s dyn TapeSource,
        choice: &'s EncodingChoice,
        chunk_bytes: usize,
        offset: u64,
    ) -> Result<Self, RunError> {
        let raw = source.open_at(offset).map_err(|error| RunError::unreadable(source.name(), &error))?;
        Ok(Self {
            source,
            choice,
            raw,
            copy: None,
            hash: None,
            offset,
            mark: 0,
            mode: Mode::Utf8 { verify: false },
            chunk_bytes: chunk_bytes.max(4),
            encoded: Vec::new(),
            cut: Vec::new(),
            ended: false,
        })
    }

    /// Appends more text to `out`; returns `false` at the end of the tape.
    pub fn read_more(&mut self, out: &mut Vec<u8>) -> Result<bool, RunError> {
        if self.ended {
            return Ok(false);
        }
        // Nearly every tape needs no decoding, so its bytes are read straight into `out`.
        let from = out.len();
        let filled = self.read_chunk(out)?;
        let start = self.offset - filled as u64;
        if matches!(self.mode, Mode::Start) {
            let mark = self.start(&out[from..])?;
            out.drain(from..from + mark);
            self.mark = mark as u64;
        }
        if filled == 0 {
            self.ended = true;
            if self.offset != self.source.size() {
                return Err(self.changed());
            }
        }
        if matches!(self.mode, Mode::Ascii) && !out[from..].is_ascii() {
            let encoding = self.choice.decide(|| encoding_of_rest(self.source, start));
            self.mode = mode_of(encoding.map_err(|error| RunError::unreadable(self.source.name(), &error))?);
        }
        if matches!(self.mode, Mode::Start | Mode::Ascii | Mode::Utf8 { verify: false }) {
            return Ok(!self.ended);
        }
        self.encoded.clear();
        self.encoded.extend(out.drain(from..));
        let bytes = self.encoded.as_slice();
        match &mut self.mode {
            Mode::Start | Mode::Ascii | Mode::Utf8 { verify: false } => {}
            Mode::Utf8 { verify: true } => {
                self.cut.extend_from_slice(bytes);
                let valid = match std::str::from_utf8(&self.cut) {
                    Ok(text) => text.len(),
                    Err(error) if error.error_len().is_none() && !self.ended => error.valid_up_to(),
                    Err(_) => return Err(self.undecodable("UTF-8, as its byte order mark says")),
                };
                out.extend_from_slice(&self.cut[..valid]);
                self.cut.drain(..valid);
            }
            Mode::Decode(decoder) => {
                if !decode(decoder, bytes, self.ended, out) {
                    let why = if self.mark > 0 { "UTF-16, as its byte order mark says" } else { "UTF-16, as its beginning is" };
                    return Err(self.undecodable(why));
                }
            }
        }
        Ok(!self.ended)
    }

    /// Flushes the copy and returns the fingerprint, once the end has been reached; `None` when no fingerprint was requested.
    pub fn finish(&mut self) -> Result<Option<Fingerprint>, RunError> {
        if let Some(copy) = &mut self.copy {
            copy.flush().map_err(|error| not_archived(&error))?;
        }
        Ok(self.hash.take().map(|hash| Fingerprint::new(self.offset, hash)))
    }

    /// Number of raw bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of raw bytes before the text: those of a byte order mark.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// Appends the next raw bytes to `out`; returns their number, 0 at the end.
    fn read_chunk(&mut self, out: &mut Vec<u8>) -> Result<usize, RunError> {
        let from = out.len();
        out.reserve(self.chunk_bytes);
        let filled = self.raw.by_ref().take(self.chunk_bytes as u64).read_to_end(out);
        let filled = filled.map_err(|error| RunError::unreadable(self.source.name(), &error))?;
        self.offset += filled as u64;
        if self.offset > self.source.size() {
            return Err(self.changed());
        }
        if let Some(hash) = &mut self.hash {
            hash.update(&out[from..]);
        }
        if let Some(copy) = &mut self.copy {
            copy.write_all(&out[from..]).map_err(|error| not_archived(&error))?;
        }
        Ok(filled)
    }

    /// Looks for a byte order mark, or the zeros of UTF-16; returns the length of the mark in bytes.
    fn start(&mut self, head: &[u8]) -> Result<usize, RunError> {
        let unreadable = |error| RunError::unreadable(self.source.name(), &error);
        let (encoding, mark) = match head {
            [0xef, 0xbb, 0xbf, ..] => (Some(Encoding::Utf8), 3),
            [0xff, 0xfe, ..] => (Some(Encoding::Utf16Le), 2),
            [0xfe, 0xff, ..] => (Some(Encoding::Utf16Be), 2),
            _ => (self.utf16_without_mark(head).map_err(unreadable)?, 0),
        };
        // Without a mark and without such zeros, UTF-16 counts if it has been chosen already, for example by a profile.
        let told = || Some(self.choice.get()).filter(|told| matches!(told, Encoding::Utf16Le | Encoding::Utf16Be));
        let Some(encoding) = encoding.or_else(told) else {
            self.mode = Mode::Ascii;
            return Ok(0);
        };
        self.mode = match self.choice.decide(|| Ok(encoding)).map_err(unreadable)? {
            Encoding::Utf8 => Mode::Utf8 { verify: true },
            encoding => mode_of(encoding),
        };
        Ok(mark)
    }

    /// Whether a tape without a mark is UTF-16. All readers of a tape test the same bytes of it, however small their chunks are.
    fn utf16_without_mark(&self, head: &[u8]) -> std::io::Result<Option<Encoding>> {
        let sample_bytes = self.source.size().min(SAMPLE_BYTES as u64);
        if let Some(sample) = head.get(..sample_bytes as usize) {
            return Ok(utf16_by_zeros(sample));
        }
        let mut sample = Vec::new();
        self.source.open_at(0)?.take(sample_bytes).read_to_end(&mut sample)?;
        Ok(utf16_by_zeros(&sample))
    }

    fn undecodable(&self, encoding: &str) -> RunError {
        let message = format!(
            "Near byte {} the tape holds bytes that are not {encoding}. Save it again as CSV in UTF-8.",
            self.offset.saturating_sub(self.chunk_bytes as u64)
        );
        RunError::ingest(RunErrorCode::Undecodable, self.source.name(), None, message)
    }

    fn changed(&self) -> RunError {
        let message = format!(
            "The tape changed while it was read: {} bytes at first, {} now. Wait until it is complete, then run again.",
            self.source.size(),
            self.offset
        );
        RunError::ingest(RunErrorCode::TapeChanged, self.source.name(), None, message)
    }
}

/// Reads a whole tape only for its fingerprint; `copy` receives the bytes.
pub fn fingerprint_of(source: &dyn TapeSource, copy: Option<RawCopy>) -> Result<Fingerprint, RunError> {
    let choice = EncodingChoice::default();
    let mut reader = TextReader::new(source, &choice, CHUNK, true, copy)?;
    let mut bytes = Vec::new();
    while reader.read_chunk(&mut bytes)? > 0 {
        bytes.clear();
    }
    reader.finish()?.ok_or_else(|| RunError::internal(Phase::Ingest, "the tape has no fingerprint"))
}

fn not_archived(error: &std::io::Error) -> RunError {
    RunError::output(Phase::Archive, "The archived tape", error)
}

fn mode_of(encoding: Encoding) -> Mode {
    match encoding {
        Encoding::Utf8 => Mode::Utf8 { verify: false },
        Encoding::Utf16Le => Mode::Decode(UTF_16LE.new_decoder_without_bom_handling()),
        Encoding::Utf16Be => Mode::Decode(UTF_16BE.new_decoder_without_bom_handling()),
        Encoding::Windows1252 => Mode::Decode(WINDOWS_1252.new_decoder_without_bom_handling()),
    }
}

/// Appends the decoded bytes; returns `false` when they are malformed.
fn decode(decoder: &mut Decoder, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) -> bool {
    loop {
        let start = out.len();
        let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(CHUNK).max(64);
        out.resize(start + room, 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut out[start..], last);
        out.truncate(start + written);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return true,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return false,
        }
    }
}

/// Whether the beginning of a tape is UTF-16, and in which byte order. In a tape most characters are ASCII, and in UTF-16 each of
/// these has a zero as its high byte. So more than half of the bytes at even or at odd offsets are zeros, and less than an eighth
/// as many of the others. The zeros at the end do not count: they pad tapes of any encoding. Zeros between records pad too, but
/// are at even and at odd offsets alike.
fn utf16_by_zeros(sample: &[u8]) -> Option<Encoding> {
    let text = sample.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    // The last zero may be the high byte of the last character.
    let (characters, _) = sample[..text.next_multiple_of(2).min(sample.len())].as_chunks::<2>();
    let zeros = |at: usize| characters.iter().filter(|bytes| bytes[at] == 0).count();
    let [even, odd] = [zeros(0), zeros(1)];
    let high_bytes = |high: usize, low: usize| 2 * high > characters.len() && 8 * low < high;
    match characters.len() {
        ..SAMPLE_CHARACTERS => None,
        _ if high_bytes(odd, even) => Some(Encoding::Utf16Le),
        _ if high_bytes(even, odd) => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// The encoding of a tape by what follows `offset`: UTF-8 if all of it is, Windows-1252 otherwise. Everything before `offset` is
/// ASCII.
fn encoding_of_rest(source: &dyn TapeSource, offset: u64) -> std::io::Result<Encoding> {
    let mut raw = source.open_at(offset)?;
    let mut buffer = vec![0; CHUNK];
    let mut kept = 0;
    loop {
        let read = match raw.read(&mut buffer[kept..]) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let filled = kept + read;
        match std::str::from_utf8(&buffer[..filled]) {
            Ok(_) => kept = 0,
            Err(error) if error.error_len().is_none() && read > 0 => {
                buffer.copy_within(error.valid_up_to()..filled, 0);
                kept = filled - error.valid_up_to();
            }
            Err(_) => return Ok(Encoding::Windows1252),
        }
        if read == 0 {
            return Ok(Encoding::Utf8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{MemorySource, MockTapeSource};
    use super::*;

    fn text(bytes: &[u8]) -> Result<(String, Encoding), RunError> {
        let source = MemorySource::new("t.csv", bytes);
        let choice = EncodingChoice::default();
        let mut reader = TextReader::new(&source, &choice, CHUNK, true, None)?;
        let mut out = Vec::new();
        while reader.read_more(&mut out)? {}
        let size = reader.finish()?.unwrap().size;
        assert_eq!(size, bytes.len() as u64);
        Ok((String::from_utf8(out).unwrap(), choice.get()))
    }

    #[test]
    fn utf8_is_read_with_and_without_a_mark() {
        assert_eq!(text("größe".as_bytes()).unwrap(), ("größe".into(), Encoding::Utf8));
        assert_eq!(text("\u{feff}größe".as_bytes()).unwrap(), ("größe".into(), Encoding::Utf8));
        assert_eq!(text(b"").unwrap(), (String::new(), Encoding::Utf8));
    }

    #[test]
    fn utf16_is_read_in_both_orders() {
        let units: Vec<u16> = "\u{feff}größe 🏠".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|u| u.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|u| u.to_be_bytes()).collect();
        assert_eq!(text(&little).unwrap(), ("größe 🏠".into(), Encoding::Utf16Le));
        assert_eq!(text(&big).unwrap(), ("größe 🏠".into(), Encoding::Utf16Be));
    }

    fn utf16(text: &str) -> [(Encoding, Vec<u8>); 2] {
        let units: Vec<u16> = text.encode_utf16().collect();
        [
            (Encoding::Utf16Le, units.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
            (Encoding::Utf16Be, units.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        ]
    }

    #[test]
    fn utf16_without_a_mark_is_known_by_its_zeros() {
        let long = "loan,größe 🏠\r\n".repeat(2_000);
        let mixed = "Кредит,1000\n抵押貸款,12.5\n".repeat(300);
        for tape in ["loan\n", "größe,10 €\n1,2\n", &long, &mixed] {
            for (encoding, bytes) in utf16(tape) {
                assert_eq!(text(&bytes).unwrap(), (tape.to_owned(), encoding), "{tape:.20}");
                // Small chunks give the same result.
                let (source, choice) = (MemorySource::new("t.csv", &bytes[..]), EncodingChoice::default());
                let mut reader = TextReader::new(&source, &choice, 1, false, None).unwrap();
                let mut out = Vec::new();
                while reader.read_more(&mut out).unwrap() {}
                assert_eq!((String::from_utf8(out).unwrap().as_str(), choice.get()), (tape, encoding));
            }
        }
        let [(_, mut bytes), _] = utf16("loan,amount\n1,2\n");
        bytes.push(b'x');
        let error = text(&bytes).unwrap_err();
        assert!(error.code == RunErrorCode::Undecodable && !error.message.contains("mark"), "{error}");
    }

    #[test]
    fn padded_tapes_are_no_utf16() {
        for tape in ["a,b\n1,2\n", "a,b\n1,2\r\n", "größe\n1\n\u{1a}", "\u{1a}", "a", "", "x\0y\0z,1\n2,3\n4,5\n"] {
            for zeros in [0, 1, 2, 3, 500, 10_000] {
                let padded = format!("{tape}{}", "\0".repeat(zeros));
                assert_eq!(text(padded.as_bytes()).unwrap(), (padded.clone(), Encoding::Utf8), "{zeros}");
            }
        }
        // Records in blocks of 64 bytes, each filled up with zeros.
        let blocks: String = ["L1,250000", "L22,1250000", "é,1"].iter().map(|record| format!("{record:\0<64}")).collect();
        assert_eq!(text(blocks.as_bytes()).unwrap(), (blocks.clone(), Encoding::Utf8));
        let windows = [b"caf\xe9\n".as_slice(), &[0; 600], b"\x1a"].concat();
        assert_eq!(text(&windows).unwrap().1, Encoding::Windows1252);
        for (encoding, mut bytes) in utf16("loan,größe\n1,2\n") {
            bytes.extend([0; 512]);
            assert_eq!(text(&bytes).unwrap(), (format!("loan,größe\n1,2\n{}", "\0".repeat(256)), encoding));
        }
    }

    #[test]
    fn anything_else_is_windows_1252_from_its_first_byte() {
        assert_eq!(text(b"gr\xf6\xdfe \x80").unwrap(), ("größe €".into(), Encoding::Windows1252));
        // Valid UTF-8 first, and an invalid byte far after it: one file has one encoding.
        let mut bytes = "é".as_bytes().to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 3 * CHUNK));
        bytes.push(0xe9);
        let (out, encoding) = text(&bytes).unwrap();
        assert_eq!(encoding, Encoding::Windows1252);
        assert!(out.starts_with("Ã©") && out.ends_with('é'));
    }

    #[test]
    fn characters_across_chunks_survive() {
        for shift in 0..4 {
            let mut bytes = vec![b'x'; CHUNK - shift];
            bytes.extend_from_slice("🏠é".as_bytes());
            assert!(text(&bytes).unwrap().0.ends_with("🏠é"), "{shift}");
            let mut marked = b"\xef\xbb\xbf".to_vec();
            marked.extend_from_slice(&bytes);
            assert!(text(&marked).unwrap().0.ends_with("🏠é"), "{shift} with a mark");
        }
    }

    #[test]
    fn a_false_mark_is_undecodable() {
        assert_eq!(text(b"\xef\xbb\xbfabc\xff").unwrap_err().code, RunErrorCode::Undecodable);
        assert_eq!(text(b"\xff\xfea\x00b").unwrap_err().code, RunErrorCode::Undecodable);
        assert_eq!(text(b"\xff\xfe\x00\xd8a\x00").unwrap_err().code, RunErrorCode::Undecodable);
    }

    #[test]
    fn a_tape_that_shrinks_is_noticed() {
        let mut source = MockTapeSource::new();
        source.expect_name().return_const("t.csv".to_owned());
        source.expect_size().return_const(4_u64);
        source.expect_open_at().returning(|_| Ok(Box::new(&b"abc"[..])));
        let choice = EncodingChoice::default();
        let mut reader = TextReader::new(&source, &choice, CHUNK, false, None).unwrap();
        let mut out = Vec::new();
        assert!(reader.read_more(&mut out).unwrap());
        assert_eq!(reader.read_more(&mut out).unwrap_err().code, RunErrorCode::TapeChanged);
    }
}
