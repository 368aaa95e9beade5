use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use api::argocd::{HealthStatus, HealthStatusCode};
use jiff::Timestamp;
use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaSerdeExt as _, MultiValue, StdLib, Table, Value};
use object::LiveObject;
use thiserror::Error;

use crate::time;

/// What one run may use. A script of Argo CD's takes some hundred instructions.
const INSTRUCTIONS: u64 = 5_000_000;
/// How often instructions are counted.
const STEP: u32 = 1_000;
const MEMORY: usize = 16 << 20;
/// The longest text in which a pattern is looked for: that is one instruction, and takes the square of the length.
const SEARCHED: usize = 16 << 10;

/// What a script can reach beside the object: neither code from elsewhere nor anything outside of it.
const REMOVED: [&str; 6] = ["collectgarbage", "dofile", "load", "loadfile", "loadstring", "print"];

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScriptError {
    #[error("{0}")]
    Lua(String),
    #[error("it took more than {INSTRUCTIONS} instructions and was ended")]
    TooLong,
    #[error("it returned a {0} where a table with status and message is expected")]
    NoTable(&'static str),
}

/// One script, read once. Runs of it leave nothing behind for one another.
#[derive(Debug)]
pub struct Script {
    lua: Lua,
    /// Held for a whole run: its environment belongs to one run at a time.
    chunk: Mutex<Function>,
    limits: Arc<Limits>,
}

/// What the box shares with the functions in it.
#[derive(Debug, Default)]
struct Limits {
    now: AtomicI64,
    spent: AtomicU64,
}

impl Script {
    /// Reads a script that errors call `name`.
    ///
    /// # Errors
    /// Where it is no Lua.
    pub fn new(name: &str, text: &str) -> Result<Self, ScriptError> {
        let limits = Arc::new(Limits::default());
        let lua = boxed(&limits).map_err(error)?;
        let chunk = lua.load(text).set_name(format!("={name}")).set_mode(mlua::chunk::ChunkMode::Text);
        let chunk = chunk.into_function().map_err(error)?;
        Ok(Self { lua, chunk: Mutex::new(chunk), limits })
    }

    /// What the script says of `live`; `None` where it returns nothing.
    ///
    /// # Errors
    /// What went wrong in it, that it took too long, or that it returned something else than a health.
    pub fn health(&self, live: &LiveObject, now: Timestamp) -> Result<Option<HealthStatus>, ScriptError> {
        let chunk = self.chunk.lock().unwrap_or_else(PoisonError::into_inner);
        self.limits.now.store(now.as_second(), Ordering::Relaxed);
        self.limits.spent.store(0, Ordering::Relaxed);
        let found = self.environment(live).and_then(|environment| {
            limit(&self.lua, Arc::clone(&self.limits))?;
            chunk.set_environment(environment)?;
            chunk.call::<Value>(())
        });
        if self.limits.spent.load(Ordering::Relaxed) >= INSTRUCTIONS {
            return Err(ScriptError::TooLong);
        }
        match found.map_err(error)? {
            Value::Nil => Ok(None),
            Value::Table(table) => verdict(&table).map(Some).map_err(error),
            other => Err(ScriptError::NoTable(other.type_name())),
        }
    }

    /// The names that one run sees: `obj`, and all else from the box.
    fn environment(&self, live: &LiveObject) -> mlua::Result<Table> {
        let options = mlua::serde::SerializeOptions::new()
            .set_array_metatable(false)
            .serialize_none_to_null(false)
            .serialize_unit_to_null(false);
        let environment = self.lua.create_table()?;
        environment.set("obj", self.lua.to_value_with(live.value(), options)?)?;
        let outside = self.lua.create_table()?;
        outside.set("__index", self.lua.globals())?;
        environment.set_metatable(Some(outside))?;
        Ok(environment)
    }
}

/// A state with tables, texts and numbers, the shims for Lua 5.1 that Argo CD's scripts use, and a clock that stands.
fn boxed(limits: &Arc<Limits>) -> mlua::Result<Lua> {
    let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, LuaOptions::default())?;
    lua.set_memory_limit(MEMORY)?;
    let globals = lua.globals();
    for name in REMOVED {
        globals.set(name, Value::Nil)?;
    }
    let table: Table = globals.get("table")?;
    table.set("getn", lua.create_function(|_, table: Table| table.len())?)?;
    globals.set("unpack", table.get::<Value>("unpack")?)?;
    shorten_searches(&lua)?;
    let shared = Arc::clone(limits);
    let os = time::library(&lua, move || shared.now.load(Ordering::Relaxed))?;
    globals.set("os", &os)?;
    globals.set(
        "require",
        lua.create_function(move |_, name: String| match name.as_str() {
            "os" => Ok(os.clone()),
            _ => Err(mlua::Error::runtime(format!(
                "module {name:?} is not there: a health script has only os.time and os.date"
            ))),
        })?,
    )?;
    Ok(lua)
}

