//! Lines of `/etc/fstab`: what is mounted, and swapped to, after a reboot.

use super::attributes::Wanted;
use super::editing::{Edit, Editing};
use super::path::HostPath;
use super::text::Text;
use crate::model::{After, Fault};

pub(super) const FSTAB: &str = "/etc/fstab";

/// One line, as one edit: all other lines stay as they are.
#[derive(Debug)]
pub(super) struct Fstab {
    /// The six fields; of none, there is no such line.
    pub(super) fields: Option<[String; 6]>,
    /// Which of the fields tells this line from others, and what it holds.
    pub(super) key: (usize, String),
}

/// A field as the file has it: spaces and the like as numbers.
pub(super) fn escape(field: &str) -> String {
    field.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

/// What a field of such a file of the system's means.
pub(super) fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// The fields of a line, with what is left out at its end.
fn fields(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start();
    let mut fields: Vec<String> = line.split_whitespace().map(unescape).collect();
    if line.starts_with('#') || fields.len() < 2 {
        return None;
    }
    for default in ["auto", "defaults", "0", "0"].iter().skip(fields.len() - 2) {
        fields.push((*default).to_owned());
    }
    Some(fields)
}

impl Edit for Fstab {
    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        let (at, key) = &self.key;
        let own = |line: &str| fields(line).is_some_and(|fields| fields[*at] == *key);
        let Some(wished) = &self.fields else {
            text.retain(|line| !own(line));
            return Ok(());
        };
        let line = wished.each_ref().map(|field| escape(field)).join(" ");
        match text.lines().iter().position(|line| own(&line.body)) {
            None => text.insert(text.lines().len(), &line, None),
            Some(first) => {
                if fields(&text.lines()[first].body).is_none_or(|there| there[..6] != wished[..]) {
                    text.replace(first, &line, None);
                }
                // Another line for the same place would be done as well.
                let mut seen = false;
                text.retain(|line| !own(line) || !std::mem::replace(&mut seen, true));
            }
        }
        Ok(())
    }

    fn open(&self) -> Option<After> {
        None
    }

    fn takes_away(&self) -> bool {
        self.fields.is_none()
    }
}

impl Fstab {
    pub(super) fn editing<'a>(&'a self, path: &'a HostPath) -> Editing<'a> {
        Editing { path, wanted: Wanted::new(None, None, None), validate: None, create: true, edit: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Content;

    fn edited(before: &str, fstab: &Fstab) -> String {
        let mut text = Text::of(&Content::open(before.as_bytes())).unwrap();
        fstab.edit(&mut text).unwrap();
        String::from_utf8(text.content().bytes().to_vec()).unwrap()
    }

    #[test]
    fn only_its_own_line_is_touched() {
        let fields = ["/dev/sdb1", "/srv/my data", "ext4", "defaults,noatime", "0", "2"].map(str::to_owned);
        let wish = Fstab { fields: Some(fields), key: (1, "/srv/my data".to_owned()) };
        let line = "/dev/sdb1 /srv/my\\040data ext4 defaults,noatime 0 2\n";
        let others = "# a\n\n  UUID=1\t/  ext4\terrors=remount-ro 0 1\n";
        assert_eq!(edited(others, &wish), format!("{others}{line}"));
        let spaced = line.replace(' ', "\t ");
        assert_eq!(edited(&format!("{spaced}{others}"), &wish), format!("{spaced}{others}"));
        let twice = format!("x /srv/my\\040data auto\n{others}y /srv/my\\040data auto\n");
        assert_eq!(edited(&twice, &wish), format!("{line}{others}"));
        let gone = Fstab { fields: None, ..wish };
        assert_eq!(edited(&twice, &gone), others);
    }
}
