//! The one place that reads the clock, the user and chance. Everything below is handed what it needs.

/// Now, as RFC 3339 in whole seconds of UTC.
pub(crate) fn now() -> String {
    now_timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Now, as it can stand in a folder's name: `20261101T031500Z`.
pub(crate) fn now_for_a_name() -> String {
    now_timestamp().strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn now_timestamp() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Who runs this, as the operating system names them.
pub(crate) fn user() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned())
}

/// A random UUID, for a new project's namespace.
pub(crate) fn fresh_uuid() -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(epr_model::ResourceId::from_bytes(bytes).to_string())
}
