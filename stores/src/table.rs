//! The DynamoDB table: items as attributes, conditional writes, transactions, and lists by an index.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    operation::transact_write_items::TransactWriteItemsError,
    primitives::Blob,
    types::{AttributeValue, CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, Update},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    keys::{self, DOC, Index, Key, PK, SK},
    known_users::KnownUsers,
    sdk_error::{failed, is_about_size, unbuilt},
};

/// The attributes of an item.
pub type Item = HashMap<String, AttributeValue>;

#[derive(Clone)]
pub struct Table {
    pub client: Client,
    pub name: String,
    /// Cache of users, where this process is the only one that writes to the table.
    pub known_users: Option<Arc<KnownUsers>>,
}

/// A text as an attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A whole number as an attribute.
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

impl Key {
    /// The key as attributes.
    pub fn item(&self) -> Item {
        HashMap::from([(PK.to_owned(), text(&self.pk)), (SK.to_owned(), text(self.sk))])
    }
}

/// An item with a document.
///
/// # Errors
/// [`StoreError::Damaged`] when the document cannot be written as JSON.
pub fn item_of<T: Serialize>(key: &Key, document: &T) -> Result<Item, StoreError> {
    let mut item = key.item();
    item.insert(DOC.to_owned(), written(document)?);
    Ok(item)
}

/// Longest JSON that is stored as text, in bytes. Longer JSON, such as that of a run with its own rule set, is compressed.
const MAX_TEXT: usize = 8 * 1024;
/// Longest JSON that a compressed document may unpack to, in bytes, so that a damaged item cannot use up the memory.
const MAX_JSON: usize = 64 * 1024 * 1024;

/// A document as an attribute: JSON text, or compressed JSON.
///
/// # Errors
/// [`StoreError::Damaged`] when the document cannot be written as JSON.
pub fn written<T: Serialize>(document: &T) -> Result<AttributeValue, StoreError> {
    let damaged = |error: &dyn std::error::Error| StoreError::Damaged(error.to_string());
    let json = serde_json::to_string(document).map_err(|error| damaged(&error))?;
    if json.len() <= MAX_TEXT {
        return Ok(text(json));
    }
    let packed = zstd::bulk::compress(json.as_bytes(), zstd::DEFAULT_COMPRESSION_LEVEL).map_err(|error| damaged(&error))?;
    Ok(AttributeValue::B(Blob::new(packed)))
}

/// The document of an item as JSON.
///
/// # Errors
/// [`StoreError::Damaged`] when the item has no document, or when the document cannot be unpacked.
pub fn json_of(item: &Item) -> Result<String, StoreError> {
    match item.get(DOC) {
        Some(AttributeValue::S(json)) => Ok(json.clone()),
        Some(AttributeValue::B(packed)) => {
            let json =
                zstd::bulk::decompress(packed.as_ref(), MAX_JSON).map_err(|error| StoreError::Damaged(error.to_string()))?;
            String::from_utf8(json).map_err(|error| StoreError::Damaged(error.to_string()))
        }
        _ => Err(StoreError::Damaged("no document".to_owned())),
    }
}

/// Adds an item to a list: sets its partition and its sort key in an index.
pub fn listed(item: &mut Item, index: Index, partition: impl Into<String>, place: impl Into<String>) {
    item.insert(index.pk.to_owned(), text(partition));
    item.insert(index.sk.to_owned(), text(place));
}

/// The value of a numeric attribute; `None` when the attribute is missing or is not such a number.
pub fn number_of<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The document of an item.
///
/// # Errors
/// [`StoreError::Damaged`] when the item has no document, or a document of another kind.
pub fn document_of<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    serde_json::from_str(&json_of(item)?).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Parameters of a list.
#[derive(Debug, Clone)]
pub struct List {
    pub index: Index,
    /// Partition of the index.
    pub partition: String,
    /// Whether the sort keys ascend.
    pub forward: bool,
    /// Filter: attributes with the value that each must have.
    pub only: Vec<(&'static str, AttributeValue)>,
    /// Item after which the list begins; `None` for the beginning.
    pub after: Option<Cursor>,
    /// Number of items to skip.
    pub skip: u64,
    /// Largest number of items to return.
    pub limit: u64,
}

/// Place of an item in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Sort key in the index.
    pub place: String,
    /// Primary key of the item.
    pub key: Key,
}

/// A part of a list.
#[derive(Debug)]
pub struct Listed {
    pub items: Vec<Item>,
    /// Whether more items follow.
    pub more: bool,
}

/// One write of a transaction, with its condition.
pub enum Write {
    /// Writes an item.
    Put(Item, Option<Condition>),
    /// Changes attributes of an item.
    Update(Key, ItemUpdate, Option<Condition>),
    /// Deletes an item.
    Delete(Key, Option<Condition>),
    /// Checks a condition and writes nothing.
    Check(Key, Condition),
}

/// Condition on an item: an expression, and the values that it names.
pub struct Condition {
    expression: String,
    values: Vec<(String, AttributeValue)>,
}

