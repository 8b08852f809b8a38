//! Objects that are looked for together, fetched together: when several of one kind and namespace are wanted, one LIST
//! brings them all. Says only what the API said; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::sync::OnceCell;

use super::api::{Api, Page, Trouble, object_path};
use super::kinds::Kind;
use super::{Live, ObjectId};

/// From so many on a LIST costs less than a GET each.
const WORTH: usize = 4;
/// Nobody lists more than so many objects for each one that is wanted.
const CROWD: usize = 16;
/// How long what was listed for apply counts as a look just before the write.
const RECENT: Duration = Duration::from_secs(1);

/// Objects of one kind in one namespace.
type Shelf = (String, String, Option<String>);

/// What was wanted, and what was listed.
#[derive(Default)]
pub(super) struct Shelves {
    /// For looks just before a write: nothing is kept for long, and nothing is said twice.
    fleeting: bool,
    shelves: Mutex<BTreeMap<Shelf, Wanted>>,
}

struct Wanted {
    names: BTreeSet<String>,
    since: Instant,
    /// Answered already, where nothing may be said twice.
    said: BTreeSet<String>,
    list: Arc<OnceCell<Option<Listed>>>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { names: BTreeSet::new(), since: Instant::now(), said: BTreeSet::new(), list: Arc::default() }
    }
}

/// What of the list was kept.
struct Listed {
    found: BTreeMap<String, Arc<Live>>,
    /// Only these were kept; `None`: all were. The data of a whole namespace may be much.
    kept: Option<BTreeSet<String>>,
    /// Was the list read to its end?
    whole: bool,
    at: Instant,
}

impl Shelves {
    /// For looks just before a write.
    pub(super) fn fleeting() -> Self {
        Self { fleeting: true, ..Self::default() }
    }

    /// Notes that `id` will be asked for, so that those who come first know of those who come next.
    pub(super) fn want(&self, id: &ObjectId) {
        let mut shelves = self.lock();
        let wanted = shelves.entry(shelf(id)).or_default();
        if self.fleeting && wanted.since.elapsed() > RECENT {
            *wanted = Wanted::default();
        }
        wanted.names.insert(id.name.clone());
    }

    /// The object, from a list where that pays.
    pub(super) async fn get(&self, api: &Api, kind: &Kind, id: &ObjectId) -> Result<Option<Arc<Live>>, Trouble> {
        // Those who look at the same time say so before anybody asks.
        tokio::task::yield_now().await;
        if let Some(list) = self.list(id) {
            let listed = list.get_or_try_init(|| self.fetch(api, kind, id)).await?;
            if let Some(listed) = listed.as_ref().filter(|listed| self.may_say(listed, id)) {
                match listed.found.get(&id.name) {
                    None if !listed.whole => {}
                    live => return Ok(live.cloned()),
                }
            }
        }
        one(api, kind, id).await
    }

    /// The list that `id` may be found in, if one is worth it.
    fn list(&self, id: &ObjectId) -> Option<Arc<OnceCell<Option<Listed>>>> {
        let shelves = self.lock();
        let wanted = shelves.get(&shelf(id))?;
        (wanted.names.len() >= WORTH).then(|| wanted.list.clone())
    }

    fn may_say(&self, listed: &Listed, id: &ObjectId) -> bool {
        if !self.fleeting {
            return listed.kept.as_ref().is_none_or(|kept| kept.contains(&id.name));
        }
        listed.at.elapsed() <= RECENT
            && self.lock().get_mut(&shelf(id)).is_some_and(|wanted| wanted.said.insert(id.name.clone()))
    }

    /// `None` where the API does not let us list, or not to the end: then each is asked for by itself.
    async fn fetch(&self, api: &Api, kind: &Kind, id: &ObjectId) -> Result<Option<Listed>, Trouble> {
        let wanted = self.lock().get(&shelf(id)).map(|wanted| wanted.names.clone()).unwrap_or_default();
        let many = wanted.len() * CROWD;
        // A plan wants all at once, and keeps it; what apply wants next nobody knows, and it is gone soon.
        let kept = (!self.fleeting).then_some(wanted);
        let mut listed = Listed { found: BTreeMap::new(), kept, whole: false, at: Instant::now() };
        let mut from = None;
        loop {
            let page = match api.list(kind, id, from.as_deref()).await {
                Ok(page) => page,
                Err(Trouble::Said(_)) => return Ok(None),
                Err(trouble) => return Err(trouble),
            };
            let Page { items, next, remaining } = page;
            for json in items {
                let name = json.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default().to_owned();
                if listed.kept.as_ref().is_none_or(|kept| kept.contains(&name)) {
                    let live = Live::new(&ObjectId { name: name.clone(), ..id.clone() }, json);
                    listed.found.insert(name, Arc::new(live));
                }
            }
            from = match next {
                None => {
                    listed.whole = true;
                    break;
                }
                Some(_) if remaining > many => break,
                next => next,
            };
        }
        Ok(Some(listed))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Shelf, Wanted>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object, by itself.
pub(super) async fn one(api: &Api, kind: &Kind, id: &ObjectId) -> Result<Option<Arc<Live>>, Trouble> {
    match api.get(&object_path(kind, id)).await {
        Ok(json) => Ok(Some(Arc::new(Live::new(id, json)))),
        Err(Trouble::Said(status)) if status.code == 404 => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

fn shelf(id: &ObjectId) -> Shelf {
    (id.api_version.clone(), id.kind.clone(), id.namespace.clone())
}
