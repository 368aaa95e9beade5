//! `.Files`: what a chart holds beside templates.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gotemplate::function::{CallError, Context, Param, Signature, string};
use gotemplate::value::{Kind, List, Map, MapType, Object, Str, Value};
use object::{path, yaml};
use serde_json::Value as Json;

use super::chart::{Chart, File};
use super::glob::Glob;

/// Go's name of the type.
const TYPE_NAME: &str = "engine.files";

/// Some files of a chart, by their path.
#[derive(Debug)]
pub(crate) struct Files {
    chart: Arc<Chart>,
    /// Positions in the chart's list, by path.
    chosen: BTreeMap<String, usize>,
}

impl Files {
    pub(crate) fn new(chart: &Arc<Chart>) -> Self {
        let chosen = chart.files.iter().enumerate().map(|(at, file)| (file.name.clone(), at)).collect();
        Self { chart: Arc::clone(chart), chosen }
    }

    fn get(&self, name: &[u8]) -> Option<&File> {
        let name = std::str::from_utf8(name).ok()?;
        self.chosen.get(name).and_then(|at| self.chart.files.get(*at))
    }

    fn all(&self) -> impl Iterator<Item = &File> {
        self.chosen.values().filter_map(|at| self.chart.files.get(*at))
    }

    fn glob(&self, pattern: &str) -> Self {
        let glob = Glob::new(pattern);
        let chosen = self.chosen.iter().filter(|(name, _)| glob.matches(name));
        Self { chart: Arc::clone(&self.chart), chosen: chosen.map(|(name, at)| (name.clone(), *at)).collect() }
    }

    /// Lines without their ends. An empty file has none, which is an error in Helm unless it comes from an archive.
    fn lines(&self, name: &[u8]) -> Result<List, CallError> {
        let Some(file) = self.get(name) else { return Ok(List::strings::<Str>([])) };
        match file.data.split_last() {
            Some((b'\n', lines)) => Ok(split_lines(lines)),
            Some(_) => Ok(split_lines(&file.data)),
            None if self.chart.packed => Ok(List::strings::<Str>([])),
            None => Err(CallError::new(format!("runtime error: index out of range [-1]: {} is empty", file.name))),
        }
    }

    /// A YAML mapping from base name to what `content` makes of each file.
    fn as_yaml(&self, content: impl Fn(&File) -> String) -> String {
        let entries = self.all().map(|file| (path::file_name(&file.name).to_owned(), Json::String(content(file))));
        let text = yaml::to_string(&Json::Object(entries.collect()));
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    fn size(&self) -> usize {
        self.all().map(|file| file.data.len()).sum()
    }
}

fn split_lines(bytes: &[u8]) -> List {
    List::strings(bytes.split(|b| *b == b'\n'))
}

impl Object for Files {
    fn type_name(&self) -> Cow<'static, str> {
        TYPE_NAME.into()
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.get(name.as_bytes()).map(|file| Value::Bytes(Rc::from(&*file.data)))
    }

    fn method(&self, name: &str) -> Option<&Signature> {
        static NAMED: Signature = Signature::fixed(&[Param::String]);
        static PLAIN: Signature = Signature::fixed(&[]);
        match name {
            "Get" | "GetBytes" | "Glob" | "Lines" => Some(&NAMED),
            "AsConfig" | "AsSecrets" => Some(&PLAIN),
            _ => None,
        }
    }

    fn call(&self, name: &str, arguments: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
        match name {
            "AsConfig" => {
                context.allocate(2 * self.size())?;
                return Ok(self.as_yaml(|file| String::from_utf8_lossy(&file.data).into_owned()).into());
            }
            "AsSecrets" => {
                context.allocate(3 * self.size())?;
                return Ok(self.as_yaml(|file| STANDARD.encode(&file.data)).into());
            }
            _ => {}
        }
        let wanted = string(arguments, 0)?;
        let data: &[u8] = self.get(wanted.as_bytes()).map_or(&[], |file| &file.data);
        context.allocate(data.len())?;
        Ok(match name {
            "Get" => Value::String(Str::from(data)),
            "GetBytes" => Value::Bytes(Rc::from(data)),
            "Lines" => Value::List(self.lines(wanted.as_bytes())?),
            _ => Value::Object(Rc::new(self.glob(&wanted.to_text()))),
        })
    }

    fn plain(&self) -> Option<Value> {
        let entries = self.all().map(|file| (Str::from(file.name.as_str()), Value::Bytes(Rc::from(&*file.data))));
        Some(Value::Map(Map::typed(MapType::Named(TYPE_NAME), entries.collect())))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
