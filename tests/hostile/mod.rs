//! What holds for any bytes at all, one check for each way in. The targets of cargo-fuzz in `fuzz/` call these checks with
//! what a fuzzer thinks of; here they are called with its corpus, so that what it found once stays found.

pub mod header;
pub mod paths;
pub mod requests;
pub mod tape_csv;
pub mod tape_xlsx;
pub mod token;
pub mod workbook_formats;

#[cfg(test)]
mod corpus;

/// A number that any change of the bytes changes: what a check may choose, it chooses by this.
fn choice(bytes: &[u8]) -> usize {
    bytes.iter().fold(0x811c_9dc5_usize, |hash, byte| (hash ^ usize::from(*byte)).wrapping_mul(0x0100_0193) & 0xffff_ffff)
}
