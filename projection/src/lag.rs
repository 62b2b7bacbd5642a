//! How far the projection is behind the log.
use domain::Timestamp;
use serde::Serialize;

use crate::rows::{At, PositionRow, select};
use crate::{Error, Projection, Statement};

/// The end of a partition: the offset that its next record will get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub topic: String,
    pub partition: i32,
    pub end_offset: i64,
}

/// How far one partition is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lag {
    pub topic: String,
    pub partition: i32,
    /// The first offset that is not applied; 0 for a partition that was never read.
    pub next_offset: i64,
    /// When the last applied record was written to the log.
    pub applied_at: Option<At>,
    pub end_offset: i64,
    /// How many records are not applied; of a topic that forgets records, at most so many.
    pub records: i64,
}

impl Projection {
    /// How far every partition is applied, measured at these ends of the log. One row per end, in their sequence.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn lag(&self, ends: &[End]) -> Result<Vec<Lag>, Error> {
        let rows: Vec<PositionRow> = self.list("the positions", select::<PositionRow>()).await?;
        let lag = |end: &End| {
            let position = rows
                .iter()
                .find(|row| row.topic == end.topic && row.partition_id == i64::from(end.partition));
            let next_offset = position.map_or(0, |row| row.next_offset);
            Lag {
                topic: end.topic.clone(),
                partition: end.partition,
                next_offset,
                applied_at: position.and_then(|row| row.applied_at),
                end_offset: end.end_offset,
                records: (end.end_offset - next_offset).max(0),
            }
        };
        Ok(ends.iter().map(lag).collect())
    }

    /// Notes how far the log goes, for those who can see the database and not the log.
    ///
    /// # Errors
    /// [`Error::Apply`].
    pub async fn note_ends(&self, ends: &[End], seen_at: Timestamp) -> Result<(), Error> {
        let apply_error = |source| Error::Apply { records: 0, source };
        if ends.is_empty() {
            return Ok(());
        }
        let mut statement =
            Statement::new("INSERT INTO log_ends (topic, partition_id, end_offset, seen_at) ");
        statement.bind_rows(ends.iter().map(|end| {
            let (topic, partition) = (end.topic.as_str(), i64::from(end.partition));
            vec![topic.into(), partition.into(), end.end_offset.into(), seen_at.0.into()]
        }));
        statement.push(" ON CONFLICT (topic, partition_id) DO UPDATE SET end_offset = excluded.end_offset, seen_at = excluded.seen_at");
        let mut transaction = self.pools.write().await.map_err(apply_error)?;
        transaction.execute(statement).await.map_err(apply_error)?;
        transaction.commit().await.map_err(apply_error)
    }

    /// The ends as they were last noted, and when; `None` where they never were.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn noted_ends(&self) -> Result<Option<(Vec<End>, Timestamp)>, Error> {
        let read_error = |source| Error::Read { what: "the ends of the log", source };
        let mut snapshot = self.pools.snapshot().await.map_err(read_error)?;
        let sql =
            "SELECT topic, partition_id, end_offset, seen_at FROM log_ends ORDER BY topic, partition_id";
        let rows = snapshot.fetch(Statement::new(sql)).await.map_err(read_error)?;
        snapshot.commit().await.map_err(read_error)?;
        let (mut ends, mut seen_at) = (Vec::new(), None);
        for row in rows {
            let end = || {
                let partition =
                    i32::try_from(row.integer(1)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
                Ok((End { topic: row.text(0)?, partition, end_offset: row.integer(2)? }, row.integer(3)?))
            };
            let (end, at) = end().map_err(read_error)?;
            ends.push(end);
            seen_at = seen_at.max(Some(Timestamp(at)));
        }
        Ok(seen_at.map(|at| (ends, at)))
    }

    /// All positions, with the time that each has reached.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub async fn position_rows(&self) -> Result<Vec<PositionRow>, Error> {
        let mut statement = select::<PositionRow>();
        statement.push(" ORDER BY topic, partition_id");
        self.list("the positions", statement).await
    }
}
