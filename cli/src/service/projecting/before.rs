//! What is looked at before anything is started: whether the projection can be used, and fits the log.
use anyhow::bail;
use projection::Projection;

use crate::service::Store;

/// Refuses a projection that is damaged or newer while nothing is opened for writing yet, so that log and state stay untouched.
/// Everything else that can be wrong with it is found by [`check`].
///
/// # Errors
/// It is damaged, or of a newer version.
pub fn look(url: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match Projection::open_existing(url).await {
            Ok(projection) => projection.close().await,
            Err(error @ projection::Error::Newer { .. }) => return Err(error.into()),
            Err(error) if error.is_damage() => return Err(error.into()),
            Err(_) => {}
        }
        Ok(())
    })
}

/// Whether the projection can be used, and fits this log: before anything else is started. One that is only out of reach does not
/// keep the service from starting: the pump waits for it.
///
/// # Errors
/// It cannot be opened; it is damaged or of a newer version; it has read more of the log than there is, so that one of the two is
/// not of this directory, or the log has lost its end.
pub fn check(url: &str, store: &Store) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let projection = match Projection::open(url).await {
            Ok(projection) => projection,
            Err(error) if error.is_passing() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let positions = projection.positions().await;
        projection.close().await;
        for ((topic, partition), next) in positions? {
            let ends = store.log.end_offsets(&topic)?;
            let end = usize::try_from(partition).ok().and_then(|at| ends.get(at).copied()).unwrap_or(0);
            if next > end {
                bail!(
                    "the log is shorter than what the projection has read of it: partition {partition} of topic \"{topic}\" ends at \
                     {end}, and was read up to {next}; restore log and projection from the same backup, or make the projection anew \
                     (orderstream projection rebuild)"
                );
            }
        }
        Ok(())
    })
}
