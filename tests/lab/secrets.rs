//! A secret that is used everywhere shows nowhere: not in a command line or an environment on either side while it works,
//! not in what it says, journals, the ledger, a saved plan, or files that were not to hold it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::{Project, host};

/// What quotes, escapes and percent signs are made for.
const CANARY: &str = "c4nary'\"$(touch /srv/ran)`id`\\é&%+/=zz9";

/// The canary as it may come out: raw, in Base64 at every alignment, escaped for URLs and JSON, in hexadecimal.
fn disguises() -> Vec<Vec<u8>> {
    let bytes = CANARY.as_bytes();
    let mut all = vec![bytes.to_vec()];
    for skip in 0..3 {
        let part = &bytes[skip..];
        let whole = &part[..part.len() / 3 * 3];
        all.extend([STANDARD.encode(whole).into_bytes(), URL_SAFE.encode(whole).into_bytes()]);
    }
    let percent = |byte: &u8| {
        if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("%{byte:02X}") }
    };
    all.push(bytes.iter().map(percent).collect::<String>().into_bytes());
    let json = serde_json::to_string(CANARY).unwrap();
    all.push(json.as_bytes()[1..json.len() - 1].to_vec());
    all.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes());
    // A part that no escaping alters and that is long enough not to be there by chance.
    all.push(b"c4nary".to_vec());
    all
}

fn holds(text: &[u8], disguises: &[Vec<u8>]) -> bool {
    disguises.iter().any(|disguise| text.windows(disguise.len()).any(|part| part == disguise))
}

/// Command lines and environments of all processes, those in the hosts too: they are processes of this machine.
fn watch(disguises: &[Vec<u8>], stop: &AtomicBool) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut looks = 0;
    while !stop.load(Ordering::Relaxed) || looks == 0 {
        looks += 1;
        for process in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                continue;
            }
            for file in ["cmdline", "environ"] {
                let text = fs::read(process.path().join(file)).unwrap_or_default();
                if holds(&text, disguises) {
                    seen.insert(format!("{file}: {}", String::from_utf8_lossy(&text).replace('\0', " ")));
                }
            }
        }
    }
    seen
}

/// All files below `folder` that hold the canary.
fn files_with(folder: &Path, disguises: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_with(&entry.path(), disguises));
        } else if kind.is_file() && holds(&fs::read(entry.path()).unwrap(), disguises) {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn a_secret_shows_nowhere() {
    let Some(host) = host() else { return };
    let project = Project::of(&[&host], "pw");
    project.write("secrets/token", CANARY);
    project.write("secrets/password", "open sesame\n");
    project.write("roles/app/inputs.yml", "token: { type: secret, required: true, doc: what must not show }\n");
    project.write(
        "roles/app/tasks.yml",
        r#"
- name: in a file
  copy: { dest: /srv/copy, content: "token={{ token }}\n", mode: "0600", validate: "grep -q token %s" }
- name: in a template
  template: { src: conf.j2, dest: /srv/template, mode: "0600" }
- name: in a line
  line: { path: /srv/copy, line: "line={{ token }}" }
- name: in a block
  block: { path: /srv/copy, block: "block={{ token }}" }
- name: as input of a command
  command: { cmd: "sh -c 'cat >/srv/input; cat /srv/input; cat /srv/input >&2'", stdin: "{{ token }}", creates: /srv/input }
- name: in a header
  download:
    url: http://mirror.lab/auth/files/hello.txt
    dest: /srv/hello
    sha256: "815944980a6088f9f1d01a2a0e63cdefb877afb5a865a54e9244f6e8c1c411b3"
    headers: { Authorization: "Bearer open-sesame", X-Token: "{{ token | urlencode }}" }
- name: in Base64
  copy: { dest: /srv/encoded, content: "{{ token | b64encode }}\n", mode: "0600" }
- name: in what fails
  command: { cmd: "sh -c 'cat; cat >&2; exit 3'", stdin: "{{ token }}" }
"#,
    );
    project.write("roles/app/templates/conf.j2", "{{ token }} and more\n");
    project.write("playbooks/site.yml", "- name: all\n  hosts: all\n  roles: [app]\n");
    let disguises = disguises();
    let with = |words: &[&'static str]| -> Vec<&str> {
        words
            .iter()
            .copied()
            .chain(["--set", "app.token=@secrets/token", "--become-password-file", "secrets/password"])
            .collect()
    };
    let stop = AtomicBool::new(false);
    let (said, seen) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&disguises, &stop));
        let mut said = Vec::new();
        for (words, code) in [
            (with(&["plan", "--full"]), 0),
            (with(&["plan", "-o", "saved.lions"]), 0),
            (with(&["plan", "--output", "json"]), 0),
            (vec!["show", "saved.lions", "--full"], 0),
            (with(&["apply", "--yes", "--verbose"]), 4),
            (with(&["apply", "--yes", "--output", "json"]), 4),
            (with(&["drift", "--full"]), 2),
        ] {
            said.push(project.says(&words, code));
        }
        // The old secret is still one where it is replaced.
        host.ok("sed -i 's/ and more/, edited/' /srv/template");
        said.push(project.says(&with(&["drift", "--full"]), 2));
        stop.store(true, Ordering::Relaxed);
        (said, watch.join().unwrap())
    });
    assert_eq!(
        host.ok("head -c 13 /srv/copy; echo; cat /srv/hello; ls /srv"),
        "token=c4nary'\nhello from the lab\ncopy\nencoded\nhello\ninput\ntemplate"
    );
    assert!(seen.is_empty(), "{seen:#?}");
    for text in said {
        assert!(!holds(text.as_bytes(), &disguises), "{text}");
        assert!(!text.contains("sesame") || text.contains("Bearer open-sesame"), "{text}");
    }
    let mut found = files_with(project.path(), &disguises);
    found.retain(|path| !path.ends_with("/secrets/token"));
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(
        host.ok("grep -rlIe c4nary /srv /etc /home /root /var /tmp /run /dev/shm 2>/dev/null | sort"),
        "/srv/copy\n/srv/input\n/srv/template"
    );
    let journal = host.exec("journalctl -q --no-pager; dmesg 2>/dev/null").stdout;
    assert!(!holds(&journal, &disguises), "{}", String::from_utf8_lossy(&journal));
}

/// The test above is worth something only if it would see one.
#[test]
fn a_secret_in_a_command_line_would_be_seen() {
    let (disguises, stop) = (disguises(), AtomicBool::new(false));
    for disguise in disguises.iter().map(|disguise| String::from_utf8(disguise.clone()).unwrap()) {
        assert!(holds(format!("x {disguise} y").as_bytes(), &disguises));
    }
    let mut shows = std::process::Command::new("sleep").arg("30").env("SHOWN", CANARY).spawn().unwrap();
    stop.store(true, Ordering::Relaxed);
    let seen = watch(&disguises, &stop);
    shows.kill().unwrap();
    shows.wait().unwrap();
    assert!(seen.iter().any(|line| line.starts_with("environ: ")), "{seen:?}");
}
