//! Facts of a host, under the names that Ansible has for them: one small script, and what it says as values. Nothing
//! that differs from one run to the next (free memory, load, uptime) is among them.

use std::collections::BTreeMap;

use crate::model::{Fault, Map, Value};

/// What gathers them.
pub(super) const SCRIPT: &str = include_str!("sh/facts.sh");

/// Every fact, and what it is: what `lions doc facts` prints. A fact that a host cannot tell is `null` there.
pub const FACTS: &[(&str, &str)] = &[
    ("system", "`Linux`"),
    ("kernel", "release of the kernel: `6.1.0-31-amd64`"),
    ("architecture", "`x86_64`, `aarch64`"),
    ("distribution", "`Debian`, `Ubuntu`, `Rocky`, `Fedora`, `Alpine` ..."),
    ("distribution_version", "`12.9`, `24.04`"),
    ("distribution_major_version", "`12`, `24`"),
    ("distribution_release", "code name: `bookworm`, `noble`"),
    ("os_family", "`Debian`, `RedHat`, `Suse`, `Archlinux`, `Alpine`"),
    ("hostname", "name without domain"),
    ("nodename", "name as the kernel has it"),
    ("fqdn", "full name, as far as the host can tell it"),
    ("domain", "what follows the first dot of `fqdn`"),
    ("machine_id", "of `/etc/machine-id`"),
    ("memtotal_mb", "memory, in MiB"),
    ("swaptotal_mb", "swap, in MiB"),
    ("processor", "model of each processor that differs"),
    ("processor_vcpus", "processors that the system sees"),
    ("processor_nproc", "processors that a process may use"),
    ("mounts", "list of file systems on devices: `mount`, `device`, `fstype`, `options`, `size_total` (bytes)"),
    ("devices", "disks by name: `size_bytes`, `rotational`, `removable`, `partitions` (by name: `size_bytes`)"),
    ("interfaces", "names of the network interfaces"),
    ("default_ipv4", "of the default route: `address`, `prefix`, `interface`, `gateway`; empty without one"),
    ("default_ipv6", "the same for IPv6"),
    ("all_ipv4_addresses", "addresses but those of the host to itself"),
    ("all_ipv6_addresses", "addresses but those of the host to itself and of one link"),
    ("pkg_mgr", "`apt`, `dnf5`, `dnf`, `yum`, `zypper`, `pacman`, `apk`"),
    ("service_mgr", "`systemd`, `openrc`, or the name of process 1"),
    ("virtualization_type", "as `systemd-detect-virt` says it: `kvm`, `lxc`, `none` ..."),
    ("selinux", "`status`: `disabled`, `permissive`, `enforcing`"),
    ("product_name", "of the machine, from its firmware"),
    ("system_vendor", "of the machine, from its firmware"),
    ("timezone", "`Europe/Paris`"),
    ("user_id", "name of the user who runs tasks"),
    ("user_uid", "number of that user"),
    ("user_gid", "number of the primary group of that user"),
    ("user_dir", "home folder of that user"),
];

/// The parts of what the script said.
struct Parts<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Parts<'a> {
    fn text(&self, name: &str) -> &'a str {
        self.0.get(name).copied().unwrap_or_default().trim()
    }

    fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text(name).lines()
    }

    fn line(&self, name: &str, number: usize) -> &'a str {
        self.lines(name).nth(number).unwrap_or_default().trim()
    }
}

/// The facts in what the script said.
pub(super) fn read(said: &[u8]) -> Result<Map, Fault> {
    let text = String::from_utf8_lossy(said);
    let pieces: Vec<&str> = text.split('\0').skip(1).collect();
    let parts = Parts(pieces.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect());
    if !parts.0.contains_key("end") {
        return Err(Fault::failed("the facts of the host did not arrive whole").help("run again"));
    }
    let mut facts = Map::new();
    system(&parts, &mut facts);
    names(&parts, &mut facts);
    machine(&parts, &mut facts);
    storage(&parts, &mut facts);
    network(&parts, &mut facts);
    user(&parts, &mut facts);
    // In the order of the table, and nothing that is not in it.
    Ok(FACTS.iter().map(|(name, _)| ((*name).to_owned(), facts.swap_remove(*name).unwrap_or(Value::Null))).collect())
}

fn known(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::text(text) }
}

fn number(text: &str) -> Value {
    text.parse().map_or(Value::Null, Value::Int)
}

fn put(facts: &mut Map, name: &str, value: Value) {
    facts.insert(name.to_owned(), value);
}

