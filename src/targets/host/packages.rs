//! Packages as Debian and Ubuntu have them: what is asked, what is answered, and what is to be done, as data.

/// A package as `dpkg` knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its version; `None` when that is known only at apply.
    pub version: Option<String>,
    /// How far it is installed.
    pub state: PackageState,
    /// Told to stay as it is (`apt-mark hold`)?
    pub held: bool,
}

/// How far a package is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageState {
    /// It is.
    Installed,
    /// It was removed; its configuration is still there.
    Removed,
    /// An installation or removal did not come to its end.
    Broken,
}

/// What `apt` would install of a package, by its lists as they are now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The version that it would choose; `None` when there is none to install.
    pub version: Option<String>,
    /// All versions that it knows where to get.
    pub versions: Vec<String>,
}

/// What goes away, and what comes, when packages are removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Names and versions of those that go, those that were named included.
    pub gone: Vec<(String, String)>,
    /// Names and versions of those that come in their place.
    pub come: Vec<(String, String)>,
}

/// One transaction of `apt`. What it needs besides comes along; nothing else goes away or goes back to an older version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// Refresh the lists first?
    pub update: bool,
    /// Those to install, or to bring to another version.
    pub install: Vec<Install>,
    /// Those to remove, with all that cannot stay without them: nothing that is not named here goes away.
    pub remove: Vec<String>,
    /// Remove their configuration and data as well?
    pub purge: bool,
}

/// One package to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Install {
    /// Its name.
    pub name: String,
    /// The version; `None` when that is known only after the lists are refreshed.
    pub version: Option<String>,
    /// May that be an older version than the one that is there?
    pub downgrade: bool,
}

/// Why `name` cannot be the name of a package, if it cannot. A name that `apt` would read as something else (an option, a
/// pattern, a removal by `-` at its end) is none.
///
/// # Errors
/// Why not.
pub fn check_package(name: &str) -> Result<(), String> {
    let (bare, arch) = name.split_once(':').map_or((name, None), |(bare, arch)| (bare, Some(arch)));
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let plain = bare.len() >= 2
        && bare.bytes().next().is_some_and(letter)
        && bare.bytes().all(|byte| letter(byte) || b"+-.".contains(&byte))
        && !bare.ends_with('-');
    let arch = arch.is_none_or(|arch| !arch.is_empty() && arch.bytes().all(|byte| letter(byte) || byte == b'-'));
    if plain && arch {
        return Ok(());
    }
    let help = if bare.contains('=') { ": write its version in `version`" } else { "" };
    Err(format!("`{}` cannot be the name of a package{help}", name.escape_debug()))
}

/// Why `version` cannot be the version of a package, if it cannot.
///
/// # Errors
/// Why not.
pub fn check_version(version: &str) -> Result<(), String> {
    let plain = version.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-:~".contains(&byte));
    if plain { Ok(()) } else { Err(format!("`{}` cannot be a version", version.escape_debug())) }
}
