//! Files as streams: read twice, never held whole.
//!
//! A file is first read to prove that it is whole, then once more to stage it. Both readings take its length and
//! hash; where they differ nothing is staged, so that what was proved is what was staged. How much of a file is in
//! memory at once is [`CHUNK_BYTES`] of its bytes and as much of its text, whatever its length.

use std::fs::File;
use std::io::{self, BufRead, Chain, Cursor, Read};
use std::path::Path;

use encoding_rs::{Decoder, DecoderResult, Encoding, WINDOWS_1252};
use sha2::{Digest, Sha256};

use crate::ExtractError;
use crate::decode::{UNDEFINED_IN_1252, Undecodable};

/// Bytes asked of a file at once.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// What is looked at to tell a file's encoding.
const HEAD_BYTES: u64 = 256;

/// What a file was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub n_bytes: u64,
    pub sha256: [u8; 32],
}

/// A reader that takes length and hash of all that goes through it.
pub struct Hashed<R> {
    inner: R,
    n_bytes: u64,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, n_bytes: 0, hash: Sha256::new() }
    }

    /// Of what was read until now: of the file, where it was read to its end.
    pub fn proof(&self) -> Proof {
        Proof { n_bytes: self.n_bytes, sha256: self.hash.clone().finalize().into() }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }
}

/// A file, hashed as it is read.
pub fn open(path: &Path) -> Result<Hashed<File>, ExtractError> {
    Ok(Hashed::new(File::open(path).map_err(ExtractError::io("read", path))?))
}

/// A reader whose first bytes were looked at and put back.
pub type AfterHead<R> = Chain<Cursor<Vec<u8>>, R>;

/// What `look` finds in the first bytes of a reader, and the reader without as many of them as `look` says.
pub fn after_head<R: Read, T>(mut reader: R, look: impl FnOnce(&[u8]) -> (T, usize)) -> io::Result<(T, AfterHead<R>)> {
    let mut head = Vec::new();
    reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let (found, skip) = look(&head);
    head.drain(..skip);
    Ok((found, Cursor::new(head).chain(reader)))
}

/// The text of a reader, as UTF-8, strictly: a byte that is not text in the encoding ends it with an error that holds
/// [`Undecodable`].
pub struct Decoded<R> {
    inner: R,
    encoding: &'static Encoding,
    decoder: Decoder,
    bytes: Vec<u8>,
    /// What of `bytes` is not yet decoded.
    from: usize,
    to: usize,
    at_end: bool,
    /// What comes after `bytes` is not text.
    then_bad: bool,
    text: Vec<u8>,
    text_from: usize,
    text_to: usize,
}

impl<R: Read> Decoded<R> {
    pub fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            encoding,
            decoder: encoding.new_decoder_without_bom_handling(),
            bytes: vec![0; CHUNK_BYTES],
            from: 0,
            to: 0,
            at_end: false,
            then_bad: false,
            text: vec![0; CHUNK_BYTES],
            text_from: 0,
            text_to: 0,
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        self.to = self.inner.read(&mut self.bytes)?;
        self.from = 0;
        if self.encoding == WINDOWS_1252
            && let Some(n) = self.bytes[..self.to].iter().position(|b| UNDEFINED_IN_1252.contains(b))
        {
            (self.to, self.then_bad) = (n, true);
        }
        Ok(())
    }

    fn refill(&mut self) -> io::Result<()> {
        while !self.at_end && self.text_from == self.text_to {
            if self.from == self.to {
                if self.then_bad {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, Undecodable));
                }
                self.read_more()?;
            }
            let last = self.to == 0 && !self.then_bad;
            let bytes = &self.bytes[self.from..self.to];
            let (result, n_read, n_written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.text, last);
            self.from += n_read;
            (self.text_from, self.text_to) = (0, n_written);
            match result {
                // The text before it is given first: a fault of its own may stand there.
                DecoderResult::Malformed(..) => (self.from, self.then_bad) = (self.to, true),
                // A decoder that said its last is not asked again.
                DecoderResult::InputEmpty => self.at_end = last,
                DecoderResult::OutputFull => {}
            }
        }
        Ok(())
    }
}

impl<R: Read> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.refill()?;
        Ok(&self.text[self.text_from..self.text_to])
    }

    fn consume(&mut self, n: usize) {
        self.text_from += n;
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

/// Whether a reader's error says that the bytes are not text, and not that they could not be read.
pub fn is_not_text(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Undecodable>())
}

/// Whether a reader's error is that of [`Rationed`].
pub fn is_too_long(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<TooLong>())
}

/// More than the allowed bytes were taken for one piece of a file.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a piece of the file is too long to be held")]
pub struct TooLong;

/// A reader that gives no more than so many bytes until its allowance is renewed.
pub struct Rationed<R> {
    inner: R,
    allowed: usize,
    left: usize,
}

impl<R: BufRead> Rationed<R> {
    pub fn new(inner: R, allowed: usize) -> Self {
        Self { inner, allowed, left: allowed }
    }

    pub fn into_inner(self) -> R {
        self.inner
    }

    pub fn renew(&mut self) {
        self.left = self.allowed;
    }
}

impl<R: BufRead> BufRead for Rationed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TooLong));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.left = self.left.saturating_sub(n);
        self.inner.consume(n);
    }
}

impl<R: BufRead> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{SHIFT_JIS, UTF_8, UTF_16LE};
    use proptest::prelude::*;

    use super::*;
    use crate::decode;

    /// Gives its bytes in pieces of one length.
    struct Pieces<'b>(&'b [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    proptest! {
        #[test]
        fn a_stream_gives_the_text_that_the_whole_gives(
            bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "\\PC{0,20}", piece in 1..9_usize,
        ) {
            for encoding in [UTF_8, UTF_16LE, WINDOWS_1252, SHIFT_JIS] {
                for bytes in [&bytes, text.as_bytes(), &encoding.encode(&text).0] {
                    let mut streamed = String::new();
                    let read = Decoded::new(Pieces(bytes, piece), encoding).read_to_string(&mut streamed);
                    match decode::text(bytes, encoding) {
                        Ok(text) => prop_assert_eq!(&streamed, &text),
                        Err(Undecodable) => prop_assert!(is_not_text(&read.unwrap_err())),
                    }
                }
            }
        }

        #[test]
        fn the_proof_of_a_file_is_its_length_and_hash(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut hashed = Hashed::new(Pieces(&bytes, 7));
            let ((), mut rest) = after_head(&mut hashed, |head| ((), head.len().min(3))).unwrap();
            let mut read = Vec::new();
            rest.read_to_end(&mut read).unwrap();
            prop_assert_eq!(&read, &bytes[bytes.len().min(3)..]);
            let expected = Proof { n_bytes: bytes.len() as u64, sha256: Sha256::digest(&bytes).into() };
            prop_assert_eq!(hashed.proof(), expected);
        }
    }
}
