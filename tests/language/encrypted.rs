//! Encrypted files of `values/`: what comes out of one is a secret wherever it goes, and what is wrong with one is said
//! without a word of what it holds.

#[path = "encrypted/writer.rs"]
mod writer;

use age::armor::Format;
use lions::language::{Identities, validate};
use serde_json::json;

use super::*;
use writer::{Pair, Sops, age, armored, pair};

const INPUTS: &str = "\
password: { type: secret, default: none, doc: x }
port: { type: int, default: 1, doc: x }
ratio: { type: number, default: 1, doc: x }
on: { type: bool, default: true, doc: x }
user: { type: text, default: x, doc: x }
users: { type: list, default: [], doc: x }
";
const TASK: &str =
    "- { name: run, command: { cmd: 'run {{ user }} {{ password }} {{ port }} {{ on }} {{ ratio }} {{ users }}' } }\n";
const PLAIN: &str = "password: hunter2\nport: 54321\non: true\nratio: 1.25\nuser: \"{{ no_template }} grüße\"\nusers: [{ name: ada, key: k-ada }]\n";

fn tree() -> serde_json::Value {
    json!({
        "password": "hunter2", "port": 54321, "on": true, "ratio": 1.25, "user": "grüße",
        "users": [{ "name": "ada", "key": "k-ada" }, { "name": "bob", "key": "" }],
    })
}

/// A project whose role `app` gets its inputs from the file `name`.
fn with(name: &str, bytes: impl AsRef<[u8]>, keys: &[&Pair]) -> Files {
    with_task(TASK, name, bytes.as_ref(), keys)
}

fn with_task(task: &str, name: &str, bytes: &[u8], keys: &[&Pair]) -> Files {
    let mut texts: BTreeMap<PathBuf, Vec<u8>> = [
        ("inventories/dev/environment.yml", "hosts: { a: {} }\n"),
        ("playbooks/site.yml", "- { name: all, hosts: all, roles: [app] }\n"),
        ("roles/app/inputs.yml", INPUTS),
        ("roles/app/tasks.yml", task),
    ]
    .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
    .into();
    texts.insert(Path::new("inventories/dev/values").join(name), bytes.to_vec());
    Files::kept(texts).with_identities(identities(keys))
}

fn identities(keys: &[&Pair]) -> Identities {
    let start = Identities::default().without("SOPS_AGE_KEY", "is not set");
    if keys.is_empty() {
        return start.without("/home/me/keys.txt", "does not exist");
    }
    let text: String = keys.iter().map(|pair| format!("# a comment\n{}\n", pair.private)).collect();
    start.with("/home/me/keys.txt", text)
}

/// The command of the task, as it is and as it is shown.
fn command(loaded: &Loaded) -> (String, String) {
    let rendered = render(&loaded.program, task(&loaded.program, "run"), Some(0), None);
    let Some(Value::Secret(secret)) = rendered.value.get("cmd") else { panic!("no secret: {rendered:?}") };
    (secret.reveal().as_text().unwrap().to_owned(), secret.shown().to_owned())
}

/// Nothing that people or files see of `loaded` holds any of `secrets`.
fn nowhere(loaded: &Loaded, secrets: &[&str]) {
    let mut seen = format!("{loaded:?}");
    for (_, _, text) in loaded.sources.iter() {
        seen.push_str(text);
    }
    for secret in secrets {
        assert!(!seen.contains(secret), "`{secret}` is seen: {seen}");
        let masked = loaded.program.secrets().masker.mask(&format!("login {secret} now")).into_owned();
        assert_eq!(masked, "login *** now");
    }
}

#[test]
fn an_age_file_is_read_armored_or_not_whatever_its_name() {
    let (ours, theirs) = (pair(), pair());
    let public = [theirs.public.as_str(), &ours.public];
    for (name, bytes) in [
        ("app.yml.age", age(PLAIN.as_bytes(), &public, Format::Binary)),
        ("app.yml.age", age(PLAIN.as_bytes(), &public, Format::AsciiArmor)),
        ("app.age", age(PLAIN.as_bytes(), &public, Format::Binary)),
        ("app.yml", age(PLAIN.as_bytes(), &public, Format::AsciiArmor)),
        ("more.yml", armored(format!("app:\n  {}", PLAIN.replace('\n', "\n  ")).as_bytes(), &public).into_bytes()),
    ] {
        let loaded = good(&with(name, bytes, &[&ours]), &Wanted::default());
        let (real, shown) = command(&loaded);
        assert!(real.starts_with("run {{ no_template }} grüße hunter2 54321 "), "{name}: {real}");
        assert!(!shown.contains("hunter2") && !shown.contains("54321") && !shown.contains("ada"), "{shown}");
        nowhere(&loaded, &["hunter2", "54321", "{{ no_template }} grüße", "k-ada", "1.25"]);
        let warned = lions::render::problem::problems(&loaded.sources, &loaded.warnings, false);
        assert!(warned.contains("a value of `user` holds `{{`, and is taken as it is"), "{warned}");
        assert!(!warned.contains("no_template"), "{warned}");
    }
}

