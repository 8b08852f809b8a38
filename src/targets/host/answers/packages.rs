//! What `dpkg-query` and `apt` say of packages.

use std::collections::BTreeMap;

use super::super::{Answer, Candidate, Package, PackageState, Removal};
use super::{Section, Told, text, torn};
use crate::model::{Fault, FaultKind};

/// The host has no `dpkg` or `apt` at all.
fn lacking(section: &Section<'_>) -> Option<Fault> {
    (section.status == "127").then(|| {
        Fault::new(FaultKind::Refused, "packages are looked after with `apt` only, which this host does not have")
            .help("leave this host out with `when: facts.pkg_mgr == \"apt\"`")
    })
}

pub(super) fn read(names: &[(usize, String)], section: &Section<'_>) -> Vec<(usize, Told)> {
    let told = table(section);
    let answer = |name: &str| match &told {
        Ok(found) => Ok(Answer::Package(found.get(name).cloned())),
        Err(fault) => Err(fault.clone()),
    };
    names.iter().map(|(at, name)| (*at, Told::Answer(answer(name)))).collect()
}

/// By name, with and without the architecture.
fn table(section: &Section<'_>) -> Result<BTreeMap<String, Package>, Fault> {
    if let Some(fault) = lacking(section) {
        return Err(fault);
    }
    let absent = |line: &str| line.starts_with("dpkg-query: no packages found matching ");
    if !section.complaints().all(absent) || !matches!(section.status, "0" | "1") {
        return Err(section.fault("which packages are installed"));
    }
    let mut lines = text(section.data)?.lines();
    let native = lines.next().ok_or_else(torn)?;
    let mut found = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, status, version] = fields[..] else { return Err(torn()) };
        let Some(package) = package(status, version)? else { continue };
        match name.split_once(':') {
            None => _ = found.insert(name.to_owned(), package),
            Some((bare, arch)) => {
                if native.is_empty() || arch == native {
                    found.insert(bare.to_owned(), package.clone());
                }
                found.insert(name.to_owned(), package);
            }
        }
    }
    Ok(found)
}

/// `ii `: what is wanted, how far it came, and whether it needs to be installed again.
fn package(status: &str, version: &str) -> Result<Option<Package>, Fault> {
    let mut signs = status.chars();
    let (Some(wanted), Some(came)) = (signs.next(), signs.next()) else { return Err(torn()) };
    let state = match came {
        'n' => return Ok(None),
        'c' => PackageState::Removed,
        'i' if signs.next() != Some('R') => PackageState::Installed,
        _ => PackageState::Broken,
    };
    Ok(Some(Package { version: Some(version.to_owned()), state, held: wanted == 'h' }))
}

pub(super) fn read_candidates(names: &[(usize, String)], section: &Section<'_>) -> Vec<(usize, Told)> {
    let told = candidates(section);
    let answer = |name: &str| match &told {
        // What is in no list is not named at all.
        Ok(found) => Ok(Answer::Candidate(found.get(name).cloned().unwrap_or_default())),
        Err(fault) => Err(fault.clone()),
    };
    names.iter().map(|(at, name)| (*at, Told::Answer(answer(name)))).collect()
}

fn candidates(section: &Section<'_>) -> Result<BTreeMap<String, Candidate>, Fault> {
    if let Some(fault) = lacking(section) {
        return Err(fault);
    }
    // Without an error it may still note what it does not find (`N:`) and warn (`W:`).
    if section.complaints().any(|line| line.starts_with("E: ") && !line.starts_with("E: Unable to locate package")) {
        return Err(section.fault("what `apt` would install"));
    }
    let mut found = BTreeMap::new();
    let mut candidate: Option<&mut Candidate> = None;
    for line in text(section.data)?.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            candidate = Some(found.entry(name.to_owned()).or_insert_with(Candidate::default));
            continue;
        }
        let candidate = candidate.as_deref_mut().ok_or_else(torn)?;
        if let Some(version) = line.strip_prefix("  Candidate: ") {
            candidate.version = Some(version.to_owned()).filter(|version| version != "(none)");
        } else if let Some(line) = line.strip_prefix("     ").or_else(|| line.strip_prefix(" *** "))
            && !line.starts_with(' ')
        {
            // `1.22.1-9 500`; where it comes from stands further in.
            candidate.versions.extend(line.split_whitespace().next().map(str::to_owned));
        }
    }
    Ok(found)
}

/// `Remv name [version] ...`, `Purg name [version]`, `Inst name (version origin) ...`.
pub(super) fn read_removal(section: &Section<'_>) -> Result<Removal, Fault> {
    if let Some(fault) = lacking(section) {
        return Err(fault);
    }
    if section.status != "0" {
        return Err(section.fault("what goes away with these packages"));
    }
    let mut removal = Removal::default();
    for line in text(section.data)?.lines() {
        let mut words = line.split_whitespace();
        let what = words.next().unwrap_or_default();
        if !matches!(what, "Remv" | "Purg" | "Inst") {
            continue;
        }
        let name = words.next().ok_or_else(torn)?.to_owned();
        let inside = |open, close| {
            let version = words.clone().find_map(|word| word.strip_prefix(open)).unwrap_or_default();
            version.trim_end_matches(close).to_owned()
        };
        if what == "Inst" {
            removal.come.push((name, inside('(', ')')));
        } else {
            removal.gone.push((name, inside('[', ']')));
        }
    }
    Ok(removal)
}

/// The clock of the host, then when the lists were last refreshed.
pub(super) fn read_lists(section: &Section<'_>) -> Result<Option<u64>, Fault> {
    if section.status != "0" {
        return Err(section.fault("how old the lists of packages are"));
    }
    let times: Result<Vec<i64>, _> = text(section.data)?.lines().map(str::parse).collect();
    let times = times.map_err(|_| torn())?;
    let Some((now, refreshed)) = times.split_first() else { return Ok(None) };
    let newest = refreshed.iter().max().ok_or_else(torn)?;
    // From the future: the clock was set back, so nobody can tell how old they are.
    Ok(Some(u64::try_from(now - newest).unwrap_or(u64::MAX)))
}
