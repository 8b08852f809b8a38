//! A small writer of encrypted files, for tests: as `age` and `sops` write them.

use std::io::Write as _;
use std::str::FromStr as _;

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{AesGcm, Nonce, aes::Aes256};
use age::armor::{ArmoredWriter, Format};
use age::secrecy::ExposeSecret as _;
use age::x25519::{Identity, Recipient};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha512};

pub(super) const TIME: &str = "2026-01-02T03:04:05Z";
const DATA_KEY: [u8; 32] = [7; 32];

/// A key: what opens, and for whom it is.
pub(super) struct Pair {
    pub(super) private: String,
    pub(super) public: String,
}

pub(super) fn pair() -> Pair {
    let identity = Identity::generate();
    let private = identity.to_string().expose_secret().to_owned();
    Pair { private, public: identity.to_public().to_string() }
}

pub(super) fn age(plain: &[u8], public: &[&str], format: Format) -> Vec<u8> {
    let recipients: Vec<Recipient> = public.iter().map(|public| Recipient::from_str(public).unwrap()).collect();
    let writer = age::Encryptor::with_recipients(recipients.iter().map(|one| one as &dyn age::Recipient)).unwrap();
    let mut out = Vec::new();
    let armor = ArmoredWriter::wrap_output(&mut out, format).unwrap();
    let mut writer = writer.wrap_output(armor).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap().finish().unwrap();
    out
}

pub(super) fn armored(plain: &[u8], public: &[&str]) -> String {
    String::from_utf8(age(plain, public, Format::AsciiArmor)).unwrap()
}

/// How a file is written; what SOPS does by itself where nothing is said.
pub(super) struct Sops<'s> {
    pub(super) public: &'s [&'s str],
    /// What the file says of it, in `sops:`.
    pub(super) meta: Json,
    /// Which names stay in clear, with all below them.
    pub(super) plain: &'s dyn Fn(&str) -> bool,
    pub(super) only_encrypted: bool,
}

impl<'s> Sops<'s> {
    pub(super) fn new(public: &'s [&'s str]) -> Self {
        let meta = json!({ "unencrypted_suffix": "_unencrypted" });
        Self { public, meta, plain: &|name| name.ends_with("_unencrypted"), only_encrypted: false }
    }

    /// The file of `tree`, each value on its own line.
    pub(super) fn text(&self, tree: &Json) -> String {
        serde_json::to_string_pretty(&self.json(tree)).unwrap()
    }

    pub(super) fn json(&self, tree: &Json) -> Json {
        let mut sum = Sha512::new();
        if self.only_encrypted {
            sum.update(sha2::Sha256::digest(b"sops"));
        }
        let mut out = self.sealed(tree, &mut Vec::new(), &mut sum);
        let sum = format!("{:X}", sum.finalize());
        let age: Vec<Json> = self
            .public
            .iter()
            .map(|public| json!({ "recipient": public, "enc": armored(&DATA_KEY, &[public]) }))
            .collect();
        let mut sops =
            json!({ "age": age, "lastmodified": TIME, "mac": value(&sum, "str", TIME), "version": "3.10.2" });
        sops.as_object_mut().unwrap().extend(self.meta.as_object().unwrap().clone());
        if self.only_encrypted {
            sops["mac_only_encrypted"] = json!(true);
        }
        out["sops"] = sops;
        out
    }

    fn sealed(&self, node: &Json, path: &mut Vec<String>, sum: &mut Sha512) -> Json {
        let (text, kind) = match node {
            Json::Object(map) => {
                let mut out = serde_json::Map::new();
                for (name, node) in map {
                    path.push(name.clone());
                    out.insert(name.clone(), self.sealed(node, path, sum));
                    path.pop();
                }
                return Json::Object(out);
            }
            Json::Array(items) => return items.iter().map(|item| self.sealed(item, path, sum)).collect(),
            Json::Null => return Json::Null,
            Json::Bool(truth) => ((if *truth { "True" } else { "False" }).to_owned(), "bool"),
            Json::Number(number) => (number.to_string(), if number.is_f64() { "float" } else { "int" }),
            Json::String(text) => (text.clone(), "str"),
        };
        let plain = path.iter().any(|name| (self.plain)(name));
        if !(plain && self.only_encrypted) {
            sum.update(&text);
        }
        if plain || text.is_empty() {
            return node.clone();
        }
        value(&text, kind, &format!("{}:", path.join(":"))).into()
    }
}

/// `ENC[...]`, bound to the names of its path.
pub(super) fn value(text: &str, kind: &str, path: &str) -> String {
    let mut iv = [0; 32];
    getrandom::fill(&mut iv).unwrap();
    let cipher = AesGcm::<Aes256, U32>::new_from_slice(&DATA_KEY).unwrap();
    let payload = Payload { msg: text.as_bytes(), aad: path.as_bytes() };
    let sealed = cipher.encrypt(Nonce::<U32>::from_slice(&iv), payload).unwrap();
    let (data, tag) = sealed.split_at(sealed.len() - 16);
    let [data, iv, tag] = [data, &iv, tag].map(|part| BASE64.encode(part));
    format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]")
}
