//! `--name-template`.

use std::sync::Arc;

use gotemplate::Render;
use gotemplate::functions::Functions;
use gotemplate::limits::Limits;
use gotemplate::templates::{Options, Parsed, Templates};
use gotemplate::value::Value;

use super::error::HelmError;
use super::options::Surroundings;
use super::world::World;

/// The release name that a template gives; it may use sprig's functions.
///
/// # Errors
/// When the template cannot be parsed or executed.
pub fn release_name(template: &str, surroundings: Surroundings) -> Result<String, HelmError> {
    const NAME: &str = "name-template";
    let failed = |error: &dyn std::fmt::Display| HelmError::new(format!("--name-template {template:?}: {error}"));
    let functions = Arc::new(Functions::sprig());
    let parsed = Parsed::new(NAME, template, &functions).map_err(|e| failed(&e))?;
    let mut set = Templates::new(functions, Options::go(NAME));
    set.add(&parsed);
    let mut world = World::new(Some(surroundings));
    let limits = Limits { stack: 256 << 10, ..Limits::default() };
    let bytes = Render::new(&set, limits, &mut world).execute(NAME, &Value::Nil).map_err(|e| failed(&e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_templates() {
        let surroundings = Surroundings { unix_seconds: 0, nanoseconds: 0, seed: [1; 32] };
        let name = release_name(r#"nt-{{ "AbC" | lower }}"#, surroundings).unwrap();
        assert_eq!(name, "nt-abc");
        assert!(release_name("{{ nothing }}", surroundings).unwrap_err().to_string().contains("--name-template"));
    }
}