fn shorten_searches(lua: &Lua) -> mlua::Result<()> {
    let texts: Table = lua.globals().get("string")?;
    for name in ["find", "match", "gmatch", "gsub"] {
        let search: Function = texts.get(name)?;
        let short = move |_: &Lua, arguments: MultiValue| match arguments.front() {
            Some(Value::String(text)) if text.as_bytes().len() > SEARCHED => {
                let long = text.as_bytes().len();
                Err(mlua::Error::runtime(format!(
                    "string.{name}: a text of {long} bytes is too long, {SEARCHED} is the limit"
                )))
            }
            _ => search.call::<MultiValue>(arguments),
        };
        texts.set(name, lua.create_function(short)?)?;
    }
    Ok(())
}

/// Ends a run at its limit. From then on each instruction fails, so that no `pcall` can go on from there.
fn limit(lua: &Lua, limits: Arc<Limits>) -> mlua::Result<()> {
    let too_long = || mlua::Error::runtime("too many instructions");
    lua.set_hook(HookTriggers::new().every_nth_instruction(STEP), move |lua, _| {
        if limits.spent.fetch_add(STEP.into(), Ordering::Relaxed) < INSTRUCTIONS {
            return Ok(mlua::VmState::Continue);
        }
        lua.set_hook(HookTriggers::new().every_nth_instruction(1), move |_, _| Err(too_long()))?;
        Err(too_long())
    })
}

fn verdict(table: &Table) -> mlua::Result<HealthStatus> {
    let word = table.get::<Option<String>>("status")?.unwrap_or_default();
    let message = table.get::<Option<String>>("message")?.unwrap_or_default();
    let known = serde_json::from_value(word.as_str().into()).unwrap_or(HealthStatusCode::Unknown);
    // Argo CD's own words
    let said = if known.as_str() == word { message } else { "Lua returned an invalid health status".to_owned() };
    Ok(HealthStatus::new(known, said))
}

