//! What is made of a chart once and used by every render of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gotemplate::functions::Functions;
use gotemplate::templates::{Options, Parsed, Templates};

use super::error::HelmError;
use super::problems;
use super::schema::Schema;
use super::scope::Renderables;

/// Sets of templates that are remembered for a chart: one for each choice of subcharts and aliases.
const SETS: usize = 8;

/// Filled by the first render.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    schema: OnceLock<Arc<Schema>>,
    sets: Mutex<HashMap<Vec<String>, Arc<Templates>>>,
}

impl Clone for Compiled {
    /// Starts empty: the clone may be changed.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Compiled {
    pub(crate) fn schema(&self, bytes: &Arc<[u8]>) -> Arc<Schema> {
        Arc::clone(self.schema.get_or_init(|| Arc::new(Schema::new(bytes))))
    }

    /// The set of all `files`, which belong to one tree; `order` has their names in the order of parsing.
    ///
    /// # Errors
    /// The first file that breaks the grammar.
    pub(crate) fn templates(&self, files: &Renderables<'_>, order: &[&String]) -> Result<Arc<Templates>, HelmError> {
        let key: Vec<String> = order.iter().map(|name| (*name).clone()).collect();
        let lock = || self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = lock().get(&key) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(parse(files, order)?);
        let mut sets = lock();
        if sets.len() >= SETS {
            sets.clear();
        }
        sets.insert(key, Arc::clone(&set));
        Ok(set)
    }
}

fn parse(files: &Renderables<'_>, order: &[&String]) -> Result<Templates, HelmError> {
    let functions = functions();
    let mut set = Templates::new(Arc::clone(&functions), Options::helm());
    for name in order {
        let Some(renderable) = files.get(*name) else { continue };
        let parsed = Parsed::new(name, &*renderable.file.data, &functions);
        set.add(&parsed.map_err(|error| problems::of_parse(&error, files))?);
    }
    Ok(set)
}

/// All functions that Helm's templates know.
fn functions() -> Arc<Functions> {
    static FUNCTIONS: OnceLock<Arc<Functions>> = OnceLock::new();
    Arc::clone(FUNCTIONS.get_or_init(|| Arc::new(Functions::helm())))
}
