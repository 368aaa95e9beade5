//! Fields of objects: paths, owners, differences.

mod diff;
mod managed;
mod path;

pub use diff::FieldDiff;
pub(crate) use diff::{RawDiff, additions, differences};
pub use managed::FieldOwner;
pub(crate) use managed::{ListKeys, ManagedFields};
pub use path::{FieldPath, Step};
