//! Users, groups, packages and units, as the place has them and as planned steps leave them.

use super::super::board::strange;
use super::super::{Answer, Candidate, Group, Groups, Package, Password, Primary, Question, Removal, Unit, User};
use super::HostProbe;
use crate::model::{After, Halt, Thing};

/// What the place says to a question, as the answer of that name.
macro_rules! said {
    ($probe:expr, $question:expr, $answer:ident) => {
        match $probe.ask($question).await? {
            Answer::$answer(answer) => answer,
            _ => return Err(strange().into()),
        }
    };
}

impl HostProbe {
    /// The user of that name.
    ///
    /// # Errors
    /// The place could not say, or a package planned above may bring it.
    pub async fn user(&self, name: &str) -> Result<Option<User>, Halt> {
        let place = said!(self, Question::User(name.to_owned()), User);
        Ok(self.board.lock().census.user(name, place)?)
    }

    /// What stands in the place of that user's password.
    ///
    /// # Errors
    /// The place could not say.
    pub async fn password(&self, name: &str) -> Result<Option<Password>, Halt> {
        let place = said!(self, Question::Password(name.to_owned()), Password);
        Ok(self.board.lock().census.password(name, place)?)
    }

    /// The group of that name.
    ///
    /// # Errors
    /// The place could not say, or a package planned above may bring it.
    pub async fn group(&self, name: &str) -> Result<Option<Group>, Halt> {
        let place = said!(self, Question::Group(name.to_owned()), Group);
        Ok(self.board.lock().census.group(name, place)?)
    }

    /// All groups. Those that a package planned above may bring are not among them.
    ///
    /// # Errors
    /// The place could not say.
    pub async fn groups(&self) -> Result<Groups, Halt> {
        let place = said!(self, Question::Groups, Groups);
        Ok(self.board.lock().census.all_groups(place))
    }

    /// The last task planned above that installs packages: they may bring what is absent now.
    #[must_use]
    pub fn coming_with_packages(&self) -> Option<After> {
        self.board.lock().census.installed().cloned()
    }

    /// How far that package is installed.
    ///
    /// # Errors
    /// The place could not say, or has no `apt`.
    pub async fn package(&self, name: &str) -> Result<Option<Package>, Halt> {
        let place = said!(self, Question::Package(name.to_owned()), Package);
        Ok(self.board.lock().census.package(name, place)?)
    }

    /// What would be installed of that package.
    ///
    /// # Errors
    /// The place could not say, or the lists are refreshed by a task planned above.
    pub async fn candidate(&self, name: &str) -> Result<Candidate, Halt> {
        let place = said!(self, Question::Candidate(name.to_owned()), Candidate);
        Ok(self.board.lock().census.candidate(place)?)
    }

    /// What would go away with those packages, which are all there.
    ///
    /// # Errors
    /// The place could not say, or a task planned above installs something.
    pub async fn removal(&self, names: Vec<String>, purge: bool) -> Result<Removal, Halt> {
        self.board.lock().census.removal(())?;
        Ok(said!(self, Question::Removal { names, purge }, Removal))
    }

    /// How many seconds old the lists of packages are; nothing when there are none.
    ///
    /// # Errors
    /// The place could not say.
    pub async fn lists(&self) -> Result<Option<u64>, Halt> {
        let place = said!(self, Question::Lists, Lists);
        Ok(self.board.lock().census.lists(place))
    }

    /// The unit of that whole name.
    ///
    /// # Errors
    /// The place could not say, or a package planned above may bring it.
    pub async fn unit(&self, name: &str) -> Result<Option<Unit>, Halt> {
        let place = said!(self, Question::Unit(name.to_owned()), Unit);
        Ok(self.board.lock().census.unit(name, place)?)
    }

    /// Does the shadow leave `thing`, which is no path, as the place has it?
    pub(super) async fn same_thing(&self, thing: &Thing) -> Result<bool, Halt> {
        let name = &thing.name;
        Ok(match &*thing.kind {
            "package" => self.package(name).await? == said!(self, Question::Package(name.clone()), Package),
            "unit" => {
                let restarts = self.board.lock().census.restarts(name);
                !restarts && self.unit(name).await? == said!(self, Question::Unit(name.clone()), Unit)
            }
            "group" => self.group(name).await? == said!(self, Question::Group(name.clone()), Group),
            "user" => self.same_user(name).await?,
            _ => false,
        })
    }

    async fn same_user(&self, name: &str) -> Result<bool, Halt> {
        let (planned, place) = (self.user(name).await?, said!(self, Question::User(name.to_owned()), User));
        let passwords = if self.board.lock().census.sets_password(name) {
            self.password(name).await? == said!(self, Question::Password(name.to_owned()), Password)
        } else {
            true
        };
        let (Some(planned), Some(place)) = (&planned, &place) else { return Ok(planned == place) };
        let (groups, before) = (self.groups().await?, said!(self, Question::Groups, Groups));
        let gid = |user: &User| match &user.primary {
            Primary::Number(gid) => Some(*gid),
            Primary::Named(name) => groups.get(name).and_then(|group| group.gid),
        };
        let of = |groups: &Groups| -> Vec<String> {
            let mine = groups.iter().filter(|(_, group)| group.members.iter().any(|member| member == name));
            mine.map(|(name, _)| name.clone()).collect()
        };
        let same_gid = gid(planned).is_some() && gid(planned) == gid(place);
        let planned = User { primary: place.primary.clone(), ..planned.clone() };
        Ok(passwords && same_gid && planned == *place && of(&groups) == of(&before))
    }
}
