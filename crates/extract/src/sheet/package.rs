//! The zip that a workbook is packed in, proved whole before anything in it is read.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read};
use std::sync::Arc;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::decode;
use crate::stream::{self, Decoded};

/// A part above this is refused, however small it is packed.
const MAX_PART_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// All parts together.
const MAX_TOTAL_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// A part that is held in memory whole, such as the shared texts.
pub const MAX_HELD_BYTES: u64 = 512 * 1024 * 1024;
const MAX_PARTS: usize = 20_000;

pub type Bytes = Arc<[u8]>;

/// The parts of a packed workbook, by name; case and the direction of slashes do not count.
pub struct Package {
    archive: ZipArchive<Cursor<Bytes>>,
    parts: BTreeMap<String, Part>,
}

struct Part {
    index: usize,
    n_bytes: u64,
}

impl Package {
    /// Unpacks every part to its end, so that its check sum is compared, and keeps none. The error is why the file is
    /// refused.
    pub fn open(bytes: Bytes) -> Result<Self, String> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| refused(&error))?;
        if archive.len() > MAX_PARTS {
            return Err(format!("a zip of more than {MAX_PARTS} parts"));
        }
        let (mut parts, mut total) = (BTreeMap::new(), 0);
        for index in 0..archive.len() {
            let part = archive.by_index(index).map_err(|error| refused(&error))?;
            let name = plain(&part.name().map_err(|error| refused(&error))?);
            let n_bytes = std::io::copy(&mut part.take(MAX_PART_BYTES + 1), &mut std::io::sink())
                .map_err(|_| "a part of the zip is damaged".to_owned())?;
            total += n_bytes;
            if n_bytes > MAX_PART_BYTES || total > MAX_TOTAL_BYTES {
                return Err(format!("more than {MAX_PART_BYTES} bytes in a part when unpacked"));
            }
            parts.insert(name, Part { index, n_bytes });
        }
        Ok(Self { archive, parts })
    }

    pub fn has(&self, name: &str) -> bool {
        self.parts.contains_key(&plain(name))
    }

    /// The names of all parts, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// The bytes of a part as they are unpacked.
    pub fn bytes(&mut self, name: &str) -> Result<impl Read + '_, String> {
        let part = self.parts.get(&plain(name)).ok_or("a part that the workbook names is not in it")?;
        self.archive.by_index(part.index).map_err(|error| refused(&error))
    }

    /// The text of an XML part.
    pub fn text(&mut self, name: &str) -> Result<Decoded<impl Read + '_>, String> {
        let bytes = BufReader::with_capacity(stream::CHUNK_BYTES, self.bytes(name)?);
        let by_head = |head: &[u8]| match decode::xml_encoding(head) {
            Ok((encoding, n_mark)) => (Ok(encoding), n_mark),
            Err(fault) => (Err(fault.to_string()), 0),
        };
        let (encoding, rest) = stream::after_head(bytes, by_head).map_err(|_| "a part of the zip is damaged")?;
        Ok(Decoded::new(rest, encoding?))
    }

    /// As [`Package::text`], of a part whose content will be held.
    pub fn small_text(&mut self, name: &str) -> Result<Decoded<impl Read + '_>, String> {
        if self.parts.get(&plain(name)).is_some_and(|part| part.n_bytes > MAX_HELD_BYTES) {
            return Err(format!("more than {MAX_HELD_BYTES} bytes of texts or styles"));
        }
        self.text(name)
    }
}

fn plain(name: &str) -> String {
    name.replace('\\', "/").trim_start_matches('/').to_lowercase()
}

fn refused(error: &ZipError) -> String {
    match error {
        ZipError::UnsupportedArchive(reason) if reason.contains("assword") => "protected by a password".to_owned(),
        ZipError::UnsupportedArchive(_) => "packed in a way that is not read".to_owned(),
        _ => "the zip is damaged or breaks off".to_owned(),
    }
}
