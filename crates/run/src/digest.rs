//! SHA-256 of files and bytes, as lower-case hex.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::RunError;

/// A SHA-256 as 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::from_raw(&Sha256::digest(bytes))
    }

    /// Hashes a file; returns its length in bytes too.
    pub fn of_file(path: &Path) -> Result<(Self, u64), RunError> {
        let mut file = File::open(path).map_err(RunError::io("open", path))?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        let mut n_bytes = 0;
        loop {
            let n = file.read(&mut buffer).map_err(RunError::io("read", path))?;
            if n == 0 {
                return Ok((Self::from_raw(&hasher.finalize()), n_bytes));
            }
            hasher.update(&buffer[..n]);
            n_bytes += n as u64;
        }
    }

    /// Hashes named parts: each is preceded by its name and length, so that no two lists of parts meet.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut hasher = Sha256::new();
        for (name, bytes) in parts {
            for field in [name.as_bytes(), bytes] {
                hasher.update((field.len() as u64).to_le_bytes());
                hasher.update(field);
            }
        }
        Self::from_raw(&hasher.finalize())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_raw(raw: &[u8]) -> Self {
        use fmt::Write;
        let mut hex = String::with_capacity(64);
        for byte in raw {
            let _ = write!(hex, "{byte:02x}");
        }
        Self(hex)
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_text_has_its_known_hash() {
        assert_eq!(
            Sha256Hex::of_bytes(b"").as_str(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn parts_that_join_to_the_same_bytes_differ() {
        assert_ne!(Sha256Hex::of_parts([("a", &b"bc"[..])]), Sha256Hex::of_parts([("ab", &b"c"[..])]));
    }
}
