//! Values and tables. Nobody waits for these.

use super::{Kind, LockTable, Result};
use crate::model::limits::{ITEM_BYTES, SHARED_BYTES};
use crate::model::locks::{Datum, Failure, Given, Name, Op, Refusal};
use std::collections::BTreeMap;

/// What an entry costs besides its texts.
const ENTRY_BYTES: usize = 64;

fn size(datum: &Datum) -> usize {
    match datum {
        Datum::Number(_) => 8,
        Datum::Text(text) => text.0.len(),
    }
}

fn sum(name: &Name, old: Option<&Datum>, n: i64) -> Result<Datum> {
    let old = match old {
        None => 0,
        Some(Datum::Number(old)) => *old,
        Some(Datum::Text(_)) => {
            return Err(Refusal::new(Failure::Invalid, format!("`{name}` holds a text")));
        }
    };
    let sum = old.checked_add(n);
    let too_large = || Refusal::new(Failure::Invalid, format!("{old} + {n} is beyond 64 bits"));
    sum.map(Datum::Number).ok_or_else(too_large)
}

impl LockTable {
    /// Accounts for bytes that come and go; refuses what is too much.
    pub(super) fn make_room(&mut self, old: usize, new: usize, longest: usize) -> Result<()> {
        let all = self.bytes.saturating_sub(old).saturating_add(new);
        if longest > ITEM_BYTES {
            let text = format!("{longest} bytes; one text has at most {ITEM_BYTES}");
            return Err(Refusal::new(Failure::TooLarge, text));
        }
        if all > SHARED_BYTES && new > old {
            let text = format!("what jobs share would take more than {SHARED_BYTES} bytes");
            return Err(Refusal::new(Failure::TooLarge, text));
        }
        self.bytes = all;
        Ok(())
    }

    fn value(&self, name: &Name) -> Result<Option<&Datum>> {
        match self.things.get(name).map(|thing| (&thing.kind, thing.word())) {
            None => Ok(None),
            Some((Kind::Value(value), _)) => Ok(Some(value)),
            Some((_, word)) => {
                let text = format!("`{name}` is {word}, not a value");
                Err(Refusal::new(Failure::WrongKind, text))
            }
        }
    }

    fn set_value(&mut self, name: &Name, new: Datum) -> Result<Given> {
        let old = self.value(name)?.map_or(0, size);
        self.make_room(old, size(&new), size(&new))?;
        self.thing(name, || Kind::Value(new.clone()))?.kind = Kind::Value(new.clone());
        Ok(Given::Value { value: new })
    }

    pub(super) fn value_op(&mut self, op: &Op) -> Result<Given> {
        match op {
            Op::ValueGet { name } => match self.value(name)? {
                Some(value) => Ok(Given::Value { value: value.clone() }),
                None => Err(Refusal::new(Failure::Gone, format!("there is no value `{name}`"))),
            },
            Op::ValueSet { name, value } => self.set_value(name, value.clone()),
            Op::ValueAdd { name, n } => {
                let new = sum(name, self.value(name)?, *n)?;
                self.set_value(name, new)
            }
            Op::ValueCas { name, old, new } => {
                let found = self.value(name)?;
                if found != old.as_ref() {
                    let text = match found {
                        Some(_) => format!("`{name}` has another value"),
                        None => format!("`{name}` has no value"),
                    };
                    return Err(Refusal::new(Failure::Changed, text));
                }
                self.set_value(name, new.clone())
            }
            _ => Ok(Given::Nothing {}),
        }
    }

    pub(super) fn kv_op(&mut self, op: &Op) -> Result<Given> {
        let (Op::KvGet { name, .. }
        | Op::KvSet { name, .. }
        | Op::KvDelete { name, .. }
        | Op::KvAdd { name, .. }
        | Op::KvList { name }) = op
        else {
            return Ok(Given::Nothing {});
        };
        let thing = self.thing(name, || Kind::Kv(BTreeMap::new()))?;
        let word = thing.word();
        let Kind::Kv(table) = &mut thing.kind else {
            let text = format!("`{name}` is {word}, not a table");
            return Err(Refusal::new(Failure::WrongKind, text));
        };
        let gone = || Refusal::new(Failure::Gone, format!("`{name}` has no such key"));
        let (key, new) = match op {
            Op::KvGet { key, .. } => {
                let value = table.get(key).cloned().ok_or_else(gone)?;
                return Ok(Given::Value { value });
            }
            Op::KvDelete { key, .. } => {
                let old = table.remove(key).ok_or_else(gone)?;
                self.make_room(key.0.len() + size(&old) + ENTRY_BYTES, 0, 0)?;
                return Ok(Given::Nothing {});
            }
            Op::KvSet { key, value, .. } => (key, value.clone()),
            Op::KvAdd { key, n, .. } => (key, sum(name, table.get(key), *n)?),
            _ => {
                let entries = table.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
                return Ok(Given::Entries { entries });
            }
        };
        let old = table.get(key).map_or(0, |old| key.0.len() + size(old) + ENTRY_BYTES);
        let bytes = key.0.len() + size(&new) + ENTRY_BYTES;
        self.make_room(old, bytes, size(&new).max(key.0.len()))?;
        if let Some(Kind::Kv(table)) = self.things.get_mut(name).map(|thing| &mut thing.kind) {
            table.insert(key.clone(), new.clone());
        }
        Ok(match op {
            Op::KvAdd { .. } => Given::Value { value: new },
            _ => Given::Nothing {},
        })
    }
}