/// Change of attributes of an item: an update expression, and the values that it names.
pub type ItemUpdate = Condition;

impl Condition {
    /// An expression without values.
    pub fn new(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), values: Vec::new() }
    }

    /// The item does not exist.
    pub fn absent() -> Self {
        Self::new("attribute_not_exists(pk)")
    }

    /// The item exists.
    pub fn present() -> Self {
        Self::new("attribute_exists(pk)")
    }

    /// At least one of two conditions holds.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.values.extend(other.values);
        let expression = format!("({}) OR ({})", self.expression, other.expression);
        self.saying(expression)
    }

    /// Both conditions hold.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.values.extend(other.values);
        let expression = format!("({}) AND ({})", self.expression, other.expression);
        self.saying(expression)
    }

    /// Replaces the expression and keeps the values.
    #[must_use]
    pub fn saying(self, expression: String) -> Self {
        Self { expression, ..self }
    }

    /// Adds the value of a name of the expression. The name begins with a colon.
    #[must_use]
    pub fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.push((name.to_owned(), value));
        self
    }
}

/// Attribute names of expressions. `status` is a reserved word of DynamoDB, so expressions use `#status`.
fn names(expressions: &[&str]) -> Option<HashMap<String, String>> {
    let named = expressions.iter().any(|expression| expression.contains("#status"));
    named.then(|| HashMap::from([("#status".to_owned(), "status".to_owned())]))
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transacted {
    /// All writes are done.
    Done,
    /// Nothing is written, because the conditions of the writes at these positions did not hold.
    Refused(Vec<usize>),
}

impl Table {
    /// Reads an item, with strong consistency. `None` when it does not exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(key.item())).consistent_read(true);
        Ok(get.send().await.map_err(failed)?.item)
    }

    /// Checks that the table accepts and returns items: writes an item of the check and reads it back. All checks write the same
    /// item, so that concurrent checks do not disturb each other.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Damaged`] when it returns another item.
    pub async fn try_out(&self) -> Result<(), StoreError> {
        let key = keys::tried_out();
        let mut item = key.item();
        item.insert(DOC.to_owned(), text("1"));
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
        put.send().await.map_err(failed)?;
        let read = self.get(&key).await?;
        if read == Some(item) { Ok(()) } else { Err(StoreError::Damaged("what was just written is not there".to_owned())) }
    }

    /// Executes all writes or none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer, or when another transaction writes the same items;
    /// [`StoreError::TooLarge`] when an item is too large.
    pub async fn transact(&self, writes: Vec<Write>) -> Result<Transacted, StoreError> {
        let writes = writes.into_iter().map(|write| self.built(write)).collect::<Result<Vec<_>, _>>()?;
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        let Err(error) = sent else { return Ok(Transacted::Done) };
        let reasons = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled.cancellation_reasons(),
            _ => return Err(failed(error)),
        };
        let refused = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        let none = |reason: &CancellationReason| reason.code().is_none_or(|code| code == "None");
        let places: Vec<usize> = reasons.iter().enumerate().filter(|(_, reason)| refused(reason)).map(|(at, _)| at).collect();
        let busy = reasons.iter().any(|reason| {
            reason
                .code()
                .is_some_and(|code| ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"].contains(&code))
        });
        if reasons.iter().any(|reason| is_about_size(reason.message())) {
            return Err(StoreError::TooLarge(Box::new(error)));
        }
        if !places.is_empty() && reasons.iter().all(|reason| refused(reason) || none(reason)) {
            Ok(Transacted::Refused(places))
        } else if busy {
            Err(StoreError::Unavailable(Box::new(error)))
        } else {
            Err(StoreError::Refused(Box::new(error)))
        }
    }

    fn built(&self, write: Write) -> Result<TransactWriteItem, StoreError> {
        let item = TransactWriteItem::builder();
        let split = |condition: Option<Condition>| {
            condition.map_or((None, Vec::new()), |condition| (Some(condition.expression), condition.values))
        };
        let values = |values: Vec<(String, AttributeValue)>| (!values.is_empty()).then(|| values.into_iter().collect());
        Ok(match write {
            Write::Put(attributes, condition) => {
                let (condition, bound) = split(condition);
                let put = Put::builder().table_name(&self.name).set_item(Some(attributes));
                let put = put.set_expression_attribute_names(names(&[condition.as_deref().unwrap_or("")]));
                let put = put.set_condition_expression(condition).set_expression_attribute_values(values(bound));
                item.put(put.build().map_err(unbuilt)?)
            }
            Write::Update(key, change, condition) => {
                let (condition, mut bound) = split(condition);
                bound.extend(change.values);
                let update = Update::builder().table_name(&self.name).set_key(Some(key.item()));
                let named = names(&[&change.expression, condition.as_deref().unwrap_or("")]);
                let update = update.set_expression_attribute_names(named).update_expression(change.expression);
                let update = update.set_condition_expression(condition).set_expression_attribute_values(values(bound));
                item.update(update.build().map_err(unbuilt)?)
            }
            Write::Delete(key, condition) => {
                let (condition, bound) = split(condition);
                let delete = Delete::builder().table_name(&self.name).set_key(Some(key.item()));
                let delete = delete.set_condition_expression(condition).set_expression_attribute_values(values(bound));
                item.delete(delete.build().map_err(unbuilt)?)
            }
            Write::Check(key, condition) => {
                let check = ConditionCheck::builder().table_name(&self.name).set_key(Some(key.item()));
                let check = check.set_expression_attribute_names(names(&[&condition.expression]));
                let check = check.condition_expression(condition.expression);
                let check = check.set_expression_attribute_values(values(condition.values));
                item.condition_check(check.build().map_err(unbuilt)?)
            }
        }
        .build())
    }

    /// Changes an item and returns the changed item; `None` when the condition does not hold.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::TooLarge`] when the changed item is too large.
    pub async fn update(&self, key: &Key, change: ItemUpdate, condition: Option<Condition>) -> Result<Option<Item>, StoreError> {
        use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::ReturnValue};
        let (expression, bound) = condition.map_or((None, Vec::new()), |c| (Some(c.expression), c.values));
        let named = names(&[&change.expression, expression.as_deref().unwrap_or("")]);
        let values: HashMap<_, _> = change.values.into_iter().chain(bound).collect();
        let update = self.client.update_item().table_name(&self.name).set_key(Some(key.item()));
        let update = update.update_expression(change.expression).set_condition_expression(expression);
        let update = update.set_expression_attribute_names(named).return_values(ReturnValue::AllNew);
        let update = update.set_expression_attribute_values((!values.is_empty()).then_some(values));
        match update.send().await {
            Ok(updated) => Ok(Some(updated.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(failed(error)),
            },
        }
    }

    /// Deletes an item. Returns false when the condition does not hold.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn delete(&self, key: &Key, condition: Option<Condition>) -> Result<bool, StoreError> {
        use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
        let (expression, bound) = condition.map_or((None, Vec::new()), |c| (Some(c.expression), c.values));
        let named = names(&[expression.as_deref().unwrap_or("")]);
        let delete = self.client.delete_item().table_name(&self.name).set_key(Some(key.item()));
        let delete = delete.set_condition_expression(expression).set_expression_attribute_names(named);
        let delete = delete.set_expression_attribute_values((!bound.is_empty()).then(|| bound.into_iter().collect()));
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(failed(error)),
            },
        }
    }

    /// A part of a list, with as many requests as it takes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when DynamoDB does not answer.
    pub async fn list(&self, list: List) -> Result<Listed, StoreError> {
        let mut start = list.after.as_ref().map(|after| {
            let mut start = after.key.item();
            listed(&mut start, list.index, list.partition.clone(), after.place.clone());
            start
        });
        let (mut skip, mut items) = (list.skip, Vec::new());
        loop {
            let missing = list.limit.saturating_add(1) - items.len() as u64;
            // Read only the keys of items that are skipped. With a filter, the number of items to look at is unknown, so each
            // request looks at as many as possible.
            let passing = skip > 0 && list.only.is_empty();
            let looked_at = match (list.only.is_empty(), passing) {
                (false, _) => MOST,
                (true, true) => skip.min(MOST),
                (true, false) => missing.min(MOST),
            };
            let (found, next) = self.query(&list, start, looked_at, passing).await?;
            let passed = skip.min(found.len() as u64);
            skip -= passed;
            items.extend(found.into_iter().skip(usize::try_from(passed).unwrap_or(usize::MAX)));
            start = next;
            let more = items.len() as u64 > list.limit;
            if start.is_none() || more {
                items.truncate(usize::try_from(list.limit).unwrap_or(usize::MAX));
                return Ok(Listed { items, more });
            }
        }
    }

    /// One request of a list, which looks at no more than `limit` items. Returns the items, and the key to continue after.
    async fn query(
        &self,
        list: &List,
        start: Option<Item>,
        limit: u64,
        only_keys: bool,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let mut query = self.client.query().table_name(&self.name).index_name(list.index.name);
        query = query.key_condition_expression("#pk = :pk").expression_attribute_names("#pk", list.index.pk);
        query = query.expression_attribute_values(":pk", text(&list.partition)).scan_index_forward(list.forward);
        let mut filters = Vec::new();
        for (at, (name, value)) in list.only.iter().enumerate() {
            filters.push(format!("#f{at} = :f{at}"));
            query = query.expression_attribute_names(format!("#f{at}"), *name);
            query = query.expression_attribute_values(format!(":f{at}"), value.clone());
        }
        if !filters.is_empty() {
            query = query.filter_expression(filters.join(" AND "));
        }
        if only_keys {
            query = query.projection_expression(PK);
        }
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let found = query.limit(limit).set_exclusive_start_key(start).send().await.map_err(failed)?;
        Ok((found.items.unwrap_or_default(), found.last_evaluated_key.filter(|key| !key.is_empty())))
    }
}

/// Largest number of items that one request of a list looks at.
const MOST: u64 = 1001;
