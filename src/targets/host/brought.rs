//! What comes along without being named: the files of packages, which nobody knows before, and the home of a new user.

use super::ghost::{Ghost, View, What};
use super::shadow::{Base, Found, Shadow, Spot};
use super::{Attributes, HOME_MODE, UserStep};

/// Where packages put nothing: it belongs to the administrator, to users, or to nobody for long.
const NOT_OF_PACKAGES: [&str; 12] = [
    "/dev/",
    "/home/",
    "/media/",
    "/mnt/",
    "/proc/",
    "/root/",
    "/srv/",
    "/sys/",
    "/tmp/",
    "/usr/local/",
    "/var/lib/lions/",
    "/var/tmp/",
];

fn of_nobody(path: &str) -> bool {
    let path = format!("{path}/");
    NOT_OF_PACKAGES.iter().any(|folder| path.starts_with(folder))
}

impl Shadow {
    /// Nothing is at `path`, unless a package brings it.
    pub(super) fn none(&self, path: &str) -> View<'_> {
        match &self.installed {
            Some(after) if !of_nobody(path) => View::Maybe(after),
            _ => self.may_come(path).map_or(View::Absent, View::Open),
        }
    }

    /// Where a step puts something at `path`. The folders that it is in are there then, whoever brings them.
    pub(super) fn ground(&mut self, base: &dyn Base, path: &str) -> String {
        let Ok(Spot { found, path, gap, .. }) = self.walk(base, path, false) else { return path.to_owned() };
        if let (Found::Maybe(_), Some(gap)) = (found, gap) {
            let root = || Some("root".to_owned());
            let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at >= gap.len());
            for end in ends.collect::<Vec<_>>() {
                let attributes = Attributes { mode: Some(0o755), owner: root(), group: root() };
                let ghost = Ghost { attributes, porous: true, ..Ghost::bare(What::Directory) };
                self.ghosts.insert(path[..end].to_owned(), ghost);
            }
        }
        path
    }

    /// The home folder that is made for a user.
    pub(super) fn settle_in(&mut self, base: &dyn Base, user: &UserStep) {
        let (Some(home), Some(skeleton)) = (&user.home, &user.skeleton) else { return };
        let owner = Some(user.name.clone());
        let group = Some(user.group.clone().unwrap_or_else(|| user.name.clone()));
        let home = self.locate(base, home, false);
        let attributes = Attributes { mode: Some(HOME_MODE), owner: owner.clone(), group: group.clone() };
        self.put(base, home.clone(), What::Directory, &attributes);
        for path in skeleton {
            let attributes = Attributes { mode: None, owner: owner.clone(), group: group.clone() };
            // A copy: what happens to the file that it is of does not happen to it.
            let ghost = Ghost { attributes, made: Some(self.next()), ..Ghost::of_place(path) };
            self.ghosts.insert(format!("{home}{}", path.trim_start_matches("/etc/skel")), ghost);
        }
    }
}
