//! Lists as sets and products.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, Value as Engine};

use super::super::fault::wrong;
use super::items_of;

/// Items that a product may have: it multiplies.
const LARGEST: usize = 100_000;

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter("union", |a: &Engine, b: &Engine| {
        Ok::<_, Error>(unique(items_of(a)?.into_iter().chain(items_of(b)?)))
    });
    environment.add_filter("difference", |a: &Engine, b: &Engine| {
        let b = items_of(b)?;
        Ok::<_, Error>(unique(items_of(a)?.into_iter().filter(|item| !b.contains(item))))
    });
    environment.add_filter("intersect", |a: &Engine, b: &Engine| {
        let b = items_of(b)?;
        Ok::<_, Error>(unique(items_of(a)?.into_iter().filter(|item| b.contains(item))))
    });
    environment.add_filter("symmetric_difference", |a: &Engine, b: &Engine| {
        let (a, b) = (items_of(a)?, items_of(b)?);
        let only = |these: &[Engine], others: &[Engine]| -> Vec<Engine> {
            these.iter().filter(|item| !others.contains(item)).cloned().collect()
        };
        Ok::<_, Error>(unique(only(&a, &b).into_iter().chain(only(&b, &a))))
    });
    environment.add_filter("flatten", |value: &Engine, levels: Option<usize>, kwargs: Kwargs| {
        let levels = levels.map_or_else(|| kwargs.get::<Option<usize>>("levels"), |levels| Ok(Some(levels)))?;
        kwargs.assert_all_used()?;
        let mut flat = Vec::new();
        flatten(value, levels.unwrap_or(50), &mut flat)?;
        Ok::<_, Error>(flat)
    });
    environment.add_filter("product", product);
    environment.add_filter("zip", zip);
    environment.add_filter("subelements", subelements);
}

fn unique(items: impl Iterator<Item = Engine>) -> Vec<Engine> {
    let mut kept: Vec<Engine> = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn flatten(value: &Engine, levels: usize, flat: &mut Vec<Engine>) -> Result<(), Error> {
    for item in items_of(value)? {
        match item.kind() {
            ValueKind::Seq | ValueKind::Iterable if levels > 0 => flatten(&item, levels - 1, flat)?,
            // Ansible leaves them out too.
            ValueKind::None => {}
            _ => flat.push(item),
        }
    }
    Ok(())
}

fn product(value: &Engine, others: Rest<Engine>) -> Result<Vec<Engine>, Error> {
    let mut rows: Vec<Vec<Engine>> = items_of(value)?.into_iter().map(|item| vec![item]).collect();
    for other in others.iter() {
        let items = items_of(other)?;
        if rows.len().saturating_mul(items.len()) > LARGEST {
            return Err(wrong(format!("a product of more than {LARGEST} items is too large")));
        }
        rows = rows
            .iter()
            .flat_map(|row| items.iter().map(|item| row.iter().cloned().chain([item.clone()]).collect()))
            .collect();
    }
    Ok(rows.into_iter().map(Engine::from).collect())
}

fn zip(value: &Engine, others: Rest<Engine>) -> Result<Vec<Engine>, Error> {
    let mut lists = vec![items_of(value)?];
    for other in others.iter() {
        lists.push(items_of(other)?);
    }
    let shortest = lists.iter().map(Vec::len).min().unwrap_or(0);
    Ok((0..shortest).map(|at| lists.iter().map(|list| list[at].clone()).collect()).collect())
}

fn subelements(value: &Engine, key: &str, skip: Option<bool>, kwargs: Kwargs) -> Result<Vec<Engine>, Error> {
    let skip = skip.map_or_else(|| kwargs.get::<Option<bool>>("skip_missing"), |skip| Ok(Some(skip)))?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let mut pairs = Vec::new();
    for item in items_of(value)? {
        let mut inner = item.clone();
        for part in key.split('.') {
            inner = if inner.is_undefined() { inner } else { inner.get_attr(part)? };
        }
        if inner.is_undefined() {
            if skip {
                continue;
            }
            return Err(super::super::fault::refuse(
                format!("an item has no `{key}`"),
                "write `subelements(..., skip_missing=true)` to leave such items out",
            ));
        }
        pairs.extend(items_of(&inner)?.into_iter().map(|element| Engine::from(vec![item.clone(), element])));
    }
    Ok(pairs)
}
