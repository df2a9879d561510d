//! The whole content of the stores, to compare it with an earlier state and to restore it.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap},
};

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use stores::storage::{StorageBackend as _, collect};

use crate::support::app::{TestApp, without_ids};

type Item = HashMap<String, AttributeValue>;

/// An object of the bucket.
#[derive(Clone)]
struct Object {
    size: u64,
    etag: String,
    /// The content and the content type to restore the object with.
    content: OnceCell<(Bytes, String)>,
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        (self.size, &self.etag) == (other.size, &other.etag)
    }
}

/// The content of the table and of the bucket.
#[derive(Clone)]
pub struct State {
    items: BTreeMap<(String, String), Item>,
    objects: BTreeMap<String, Object>,
    /// The ids that occur in the state. Only known for a state that can be restored.
    ids: BTreeSet<String>,
}

impl State {
    /// The current state of the stores.
    pub async fn of(app: &TestApp) -> Self {
        let (mut items, mut from) = (BTreeMap::new(), None);
        let table = &app.resources.table;
        loop {
            let scan = table.client.scan().table_name(&table.name).set_exclusive_start_key(from).send().await.unwrap();
            let key = |item: &Item| (item["pk"].as_s().unwrap().clone(), item["sk"].as_s().unwrap().clone());
            items.extend(scan.items.unwrap_or_default().into_iter().map(|item| (key(&item), item)));
            from = scan.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        let storage = &app.resources.storage;
        let (mut objects, mut from) = (BTreeMap::new(), None);
        loop {
            let list = storage.client.list_objects_v2().bucket(&storage.bucket).set_continuation_token(from);
            let listed = list.send().await.unwrap();
            for object in listed.contents() {
                let (size, etag) = (object.size().unwrap() as u64, object.e_tag().unwrap().to_owned());
                objects.insert(object.key().unwrap().to_owned(), Object { size, etag, content: OnceCell::new() });
            }
            from = listed.next_continuation_token;
            if from.is_none() {
                return Self { items, objects, ids: BTreeSet::new() };
            }
        }
    }

    /// The current state, with everything that is needed to restore it.
    pub async fn to_keep(app: &TestApp) -> Self {
        let mut state = Self::of(app).await;
        let ids = RefCell::new(BTreeSet::new());
        let note = |text: &str| {
            without_ids(text, |id| {
                ids.borrow_mut().insert(id.to_owned());
                String::new()
            })
        };
        for item in state.items.values() {
            item.values().filter_map(|value| value.as_s().ok()).for_each(|text| drop(note(text)));
        }
        state.objects.keys().for_each(|key| drop(note(key)));
        state.ids = ids.into_inner();
        for (key, object) in &state.objects {
            let download = app.resources.storage.get(key, None, None).await.unwrap();
            let content_type = download.info.content_type.unwrap();
            let bytes = collect(download.body, usize::MAX).await.unwrap();
            object.content.set((bytes.into(), content_type)).unwrap();
        }
        state
    }

    /// Restores this state from the state `now`.
    pub async fn bring_back(&self, app: &TestApp, now: &Self) {
        let (table, storage) = (&app.resources.table, &app.resources.storage);
        for (pk, sk) in now.items.keys().filter(|key| !self.items.contains_key(*key)) {
            let key = [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.clone())));
            table.client.delete_item().table_name(&table.name).set_key(Some(key.into())).send().await.unwrap();
        }
        for (_, item) in self.items.iter().filter(|(key, item)| now.items.get(*key) != Some(item)) {
            table.client.put_item().table_name(&table.name).set_item(Some(item.clone())).send().await.unwrap();
        }
        for key in now.objects.keys().filter(|key| !self.objects.contains_key(*key)) {
            storage.delete(key).await.unwrap();
        }
        for (key, object) in self.objects.iter().filter(|(key, object)| now.objects.get(*key) != Some(object)) {
            let (bytes, content_type) = object.content.get().unwrap().clone();
            let put = storage.put_bytes(key, bytes, &content_type).await.unwrap();
            assert_eq!(format!("\"{}\"", put.etag), object.etag, "{key}");
        }
    }

    /// A line for each item and each object that has changed or disappeared. The lines show contents of objects by their ETags,
    /// and ids that did not occur before by the order of their appearance.
    pub fn since(&self, before: &Self) -> BTreeSet<String> {
        let mut lines = Vec::new();
        for ((pk, sk), now) in self.items.iter().filter(|(key, now)| before.items.get(*key) != Some(now)) {
            lines.push(format!("item {pk} {sk} {:?}", told(now)));
        }
        for (pk, sk) in before.items.keys().filter(|key| !self.items.contains_key(*key)) {
            lines.push(format!("no item {pk} {sk}"));
        }
        for (key, now) in self.objects.iter().filter(|(key, now)| before.objects.get(*key) != Some(now)) {
            lines.push(format!("object {key} {} {}", now.size, now.etag));
        }
        for key in before.objects.keys().filter(|key| !self.objects.contains_key(*key)) {
            lines.push(format!("no object {key}"));
        }
        let known_or = |id: &str, new: &dyn Fn() -> String| if before.ids.contains(id) { id.to_owned() } else { new() };
        lines.sort_by_cached_key(|line| without_ids(line, |id| known_or(id, &|| "#".to_owned())));
        let new = RefCell::new(Vec::new());
        let named = |id: &str| {
            known_or(id, &|| {
                let mut new = new.borrow_mut();
                let at = new.iter().position(|other| other == id).unwrap_or_else(|| {
                    new.push(id.to_owned());
                    new.len() - 1
                });
                format!("new {at}")
            })
        };
        lines.iter().map(|line| without_ids(line, named)).collect()
    }

    /// A text in which ids that do not occur in the stores are replaced by `new`.
    pub fn without_new_ids(&self, text: &str) -> String {
        without_ids(text, |id| if self.ids.contains(id) { id.to_owned() } else { "new".to_owned() })
    }
}

/// The attributes of an item, without those that differ each time the same work is done.
fn told(item: &Item) -> BTreeMap<&String, String> {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => {
            let text = cut_out(text, "$argon2", &['"']);
            let members = ["revision", "tokens_valid_from", "started_at", "completed_at"].map(|name| format!("\"{name}\":"));
            members.iter().fold(text, |text, name| cut_out(&text, name, &['}', ',']))
        }
        other => format!("{other:?}"),
    };
    // Counters and the end of a lease are checked separately.
    let counted = |name: &str| {
        ["revision", "attempt", "lease_until"].contains(&name) || name.starts_with('m') && name[1..].parse::<u64>().is_ok()
    };
    item.iter().filter(|(name, _)| !counted(name)).map(|(name, of)| (name, value(of))).collect()
}

/// The lines that are in only one of two states.
pub fn differences(now: &BTreeSet<String>, expected: &BTreeSet<String>) -> String {
    let only = |of: &BTreeSet<String>, other| of.difference(other).cloned().collect::<Vec<_>>().join("\n");
    format!("too much: {}\ntoo little: {}", only(now, expected), only(expected, now))
}

/// A text without what follows each `from`, up to one of the characters `to` or the end.
pub fn cut_out(text: &str, from: &str, to: &[char]) -> String {
    let mut pieces = text.split(from);
    let mut rest = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        rest += from;
        rest += piece.find(to).map_or("", |end| &piece[end..]);
    }
    rest
}