#[test]
fn a_sops_file_is_read_with_each_type() {
    let key = pair();
    let text = Sops::new(&[&key.public]).text(&tree());
    for name in ["app.yml", "app.sops.yaml", "app.enc.yml"] {
        let loaded = good(&with(name, &text, &[&key]), &Wanted::default());
        let (real, shown) = command(&loaded);
        assert!(real.starts_with("run grüße hunter2 54321 "), "{real}");
        assert!(real.contains("k-ada") && !shown.contains("ada"), "{shown}");
        nowhere(&loaded, &["hunter2", "54321", "grüße", "k-ada"]);
        assert!(loaded.warnings.is_empty());
    }
}

#[test]
fn what_sops_leaves_in_clear_is_no_secret() {
    let key = pair();
    let public = [key.public.as_str()];
    let tree = json!({ "app": { "user": "ada", "password": "hunter2", "port": 5 }, "b": "plain {{ c }}", "c": "see" });
    let task = TASK.replace("run {{ user }}", "run {{ b }} {{ c }} {{ user }}");
    let files = |sops: &Sops<'_>| with_task(&task, "more.yml", sops.text(&tree).as_bytes(), &[&key]);
    for only_encrypted in [false, true] {
        let meta = json!({ "unencrypted_regex": "^(password|user)$" });
        let plain = |name: &str| matches!(name, "password" | "user");
        let files = files(&Sops { public: &public, meta, plain: &plain, only_encrypted });
        let loaded = good(&files, &Wanted::default());
        let value = |name: &str| loaded.program.trace(Some("a"), name).unwrap()[0].layers.last().unwrap().value.clone();
        assert_eq!(value("app.user"), Value::text("ada"));
        assert!(matches!(value("app.port"), Value::Secret(_)));
        assert!(matches!(value("b"), Value::Secret(_)));
    }
    let meta = json!({ "encrypted_regex": "^(password|c)$" });
    let plain = |name: &str| !matches!(name, "password" | "c" | "app");
    let sops = Sops { public: &public, meta, plain: &plain, only_encrypted: true };
    let loaded = good(&files(&sops), &Wanted::default());
    let value = |name: &str| loaded.program.trace(Some("a"), name).unwrap()[0].layers.last().unwrap().value.clone();
    assert_eq!((value("app.user"), value("app.port")), (Value::text("ada"), Value::Int(5)));
    // A plain value is a template as ever, and what reads a secret is one.
    let Value::Secret(made) = value("b") else { panic!("{:?}", value("b")) };
    assert_eq!((made.reveal().as_text(), made.shown()), (Some("plain see"), "plain ***"));
}

#[test]
fn where_a_secret_stands_is_told_and_what_it_is_is_not() {
    let key = pair();
    let age_file = with("app.yml.age", armored(PLAIN.as_bytes(), &[&key.public]), &[&key]);
    let sops_file = with("app.yml", Sops::new(&[&key.public]).text(&tree()), &[&key]);
    for (files, place) in [(age_file, "values/app.yml.age:2:1"), (sops_file, "values/app.yml:3:3")] {
        let loaded = good(&files, &Wanted::default());
        let traced = loaded.program.trace(Some("a"), "app.port").unwrap();
        let layer = traced[0].layers.last().unwrap();
        assert!(layer.holds && layer.origin == "environment");
        assert_eq!(layer.value.to_shown_json(), json!("***"));
        assert!(loaded.sources.position(layer.span).ends_with(place), "{}", loaded.sources.position(layer.span));
    }
}

