//! The topics that the store knows: each has a number there, and as many partitions as it was made with.

use rocksdb::{DB, WriteBatch, WriteOptions};

use super::options;
use super::store::{damaged, store_error};
use crate::Error;
use crate::record::{TopicSpec, Topics};

/// What stands before a topic's name in meta.
const TOPIC_PREFIX: &str = "topic/";

/// A topic's number in the store and its partitions, as [`register_topics`] wrote them.
fn decode_topic(raw: &[u8]) -> Result<(u16, u32), Error> {
    let (id, partitions) = raw.split_at_checked(2).ok_or_else(|| damaged("a topic is cut off"))?;
    let id = id.try_into().map(u16::from_le_bytes).map_err(|_| damaged("no topic number"))?;
    let partitions = partitions.try_into().map(u32::from_le_bytes);
    Ok((id, partitions.map_err(|_| damaged("a topic has no partition count"))?))
}

/// All topics that were ever registered. Whether they are compacted, and how long they keep their records, only settings know.
pub(crate) fn registered_topics(db: &DB) -> Result<(Topics, Vec<u16>), Error> {
    let meta = db.cf_handle(options::META).expect("all column families are opened");
    let (mut specs, mut ids) = (Vec::new(), Vec::new());
    let mut rows = db.raw_iterator_cf(meta);
    rows.seek(TOPIC_PREFIX);
    while let Some((key, value)) = rows.item() {
        let Some(name) = key.strip_prefix(TOPIC_PREFIX.as_bytes()) else { break };
        let name = std::str::from_utf8(name).map_err(|_| damaged("a topic's name is no text"))?;
        let (id, partitions) = decode_topic(value)?;
        specs.push(TopicSpec::new(name, partitions));
        ids.push(id);
        rows.next();
    }
    rows.status().map_err(store_error("read the topics"))?;
    Ok((Topics::checked(specs)?, ids))
}

/// Gives each topic its number in the store, and refuses one whose partition count is another than before.
pub(crate) fn register_topics(db: &DB, topics: &Topics) -> Result<Vec<u16>, Error> {
    const COUNT_KEY: &str = "topics";
    let meta = db.cf_handle(options::META).expect("all column families are created at opening");
    let read = |key: &[u8]| db.get_cf(meta, key).map_err(store_error("read the topics"));
    let decode_id =
        |raw: &[u8]| raw.try_into().map(u16::from_le_bytes).map_err(|_| damaged("no topic number"));
    let mut next_id = read(COUNT_KEY.as_bytes())?.map_or(Ok(0), |raw| decode_id(&raw))?;
    let mut batch = WriteBatch::default();
    let mut ids = Vec::new();
    for spec in topics.iter() {
        let key = format!("{TOPIC_PREFIX}{}", spec.name);
        if let Some(raw) = read(key.as_bytes())? {
            let (id, stored) = decode_topic(&raw)?;
            if stored != spec.partitions {
                return Err(Error::PartitionsDiffer {
                    topic: spec.name.clone(),
                    stored,
                    asked: spec.partitions,
                });
            }
            ids.push(id);
        } else {
            let mut value = next_id.to_le_bytes().to_vec();
            value.extend_from_slice(&spec.partitions.to_le_bytes());
            batch.put_cf(meta, &key, value);
            ids.push(next_id);
            next_id = next_id.checked_add(1).ok_or_else(|| Error::TopicRefused {
                topic: spec.name.clone(),
                reason: "the store has as many topics as it can number".to_owned(),
            })?;
        }
    }
    batch.put_cf(meta, COUNT_KEY, next_id.to_le_bytes());
    let mut write = WriteOptions::default();
    write.set_sync(true);
    db.write_opt(batch, &write).map_err(store_error("write the topics"))?;
    Ok(ids)
}
