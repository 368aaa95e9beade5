//! What the page shows, as one value: Pipelines with their environments side by side, Applications, the timeline. Each
//! part is put together once for all who look, when it has changed; each gets what they may see and do of it.

mod keeper;
mod lane;
mod possible;
mod snapshot;
mod strokes;
mod told;

pub(crate) use keeper::{Look, keep, pause};
pub(crate) use lane::{Lane, gates_now};
pub(crate) use possible::lift;
pub(crate) use snapshot::{Mark, News, Snapshot};
pub(crate) use strokes::entry_for;