#[test]
fn a_saved_plan_keeps_what_is_encrypted_as_it_is() {
    let key = pair();
    for (name, bytes) in [
        ("app.yml.age", age(PLAIN.as_bytes(), &[&key.public], Format::Binary)),
        ("app.yml", Sops::new(&[&key.public]).text(&tree()).into_bytes()),
    ] {
        let files = with(name, &bytes, &[&key]);
        let loaded = good(&files, &Wanted::default());
        let kept = files.read();
        assert_eq!(kept[&Path::new("inventories/dev/values").join(name)].as_ref(), bytes);
        let clear = loaded.program.secrets().files;
        assert_eq!(clear, [PathBuf::from("roles/app/inputs.yml")].into(), "a default of `password` stands there");
        let again: BTreeMap<_, _> = kept.into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect();
        let closed = bad(&Files::kept(again.clone()), &Wanted::default());
        assert!(closed.contains("no key at hand opens"), "{closed}");
        let second = good(&Files::kept(again).with_identities(identities(&[&key])), &Wanted::default());
        assert_eq!(command(&second), command(&loaded));
    }
}

#[test]
fn a_type_that_does_not_fit_is_said_without_the_value() {
    let key = pair();
    let plain = "port: hunter2\nusers: geheim\nno_input: 1\nnested:\n  ünder: geheim\n";
    for (name, bytes) in [
        ("app.yml.age", armored(plain.as_bytes(), &[&key.public])),
        ("app.yml", Sops::new(&[&key.public]).text(&json!({ "port": "hunter2", "users": "geheim", "no_input": 1 }))),
    ] {
        let said = bad(&with(name, bytes, &[&key]), &Wanted::default());
        for part in ["`port` is a whole number, not text", "`users` is a list, not text", "has no input `no_input`"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("hunter2") && !said.contains("geheim"), "{said}");
    }
}

#[test]
fn without_a_key_names_are_checked_where_they_can_be_read() {
    let (key, other) = (pair(), pair());
    let mut tree = tree();
    tree["usr"] = json!("ada");
    for keys in [&[][..], &[&other]] {
        let files = with("app.yml", Sops::new(&[&key.public]).text(&tree), keys);
        let checked = validate(&files, &Wanted::default(), &catalogue());
        let said = lions::render::problem::problems(&checked.sources, &checked.problems, false);
        assert!(said.contains("the role `app` has no input `usr`"), "{said}");
        assert!(said.contains("warning: no key at hand opens `inventories/dev/values/app.yml`"), "{said}");
        assert!(said.ends_with("1 problem, 1 warning\n"), "{said}");
        // To plan is another matter.
        assert!(bad(&files, &Wanted::default()).contains("error: no key at hand opens"));
    }
    // Names of an age file are not known, and none is called unknown for that.
    let files = with("app.yml.age", armored(PLAIN.as_bytes(), &[&key.public]), &[]);
    let checked = validate(&files, &Wanted::default(), &catalogue());
    let said = lions::render::problem::problems(&checked.sources, &checked.problems, false);
    assert!(said.contains("no key at hand opens") && said.ends_with("1 problem\n"), "{said}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_the_way_out() {
    let key = Pair {
        private: "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX".to_owned(),
        public: "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj".to_owned(),
    };
    let other = pair();
    let public = [key.public.as_str()];
    let file = age(PLAIN.as_bytes(), &public, Format::Binary);
    let armor = armored(PLAIN.as_bytes(), &public);
    let sops = Sops::new(&public);
    let mut said = String::new();
    let mut say = |what: &str, name: &str, bytes: &[u8], keys: &[&Pair]| {
        let text = bad(&with(name, bytes, keys), &Wanted::default());
        for secret in ["hunter2", "54321", "k-ada", "oops"] {
            assert!(!text.contains(secret), "{what}: {text}");
        }
        said.push_str(&format!("--- {what}\n{text}\n"));
    };
    say("age, no key", "app.yml.age", &file, &[]);
    say("age, another key", "app.yml.age", &file, &[&key_of(&other)]);
    say("age, cut", "app.yml.age", &file[..file.len() - 5], &[&key]);
    say("age, cut in its header", "app.yml.age", &file[..60], &[&key]);
    let mut changed = file.clone();
    *changed.last_mut().unwrap() ^= 1;
    say("age, changed", "app.yml.age", &changed, &[&key]);
    say("age, armor broken", "app.yml.age", armor.replace("YWdl", "YW#l").as_bytes(), &[&key]);
    say("age, a passphrase", "app.yml.age", &passphrase(PLAIN), &[&key]);
    say("age, no age file", "app.yml.age", b"password: x\n", &[&key]);
    say(
        "age, no YAML in it",
        "app.yml.age",
        armored(b"port: 1\npassword: \"oops\nx: [\n", &public).as_bytes(),
        &[&key],
    );
    say("age, no mapping in it", "app.yml.age", armored(b"- oops\n", &public).as_bytes(), &[&key]);
    say("age, no text in it", "app.yml.age", armored(b"\xff\xfeoops", &public).as_bytes(), &[&key]);

    let whole = sops.json(&json!({ "password": "hunter2", "users": ["k-ada"] }));
    let mut say_sops = |what: &str, change: &dyn Fn(&mut serde_json::Value), keys: &[&Pair]| {
        let mut json = whole.clone();
        change(&mut json);
        say(what, "app.yml", serde_json::to_string_pretty(&json).unwrap().as_bytes(), keys);
    };
    let enc = |json: &serde_json::Value| json["password"].as_str().unwrap().to_owned();
    say_sops("sops, no key", &|_| {}, &[]);
    say_sops(
        "sops, the tag changed",
        &|json| json["password"] = enc(json).replace("tag:", "tag:AAAA").replacen("==,type", ",type", 1).into(),
        &[&key],
    );
    say_sops("sops, no base64", &|json| json["password"] = enc(json).replace("data:", "data:#").into(), &[&key]);
    say_sops("sops, cut", &|json| json["password"] = enc(json)[..40].into(), &[&key]);
    say_sops("sops, moved", &|json| json["user"] = enc(json).into(), &[&key]);
    say_sops("sops, in clear", &|json| json["user"] = "oops".into(), &[&key]);
    say_sops("sops, taken away", &|json| drop(json.as_object_mut().unwrap().shift_remove("users")), &[&key]);
    say_sops("sops, no mac", &|json| drop(json["sops"].as_object_mut().unwrap().shift_remove("mac")), &[&key]);
    say_sops("sops, another time", &|json| json["sops"]["lastmodified"] = "2026-01-02T03:04:06Z".into(), &[&key]);
    say_sops(
        "sops, no age key",
        &|json| {
            json["sops"]["age"] = json!([]);
            json["sops"]["pgp"] = json!([{ "fp": "ABCD", "enc": "x" }]);
            json["sops"]["kms"] = json!([{ "arn": "aws:x", "enc": "x" }]);
        },
        &[&key],
    );
    say_sops("sops, Shamir", &|json| json["sops"]["key_groups"] = json!([{}, {}]), &[&key]);
    say_sops("sops, the key changed", &|json| json["sops"]["age"][0]["enc"] = "nothing".into(), &[&key]);
    say_sops("sops, without its block", &|json| drop(json.as_object_mut().unwrap().shift_remove("sops")), &[&key]);
    say_sops("sops, a wrong rule", &|json| json["sops"]["encrypted_regex"] = "(".into(), &[&key]);
    insta::assert_snapshot!(steady(&said).replace(&other.public, "age1other"));
}

fn key_of(pair: &Pair) -> Pair {
    Pair { private: pair.private.clone(), public: pair.public.clone() }
}

fn passphrase(plain: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut recipient = ::age::scrypt::Recipient::new(String::from("a passphrase").into());
    recipient.set_work_factor(2);
    let writer = ::age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn ::age::Recipient)).unwrap();
    let mut out = Vec::new();
    let mut writer = writer.wrap_output(&mut out).unwrap();
    writer.write_all(plain.as_bytes()).unwrap();
    writer.finish().unwrap();
    out
}

