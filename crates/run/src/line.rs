//! What a line of a part is, read without parsing the whole resource.

/// The type and the logical id of a resource, as its two top-level members give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineIdentity<'a> {
    pub resource_type: &'a str,
    pub id: &'a str,
}

/// Reads type and id from a resource's JSON. `None` where the bytes are no JSON object, or a member is absent,
/// not a text, or written with an escape (neither a type nor an id ever needs one).
///
/// Mapping writes both first, so most lines are read no further; other writers' order is found as well.
pub fn identity(resource: &[u8]) -> Option<LineIdentity<'_>> {
    let mut scan = Scan { bytes: resource, at: 0 };
    let (mut resource_type, mut id) = (None, None);
    scan.expect(b'{')?;
    loop {
        let name = scan.string()?;
        scan.expect(b':')?;
        scan.white_space();
        match name {
            b"resourceType" => resource_type = Some(scan.string()?),
            b"id" => id = Some(scan.string()?),
            _ => scan.skip_value()?,
        }
        if let (Some(resource_type), Some(id)) = (resource_type, id) {
            return Some(LineIdentity { resource_type: plain(resource_type)?, id: plain(id)? });
        }
        scan.expect(b',')?;
    }
}

fn plain(bytes: &[u8]) -> Option<&str> {
    if bytes.contains(&b'\\') { None } else { std::str::from_utf8(bytes).ok() }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn white_space(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.white_space();
        (self.bytes.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    /// The bytes between the quotes, as written.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(&self.bytes[start..self.at - 1]);
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// Goes past one value, whatever it is; whether it is well formed is validation's to say.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.white_space();
            match self.bytes.get(self.at)? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b',' | b':' => return None,
                _ => {
                    while self.bytes.get(self.at).is_some_and(|b| !b",:]}[{\" \t\r\n".contains(b)) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_and_id_are_found_in_any_order() {
        let found = Some(LineIdentity { resource_type: "Patient", id: "a-1" });
        for text in [
            r#"{"resourceType":"Patient","id":"a-1","active":true}"#,
            r#"{ "id" : "a-1", "resourceType" : "Patient" }"#,
            r#"{"contained":[{"resourceType":"Basic","id":"x"}],"n":-1.50,"t":"}\"{","b":null,"resourceType":"Patient","o":{"id":"y"},"id":"a-1"}"#,
        ] {
            assert_eq!(identity(text.as_bytes()), found, "{text}");
        }
    }

    #[test]
    fn what_has_no_type_or_id_is_nothing() {
        for text in ["", "{", "{}", "[]", r#"{"resourceType":"Patient"}"#, r#"{"resourceType":1,"id":"a"}"#] {
            assert_eq!(identity(text.as_bytes()), None, "{text}");
        }
        for end in 0..40 {
            let cut = &br#"{"resourceType":"Patient","text":{"id":"b"},"id":"a-1"}"#[..end];
            assert_eq!(identity(cut), None, "{end} bytes");
        }
    }
}