fn system(parts: &Parts<'_>, facts: &mut Map) {
    let release: BTreeMap<&str, &str> = parts
        .lines("release")
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key, value.trim_matches(['"', '\''])))
        .collect();
    let of = |key: &str| release.get(key).copied().unwrap_or_default();
    let (id, like) = (of("ID"), of("ID_LIKE"));
    let distribution = match id {
        "debian" => "Debian",
        "ubuntu" => "Ubuntu",
        "fedora" => "Fedora",
        "rhel" => "RedHat",
        "centos" => "CentOS",
        "rocky" => "Rocky",
        "almalinux" => "AlmaLinux",
        "ol" => "OracleLinux",
        "amzn" => "Amazon",
        "sles" => "SLES",
        "opensuse-leap" => "openSUSE Leap",
        "opensuse-tumbleweed" => "openSUSE Tumbleweed",
        "arch" => "Archlinux",
        "alpine" => "Alpine",
        _ => of("NAME"),
    };
    let is = |family: &str| id == family || like.split(' ').any(|other| other == family);
    let family = if is("debian") || is("ubuntu") {
        "Debian"
    } else if is("fedora") || is("rhel") || is("centos") {
        "RedHat"
    } else if is("suse") || is("sles") || is("opensuse") {
        "Suse"
    } else if is("arch") {
        "Archlinux"
    } else if is("alpine") {
        "Alpine"
    } else {
        distribution
    };
    let point = parts.text("debian");
    let exact = id == "debian" && point.starts_with(|first: char| first.is_ascii_digit());
    let version = if exact { point } else { of("VERSION_ID") };
    put(facts, "distribution", known(distribution));
    put(facts, "distribution_version", known(version));
    put(facts, "distribution_major_version", known(version.split('.').next().unwrap_or_default()));
    put(facts, "distribution_release", known(of("VERSION_CODENAME")));
    put(facts, "os_family", known(family));
    put(facts, "system", known(parts.line("kernel", 0)));
    put(facts, "kernel", known(parts.line("kernel", 1)));
    put(facts, "architecture", known(parts.line("kernel", 2)));
    let manager = parts.lines("packages").next().unwrap_or_default();
    put(facts, "pkg_mgr", known(if manager == "apt-get" { "apt" } else { manager }));
    let init = parts.line("init", 0);
    let booted = parts.lines("init").any(|line| line == "systemd-booted");
    let init = match init {
        _ if booted => "systemd",
        "init" if family == "Alpine" => "openrc",
        other => other,
    };
    put(facts, "service_mgr", known(init));
    let selinux = match parts.text("selinux") {
        "1" => "enforcing",
        "0" => "permissive",
        _ => "disabled",
    };
    put(facts, "selinux", Map::from_iter([("status".to_owned(), Value::text(selinux))]).into());
    let zone = parts.text("zone");
    put(facts, "timezone", known(zone.split_once("zoneinfo/").map_or(zone, |(_, zone)| zone)));
}

fn names(parts: &Parts<'_>, facts: &mut Map) {
    let node = parts.line("kernel", 3);
    let full = match parts.text("fqdn") {
        "" => node,
        full => full,
    };
    put(facts, "nodename", known(node));
    put(facts, "hostname", known(node.split('.').next().unwrap_or_default()));
    put(facts, "fqdn", known(full));
    put(facts, "domain", Value::text(full.split_once('.').map_or("", |(_, domain)| domain)));
    put(facts, "machine_id", known(parts.text("machine")));
}

fn machine(parts: &Parts<'_>, facts: &mut Map) {
    let mebibytes = |key: &str| {
        let line = parts.lines("memory").find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kibibytes: Option<i64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kibibytes.map_or(Value::Null, |kibibytes| Value::Int(kibibytes / 1024))
    };
    put(facts, "memtotal_mb", mebibytes("MemTotal"));
    put(facts, "swaptotal_mb", mebibytes("SwapTotal"));
    let field = |line: &'static str| {
        move |text: &'_ str| {
            let (key, value) = text.split_once(':')?;
            (key.trim() == line).then(|| value.trim().to_owned())
        }
    };
    let count = i64::try_from(parts.lines("cpu").filter_map(field("processor")).count()).unwrap_or(0);
    let may_use = number(parts.text("online"));
    put(facts, "processor_vcpus", if count > 0 { Value::Int(count) } else { may_use.clone() });
    put(facts, "processor_nproc", may_use);
    let mut models: Vec<String> = parts.lines("cpu").filter_map(field("model name")).collect();
    models.dedup();
    put(facts, "processor", models.into_iter().map(Value::from).collect::<Vec<_>>().into());
    put(facts, "virtualization_type", known(parts.text("virtual")));
    put(facts, "product_name", known(parts.text("product")));
    put(facts, "system_vendor", known(parts.text("vendor")));
}

