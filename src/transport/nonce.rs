//! A word that no output holds by chance, new for each shell.

use std::fmt::Write as _;

use crate::model::Fault;

/// 128 random bits, in hexadecimal.
pub(super) fn nonce() -> Result<String, Fault> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|cause| Fault::failed("the system gives no random numbers").cause(cause))?;
    Ok(bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
