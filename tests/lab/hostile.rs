//! Values that want to be run, cut short or mangled: none is.

use super::{Project, host};

/// Texts that end quotes, begin commands, or look like something else.
const HOSTILE: [&str; 14] = [
    "it's",
    "\"double\"",
    "$(touch hostile-ran)",
    "`touch hostile-ran`",
    "'; touch hostile-ran; '",
    "'\"'\"'$(touch hostile-ran)",
    "back\\slash\\n",
    "-rf",
    "two  blanks ",
    "tab\tand\r return",
    "line\nbreak",
    "{{ touch }} {% raw",
    "~ * ? [a-z] ! # %s %n",
    "ünï → 𝄞 \u{202e}reversed",
];

#[test]
fn hostile_values_are_never_run_and_never_mangled() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    let names: Vec<String> = HOSTILE.iter().map(|text| serde_json::to_string(text).unwrap()).collect();
    let mut tasks = String::new();
    for (at, text) in names.iter().enumerate() {
        let text = text.replace("{{", "{{ '{{' }}").replace("{%", "{{ '{%' }}");
        tasks += &format!(
            "- name: file {at}\n  copy: {{ dest: {}, content: {text} }}\n\
             - name: folder {at}\n  directory: {{ path: {} }}\n\
             - name: link {at}\n  link: {{ src: {text}, dest: /srv/links/{at} }}\n\
             - name: word {at}\n  command: {{ argv: [sh, -c, 'printf %s \"$1\" >/srv/words/{at}', sh, {text}], creates: /srv/words/{at} }}\n\
             - name: variable {at}\n  command: {{ cmd: sh -c 'printf %s \"$HOSTILE\" >/srv/variables/{at}', environment: {{ HOSTILE: {text} }}, creates: /srv/variables/{at} }}\n",
            text.replacen('"', "\"/srv/files/", 1),
            text.replacen('"', "\"/srv/folders/", 1),
        );
    }
    let folders: String = ["files", "folders", "links", "words", "variables"]
        .map(|name| format!("- name: {name}\n  directory: {{ path: /srv/{name} }}\n"))
        .concat();
    project.tasks(&(folders + &tasks));
    project.converges();
    for (at, text) in HOSTILE.iter().enumerate() {
        for kind in ["words", "variables"] {
            let output = host.exec(&format!("cat /srv/{kind}/{at}"));
            assert_eq!(String::from_utf8_lossy(&output.stdout), *text, "{kind}");
        }
        let output = host.exec(&format!("readlink -n /srv/links/{at}"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), *text);
    }
    for kind in ["files", "folders"] {
        let output = host.exec(&format!("find /srv/{kind} -mindepth 1 -printf '%f\\0'"));
        let mut found: Vec<String> =
            String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(str::to_owned).collect();
        found.sort();
        let mut wanted = HOSTILE.map(str::to_owned);
        wanted.sort();
        assert_eq!(found, wanted, "{kind}");
    }
    let output = host.exec("find /srv/files -type f -exec sh -c 'for f; do [ \"$(cat \"$f\"; echo .)\" = \"${f#/srv/files/}.\" ] || echo \"$f\"; done' sh {} +");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "content is not the name");
    assert!(!host.exec("find / -xdev -name hostile-ran | grep -q .").status.success(), "something was run");
}

#[test]
fn long_values_and_zero_bytes() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    let long = "x'$(".repeat(262_144);
    project.write("files/long", &format!("{long}\n{}\n", "y".repeat(1_000_000)));
    project.write("files/zero", "a\0b\0");
    project.environment(&format!("vars: {{ long: {} }}\n", serde_json::to_string(&long).unwrap()));
    project.tasks(
        "- copy: { dest: /srv/long, src: long }\n\
         - copy: { dest: /srv/zero, src: zero }\n\
         - copy: { dest: /srv/var, content: \"{{ long }}\" }\n\
         - line: { path: /srv/var, line: \"more {{ long }}\" }\n\
         - command: { cmd: \"sh -c 'cat >/srv/input'\", stdin: \"{{ long }}\", creates: /srv/input }\n\
         - copy: { dest: /srv/text, content: \"a\\0b\" }\n",
    );
    project.converges();
    assert_eq!(host.ok("stat -c %s /srv/long /srv/zero /srv/input /srv/text"), "2048578\n4\n1048576\n3");
    assert_eq!(host.ok("head -c 1048576 /srv/var | cmp - /srv/input && tail -n1 /srv/var | tail -c +6 | head -c 1048576 | cmp - /srv/input"), "");

    // What cannot be is refused in words, and nothing is done.
    for (task, says) in [
        ("- copy: { dest: \"/srv/a\\0b\", content: x }", "NUL"),
        ("- command: { argv: [echo, \"a\\0b\"] }", "NUL"),
        ("- command: { argv: [echo, \"{{ long }}\"], creates: /srv/never }", "long"),
    ] {
        project.tasks(task);
        let output = project.lions(&["apply", "--yes"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(says),
            "{task}: {}",
            said.chars().take(1000).collect::<String>()
        );
    }
    assert_eq!(host.ok("ls /srv"), "input\nlong\ntext\nvar\nzero");
}

/// Names that are no text lie in folders that are taken away, and in the way of what is made.
#[test]
fn names_that_are_no_text() {
    let Some(host) = host() else { return };
    let project = Project::new(&[&host]);
    project.tasks("- directory: { path: /srv/app }\n- directory: { path: /srv/old, state: absent }");
    host.ok(
        "mkdir -p /srv/old /srv/app; touch \"$(printf '/srv/old/\\377\\376 a\\nb')\" \"$(printf '/srv/app/\\377')\"",
    );
    let said = project.says(&["apply", "--yes"], 4);
    assert!(said.contains("is not UTF-8") && said.contains("rename it there"), "{said}");
    assert_eq!(host.ok("ls /srv/old | wc -l; ls -b /srv/app"), "2\n\\377", "what cannot be named is not taken away");
    host.ok("rm /srv/old/*");
    project.converges();
    assert_eq!(host.ok("ls /srv; ls -b /srv/app"), "app\n\\377");
}