fn storage(parts: &Parts<'_>, facts: &mut Map) {
    let sizes: BTreeMap<&str, i64> = parts
        .lines("space")
        .filter_map(|line| {
            let at = line.find(" /")?;
            let place = line[at..].rfind("% ").map(|found| &line[at + found + 2..]);
            let fields: Vec<&str> = line.split_whitespace().collect();
            let kibibytes: i64 = fields.get(1)?.parse().ok()?;
            Some((place.or_else(|| fields.get(5).copied())?, kibibytes * 1024))
        })
        .collect();
    let mut mounts: BTreeMap<String, Value> = BTreeMap::new();
    for line in parts.lines("mounts") {
        let [device, place, kind, options, ..] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        if !device.starts_with('/') && !device.contains(":/") {
            continue;
        }
        let place = unescaped(place);
        let entry = Map::from_iter([
            ("mount".to_owned(), Value::text(place.as_str())),
            ("device".to_owned(), Value::from(unescaped(device))),
            ("fstype".to_owned(), Value::text(kind)),
            ("options".to_owned(), Value::text(options)),
            ("size_total".to_owned(), sizes.get(place.as_str()).map_or(Value::Null, |bytes| Value::Int(*bytes))),
        ]);
        // The last one over a folder is what one sees there.
        mounts.insert(place, entry.into());
    }
    put(facts, "mounts", mounts.into_values().collect::<Vec<_>>().into());
    let mut devices = Map::new();
    for line in parts.lines("blocks") {
        let [name, sectors, rotational, removable] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        let bytes =
            ("size_bytes".to_owned(), sectors.parse().map_or(Value::Null, |count: i64| Value::Int(count * 512)));
        if let Some((disk, part)) = name.split_once('/') {
            if let Some(Value::Map(disk)) = devices.get_mut(disk)
                && let Some(Value::Map(parts)) = disk.get_mut("partitions")
            {
                parts.insert(part.to_owned(), Map::from_iter([bytes]).into());
            }
            continue;
        }
        let truth = |text: &str| match text {
            "0" => Value::Bool(false),
            "1" => Value::Bool(true),
            _ => Value::Null,
        };
        let disk = Map::from_iter([
            bytes,
            ("rotational".to_owned(), truth(rotational)),
            ("removable".to_owned(), truth(removable)),
            ("partitions".to_owned(), Map::new().into()),
        ]);
        devices.insert(name.to_owned(), disk.into());
    }
    put(facts, "devices", devices.into());
}

/// `\040` and its like in `/proc/mounts`.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn network(parts: &Parts<'_>, facts: &mut Map) {
    let mut interfaces: Vec<Value> = Vec::new();
    for line in parts.lines("links") {
        let name = line.split(": ").nth(1).map(|name| name.split('@').next().unwrap_or(name));
        interfaces.extend(name.map(Value::text));
    }
    put(facts, "interfaces", interfaces.into());
    // (interface, address, prefix, global)
    let mut addresses: [Vec<(&str, &str, i64, bool)>; 2] = Default::default();
    for line in parts.lines("addresses") {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, interface, family @ ("inet" | "inet6"), address, ..] => {
                let (address, prefix) = address.split_once('/').unwrap_or((address, "32"));
                let global = line.contains(" scope global") || line.contains(" scope site");
                let prefix = prefix.parse().unwrap_or_default();
                addresses[usize::from(family == "inet6")].push((interface, address, prefix, global));
            }
            // Without `ip`, `hostname -I` says addresses only.
            _ if parts.text("links").is_empty() => {
                for address in words {
                    addresses[usize::from(address.contains(':'))].push(("", address, 0, true));
                }
            }
            _ => {}
        }
    }
    for (at, all, default, route) in
        [(0, "all_ipv4_addresses", "default_ipv4", "route4"), (1, "all_ipv6_addresses", "default_ipv6", "route6")]
    {
        let global = addresses[at].iter().filter(|(.., global)| *global);
        put(facts, all, global.map(|(_, address, ..)| Value::text(*address)).collect::<Vec<_>>().into());
        put(facts, default, default_route(parts.line(route, 0), &addresses[at]).into());
    }
}

fn default_route(route: &str, addresses: &[(&str, &str, i64, bool)]) -> Map {
    let words: Vec<&str> = route.split_whitespace().collect();
    let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1)).copied();
    let mut default = Map::new();
    let Some(interface) = after("dev") else { return default };
    let mut own = addresses.iter().filter(|(on, _, _, global)| *on == interface && *global);
    let source = after("src");
    let chosen = own.clone().find(|(_, address, ..)| Some(*address) == source).or_else(|| own.next());
    put(&mut default, "interface", Value::text(interface));
    put(&mut default, "gateway", after("via").map_or(Value::Null, Value::text));
    if let Some((_, address, prefix, _)) = chosen {
        put(&mut default, "address", Value::text(*address));
        put(&mut default, "prefix", Value::Int(*prefix));
    }
    default
}

fn user(parts: &Parts<'_>, facts: &mut Map) {
    put(facts, "user_id", known(parts.line("user", 0)));
    put(facts, "user_uid", number(parts.line("user", 1)));
    put(facts, "user_gid", number(parts.line("user", 2)));
    put(facts, "user_dir", known(parts.line("user", 3)));
}