/// What is encrypted anew each time, as one.
fn steady(text: &str) -> String {
    let long = regex::Regex::new(r"(data|iv|tag):[#A-Za-z0-9+/=]*").unwrap();
    let text = long.replace_all(text, "$1:...").into_owned();
    let text = regex::Regex::new(r"\.\.\.[A-Za-z0-9+/=]+,tag").unwrap().replace_all(&text, "...,tag").into_owned();
    regex::Regex::new(r"\^{40,}\.*\^*").unwrap().replace_all(&text, "^...").into_owned()
}

#[test]
fn nothing_of_a_key_is_shown() {
    let key = pair();
    let files = with("app.yml", Sops::new(&[&key.public]).text(&tree()), &[&key]);
    assert!(!format!("{files:?}").contains(&key.private));
    assert_eq!(format!("{:?}", identities(&[&key])), r#"["SOPS_AGE_KEY", "/home/me/keys.txt"]"#);
    let half = Pair { private: key.private[..60].to_owned(), public: String::new() };
    let said = bad(&with("app.yml", Sops::new(&[&key.public]).text(&tree()), &[&half]), &Wanted::default());
    assert!(said.contains("`/home/me/keys.txt`: line 2 is no `AGE-SECRET-KEY-1...`"), "{said}");
    assert!(!said.contains(&half.private[16..]), "{said}");
    assert!(said.contains(&format!("it is encrypted for `{}`", key.public)), "{said}");
}
