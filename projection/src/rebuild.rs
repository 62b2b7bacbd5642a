//! A projection made beside the one in use, and put in its place when it is complete.
use std::path::PathBuf;

use crate::dialect::{self, Place, Purpose};
use crate::{Error, Projection};

/// What is being made. Until [`Rebuild::swap_in`], nobody sees anything of it; what an interruption leaves behind, the next
/// [`Rebuild::begin`] removes.
#[derive(Debug)]
pub struct Rebuild {
    projection: Projection,
    place: Place,
}

impl Rebuild {
    /// Begins with empty tables beside the projection at `url`: a file `….rebuilding`, or a schema `orderstream_rebuilding`.
    ///
    /// # Errors
    /// As [`Projection::open`]; a damaged or newer projection at `url` is no hindrance.
    pub async fn begin(url: &str) -> Result<Rebuild, Error> {
        let place = Place::parse(url)?;
        let beside = dialect::beside(&place);
        dialect::discard(&beside).await?;
        Ok(Rebuild { projection: Projection::open_at(&beside, Purpose::Rebuild).await?, place })
    }

    /// As [`Rebuild::begin`], at a place that somebody has named and that may be any: whatever else is there stays.
    ///
    /// # Errors
    /// As [`Rebuild::begin`]; [`Error::NotOurs`].
    pub async fn begin_at(url: &str) -> Result<Rebuild, Error> {
        let place = Place::parse(url)?;
        if !dialect::is_free_or_ours(&place).await? {
            return Err(Error::NotOurs { place: place.to_string() });
        }
        Rebuild::begin(url).await
    }

    /// What the log is applied to.
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// Puts it in the place of the one in use, at one instant: whoever looks sees all of the old one or all of the new one. Gives
    /// where a file that was in that place and was not whole is kept.
    ///
    /// # Errors
    /// [`Error::Swap`]: somebody has the old one open for longer than ten seconds, or has made a view on it. Then the old one is
    /// as it was.
    pub async fn swap_in(self) -> Result<Option<PathBuf>, Error> {
        self.projection.close().await;
        let swapped = dialect::swap_in(&self.place).await;
        if swapped.is_err() {
            // The reason is worth more than why the rest could not be cleared away; the next rebuild does it.
            let _ = dialect::discard(&dialect::beside(&self.place)).await;
        }
        swapped
    }

    /// Throws it away.
    ///
    /// # Errors
    /// [`Error::Open`]: it cannot be reached any more; the next rebuild removes it.
    pub async fn discard(self) -> Result<(), Error> {
        self.projection.close().await;
        dialect::discard(&dialect::beside(&self.place)).await
    }
}
