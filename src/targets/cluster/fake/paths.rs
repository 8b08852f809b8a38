//! What a path of the API says.

/// One segment of a path, unescaped.
pub(super) fn decode(segment: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let code = if byte == b'%' { [bytes.next(), bytes.next()] } else { [None, None] };
        let hex = |byte: Option<u8>| {
            byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
        };
        match (hex(code[0]), hex(code[1])) {
            (Some(high), Some(low)) => out.push(high * 16 + low),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
