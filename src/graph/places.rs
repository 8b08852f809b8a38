//! Sorted sets of places, shared where possible. Knows nothing of nodes.

use std::sync::Arc;

use super::PlaceId;

/// A sorted set of places.
pub(super) type Places = Arc<[PlaceId]>;

/// The set of `places`, in any order, doubles allowed.
pub(super) fn set(places: impl IntoIterator<Item = PlaceId>) -> Places {
    let mut list: Vec<PlaceId> = places.into_iter().collect();
    list.sort_unstable();
    list.dedup();
    list.into()
}

/// Have they a place in common?
pub(super) fn meet(a: &Places, b: &Places) -> bool {
    if Arc::ptr_eq(a, b) {
        return !a.is_empty();
    }
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter().any(|place| many.binary_search(place).is_ok())
}

/// What is in both.
pub(super) fn common(a: &Places, b: &Places) -> Places {
    if same(a, b) {
        return Arc::clone(a);
    }
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter().copied().filter(|place| many.binary_search(place).is_ok()).collect()
}

/// What is in `a` and not in `b`.
pub(super) fn without(a: &Places, b: &Places) -> Places {
    if a.is_empty() || !meet(a, b) {
        return Arc::clone(a);
    }
    if same(a, b) {
        return Arc::default();
    }
    a.iter().copied().filter(|place| b.binary_search(place).is_err()).collect()
}

/// What is in one of them.
pub(super) fn either(a: &Places, b: &Places) -> Places {
    if b.is_empty() || same(a, b) {
        return Arc::clone(a);
    }
    if a.is_empty() {
        return Arc::clone(b);
    }
    set(a.iter().chain(b.iter()).copied())
}

/// The same set?
fn same(a: &Places, b: &Places) -> bool {
    Arc::ptr_eq(a, b) || a == b
}