/// The first line: what follows is a trace of calls.
fn error(error: mlua::Error) -> ScriptError {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("runtime error: ").or_else(|| line.strip_prefix("syntax error: ")).unwrap_or(line);
    ScriptError::Lua(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> LiveObject {
        let object = json!({
            "apiVersion": "example.io/v1", "kind": "Thing", "metadata": {"name": "a", "generation": 3},
            "status": {"phase": "Ready", "replicas": 2, "gone": null, "conditions": [{"type": "A"}, {"type": "B"}]},
        });
        LiveObject::new(object).unwrap()
    }

    fn run(text: &str) -> Result<Option<HealthStatus>, ScriptError> {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        Script::new("health.lua", text)?.health(&object(), now)
    }

    /// What a script that computes one value says.
    fn value(expression: &str) -> String {
        let text = format!("return {{status = 'Healthy', message = tostring({expression})}}");
        run(&text).map_or_else(|error| error.to_string(), |health| health.unwrap_or_default().message)
    }

    #[test]
    fn a_script_sees_the_object_and_says_status_and_message() {
        let text = "
            local hs = {status = 'Progressing'}
            if obj.status ~= nil and obj.status.gone == nil then
              for _, condition in ipairs(obj.status.conditions) do
                if condition.type == 'A' then goto continue end
                hs.status = 'Healthy'
                hs.message = condition.type .. ' of ' .. table.getn(obj.status.conditions)
                ::continue::
              end
            end
            return hs";
        assert_eq!(run(text).unwrap(), Some(HealthStatus::new(HealthStatusCode::Healthy, "B of 2")));
        assert_eq!(value("obj.status.replicas"), "2");
        assert_eq!(run("return nil").unwrap(), None);
        let unknown = |text: &str| run(text).unwrap().unwrap();
        let invalid = HealthStatus::new(HealthStatusCode::Unknown, "Lua returned an invalid health status");
        assert_eq!(unknown("return {status = 'Fine'}"), invalid);
        assert_eq!(unknown("return {}"), invalid);
        assert_eq!(unknown("return {status = 'Unknown', message = 'x'}").message, "x");
    }

    #[test]
    fn what_goes_wrong_is_said_with_its_line() {
        let failed = |text: &str| run(text).unwrap_err().to_string();
        assert_eq!(failed("return obj.spec.replicas"), "health.lua:1: attempt to index field 'spec' (a nil value)");
        assert_eq!(failed("\nerror('no such thing')"), "health.lua:2: no such thing");
        assert!(failed("return {").starts_with("health.lua:1: unexpected symbol"), "{}", failed("return {"));
        assert_eq!(
            failed("return 'Healthy'"),
            "it returned a string where a table with status and message is expected"
        );
    }

    #[test]
    fn nothing_outside_of_the_box_is_reached() {
        for name in [
            "io",
            "debug",
            "package",
            "dofile",
            "load",
            "loadstring",
            "loadfile",
            "collectgarbage",
            "os.execute",
            "os.getenv",
        ] {
            assert_eq!(value(name), "nil", "{name}");
        }
        assert!(value("require('io')").contains("module \"io\" is not there"));
        assert_eq!(value("require('os').time()"), "1796040000");
    }

    #[test]
    fn a_run_ends_at_its_limits_whatever_it_catches() {
        assert_eq!(run("while true do end").unwrap_err(), ScriptError::TooLong);
        let stubborn = "while true do pcall(function() while true do end end) end";
        assert_eq!(run(stubborn).unwrap_err(), ScriptError::TooLong);
        let caught = "pcall(function() while true do end end) return {status = 'Healthy'}";
        assert_eq!(run(caught).unwrap_err(), ScriptError::TooLong);
        let greedy = run("local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1e6) .. i end").unwrap_err();
        assert!(greedy.to_string().contains("memory"), "{greedy}");
        assert_eq!(value("('a-b'):gsub('%-', '+')"), "a+b");
        let long = "return ('x'):rep(1e6):find('.-.-.-y')";
        assert!(run(long).unwrap_err().to_string().contains("a text of 1000000 bytes is too long, 16384 is the limit"));
        assert!(run("return ('x'):rep(1e9)").unwrap_err().to_string().contains("memory"));
    }

    #[test]
    fn runs_leave_nothing_behind() {
        let text = "count = (count or 0) + 1; return {status = 'Healthy', message = tostring(count)}";
        let script = Script::new("health.lua", text).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let said = || script.health(&object(), now).unwrap().unwrap().message;
        assert_eq!((said(), said()), ("1".to_owned(), "1".to_owned()));
        let stuck = Script::new("health.lua", "if obj.metadata.name == 'a' then while true do end end").unwrap();
        assert_eq!(stuck.health(&object(), now).unwrap_err(), ScriptError::TooLong);
        let other = LiveObject::new(json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "b"}})).unwrap();
        assert_eq!(stuck.health(&other, now).unwrap(), None);
    }

    #[test]
    fn the_clock_is_the_one_that_was_given() {
        assert_eq!(value("os.time()"), "1796040000");
        assert_eq!(value("os.date('!%Y-%m-%dT%H:%M:%SZ')"), "2026-11-30T12:00:00Z");
        assert_eq!(value("os.date('!%H', 3600)"), "01");
        assert_eq!(value("os.date('*t').year"), "2026");
        assert_eq!(value("os.time{year = 2026, month = 11, day = 30, hour = 11, min = 59, sec = 60}"), "1796040000");
        assert_eq!(value("os.time{year = 2025, month = 23, day = 30}"), "1796040000");
        assert!(value("os.time{year = 2026}").contains("the field \"month\" is missing"));
        assert!(value("os.time{year = 1e300, month = 1, day = 1}").contains("os.time: "));
    }
}
